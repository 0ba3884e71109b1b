"""A recipe's file or stream -> its text -> plain values that know their line; every mistake is a `Problem`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, TextIO

from octo.errors import Problem, RecipeError, UsageError, nearest_name, quoted
from octo.recipe.build import build
from octo.recipe.nodes import Source

_NO_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_source(source: str | Path | TextIO) -> Source:
    """The text of a file or stream; `UsageError` where there is none."""
    if not isinstance(source, (str, Path)):
        text = source.read()
        return Source(text.removeprefix("\ufeff"), None, Path("<stdin>"))
    path = Path(source)
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a directory, not a recipe; give the file", hints=_recipes_in(path))
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UsageError(
            f"there is no file {path}{_nearest_file(path)}", hints=[f"octo recipe new {quoted(path.stem)}"]
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return Source(text, path.absolute(), path)


def read(source: Source) -> Any:
    """The one document in the text, as `Map`, `Seq` or a scalar; `RecipeError` with all mistakes of form."""
    found = _NO_TEXT.search(source.text)
    if found is not None:
        line, column = _place(source.text, found.start())
        message = f"column {column}: the character {found[0]!r} cannot stand in YAML"
        raise RecipeError([Problem(source.shown, line, message)])
    return build(source)


def _recipes_in(directory: Path) -> list[str]:
    found = sorted([*directory.glob("*.yaml"), *directory.glob("*.yml")])
    return [f"octo validate {quoted(path)}" for path in found[:3]]


def _nearest_file(path: Path) -> str:
    try:
        names = [each.name for each in path.parent.iterdir() if each.suffix in (".yaml", ".yml") and each.is_file()]
    except OSError:
        return f": there is no directory {path.parent}"
    near = nearest_name(path.name, names)
    return f"; did you mean {path.with_name(near)}?" if near else ""


def _place(text: str, position: int) -> tuple[int, int]:
    start = text.rfind("\n", 0, position) + 1
    return text.count("\n", 0, position) + 1, position - start + 1


def standard_input() -> TextIO:
    """Standard input as text, whatever the locale says."""
    import io

    return io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig")
