"""What a key of ctx may hold: types by class or by name, or a callable that looks at the value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from octo.errors import InvalidValue, UsageError

Kind = str | type | tuple[Any, ...] | None | Callable[[Any], Any]

_NAMES = {
    "list": list, "dict": dict, "str": str, "int": int, "float": float, "bool": bool,
    "number": "number", "null": type(None), "none": type(None),
}  # fmt: skip
_SPELT = {
    list: "a list", dict: "a dict", str: "text", int: "a whole number", float: "a float", bool: "true or false",
    "number": "a number", type(None): "null",
}  # fmt: skip


def check_of(kind: Kind) -> Callable[[Any], Any]:
    """The check that `kind` stands for; UsageError where that is no type of JSON and cannot be called."""
    if callable(kind) and not isinstance(kind, type):
        return lambda value: _asked(kind, value)
    kinds = [_kind(one) for one in (kind if isinstance(kind, tuple) else (kind,))]

    def check(value: Any) -> Any:
        for one in kinds:
            if _is(value, one):
                return float(value) if one is float else value
        raise InvalidValue(f"{value!r} is not {' or '.join(_SPELT[one] for one in kinds)}")

    return check


def _asked(function: Callable[[Any], Any], value: Any) -> Any:
    answer = function(value)
    if answer is False and value is not False:
        name = getattr(function, "__name__", type(function).__name__)
        raise InvalidValue(f"{value!r} was refused by {name}")
    return value if answer is None or answer is True else answer


def _kind(kind: Any) -> Any:
    found = _NAMES.get(kind) if isinstance(kind, str) else {None: type(None), tuple: list}.get(kind, kind)
    if found not in _SPELT:
        raise UsageError(f"{kind!r} is no type of a value in ctx; there are {', '.join(_NAMES)}, "
                         "the classes of these names, tuples of them, and callables")
    return found


def _is(value: Any, kind: Any) -> bool:
    if kind == "number" or kind is float:
        return type(value) in (int, float)
    return type(value) is kind
