"""`run_step_count`: up by exactly one for each executed step, also where a step counts by itself."""

from __future__ import annotations

from typing import Any

from octo.store import MISSING, Transaction
from octo.store.state_file import StateFile

from .position import COUNTER


class StepCount:
    """Makes up for what the steps of a visit do to the counter themselves, as many seed nodes do.

    `own`: by how much this visit's calls have changed it and were not made up for yet.
    """

    def __init__(self, file: StateFile, own: int) -> None:
        self._file = file
        self.own = own
        self._before: Any = None

    def begin(self, tx: Transaction) -> None:
        """A call begins with this record."""
        self._before = tx.peek(COUNTER, 0)

    def end(self, tx: Transaction, call: int) -> None:
        """A call has ended: note what it did."""
        if tx.peek(COUNTER, 0) != self._before:
            self.own += own_count(self._file.lines_since(call), call)

    def executed(self, tx: Transaction) -> None:
        """`step_execute` is committed: one more, however many the visit counted itself."""
        self._add(tx, 1 - self.own)

    def left(self, tx: Transaction) -> None:
        """The visit is over: what `step_exit` and `step_advance` counted is taken back."""
        self._add(tx, -self.own)

    def _add(self, tx: Transaction, by: int) -> None:
        self.own = 0
        if by:
            if type(tx.peek(COUNTER, MISSING)) is not int:
                tx.set(COUNTER, 1)
            tx.increment(COUNTER, by)


def own_count(lines: list[dict[str, Any]], call: int) -> int:
    """The net change of `run_step_count` by the records of one call."""
    total, path = 0, list(COUNTER)
    for line in lines:
        if line.get("call") == call:
            for op in line["ops"]:
                if op["path"] == path and op["op"] == "increment":
                    total += op["by"]
                elif op["path"] == path and type(op.get("value")) is type(op.get("old")) is int:
                    total += op["value"] - op["old"]
    return total
