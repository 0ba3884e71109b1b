"""What a run that was cut off has left: the calls of its steps are undone, and their steps are named."""

from __future__ import annotations

from collections.abc import Sequence

from octo.store import Transaction
from octo.store.state_file import StateFile
from octo.store.undo import undo_calls

from .step_book import GROUP, RUNNING, entries, place_of, shown_name
from .written import kept_by_checkpoint


def undo_cut_off(tx: Transaction, file: StateFile, steps: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Undo the calls that are open; returns whose they are, and the places that were put back."""
    calls = sorted(file.open_calls)
    if not calls:
        return []
    found = list(entries(tx.peek((GROUP,), {}), steps))
    names = {entry["visit"]: shown_name(steps[position], index) for position, index, entry in found if "visit" in entry}
    whose = dict.fromkeys(names.get(file.open_calls[call], "a step") for call in calls)
    lines = file.lines_since(calls[0] - 1)
    places = undo_calls(tx, file.lines_since, calls, "ctx", from_checkpoint=True)
    tx.flags.update(end=calls, fence=calls)
    for call in calls:  # what it did before a checkpoint stays, so the call counts among those of its step
        for position, index, entry in found if kept_by_checkpoint(lines, call) is not None else ():
            if entry.get("visit") == file.open_calls[call] and entry.get("status") == RUNNING:
                tx.set((*place_of(steps[position], index), "calls"), [*entry.get("calls", ()), call])
    return [(", ".join(whose), places)] if places else []
