"""Recipes: a YAML file of named steps, read and checked whole before anything runs.

The names below are imported only when they are used: a command that needs no recipe must not pay for them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from octo.recipe.check import load as load
    from octo.recipe.model import Recipe as Recipe
    from octo.recipe.model import Step as Step

_HOMES = {"load": "octo.recipe.check", "Recipe": "octo.recipe.model", "Step": "octo.recipe.model"}

__all__ = ["Recipe", "Step", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
