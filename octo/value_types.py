"""Types as they are named in recipes and in tables of parameters: "list", "str | null", "list[int]", a class.

A name stands for the kind of JSON value; what is meant so is taken (3.0 for an int, a tuple for a list).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, MutableSequence
from typing import Any

WRONG: Any = object()
"""What `read` gives for a value that is not of the type."""


def _one_of(*kinds: type) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, kinds) else WRONG


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else WRONG


def _real(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return WRONG
    try:
        return float(value) if math.isfinite(value) else WRONG
    except OverflowError:  # a whole number beyond all floats
        return WRONG


def _number(value: Any) -> Any:
    return value if isinstance(value, int) and not isinstance(value, bool) else _real(value)


def _callable(value: Any) -> Any:
    if not isinstance(value, str):
        return value if callable(value) else WRONG
    from .resolve import resolve

    return resolve(value)


def _list(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, list):
        return value
    return value if isinstance(value, MutableSequence) and not isinstance(value, bytearray) else WRONG


READERS: dict[str, Callable[[Any], Any]] = {
    "any": lambda value: value,
    "template": lambda value: value,
    "list": _list,
    "dict": _one_of(Mapping),
    "str": _one_of(str),
    "int": _whole,
    "float": _real,
    "bool": _one_of(bool),
    "number": _number,
    "null": _one_of(type(None)),
    "path": lambda value: os.fspath(value) if isinstance(value, (str, os.PathLike)) and str(value) else WRONG,
    "callable": _callable,
}


def _members(kind: Any) -> list[Any]:
    """The types of which a value may be one."""
    if kind is None:
        return ["any"]
    if isinstance(kind, (tuple, list)):
        return [one for several in kind for one in _members(several)]
    if isinstance(kind, str):
        return [one.strip() for one in kind.split("|")]
    return [{type(None): "null"}.get(kind, kind.__name__) if _plain(kind) else kind]


def _plain(kind: Any) -> bool:
    return kind is type(None) or (isinstance(kind, type) and kind in (list, dict, str, int, float, bool))


def _split(name: str) -> tuple[str, str]:
    """`list[str]` -> list and str; the inside of `dict[str, int]` is what its values are."""
    outside, bracket, inside = name.partition("[")
    return outside, inside.rstrip("]").rpartition(",")[2].strip() if bracket else ""


def type_names(kind: Any) -> list[str]:
    """The names that a type consists of."""
    names = [_split(one) for one in _members(kind) if isinstance(one, str)]
    return [name for pair in names for name in pair if name]


def type_text(kind: Any) -> str:
    """A type as people read it."""
    return " or ".join(one if isinstance(one, str) else getattr(one, "__name__", str(one)) for one in _members(kind))


def read(kind: Any, value: Any) -> Any:
    """The value as the type has it, or WRONG."""
    for one in _members(kind):
        if not isinstance(one, str):
            if isinstance(one, type) and isinstance(value, one):
                return value
            continue
        outside, inside = _split(one)
        found = READERS[outside](value)
        if found is WRONG:
            continue
        if not inside:
            return found
        items = found.values() if isinstance(found, Mapping) else found
        if all(READERS[inside](item) is not WRONG for item in items):
            return found
    return WRONG
