"""What a run can import, and in which order: the user's folders, what Python has, then Octo's `modules/`.

`scriptlets` and `orchestrator` are shared names: the folders of that name, the user's and Octo's, are
merged at every depth, also where the user's has an `__init__.py`. A module that is in both is the user's.
The documented paths of a library step (`scriptlets.python.steps.NAME` and so on) all give its one module.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.util
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
)
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

SHARED = ("scriptlets", "orchestrator")
STEP_PACKAGES = ("scriptlets.python.core", "scriptlets.python.steps", "scriptlets.python.apps")
_VIRTUAL = {"scriptlets", "scriptlets.python", *STEP_PACKAGES}
_SETTLED = 2.0  # seconds: a file system's clock and a cached file's are no finer than this

_lock = threading.RLock()
_active: list[list[str]] = []  # what each run in this process has put on the path
_last: list[str] = []


def modules_directory() -> str:
    """The folder of the documented import names: `modules/` of a checkout, `octo/_modules` of a wheel."""
    package = os.path.dirname(os.path.abspath(__file__))
    packed = os.path.join(package, "_modules")
    return packed if os.path.isdir(packed) else os.path.join(os.path.dirname(package), "modules")


def run_path(recipe_dir: Path | None, started_from: Path) -> list[str]:
    """The directories that a run imports from: the recipe's, the one it was started from, `modules/` last."""
    own = [str(Path(os.path.abspath(place))) for place in (recipe_dir, started_from) if place is not None]
    return list(dict.fromkeys([*own, modules_directory()]))


@contextlib.contextmanager
def on_path(directories: Iterable[str | Path]) -> Iterator[None]:
    """The directories can be imported from: in front of what Python has, `modules/` behind it.

    Several runs of one process may overlap; they share what is importable then. Where no other run has
    them, modules of the directories that an earlier run imported are imported anew when a file changed.
    """
    wanted = _enter(directories)
    try:
        yield
    finally:
        _leave(wanted)


def install(directories: Iterable[str | Path]) -> None:
    """As `on_path`, for as long as the process lives (a worker's)."""
    _enter(directories)


def active_directories() -> list[str]:
    """The run directories that are on the path now, `modules/` not among them."""
    ours = modules_directory()
    return list(dict.fromkeys(place for run in reversed(_active) for place in run if place != ours))


def shared_folders(name: str) -> list[str]:
    """All folders of a shared name's package (`scriptlets.plugins`), the user's first; for listing them."""
    places = _search_path()
    for part in name.split("."):
        places = [os.path.join(place, part) for place in places if os.path.isdir(os.path.join(place, part))]
    return places


# --- entering and leaving


def _enter(directories: Iterable[str | Path]) -> list[str]:
    wanted = [os.path.abspath(str(place)) for place in directories]
    ours = modules_directory()
    with _lock:
        _drop_stale(wanted)
        if not _active:
            sys.meta_path.insert(0, _finder)
            sys.path_hooks.insert(0, _hook)
        _active.append(wanted)
        for place in reversed(wanted):
            if place != ours:
                sys.path.insert(0, place)
        if ours in wanted and ours not in sys.path:
            sys.path.append(ours)
            _appended.append(ours)
        _forget_finders(wanted)
        importlib.invalidate_caches()
        _merge_loaded()
    return wanted


_appended: list[str] = []


def _leave(wanted: list[str]) -> None:
    ours = modules_directory()
    with _lock:
        _active.remove(wanted)
        _last[:] = wanted
        for place in wanted:
            if place != ours and place in sys.path:
                sys.path.remove(place)
        if not _active:
            for place in _appended:
                if place in sys.path:
                    sys.path.remove(place)
            _appended.clear()
            sys.meta_path.remove(_finder)
            sys.path_hooks.remove(_hook)
            _forget_finders(wanted)


def _forget_finders(directories: list[str]) -> None:
    """What Python remembers of how to look into these folders was made with or without our loader."""
    for known in list(sys.path_importer_cache):
        if any(_below(known, place) for place in directories):
            del sys.path_importer_cache[known]


def _drop_stale(wanted: list[str]) -> None:
    """Make room for this run's modules of the same names, and for files that were edited since."""
    loaded = {
        name: module
        for name, module in list(sys.modules.items())
        if isinstance(_loader(module), _RunLoader) and not _in_use(_loader(module).path)
    }
    if wanted == _last and not any(_loader(module).changed() for module in loaded.values()):
        return
    for name in loaded:
        root = _loader(sys.modules.get(name.partition(".")[0]))
        if isinstance(root, _RunLoader) or not isinstance(root, SourceFileLoader):
            sys.modules.pop(name, None)


def _in_use(path: str) -> bool:
    return any(_below(path, place) for place in active_directories())


def _loader(module: ModuleType | None) -> Any:
    return getattr(getattr(module, "__spec__", None), "loader", None)


def _merge_loaded() -> None:
    """Packages of shared names that were imported before: give them the folders that they have now."""
    names = [name for name in sys.modules if name.partition(".")[0] in SHARED]
    for name in sorted(names, key=lambda name: name.count(".")):
        module = sys.modules.get(name)
        if module is None or not hasattr(module, "__path__"):
            continue
        parent = sys.modules.get(name.rpartition(".")[0])
        spec = _finder.find_spec(name, getattr(parent, "__path__", None) if "." in name else None)
        if spec is None or spec.submodule_search_locations is None:
            continue
        if spec.origin and not getattr(module, "__file__", None):
            # it was a bare folder, and the user's has code: that becomes the package, in the same object
            try:
                importlib.reload(module)
            except BaseException:
                sys.modules.pop(name, None)  # the import that needs it says what is wrong
        module.__path__ = list(spec.submodule_search_locations)


# --- finding


class _RunLoader(SourceFileLoader):
    """Loads a user's module; does not let a cached file stand for an edit of the same second."""

    read: tuple[int, int] | None = None

    def get_code(self, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        self.read = _stamp(path)
        if self.read is not None and abs(time.time() - self.read[0] / 1e9) < _SETTLED:
            return self.source_to_code(self.get_data(path), path)
        return super().get_code(fullname)

    def changed(self) -> bool:
        """The file is another one than what was read."""
        return self.read is not None and self.read != _stamp(self.path)


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _hook(path: str) -> FileFinder:
    """Python's own way to look into a folder, with our loader, for the folders of the runs only."""
    place = os.path.abspath(path)
    around = max((entry for entry in map(os.path.abspath, sys.path) if _below(place, entry)), key=len, default="")
    package = os.path.dirname(os.path.abspath(__file__))
    library = os.path.join(os.path.dirname(package), "step_library")
    if not os.path.isdir(place) or around not in active_directories():
        raise ImportError("not a folder of the run", path=path)
    if any(_below(place, own) for own in (package, library)) or _below(place, sys.prefix):
        raise ImportError("not the user's", path=path)
    return FileFinder(path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (_RunLoader, SOURCE_SUFFIXES))


def _below(path: str, place: str) -> bool:
    return path == place or path.startswith(place.rstrip(os.sep) + os.sep)


def _search_path() -> list[str]:
    ours = modules_directory()
    return [*dict.fromkeys(os.path.abspath(place) for place in sys.path if os.path.abspath(place) != ours), ours]


class _SharedFinder(importlib.abc.MetaPathFinder):
    """Finds what is below the shared names in all folders at once."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        root, _, rest = fullname.partition(".")
        if root not in SHARED:
            return None
        entries = _search_path() if not rest else list(path or [])
        spec = _merged(fullname, entries)
        package, _, name = fullname.rpartition(".")
        if package in STEP_PACKAGES and (spec is None or _is_ours(spec)):
            step = library_module(name)
            if step is not None:
                return ModuleSpec(fullname, _AliasLoader(step), origin=step)
        if spec is None and fullname in _VIRTUAL:
            return _package(fullname, None, [])
        return spec


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
    return all(_below(place, modules_directory()) for place in places)


class _AliasLoader(importlib.abc.Loader):
    """Puts the library step's own module under a second name."""

    def __init__(self, module: str) -> None:
        self._module = module

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        assert spec is not None
        sys.modules[spec.name] = importlib.import_module(self._module)


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


def _themes() -> Iterator[str]:
    library = sys.modules.get("step_library") or importlib.util.find_spec("step_library")
    places = getattr(library, "__path__", None) or getattr(library, "submodule_search_locations", None) or []
    for place in places:
        for theme in sorted(os.listdir(place)):
            folder = os.path.join(place, theme)
            if os.path.isdir(folder) and not theme.startswith((".", "_")):
                if not any(file.startswith("step_node_") for file in os.listdir(folder)):
                    yield folder


_finder = _SharedFinder()
