"""What a run can import, and in which order: the user's folders, what Python has, then Octo's `modules/`.

Python's path belongs to the whole process, so runs that overlap in one process share what is on it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from .shared_names import SHARED, SharedFinder, below, modules_directory

_SETTLED = 2.0  # seconds: the clocks of files, and of what is cached of them, may be as coarse as this

_lock = threading.RLock()
_finder = SharedFinder()
_active: list[list[str]] = []  # what each run in this process has put on the path
_last: list[str] = []
_appended: list[str] = []


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
        if any(below(known, place) for place in directories):
            del sys.path_importer_cache[known]


def _drop_stale(wanted: list[str]) -> None:
    """Make room for this run's modules of the same names, and for files that were edited since."""
    loaded = {name: module for name, module in list(sys.modules.items()) if _is_dropped(module)}
    if wanted == _last and not any(_loader(module).changed() for module in loaded.values()):
        return
    for name, module in loaded.items():
        root = name.partition(".")[0]
        if root in SHARED and hasattr(module, "__path__"):
            _empty(name, module)  # it stays, for Octo's modules in it; `_merge_loaded` fills it again
        elif _is_dropped(sys.modules.get(root, module)) or _file(sys.modules.get(root)) is None:
            _forget(name)


def _is_dropped(module: ModuleType | None) -> bool:
    """A run imported it, and no run that goes on uses it. What the program itself imported is the program's."""
    loader = _loader(module)
    return isinstance(loader, RunLoader) and not any(below(loader.path, place) for place in active_directories())


def _empty(name: str, package: ModuleType) -> None:
    """Take out what the package's code put there; modules below it are not its code's."""
    for key, value in list(vars(package).items()):
        if not key.startswith("__") and sys.modules.get(f"{name}.{key}") is not value:
            delattr(package, key)
    package.__file__ = None


def _file(module: ModuleType | None) -> str | None:
    return getattr(module, "__file__", None)


def _loader(module: ModuleType | None) -> Any:
    return getattr(getattr(module, "__spec__", None), "loader", None)


def _merge_loaded() -> None:
    """What was imported before: packages get the folders that they have now, Octo's modules yield to the user's."""
    for name in [name for name, module in sys.modules.items() if "." not in name and _is_octos(name, module)]:
        if name not in SHARED and _is_in(name, active_directories()):
            _forget(name)
    names = [name for name in sys.modules if name.partition(".")[0] in SHARED]
    for name in sorted(names, key=lambda name: name.count(".")):
        module = sys.modules.get(name)
        if module is None:
            continue
        parent = sys.modules.get(name.rpartition(".")[0])
        spec = _finder.find_spec(name, getattr(parent, "__path__", None) if "." in name else None)
        if spec is None:
            continue
        if _is_octos(name, module) and spec.origin not in (_file(module), module.__name__):
            _forget(name)
        elif spec.submodule_search_locations is not None:
            if spec.origin and _file(module) is None:
                # it was a bare folder, and the user's has code: that becomes the package, in the same object
                try:
                    importlib.reload(module)
                except BaseException:
                    _forget(name)  # the import that needs it says what is wrong
            module.__path__ = list(spec.submodule_search_locations)


def _is_octos(name: str, module: ModuleType | None) -> bool:
    """It is from `modules/`, or stands for a step of the library."""
    file = _file(module)
    return file is not None and (below(file, modules_directory()) or getattr(module, "__name__", name) != name)


def _is_in(name: str, directories: list[str]) -> bool:
    files = name + ".py", os.path.join(name, "__init__.py")
    return any(os.path.isfile(os.path.join(place, file)) for place in directories for file in files)


def _forget(name: str) -> None:
    """The next import of it finds it anew."""
    module = sys.modules.pop(name)
    package, _, last = name.rpartition(".")
    if package in sys.modules and vars(sys.modules[package]).get(last) is module:
        delattr(sys.modules[package], last)


# --- loading


class RunLoader(SourceFileLoader):
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
    around = max((entry for entry in map(os.path.abspath, sys.path) if below(place, entry)), key=len, default="")
    package = os.path.dirname(os.path.abspath(__file__))
    library = os.path.join(os.path.dirname(package), "step_library")
    if not os.path.isdir(place) or around not in active_directories():
        raise ImportError("not a folder of the run", path=path)
    if any(below(place, own) for own in (package, library)) or below(place, sys.prefix):
        raise ImportError("not the user's", path=path)
    return FileFinder(path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (RunLoader, SOURCE_SUFFIXES))
