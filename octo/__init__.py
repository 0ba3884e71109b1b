"""Octo: step machines whose whole state is a file that you can read.

>>> from octo import Context, Engine, ParameterStore, StepNode, run_recipe
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from octo.context import Context
    from octo.engine import Engine, RunResult, StepNode
    from octo.errors import OctoError
    from octo.recipe.run import run_recipe
    from octo.store import LockedJson, ParameterStore

__version__ = "0.1.0"
__all__ = ["Context", "Engine", "LockedJson", "OctoError", "ParameterStore", "RunResult", "StepNode", "__version__",
           "run_recipe"]

_HOMES = {
    "Context": "octo.context",
    "run_recipe": "octo.recipe.run",
    "Engine": "octo.engine",
    "RunResult": "octo.engine",
    "StepNode": "octo.engine",
    "LockedJson": "octo.store",
    "ParameterStore": "octo.store",
    "OctoError": "octo.errors",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: `octo --help` needs none of it."""
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'octo' has no attribute {name!r}")
