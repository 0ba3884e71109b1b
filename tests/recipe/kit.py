"""What the tests of recipes share: a recipe as text, its mistakes as lines."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from octo.errors import RecipeError, UsageError
from octo.recipe import Recipe, load
from octo.recipe.nodes import plain
from octo.recipe.reader import read, read_source


def recipe(text: str, *, imports: bool = False, path: list[str] | None = None) -> Recipe:
    """The recipe of a text."""
    return load(io.StringIO(text), imports=imports, path=path)


def mistakes(text: str, *, imports: bool = False, path: list[str] | None = None) -> list[str]:
    """The mistakes of a text as `LINE: message`; none where it is valid."""
    try:
        recipe(text, imports=imports, path=path)
    except RecipeError as error:
        return [f"{problem.line}: {problem.message}" for problem in error.problems]
    return []


def values(text: str) -> Any:
    """What the reader makes of a text, as plain data."""
    return plain(read(read_source(io.StringIO(text))))


def refused(source: str | Path) -> str:
    """The message with which a file is refused before it is read."""
    try:
        load(source, imports=False)
    except UsageError as error:
        assert not isinstance(error, RecipeError)
        return error.message
    raise AssertionError(f"{source} was not refused")
