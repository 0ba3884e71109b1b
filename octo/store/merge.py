"""An edit of the JSON by a person or another program: what it changed, carried onto the newest state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .changes import MISSING, Op, Tree, diff
from .transaction import Transaction


@dataclass(frozen=True)
class Position:
    """Where the journal stands when an edit comes."""

    identity: str
    base_seq: int
    seq: int
    view_seq: int


@dataclass
class Edit:
    """What to do about a file that is not Octo's own."""

    ops: list[Op] = field(default_factory=list)
    who: str = "edit"
    adds_integers: bool = False
    """The edit was made on the last view: where both sides counted, both counts stand."""
    ahead: int = 0
    """The number that a file ahead of the journal shows (the journal lost its end in a power failure)."""
    warning: str = ""


@dataclass(frozen=True)
class Merged:
    """A file that was merged last, while Octo's own that shows it is not yet in place."""

    mark: str | None
    value: Any


def examine(value: Any, mark: str | None, newest: Any, position: Position, *, running: bool,
            state_at: Callable[[int], Any], last: Merged | None = None) -> Edit:
    """Find the changes in `value`, the file's content, whose checkpoint was `mark`.

    Whoever read `last` and saved again has its checkpoint in the file too: then only what is new counts.
    """
    identity, _, number = (mark or "").rpartition(".")
    if mark is None:
        seq = position.view_seq
    elif identity != position.identity or not number.isdigit():
        return _whole(newest, value, "it belongs to another journal")
    else:
        seq = int(number)
        if seq < position.base_seq:
            return _whole(newest, value, f"it shows change {seq}, which is older than the history kept")
        if seq > position.seq:
            return Edit(diff(newest, value), who="recovered", ahead=seq,
                        warning=f"the JSON is ahead of the journal (change {seq} against {position.seq}) "
                                "and was adopted")
    base = newest if seq == position.seq else state_at(seq)
    ops = diff(base, value)
    if last is not None and last.mark == mark and _builds_on(last.value, base, value):
        ops = diff(last.value, value)
    if not ops and seq < position.view_seq and not running:
        return _whole(newest, value, f"it is an earlier state (change {seq}), taken as a restored backup")
    return Edit(ops, adds_integers=seq == position.view_seq)


def _builds_on(last: Any, base: Any, value: Any) -> bool:
    """Whether each place that `last` had changed is changed in `value` too."""
    before, after = Tree(base), Tree(value)
    places = [tuple(op["path"]) for op in diff(base, last)]
    return bool(places) and all(diff(before.find(place), after.find(place)) for place in places)


def _whole(newest: Any, value: Any, reason: str) -> Edit:
    return Edit(diff(newest, value), warning=f"the JSON stands as it is, whole: {reason}")


def carry_over(edit: Edit, tx: Transaction) -> None:
    """Apply the edit's changes to the newest state."""
    for op in edit.ops:
        path = tuple(op["path"])
        now = tx.peek(path, MISSING)
        if op["op"] == "delete":
            if now is not MISSING:
                tx.delete(path)
            continue
        value, old = op["value"], op.get("old", MISSING)
        if edit.adds_integers and type(value) is type(old) is type(now) is int and now != old:
            tx.increment(path, value - old)
        elif now is MISSING or diff(now, value):
            _put(tx, path, value)


def _put(tx: Transaction, path: tuple[Any, ...], value: Any) -> None:
    """Set, also where something on the way is no dict any more: the file's value stands."""
    for length in range(1, len(path)):
        there = tx.peek(path[:length], MISSING)
        if there is not MISSING and type(there) is not dict:
            for part in reversed(path[length:]):
                value = {part: value}
            tx.set(path[:length], value)
            return
    tx.set(path, value)


def state_before(root: Any, lines: list[dict[str, Any]], seq: int) -> Any:
    """The state at number `seq`, from the newest one and the journal's lines since; `root` stays untouched."""
    tree = Tree(root)
    tree.freeze()
    for line in reversed(lines):
        if line.get("seq", 0) > seq:
            for op in reversed(line["ops"]):
                tree.revert(op)
    return tree.root
