"""What differs between two JSON values, place by place."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

ABSENT: Any = object()


@dataclass(frozen=True)
class How:
    """What counts as equal. `ignore`: patterns of places that are not looked at."""

    tolerance: float = 0.0
    types: bool = False
    ignore: Sequence[str] = ()
    compare: Mapping[str, Callable[[Any, Any], Any]] = field(default_factory=dict)
    """By place: a function of the old and the new value that tells whether they are equal."""

    @property
    def plain(self) -> bool:
        """Python's own == decides."""
        return not (self.tolerance or self.types or self.ignore or self.compare)


def equal(old: Any, new: Any) -> bool:
    """Python's ==, also of arrays and tables, whose == is no bool."""
    try:
        found = old == new
        for _ in range(2):  # of a table's columns, then of these
            found = found.all() if hasattr(found, "all") else found
        return bool(found)
    except Exception:  # whatever an odd type says to being compared: it is not the same
        return False


def differences(old: Any, new: Any, place: str, how: How) -> Iterator[tuple[str, Any, Any]]:
    """(place, old, new) of each difference; ABSENT on the side that has nothing there."""
    if any(fnmatchcase(place, pattern) for pattern in how.ignore):
        return
    if place in how.compare:
        if not how.compare[place](old, new):
            yield place, old, new
        return
    if how.plain and equal(old, new):
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*new, *(key for key in old if key not in new)]:
            yield from _pair(old.get(key, ABSENT), new.get(key, ABSENT), f"{place}/{key}", how)
    elif isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)):
        for number in range(max(len(old), len(new))):
            yield from _pair(old[number] if number < len(old) else ABSENT,
                             new[number] if number < len(new) else ABSENT, f"{place}/{number}", how)
    elif not _same(old, new, how):
        yield place, old, new


def _pair(old: Any, new: Any, place: str, how: How) -> Iterator[tuple[str, Any, Any]]:
    if old is not ABSENT and new is not ABSENT:
        yield from differences(old, new, place, how)
    elif not any(fnmatchcase(place, pattern) for pattern in how.ignore):
        yield place, old, new


def _same(old: Any, new: Any, how: How) -> bool:
    if how.types and type(old) is not type(new):
        return False
    if how.tolerance and all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in (old, new)):
        return bool(abs(old - new) <= how.tolerance) or old == new
    return equal(old, new)


def kind_of(old: Any, new: Any) -> str:
    """What a difference is: added, removed, type or value."""
    if old is ABSENT or new is ABSENT:
        return "added" if old is ABSENT else "removed"
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return "value"
    if isinstance(old, list) and isinstance(new, list):
        return "value"
    return "value" if type(old) is type(new) else "type"


def text_diff(old: str, new: str) -> list[str]:
    """The lines that differ, as `diff -u` shows them, without the names of files."""
    return list(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm=""))[2:]
