"""What parallel steps changed in ctx, and which of them the plan puts one before the other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from octo.store.state_file import StateFile

from .clash import Clashes, Writes
from .dag import Unit
from .graph import StepSpec
from .order import Order
from .step_book import GROUP, entries
from .written import standing


class Beside:
    """`run`: names of the steps that are to run now; `left_out`: of those that are not part of this run at all.

    Not safe for threads: the walk that uses it holds a lock.
    """

    def __init__(self, steps: Sequence[StepSpec], run: Collection[str], left_out: Iterable[str]) -> None:
        self.clashes = Clashes()
        self.calls: dict[Unit, list[int]] = {}
        """Of the units in `clashes`: the calls whose effect on ctx stands."""
        self._steps, self._run = steps, run
        self._order = Order(steps, left_out)
        self._order_now = Order(steps, [spec.name for spec in steps if spec.name not in run])

    def add(self, unit: Unit, writes: Writes, calls: list[int]) -> None:
        """The unit ended, and this of what it changed stands."""
        self.clashes.add(unit, writes)
        self.calls[unit] = calls

    def remember(self, file: StateFile) -> None:
        """What steps of this run changed before, so that a later one can clash with it."""
        calls: dict[int, Unit] = {}
        steps = file.look((GROUP,), lambda group: group if isinstance(group, dict) else {})
        for position, index, entry in entries(steps, [spec.name for spec in self._steps]):
            if self._steps[position].parallel and not self._steps[position].background:
                calls |= {call: Unit(position, index) for call in entry.get("calls", ())}
        if not calls:
            return
        with file.reading():
            seen = standing(file.lines_since(min(calls) - 1), calls)
        for call, unit in calls.items():
            self.add(unit, Writes.of(seen[call]), [*self.calls.get(unit, ()), call])

    def is_ordered(self, one: Unit, other: Unit) -> bool:
        """Whether the plan puts one of the two units before the other, whatever the clock says."""
        if one.position == other.position:
            return -1 in (one.item, other.item)  # a step ends after its items
        both_now = all(self._steps[unit.position].name in self._run for unit in (one, other))
        return (self._order_now if both_now else self._order).ordered(one.position, other.position)

    def never(self, steps: Iterable[StepSpec]) -> None:
        """These will not run after all, so that they hold up nobody."""
        names = [spec.name for spec in steps]
        self._order, self._order_now = self._order.without(names), self._order_now.without(names)
