"""What a key of ctx may hold: types by class or by name, or a callable that looks at the value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from octo.errors import InvalidValue, UsageError

from .value_types import WRONG, read, type_names, type_text

Kind = str | type | tuple[Any, ...] | None | Callable[[Any], Any]

NAMES = ("list", "dict", "str", "int", "float", "bool", "number", "null")
_CLASSES: dict[type, str] = {list: "list", tuple: "list", dict: "dict", str: "str", int: "int", float: "float",
                             bool: "bool", type(None): "null"}


def check_of(kind: Kind) -> Callable[[Any], Any]:
    """The check that `kind` stands for; UsageError where that is no type of JSON and cannot be called."""
    if callable(kind) and not isinstance(kind, type):
        return lambda value: _asked(kind, value)
    kinds = [_kind(one) for one in (kind if isinstance(kind, tuple) else (kind,))]

    def check(value: Any) -> Any:
        found = read(kinds, value)
        if found is WRONG:
            raise InvalidValue(f"{value!r} is not {type_text(kinds)}")
        return found

    return check


def _asked(function: Callable[[Any], Any], value: Any) -> Any:
    answer = function(value)
    if answer is False and value is not False:
        name = getattr(function, "__name__", type(function).__name__)
        raise InvalidValue(f"{value!r} was refused by {name}")
    return value if answer is None or answer is True else answer


def _kind(kind: Any) -> str:
    name = "null" if kind is None else _CLASSES.get(kind) if isinstance(kind, type) else kind
    if not isinstance(name, str) or not name or not set(type_names(name)) <= set(NAMES):
        raise UsageError(f"{kind!r} is no type of a value in ctx; there are {', '.join(NAMES)}, "
                         "the classes of these names, tuples of them, and callables")
    return name
