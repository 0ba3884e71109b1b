"""Types of values as parameters name them: "list", "int", "null" …, Python's classes, or several of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from octo.errors import nearest
from octo.param import ParamError

TYPES: dict[str, Callable[[Any], bool]] = {
    "list": lambda value: isinstance(value, list),
    "dict": lambda value: isinstance(value, Mapping),
    "str": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, float),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
TYPES["none"] = TYPES["None"] = TYPES["NoneType"] = TYPES["null"]
CLASSES: dict[str, type] = {
    "list": list, "dict": dict, "str": str, "int": int, "float": float, "bool": bool, "tuple": tuple, "set": set,
    "null": type(None), "none": type(None), "None": type(None), "NoneType": type(None),
}


class Kind(NamedTuple):
    """One type: its name, whether a value is of it, and how Python prints its class."""

    name: str
    fits: Callable[[Any], bool]
    printed: str


def kinds(given: Any, param: str = "type", *, bool_is_int: bool = False) -> list[Kind]:
    """The types that are named; ParamError (a ValueError) where there is no such type.

    True is no "int" unless `bool_is_int`, as it is for `isinstance`.
    """
    several = given if isinstance(given, (list, tuple)) else [given] if given is not None and given != "" else []
    return [_kind(one, param, bool_is_int) for one in several]


def _kind(given: Any, param: str, bool_is_int: bool) -> Kind:
    if isinstance(given, type):
        name = given.__name__
        if CLASSES.get(name) is not given:
            return Kind(name, partial(_is_a, given), repr(given))
    elif isinstance(given, str) and (given in TYPES or given in CLASSES):
        name = given
    else:
        raise ParamError(f"{param}: there is no type {given!r}{nearest(str(given), TYPES)}")
    cls = CLASSES.get(name)
    fits = TYPES.get(name) or partial(_is_a, CLASSES[name])
    if name == "int" and bool_is_int:
        fits = partial(_is_a, int)
    return Kind(name, fits, name if cls is None else repr(cls))


def _is_a(kind: type, value: Any) -> bool:
    return isinstance(value, kind)
