"""The names `scriptlets` and `orchestrator`, which the user's folders and Octo's share.

The folders of one name are merged at every depth, also where the user's has an `__init__.py`. A module
that is in both is the user's. A module and a folder of one name are one: `orchestrator.runner` is
`runner.py`, and `runner/` holds what is below it. The documented paths of a library step
(`scriptlets.python.steps.NAME` and so on) all give its one module.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

SHARED = ("scriptlets", "orchestrator")
STEP_PACKAGES = ("scriptlets.python.core", "scriptlets.python.steps", "scriptlets.python.apps")
SHELL_FOLDERS = ("scriptlets/shell", "scriptlets/python/core")
"""Where the documents have the programs of shell steps."""
_VIRTUAL = {"scriptlets", "scriptlets.python", *STEP_PACKAGES}


def modules_directory() -> str:
    """The folder of the documented import names: `modules/` of a checkout, `octo/_modules` of a wheel."""
    package = os.path.dirname(os.path.abspath(__file__))
    packed = os.path.join(package, "_modules")
    return packed if os.path.isdir(packed) else os.path.join(os.path.dirname(package), "modules")


def shared_folders(name: str) -> list[str]:
    """All folders of a shared name's package (`scriptlets.plugins`), the user's first; for listing them."""
    places = _search_path()
    for part in name.split("."):
        places = [os.path.join(place, part) for place in places if os.path.isdir(os.path.join(place, part))]
    return places


def below(path: str, place: str) -> bool:
    """`path` is the folder `place`, or in it."""
    return path == place or path.startswith(place.rstrip(os.sep) + os.sep)


def _search_path() -> list[str]:
    ours = modules_directory()
    return [*dict.fromkeys(os.path.abspath(place) for place in sys.path if os.path.abspath(place) != ours), ours]


class SharedFinder:
    """Finds what is below the shared names in all folders at once."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        root, _, rest = fullname.partition(".")
        if root not in SHARED:
            return None
        # the folders are looked up each time: some may have been made since the package was imported
        above = [*shared_folders(fullname.rpartition(".")[0]), *(path or [])] if rest else _search_path()
        entries = list(dict.fromkeys(above))
        spec = _merged(fullname, entries)
        package, _, name = fullname.rpartition(".")
        if package in STEP_PACKAGES and (spec is None or _is_ours(spec)):
            step = library_module(name)
            if step is not None:
                loader: Any = _AliasLoader(step)
                return ModuleSpec(fullname, loader, origin=step)
        if spec is None and fullname in _VIRTUAL:
            return _package(fullname, None, [])
        return spec


_steps_finder = SharedFinder()


def find_steps() -> None:
    """Let the documented paths of library steps be imported in this process, in a run or not."""
    if _steps_finder not in sys.meta_path:
        sys.meta_path.append(_steps_finder)


def _merged(fullname: str, entries: list[str]) -> ModuleSpec | None:
    name = fullname.rpartition(".")[2]
    code: ModuleSpec | None = None
    folders: list[str] = []
    for entry in entries:
        found = PathFinder.find_spec(fullname, [entry])
        if found is not None and found.loader is not None and code is None and found.origin:
            code = found
        folder = os.path.join(entry, name)
        if os.path.isdir(folder):
            folders.append(folder)
    if code is None and not folders:
        return None
    return _package(fullname, code, folders) if folders else code


def _package(fullname: str, code: ModuleSpec | None, folders: list[str]) -> ModuleSpec:
    spec = code or ModuleSpec(fullname, None, is_package=True)
    spec.submodule_search_locations = folders
    return spec


def _is_ours(spec: ModuleSpec) -> bool:
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or [])
    return all(below(place, modules_directory()) for place in places)


class _AliasLoader:
    """Puts the library step's own module under a second name."""

    def __init__(self, module: str) -> None:
        self._module = module

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None  # a module as Python makes them; it is given up below

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        assert spec is not None
        sys.modules[spec.name] = importlib.import_module(self._module)


def stand_in_for(fullname: str) -> None:
    """Let a documented path of a library step, whose own file in `modules/` is being imported, be what it stands for.

    That is the user's module of this name, where there is one, else the library's.
    """
    package, _, name = fullname.rpartition(".")
    spec = _merged(fullname, list(dict.fromkeys(shared_folders(package))))
    if spec is None or spec.loader is None or _is_ours(spec):
        step = library_module(name)
        if step is None:
            raise ModuleNotFoundError(f"the step library has no {name}", name=fullname)
        sys.modules[fullname] = importlib.import_module(step)
        return
    module = sys.modules[fullname] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


# --- the step library


def library_steps() -> dict[str, str]:
    """Name -> module of each step of the library. Nothing of it is imported; libraries of nodes are none."""
    found: dict[str, str] = {}
    for theme in _themes():
        for file in sorted(os.listdir(theme)):
            if file.endswith(".py") and not file.startswith("_"):
                found.setdefault(file[:-3], f"step_library.{os.path.basename(theme)}.{file[:-3]}")
    return found


def library_module(name: str) -> str | None:
    """The module of one step of the library."""
    if name.startswith("_"):
        return None
    for theme in _themes():
        if os.path.isfile(os.path.join(theme, f"{name}.py")):
            return f"step_library.{os.path.basename(theme)}.{name}"
    return None


def shell_steps() -> dict[str, str]:
    """Name -> file of each program for shell steps in the library, such as `screen_script`."""
    found: dict[str, str] = {}
    for theme in _themes():
        for file in sorted(os.listdir(theme)):
            if file.endswith(".sh"):
                found.setdefault(file[:-3], os.path.join(theme, file))
    return found


def shell_step(cmd: str) -> str | None:
    """The file of the library that a documented path means: `scriptlets/shell/NAME.sh`; also where that says .py."""
    folder, _, file = cmd.replace(os.sep, "/").removeprefix("./").removeprefix("orchestrator/").rpartition("/")
    name, dot, suffix = file.rpartition(".")
    return shell_steps().get(name) if folder in SHELL_FOLDERS and suffix in ("sh", "py") else None


def _themes() -> Iterator[str]:
    library = sys.modules.get("step_library") or importlib.util.find_spec("step_library")
    places = getattr(library, "__path__", None) or getattr(library, "submodule_search_locations", None) or []
    for place in places:
        for theme in sorted(os.listdir(place)):
            folder = os.path.join(place, theme)
            if os.path.isdir(folder) and not theme.startswith((".", "_")):
                if not any(file.startswith("step_node_") for file in os.listdir(folder)):
                    yield folder
