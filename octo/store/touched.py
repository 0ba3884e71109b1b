"""Which places a call has changed so far, kept while it runs, to compare with what others changed.

What a call does through any handle of this process is noted as it is committed; what other processes do in its
name is noted as their lines are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from .changes import MISSING, Op
from .values import Path, copied


class Touch(NamedTuple):
    """One change of a place. `wanted`: what a `setdefault` wanted there; MISSING for every other change."""

    op: str
    path: Path
    wanted: Any = MISSING


def touch(op: Op) -> Touch | None:
    """What a change touches; None for a record, which is nobody's data."""
    if op.get("record"):
        return None
    return Touch(op["op"], tuple(op["path"]), copied(op["wanted"]) if "wanted" in op else MISSING)


def touches(lines: Iterable[dict[str, Any]], calls: Iterable[int]) -> dict[int, list[Touch]]:
    """What each of `calls` touched, by the journal's lines."""
    found: dict[int, list[Touch]] = {call: [] for call in calls}
    for line in lines:
        if line.get("call") in found:
            found[line["call"]] += [seen for seen in map(touch, line["ops"]) if seen is not None]
            found[line["call"]] += [Touch("set", tuple(path), wanted) for path, wanted in line.get("defaults", ())]
    return found


class Touched:
    """The calls that are followed."""

    def __init__(self) -> None:
        self._calls: dict[int, list[Touch]] = {}
        self._marks: dict[int, int] = {}
        self._unsure: set[int] = set()

    def __contains__(self, call: int) -> bool:
        return call in self._calls

    def follow(self, call: int) -> None:
        self._calls[call] = []

    def note(self, call: int, seen: list[Touch], *, checkpoint: bool = False) -> None:
        if call in self._calls:
            self._calls[call] += seen
            if checkpoint:
                self._marks[call] = len(self._calls[call])

    def note_line(self, line: dict[str, Any]) -> None:
        """A record that another process wrote."""
        call = line.get("call", 0)
        if call in self._calls:
            self.note(call, touches([line], [call])[call], checkpoint=bool(line.get("checkpoint")))

    def lost_track(self) -> None:
        """The state was read anew, so lines may have gone by unseen."""
        self._unsure |= set(self._calls)

    def is_sure(self, call: int) -> bool:
        """Whether nothing that the call did can have gone by unseen."""
        return call not in self._unsure

    def take(self, call: int, lines_since: Any) -> list[Touch]:
        """All that the call touched; it is followed no more. `lines_since(seq)` reads the journal."""
        found, _ = self._calls.pop(call, []), self._marks.pop(call, 0)
        if call in self._unsure:
            self._unsure.discard(call)
            return touches(lines_since(call), [call])[call]
        return found

    def take_checkpointed(self, call: int) -> list[Touch]:
        """Of a call that failed: what it had done before its newest checkpoint, which stays."""
        self._unsure.discard(call)
        return self._calls.pop(call, [])[: self._marks.pop(call, 0)]
