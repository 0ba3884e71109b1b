"""Which step libraries there are, and the graphs of their steps.

Libraries are looked for below the current directory and among those that are installed with Octo.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octo.cli.instance import check_instance, is_instance, is_library, octo_command, open_instance
from octo.errors import LibraryError, UsageError, nearest

if TYPE_CHECKING:
    from octo.engine.graph import Graph
    from octo.store import ParameterStore

_NOT_LOOKED_INTO = {"node_modules", "__pycache__", "build", "dist", "site-packages", "tests"}


def installed_root() -> Path | None:
    """The directory of the ready-made libraries, `step_library`."""
    from importlib.util import find_spec

    spec = find_spec("step_library")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def libraries_below(root: Path | str, depth: int = 4) -> Iterator[str]:
    """Directories at or below `root` that hold step nodes."""
    if is_library(root):
        yield str(root)
    if depth == 0:
        return
    try:
        names = sorted(
            entry.name
            for entry in os.scandir(root)
            if entry.is_dir() and not entry.name.startswith(".") and entry.name not in _NOT_LOOKED_INTO
        )
    except OSError:
        return
    for name in names:
        yield from libraries_below(name if str(root) == "." else os.path.join(root, name), depth - 1)


def known_libraries() -> list[str]:
    """Below the current directory first, then the installed ones; each once."""
    found = list(libraries_below("."))
    root = installed_root()
    if root is not None:
        seen = {os.path.realpath(path) for path in found}
        found += [path for path in libraries_below(root) if os.path.realpath(path) not in seen]
    return found


def short_name(path: str) -> str:
    """What to type for the library at `path`: its name where it is an installed one."""
    root = installed_root()
    name = os.path.basename(path)
    is_installed = root is not None and os.path.realpath(path) == os.path.realpath(root / name)
    return name if is_installed and not Path(name).exists() else path


def find_library(name: str) -> Path:
    """The library in directory `name`, or the known one of that name. UsageError with the nearest name."""
    if is_library(name):
        return Path(name)
    if not Path(name).exists():
        known = known_libraries()
        named = {os.path.basename(os.path.abspath(path)): path for path in reversed(known)}
        if name in named:
            return Path(named[name])
        raise UsageError(
            f"there is no step library {name}{nearest(os.path.basename(name.rstrip('/')), named)}",
            hints=["octo list libraries"],
        )
    inside = list(libraries_below(name))
    if inside:
        raise UsageError(f"{name} is not a step library; there are some in it: {', '.join(inside[:8])}")
    raise UsageError(f"{name} is not a step library: it has no step_node_*.py", hints=["octo list libraries"])


def library_of(store: ParameterStore, directory: str) -> Graph:
    """The graph of the instance's step library or recipe. UsageError where it has none, or a wrong one."""
    from octo.engine.library import load_library

    parameters: dict[str, Any] = store.get("global_parameters", default={})
    if parameters.get("recipe_path") is not None:
        return recipe_graph(directory)
    library = str(parameters.get("step_engine_library_path") or "")
    if not library:
        raise UsageError(
            f"{directory} does not say which step library it runs",
            hints=[
                octo_command("params", directory, "global_parameters", "step_engine_library_path")
                + " LIBRARY"
            ],
        )
    path = Path(directory) / library
    if not path.is_dir():
        raise UsageError(
            f"the step library of {directory} is not there: {path}",
            hints=[
                "octo list libraries",
                octo_command("params", directory, "global_parameters", "step_engine_library_path")
                + " LIBRARY",
            ],
        )
    return load_library(path, str(parameters.get("first_step_node") or ""))


def recipe_graph(directory: str) -> Graph:
    """The steps of a recipe's instance. Nothing that the recipe names is imported."""
    from octo.recipe.choice import Asked
    from octo.recipe.instance import place_of_instance
    from octo.recipe.recipe_walk import RecipeWalk

    place = place_of_instance(directory)
    return RecipeWalk(place.load(imports=False), place, Asked()).graph


@dataclass
class Listed:
    """One library of a listing: its graph, or what is wrong with it."""

    path: str
    graph: Graph | None
    problem: str


def graphs(where: str | None) -> list[Listed]:
    """The graphs of one library or instance, or of all known libraries (then a wrong one is only noted)."""
    from octo.engine.library import load_library

    if where is not None:
        if is_instance(where):
            return [Listed(where, library_of(open_instance(where), where), "")]
        if Path(where).is_dir() and not is_library(where):
            inside = list(libraries_below(where))
            if not inside:
                check_instance(where)
            return [_listed(path) for path in inside]
        path = find_library(where)
        return [Listed(str(path), load_library(path), "")]
    return [_listed(path) for path in known_libraries()]


def _listed(path: str) -> Listed:
    from octo.engine.library import load_library

    try:
        return Listed(path, load_library(Path(path)), "")
    except LibraryError as error:
        more = len(error.problems) - 1
        return Listed(path, None, str(error.problems[0]) + (f" (and {more} more)" if more > 0 else ""))
