"""Which steps there are by name: registered classes and functions, the step library, entry points.

`register_scriptlet` is the decorator of the documents. Packages that bring steps name them in the entry
point group `octo.steps`; folders are `scriptlets/plugins/` of the user and those given to `load_folder`.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, overload

from .shared_names import library_steps, shared_folders

GROUP = "octo.steps"
PLUGINS = "scriptlets.plugins"
Target = TypeVar("Target", bound=Callable[..., Any])


@dataclass(frozen=True)
class Registered:
    """One registration."""

    name: str
    target: Callable[..., Any]
    category: str | None


_registered: dict[str, Registered] = {}


@overload
def register_scriptlet(
    cls: Target, *, name: str | None = None, category: str | None = None
) -> Target: ...
@overload
def register_scriptlet(
    cls: None = None, *, name: str | None = None, category: str | None = None
) -> Callable[[Target], Target]: ...
def register_scriptlet(cls: Any = None, *, name: str | None = None, category: str | None = None) -> Any:
    """Make a class or function known by name (its own, where none is given); a decorator, bare or called."""

    def register(target: Target) -> Target:
        called = name or target.__name__
        _registered[called] = Registered(called, target, category)
        return target

    return register if cls is None else register(cls)


def registered(category: str | None = None) -> dict[str, Callable[..., Any]]:
    """What is registered, by name; with `category` only what is in it."""
    return {
        name: entry.target
        for name, entry in sorted(_registered.items())
        if _stands(entry) and (category is None or entry.category == category)
    }


def _stands(entry: Registered) -> bool:
    """The module that registered it is still the one that is imported."""
    return entry.target.__module__ in sys.modules


def entry_points() -> dict[str, Any]:
    """The steps that installed packages bring, by name, as entry points; none is imported."""
    from importlib import metadata  # late: reading what is installed takes a while

    return {point.name: point for point in metadata.entry_points(group=GROUP)}


def load_folder(folder: Path | str) -> dict[str, Exception]:
    """Import the modules of a folder, so that what they register is known; what went wrong, by file."""
    from importlib.util import module_from_spec, spec_from_file_location

    failed: dict[str, Exception] = {}
    for file in sorted(Path(folder).glob("[!_]*.py")):
        name = f"octo_scriptlets_{file.stem}_{abs(hash(str(file.absolute()))):x}"
        if name in sys.modules:
            continue
        spec = spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            continue
        sys.modules[name] = module_from_spec(spec)
        try:
            spec.loader.exec_module(sys.modules[name])
        except Exception as error:
            del sys.modules[name]
            failed[str(file)] = error
    return failed


def load_plugins() -> dict[str, Exception]:
    """Import the modules of the folders `scriptlets/plugins` on the path; what went wrong, by module."""
    failed: dict[str, Exception] = {}
    for folder in shared_folders(PLUGINS):
        for file in sorted(os.listdir(folder)):
            if file.endswith(".py") and not file.startswith("_"):
                name = f"{PLUGINS}.{file[:-3]}"
                try:
                    importlib.import_module(name)
                except Exception as error:
                    failed[name] = error
    return failed


def known_names() -> list[str]:
    """All names of steps that can be given without a module, for messages and lists."""
    return sorted({*registered(), *library_steps(), *entry_points()})
