"""Two ctx made one: dicts key by key, any other value whole, and who wins where both have their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from octo.errors import CtxClash, UsageError
from octo.store import checked, diff, spell
from octo.store.values import copied

OnConflict = str | Callable[[str, Any, Any], Any]


def merged(mine: dict[str, Any], theirs: dict[str, Any], on_conflict: OnConflict) -> tuple[dict[str, Any], list[str]]:
    """Both together, and the places where they differ; neither is changed. CtxClash for "fail" where they do."""
    if on_conflict not in ("first", "last", "fail") and not callable(on_conflict):
        raise UsageError(f"on_conflict is first, last, fail or a callable, not {on_conflict!r}")
    places: list[str] = []
    new = _together(mine, theirs, (), on_conflict, places)
    if places and on_conflict == "fail":
        raise CtxClash(f"both have a value of their own at {', '.join(places)}; nothing was changed")
    return new, places


def _together(mine: dict[str, Any], theirs: dict[str, Any], path: tuple[str, ...], on_conflict: OnConflict,
              places: list[str]) -> dict[str, Any]:
    result = dict(mine)
    for key, value in theirs.items():
        place = (*path, key)
        if key not in mine:
            result[key] = value
        elif type(mine[key]) is dict and type(value) is dict:
            result[key] = _together(mine[key], value, place, on_conflict, places)
        elif diff(mine[key], value):
            places.append(spell(place))
            if callable(on_conflict):
                result[key] = checked(on_conflict(places[-1], copied(mine[key]), copied(value)), place)
            elif on_conflict == "last":
                result[key] = value
    return result
