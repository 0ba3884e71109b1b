"""Clashes: two parallel steps that the plan does not order have changed one place in ctx.

Two sets or deletes of one place clash, or of a place and one inside it, whenever they were made and also with equal
values: one of the two updates is lost. An `append`, `extend` or `increment` merges with others of its kind, but not
with a set of the whole. A `setdefault` clashes with a set of its place, and with a `setdefault` of another value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from octo.store import MISSING, diff, spell
from octo.store.touched import Touch
from octo.store.undo import touching

from .dag import Unit

Place = tuple[Any, ...]
_KINDS = {"set": "set", "delete": "set", "splice": "set", "append": "merge", "increment": "merge"}


@dataclass
class Writes:
    """What one unit changed in ctx: places set or deleted, places with what a `setdefault` wanted, places added to."""

    sets: set[Place] = field(default_factory=set)
    defaults: dict[Place, Any] = field(default_factory=dict)
    merges: set[Place] = field(default_factory=set)

    @staticmethod
    def of(touches: Iterable[Touch], scope: str = "ctx") -> Writes:
        writes = Writes()
        for touch in touches:
            if not touch.path or touch.path[0] != scope:
                if not touch.path:
                    writes.sets.add((scope,))
                continue
            if touch.wanted is not MISSING:
                writes.defaults.setdefault(touch.path, touch.wanted)
            elif _KINDS[touch.op] == "merge":
                writes.merges.add(touch.path)
            else:
                writes.sets.add(touch.path)
        return writes

    def __or__(self, other: Writes) -> Writes:
        return Writes(self.sets | other.sets, {**other.defaults, **self.defaults}, self.merges | other.merges)

    def places(self) -> Iterator[tuple[Place, str]]:
        yield from ((place, "set") for place in self.sets)
        yield from ((place, "default") for place in self.defaults)
        yield from ((place, "merge") for place in self.merges)


class Clashes:
    """The writes of the parallel units that ended well, by place."""

    def __init__(self) -> None:
        self._at: dict[Place, dict[Unit, tuple[str, Any]]] = {}
        self._inside: dict[Place, set[Unit]] = {}
        self._writes: dict[Unit, Writes] = {}

    def add(self, unit: Unit, writes: Writes) -> None:
        """The unit ended, and this of what it changed stands."""
        if unit in self._writes:
            writes = self._writes[unit] | writes
        self._writes[unit] = writes
        for place, kind in writes.places():
            there = self._at.setdefault(place, {})
            if there.get(unit, ("", None))[0] != "set":
                there[unit] = kind, writes.defaults.get(place)
            for length in range(1, len(place)):
                self._inside.setdefault(place[:length], set()).add(unit)

    def with_others(self, unit: Unit, writes: Writes) -> dict[Unit, list[Place]]:
        """The units that changed what this one changed too, whatever the plan says, and the places."""
        found: dict[Unit, list[Place]] = {}

        def note(other: Unit, place: Place) -> None:
            if other != unit and place not in found.setdefault(other, []):
                found[other].append(place)

        for place, kind in writes.places():
            wanted = writes.defaults.get(place)
            for other, (theirs, value) in self._at.get(place, {}).items():
                if _clash(kind, wanted, theirs, value):
                    note(other, place)
            for length in range(1, len(place)):  # a set of something that holds this place
                for other, (theirs, _) in self._at.get(place[:length], {}).items():
                    if theirs == "set":
                        note(other, place)
            if kind == "set":
                for other in self._inside.get(place, ()):
                    note(other, place)
        return found

    def drop(self, unit: Unit, places: Collection[Place]) -> list[Place]:
        """What the unit changed at, inside or around `places` counts no more; returns where that was."""
        old = self._writes.pop(unit)
        for place, _ in old.places():
            self._at[place].pop(unit, None)
            for length in range(1, len(place)):
                self._inside[place[:length]].discard(unit)
        gone = {place for place, _ in old.places() if touching(place, places)}
        self.add(unit, Writes(old.sets - gone, {place: value for place, value in old.defaults.items()
                                                if place not in gone}, old.merges - gone))
        return list(gone)


def _clash(kind: str, wanted: Any, other: str, value: Any) -> bool:
    kinds = {kind, other}
    if "set" in kinds:
        return True
    if kinds == {"default"}:
        return bool(diff(wanted, value))
    return False


def in_words(place: Place) -> str:
    """A place in ctx as `octo ctx` takes it."""
    return spell(place[1:])
