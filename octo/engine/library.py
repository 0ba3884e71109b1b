"""A step library: a directory of `step_node_*.py` modules whose node classes form a graph.

Everything that can be known to be wrong before a run is found here and reported together, each mistake
with its file and line.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, ModuleType

from octo.engine.describe import ARROW_DICT, NODE_DICT, describe
from octo.engine.graph import RESERVED_NAMES, Graph, NodeSpec
from octo.engine.source import Source
from octo.errors import LibraryError, Problem, nearest

CLASS_LIST = "step_node_class_list"
MODULE_PATTERN = "step_node_*.py"
_loaded_directories: set[str] = set()


def load_library(path: Path | str, first: str = "") -> Graph:
    """The graph of the library in directory `path`; `first` names the first node instead of the flags.

    Its modules run anew with every call. What they print while they are imported goes to the standard
    error stream. Raises LibraryError with all the mistakes there are.
    """
    directory = Path(os.path.abspath(path))
    if not directory.is_dir():
        what = "is not a directory" if directory.exists() else "there is no such directory"
        raise LibraryError(
            [Problem(directory, 0, f"a step library is a directory of {MODULE_PATTERN}: {what}")]
        )
    files = sorted(directory.glob(MODULE_PATTERN))
    if not files:
        raise LibraryError([Problem(directory, 0, f"the step library is empty: it has no {MODULE_PATTERN}")])
    problems: list[Problem] = []
    specs: list[NodeSpec] = []
    # A node that is missed, or a first node, may well be in a module that could not be imported.
    failed: set[str] = set()
    with _importing(directory):
        for file in files:
            module = _import(file, problems)
            if module is None:
                failed.add(file.stem)
                continue
            for cls in _node_classes(module, file, problems):
                specs += describe(cls, file.stem, problems)
    nodes = _by_name(specs, problems)
    _check_arrows(specs, nodes, failed, problems)
    _check_first(directory, files[0], nodes, first, failed, problems)
    if problems:
        raise LibraryError(sorted(set(problems)))
    return Graph(source=directory, nodes=nodes)


# --- importing


class _FreshLoader(importlib.machinery.SourceFileLoader):
    """Always compiles: a cached file may be older than an edit of the same second."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class _LibraryFinder(importlib.abc.MetaPathFinder):
    """Finds the library's own modules before anything else of their name, also for its own imports."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        file = self._directory / f"{fullname}.py"
        if path is not None or not fullname.startswith("step_node_") or not file.is_file():
            return None
        return importlib.util.spec_from_file_location(
            fullname, file, loader=_FreshLoader(fullname, str(file))
        )


@contextlib.contextmanager
def _importing(directory: Path) -> Iterator[None]:
    """The library's directory and Octo's `modules` can be imported from, during the import and later.

    Modules keep the names of their files, so that they can import each other and start processes that
    import them. Those of a library loaded before make room: its classes go on with what they have.
    """
    _loaded_directories.add(str(directory))
    for name, module in list(sys.modules.items()):
        if _home(sys.modules.get(name.partition(".")[0], module)) in _loaded_directories:
            del sys.modules[name]
    if str(directory) in sys.path:
        sys.path.remove(str(directory))
    sys.path.insert(0, str(directory))
    package = Path(__file__).resolve().parents[1]
    for documented_names in (package.parent / "modules", package / "_modules"):  # a checkout; a wheel
        if documented_names.is_dir() and str(documented_names) not in sys.path:
            sys.path.append(str(documented_names))
    importlib.invalidate_caches()
    finder = _LibraryFinder(directory)
    sys.meta_path.insert(0, finder)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.meta_path.remove(finder)


def _home(module: ModuleType) -> str:
    """The directory that a top-level module or package was imported from; empty for what must stay loaded."""
    file = getattr(module, "__file__", None)
    if not file or module.__name__ in ("__main__", "octo"):
        return ""
    home = Path(file).parent
    return str(home.parent if hasattr(module, "__path__") else home)


def _import(file: Path, problems: list[Problem]) -> ModuleType | None:
    try:
        return importlib.import_module(file.stem)
    except SyntaxError as error:
        # It may be in a file that this one imports.
        place = Path(error.filename) if error.filename else file
        problems.append(
            Problem(place, error.lineno or 1, f"cannot be imported: {type(error).__name__}: {error.msg}")
        )
    except (Exception, SystemExit) as error:
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file)]
        line = (lines[-1] if lines else 1) or 1
        kind = type(error).__name__
        text = (
            f"it ends the program ({kind} {error})" if isinstance(error, SystemExit) else f"{kind}: {error}"
        )
        problems.append(Problem(file, line, f"cannot be imported: {text}"))
    return None


# --- which classes are nodes


def _node_classes(module: ModuleType, file: Path, problems: list[Problem]) -> list[type]:
    if hasattr(module, CLASS_LIST):
        return _listed_classes(module, file, problems)
    found = [
        value
        for name, value in vars(module).items()
        if inspect.isclass(value) and (name == module.__name__ or _is_node_class(value, module))
    ]
    if not found:
        problems.append(
            Problem(
                file,
                1,
                "there is no step node class in it: none has the method step_execute (an empty "
                f"{CLASS_LIST} says that this is meant)",
            )
        )
    return list(dict.fromkeys(found))


def _is_node_class(cls: type, module: ModuleType) -> bool:
    """Defined here, not a base class by its name or its abstract methods, and able to execute."""
    return (
        cls.__module__ == module.__name__
        and not cls.__name__.startswith("_")
        and not inspect.isabstract(cls)
        and callable(getattr(cls, "step_execute", None))
    )


def _listed_classes(module: ModuleType, file: Path, problems: list[Problem]) -> list[type]:
    listed = getattr(module, CLASS_LIST)
    line = Source(file).variable_line(CLASS_LIST)
    if not isinstance(listed, (list, tuple)):
        problems.append(Problem(file, line, f"{CLASS_LIST} must be a list of classes or of their names"))
        return []
    classes: list[type] = []
    for item in listed:
        cls = getattr(module, item, None) if isinstance(item, str) else item
        if inspect.isclass(cls):
            classes.append(cls)
        else:
            known = [name for name, value in vars(module).items() if inspect.isclass(value)]
            hint = nearest(item, known) if isinstance(item, str) else ""
            problems.append(
                Problem(file, line, f"{CLASS_LIST} names {item!r}, which is no class in it{hint}")
            )
    return list(dict.fromkeys(classes))


# --- what the nodes say of each other


def _by_name(specs: list[NodeSpec], problems: list[Problem]) -> dict[str, NodeSpec]:
    nodes: dict[str, NodeSpec] = {}
    for spec in specs:
        if spec.name in RESERVED_NAMES:
            names = ", ".join(RESERVED_NAMES)
            problems.append(
                Problem(spec.path, spec.line, f"a node cannot be called {spec.name!r}: {names} are Octo's")
            )
        other = nodes.setdefault(spec.name, spec)
        if other is not spec:
            message = f"there are two nodes {spec.name!r}; the other is at {other.path}:{other.line}"
            problems.append(Problem(spec.path, spec.line, message))
    return nodes


def _check_arrows(
    specs: list[NodeSpec], nodes: dict[str, NodeSpec], failed: set[str], problems: list[Problem]
) -> None:
    for spec in specs:
        for arrow in spec.arrows.values():
            target = nodes.get(arrow.target)
            if target is None and arrow.active and not {arrow.module, arrow.target} & failed:
                message = f"arrow {arrow.key!r} of {spec.name!r} goes to {arrow.target!r}, which is no node"
                message += nearest(arrow.target, nodes)
            elif target is not None and arrow.module not in ("", target.module, target.cls.__module__):
                message = (
                    f"arrow {arrow.key!r} of {spec.name!r} wants {arrow.target!r} in module {arrow.module!r}"
                )
                message += f", but it is in {target.module!r}"
            else:
                continue
            line = Source(spec.path).key_line(spec.cls.__name__, ARROW_DICT, arrow.key)
            problems.append(Problem(spec.path, line, message))


def _check_first(
    directory: Path,
    file: Path,
    nodes: dict[str, NodeSpec],
    first: str,
    failed: set[str],
    problems: list[Problem],
) -> None:
    flagged = [spec for spec in nodes.values() if spec.first]
    if first:
        if first not in nodes and not failed:
            message = f"the first node is to be {first!r}, which is not there{nearest(first, nodes)}"
            problems.append(Problem(directory, 0, message))
    elif not flagged and len(nodes) != 1 and not failed:
        if nodes:
            spec = next(iter(nodes.values()))
            message = f"none of the {len(nodes)} nodes is the first: set first_node_step_bool in one of them"
            problems.append(Problem(spec.path, spec.line, message))
        else:
            problems.append(Problem(file, 1, "the step library has no node"))
    for spec in flagged[1:] if not first else []:
        line = Source(spec.path).key_line(spec.cls.__name__, NODE_DICT, spec.name, "first_node_step_bool")
        message = (
            f"two first nodes: {spec.name!r} and {flagged[0].name!r} ({flagged[0].path}:{flagged[0].line})"
        )
        problems.append(Problem(spec.path, line, message))
