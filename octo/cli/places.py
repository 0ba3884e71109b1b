"""A place in JSON data as people write it (`rows/3/when`): from the text to keys and positions."""

from __future__ import annotations

from typing import Any

from octo.cli.instance import octo_command
from octo.errors import UsageError, nearest

Place = tuple[Any, ...]


def find_place(
    data: Any, text: str, what: str, directory: str, *, gone_is_fine: bool = False
) -> tuple[Place, Any]:
    """Keys and value of the place. UsageError with the nearest name where `data` (called `what`) has none.

    `gone_is_fine`: a place that is no longer there is taken as it is spelt (its history may be asked for).
    """
    place, value, rest = _follow(data, text)
    if not rest:
        return place, value
    if gone_is_fine:
        return (*place, *rest), None
    raise _missing(value, place, rest[0], what, directory)


def has_place(data: Any, text: str) -> bool:
    """Whether `data` has the place."""
    return not _follow(data, text)[2]


def new_place(data: Any, text: str) -> tuple[Place, Any]:
    """Keys of a place that may be new in its dict, and the value there (None if new)."""
    place, value, rest = _follow(data, text)
    if not rest:
        return place, value
    here = "/".join(map(str, place)) or "ctx"
    if not isinstance(value, dict):
        kind = f"a list of {len(value)}" if isinstance(value, list) else "a single value"
        raise UsageError(f"{here} is {kind}; it has no place '{rest[0]}'")
    if len(rest) > 1:
        raise UsageError(
            f"there is no '{rest[0]}' in {here}{nearest(rest[0], value)}; set that first, such as to '{{}}'"
        )
    return (*place, rest[0]), None


def _follow(data: Any, text: str) -> tuple[Place, Any, list[str]]:
    """The place as far as it is there: its keys, the value, and the parts that are left."""
    place: list[Any] = []
    rest = text.split("/") if text else []
    while rest and (step := _step(data, rest)) is not None:
        key, used = step
        data = data[key]
        place.append(key)
        rest = rest[used:]
    return tuple(place), data, rest


def _step(data: Any, rest: list[str]) -> tuple[Any, int] | None:
    """The key of `data` that `rest` begins with and how many parts it takes (a key may hold a slash)."""
    if isinstance(data, list):
        try:
            index = int(rest[0])
        except ValueError:
            return None
        return (index % len(data), 1) if -len(data) <= index < len(data) else None
    if isinstance(data, dict):
        for used in range(1, len(rest) + 1):
            key = "/".join(rest[:used])
            if key in data:
                return key, used
    return None


def _missing(data: Any, place: Place, part: str, what: str, directory: str) -> UsageError:
    here = "/".join(map(str, [what, *place]))
    if isinstance(data, dict):
        there = nearest(part, data) or (f"; there are: {_some(data)}" if data else "; it is empty")
        message = f"there is no '{part}' in {here}{there}"
    elif isinstance(data, list):
        message = f"{here} is a list of {len(data)}; it has no place '{part}'"
    else:
        message = f"{here} is a single value; it has no place '{part}'"
    command = octo_command("ctx", directory, "get", *(["/".join(map(str, place))] if place else []))
    return UsageError(message, hints=[command] if what == "ctx" else [])


def _some(data: dict[str, Any], most: int = 12) -> str:
    names = list(data)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
