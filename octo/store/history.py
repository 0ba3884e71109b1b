"""Who changed what, when, from what to what: the journal's records as people and programs read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .changes import MISSING
from .values import Path


@dataclass(frozen=True)
class Change:
    """One change of one place. `value` and `old` are MISSING where there is none (a delete, a new key).

    `append` and `splice` have the items that came in `value` and those that went in `old`.
    `time` is in seconds since 1970.
    """

    seq: int
    time: float
    who: str
    op: str
    path: Path
    value: Any = MISSING
    old: Any = MISSING
    visit: int = 0
    call: int = 0
    start: int = 0
    """Where in the list a `splice` replaced items."""


@dataclass(frozen=True)
class Record:
    """One record of the journal: changes that were made as one."""

    seq: int
    time: float
    who: str
    visit: int = 0
    call: int = 0
    changes: tuple[Change, ...] = field(default=())

    @staticmethod
    def from_line(line: dict[str, Any]) -> Record:
        head = line["seq"], line["time"], line["who"]
        visit, call = line.get("visit", 0), line.get("call", 0)
        changes = tuple(
            Change(*head, op["op"], tuple(op["path"]), *_values(op), visit, call, op.get("start", 0))
            for op in line["ops"]
            if not ("wanted" in op and "old" in op)  # a setdefault of what was there already
        )
        return Record(*head, visit, call, changes)


def _values(op: dict[str, Any]) -> tuple[Any, Any]:
    if op["op"] == "increment":
        return op["by"], op.get("old", MISSING)
    if op["op"] == "append":
        return op["values"], op.get("cut", MISSING)
    if op["op"] == "splice":
        return op["items"], op["old"]
    return op.get("value", MISSING), op.get("old", MISSING)


def changes(lines: Iterable[dict[str, Any]], path: Path, since: int) -> Iterator[Change]:
    """The changes at `path`, below it, or of something that holds it, with numbers above `since`."""
    for line in lines:
        if line.get("seq", 0) > since:
            for change in Record.from_line(line).changes:
                shorter = min(len(path), len(change.path))
                if change.path[:shorter] == path[:shorter]:
                    yield change
