"""What calls changed in ctx and still stands, by the journal: for clashes with steps that an earlier run had done."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from octo.store.touched import Touch, touches
from octo.store.undo import touching

Line = dict[str, Any]


def standing(lines: Iterable[Line], calls: Collection[int]) -> dict[int, list[Touch]]:
    """What each of `calls` touched, without what was undone since: an attempt that failed, a place that gave way."""
    found: dict[int, list[Touch]] = {call: [] for call in calls}
    marks: dict[int, int] = {}
    for line in lines:
        call = line.get("call", 0)
        if call in found:
            found[call] += touches([line], [call])[call]
            if line.get("checkpoint"):
                marks[call] = len(found[call])
        fenced = line.get("fence") or []
        for over in fenced if isinstance(fenced, list) else [fenced]:
            if over in found:
                del found[over][marks.get(over, 0) :]
        dropped = line.get("dropped") or {"calls": [], "places": []}
        places = [tuple(place) for place in dropped["places"]]
        for loser in dropped["calls"]:
            if loser in found:
                found[loser] = [seen for seen in found[loser] if not touching(seen.path, places)]
    return found


def kept_by_checkpoint(lines: Iterable[Line], call: int) -> list[Touch] | None:
    """Of a call that fails: what it had done before its newest `ctx.checkpoint()`; None where there was none."""
    found: list[Touch] = []
    kept: list[Touch] | None = None
    for line in lines:
        if line.get("call") == call:
            found += touches([line], [call])[call]
            if line.get("checkpoint"):
                kept = list(found)
    return kept
