"""Types of columns as they are named in parameters: checked in JSON, made of text in CSV."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from octo.errors import MissingKey, ShapeError, UsageError, nearest
from octo.value_types import READERS, WRONG
from step_library.kit.values.ctx_values import described

TYPES = ("str", "int", "float", "number", "bool", "list", "dict", "null", "any")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_BOOL = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


def type_name(kind: Any) -> str:
    """A type given by name or as a Python class; UsageError where it is none."""
    name = kind.__name__ if isinstance(kind, type) else str(kind)
    if name not in TYPES:
        raise UsageError(f"schema: there is no type {name!r}{nearest(name, TYPES)}; there are {', '.join(TYPES)}")
    return name


def number_or_text(text: Any) -> Any:
    """A number where the text is one as JSON writes it, else what it was."""
    found = _NUMBER.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return text
    if found[1] or found[2]:
        value = float(text)
        return value if math.isfinite(value) else text
    return int(text) if len(text) <= 4000 else text


def cast_rows(rows: Sequence[dict[str, Any]], schema: Mapping[str, Any], where: str | Callable[[int], str], *,
              convert: bool = True, numbers: Iterable[int] | None = None) -> None:
    """Check the columns of rows, in place; `convert`: text becomes the type, an empty cell null.

    `numbers`: how messages count the rows, where these are some of many. `where`: what messages begin with, also as
    a function of the row's number.
    """
    place = where if callable(where) else lambda number: where
    counted = range(len(rows)) if numbers is None else list(numbers)
    for name, kind in {name: type_name(kind) for name, kind in schema.items()}.items():
        fit = _reader(kind, convert)
        for number, row in zip(counted, rows, strict=True):
            if name not in row:
                raise MissingKey(f"{place(number)}: row {number} has no {name!r}{nearest(name, row)}")
            value = fit(row[name])
            if value is WRONG:
                raise ShapeError(f"{place(number)}: row {number}, column {name!r} is to be {kind}, "
                                 f"not {described(row[name])}")
            row[name] = value


def check_dict(value: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> None:
    """The keys of a dict are there and of the types."""
    for name, kind in {name: type_name(kind) for name, kind in schema.items()}.items():
        if name not in value:
            raise MissingKey(f"{where} has no {name!r}{nearest(name, value)}")
        if _reader(kind, False)(value[name]) is WRONG:
            raise ShapeError(f"{where}: {name!r} is to be {kind}, not {described(value[name])}")


def _reader(kind: str, convert: bool) -> Callable[[Any], Any]:
    read = READERS[kind]
    if not convert or kind in ("any", "list", "dict"):
        return lambda value: None if value is None else read(value)

    def made(value: Any) -> Any:
        if value is None or kind == "null":
            return None if value in (None, "") else WRONG
        if not isinstance(value, str):
            return str(value) if kind == "str" else read(value)
        if kind == "str":
            return value
        text = value.strip()
        if not text:
            return None
        if kind == "bool":
            return _BOOL.get(text.lower(), WRONG)
        return read(_number(text))

    return made


def _number(text: str) -> Any:
    found = number_or_text(text.removeprefix("+"))
    if not isinstance(found, str):
        return found
    try:
        value = float(text)
    except ValueError:
        return WRONG
    return value if math.isfinite(value) else None
