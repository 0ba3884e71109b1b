"""Where a recipe runs: its instance, with a copy of the recipe and the path that it came from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from octo.engine.position import setting
from octo.engine.step_book import has_left_out
from octo.errors import UsageError, quoted
from octo.resolve import run_path
from octo.store import PARAMETER_FILE, RECIPE_FILE, ParameterStore
from octo.store.files import write_whole

from .check import check
from .model import Recipe
from .nodes import Source
from .reader import read_source

SUFFIX = ".octo"


class Place:
    """The instance of a recipe, which may not be there yet. Nothing is made by looking.

    `path` is the recipe's own place (None: it came from standard input), `started_from` the working directory of its
    steps.
    """

    def __init__(self, directory: Path, path: Path | None, started_from: Path, source: Source) -> None:
        self.directory, self.path, self.started_from, self.source = directory, path, started_from, source
        self.here = started_from
        self.began_in: Path | None = None
        """Where the last run began, if there was one."""
        self.goes_on = False
        """The next run goes on with the last one, if nothing else is asked for."""

    def begin(self, *, restart: bool, selects: bool = False) -> None:
        """A new run begins where it is started; one that goes on, where it began."""
        goes_on = self.began_in is not None and not restart and (self.goes_on or selects)
        self.started_from = self.began_in if goes_on and self.began_in else self.here

    @property
    def folders(self) -> list[str]:
        """What the run imports from."""
        return run_path(self.path.parent if self.path else None, self.started_from)

    def load(self, *, imports: bool = True) -> Recipe:
        return check(self.source, imports=imports, path=self.folders)

    def exists(self) -> bool:
        return (self.directory / PARAMETER_FILE).exists()

    def state(self) -> dict[str, Any]:
        """The state without ctx; empty where there is no instance yet."""
        if not self.exists():
            return {}
        state = ParameterStore(self.directory).read(without=("ctx",))
        return state if isinstance(state, dict) else {}

    def copy_text(self) -> str | None:
        """The recipe as the last run there had it."""
        try:
            return (self.directory / RECIPE_FILE).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def keep(self) -> None:
        """Keep the recipe as this run has it."""
        if self.copy_text() != self.source.text:
            write_whole(self.directory / RECIPE_FILE, [self.source.text.encode()])

    def shown(self) -> str:
        """The instance as it can be typed."""
        with suppress(ValueError):  # on another drive
            relative = os.path.relpath(self.directory)
            if not relative.startswith(".."):
                return relative
        return str(self.directory)


def place_of_recipe(source: str | Path | TextIO, instance: str | Path | None = None) -> Place:
    """The instance for a recipe's file: `<stem>.octo` in the working directory, or the one that is named."""
    read = read_source(source)
    here = Path.cwd()
    if instance is not None:
        directory = Path(instance).absolute()
    elif read.path is not None:
        directory = here / f"{read.path.stem}{SUFFIX}"
    else:
        name = check(read, imports=False).name
        if not name or name in (".", "..") or set(name) & set("/\\\0"):
            but = f", and {name!r} cannot be the name of a directory" if name else ""
            raise UsageError(
                f"a recipe from standard input needs a name (metadata.name) or a place{but}",
                hints=["octo run - --instance DIR < recipe.yaml"],
            )
        directory = here / f"{name}{SUFFIX}"
    place = Place(directory, read.path, here, read)
    if (directory / PARAMETER_FILE).exists():
        state = ParameterStore(directory).read(without=("ctx",))
        kept = setting(state, "recipe_path", None)
        if kept is None and (setting(state, "step_engine_library_path", "") or setting(state, "run_id", "")):
            raise UsageError(
                f"{place.shown()} is an instance of a step library, not of a recipe",
                hints=[f"octo run {quoted(source)} --instance OTHER_DIR"],
            )
        if kept is not None and not _is_same(read, str(kept), place, state, named=instance is not None):
            raise UsageError(
                f"{place.shown()} belongs to another recipe, {kept or 'one from standard input'}",
                hints=[f"octo run {quoted(read.path or '-')} --instance OTHER_DIR"],
            )
        if kept is not None:
            place.began_in = _found(str(setting(state, "working_directory", str(here))), directory, state)
            place.goes_on = _goes_on(state)
            place.begin(restart=False)
    return place


def _is_same(read: Source, kept: str, place: Place, state: Any, *, named: bool) -> bool:
    """Whether the recipe is the one that ran here: the same file, or the one that was moved."""
    if kept == str(read.path or ""):
        return True
    if not kept or read.path is None or Path(kept).exists():
        return False
    return named or read.text == place.copy_text() or _found(kept, place.directory, state) == read.path


def _found(kept: str, directory: Path, state: Any) -> Path:
    """A kept path; where it is gone, what lies there beside an instance that was moved with it."""
    path = Path(kept)
    was = str(setting(state, "step_engine_instance_path", ""))
    if path.exists() or not was or was == str(directory):
        return path
    with suppress(ValueError):  # on another drive
        moved = Path(os.path.normpath(directory / os.path.relpath(path, was)))
        if moved.exists():
            return moved
    return path


def place_of_instance(directory: str | Path) -> Place:
    """The instance with its recipe: read anew where it lies, or the copy where that is gone."""
    where = Path(directory).absolute()
    state = ParameterStore(where).read(without=("ctx",))
    kept = setting(state, "recipe_path", None)
    copy = where / RECIPE_FILE
    path = _found(str(kept), where, state) if kept else None
    if path is not None and path.exists():
        source = read_source(path)
    elif copy.exists():
        found = read_source(copy)
        source = Source(found.text, path, copy)
    else:
        raise UsageError(
            f"{directory}: its recipe {kept or ''} is gone, and so is the copy {copy}",
            hints=[f"octo run RECIPE --instance {quoted(directory)}"],
        )
    return Place(where, path, _found(str(setting(state, "working_directory", str(Path.cwd()))), where, state), source)


def is_recipe_instance(directory: str | Path) -> bool:
    """Whether the instance runs a recipe (and no step library)."""
    return setting(ParameterStore(directory).read(without=("ctx", "steps")), "recipe_path", None) is not None


def _goes_on(state: Any) -> bool:
    last = setting(state, "step_engine_state", "INACTIVE")
    return last not in ("INACTIVE", "COMPLETE_SUCCESS") or has_left_out(state)


def recipe_settings(place: Place) -> Sequence[tuple[str, Any]]:
    """What stands in `global_parameters` of a recipe's instance."""
    return (("recipe_path", str(place.path or "")), ("working_directory", str(place.started_from)))
