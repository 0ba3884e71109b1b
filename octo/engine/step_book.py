"""What stands in the group `steps` of the state: how far each step, and each item of one that fans out, is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from octo.store import GLOBAL, MISSING, Transaction, checked, dumps
from octo.store.values import Path

from .position import put

GROUP = "steps"
WAITING, RUNNING, DONE, FAILED = "WAITING", "RUNNING", "DONE", "FAILED"
SKIPPED, LEFT_OUT, CACHED, STOPPED = "SKIPPED", "LEFT_OUT", "CACHED", "STOPPED"
OVER = (DONE, CACHED, SKIPPED)
"""What a resume does not run again."""
ENDED_WELL = (*OVER, STOPPED)
RESULT_KEPT = 64 << 10
"""Bytes of a result, as JSON, that are kept with the step."""


def has_left_out(state: Any) -> bool:
    """Whether the last run left steps out that the next one goes on with."""
    steps = state.get(GROUP) if isinstance(state, dict) else None
    entries = steps.values() if isinstance(steps, dict) else ()
    return any(isinstance(entry, dict) and entry.get("status") == LEFT_OUT for entry in entries)


def place_of(step: str, index: int = -1) -> Path:
    """Where a step, or one of its items, stands."""
    return (GROUP, step) if index < 0 else (GROUP, step, "items", str(index))


def shown_name(step: str, index: int = -1) -> str:
    """`load`, or `load[3]` for an item."""
    return step if index < 0 else f"{step}[{index}]"


def entries(steps: Any, names: Sequence[str]) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """What stands in the group `steps`: the step's position in `names`, the item's number (-1: its own), the entry."""
    for position, name in enumerate(names):
        entry = steps.get(name) if isinstance(steps, dict) else None
        if isinstance(entry, dict):
            yield position, -1, entry
            items = entry.get("items")
            for key, item in items.items() if isinstance(items, dict) else ():
                yield position, int(key), item


def write(tx: Transaction, step: str, index: int, entry: dict[str, Any], *, fans_out: bool = False) -> None:
    """Put an entry; a step that fans out keeps its items."""
    place = place_of(step, index)
    if not fans_out or index >= 0:
        tx.set(place, entry)
        return
    there = tx.peek(place, MISSING)
    for key in [key for key in there if key != "items" and key not in entry] if isinstance(there, dict) else []:
        tx.delete((*place, key))
    for key, value in entry.items():
        if tx.peek((*place, key), MISSING) != value:
            tx.set((*place, key), value)


def kept_result(value: Any, *, whole: bool = False) -> Any:
    """A result as it is kept: itself where it is JSON and small (or `whole`), else its type and size."""
    if value is None or value is True or value is False:
        return value
    try:
        plain = checked(value)
        size = len(dumps(plain))
    except (ValueError, TypeError, RecursionError):
        return {"type": type(value).__name__, "size": _length(value)}
    return plain if whole or size <= RESULT_KEPT else {"type": type(value).__name__, "size": size}


def _length(value: Any) -> int | None:
    try:
        return len(value)
    except Exception:  # whatever a foreign class does
        return None


def show_running(tx: Transaction, name: str, module: str) -> None:
    """The documented keys: the step that started first of those that run."""
    put(tx, "current_step_node", name)
    put(tx, "current_step_module", module)
    put(tx, "current_step_state", "EXECUTE" if name else "INACTIVE")


def is_new(tx: Transaction) -> bool:
    """Whether nothing has run here since the state was made or reset."""
    return tx.peek((GLOBAL, "run_id"), MISSING) is MISSING
