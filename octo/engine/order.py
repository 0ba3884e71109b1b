"""Which steps the plan puts before which, whatever the clock does.

A step comes after all that it depends on. Besides, a step that runs alone is a wall: what stands before it in the
list, with all that this depends on, has ended when it starts; and nothing behind it starts before it has ended, if
the wall is sure to be ready by then. A background step is met once it has started, so that it orders what it needs
itself, but never ends before anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .graph import StepSpec


class Order:
    """Answers for pairs of positions. Sets of steps are bits of whole numbers.

    `out`: names of steps that do not run, and so put nothing before anything.
    """

    def __init__(self, steps: Sequence[StepSpec], out: Iterable[str] = ()) -> None:
        self._steps = steps
        self._out = frozenset(out)
        position = {spec.name: number for number, spec in enumerate(steps) if spec.name not in self._out}
        self._needs = [[position[name] for name in spec.needs if name in position] for spec in steps]
        self._needed: dict[int, int] = {}
        self._before: dict[int, int] = {}
        self._front: dict[int, int] = {}
        self._walls = self._background = 0
        for number in position.values():
            self._background |= steps[number].background << number
            self._walls |= (not steps[number].parallel and not steps[number].background) << number
        self._there = sum(1 << number for number in position.values())

    def without(self, names: Iterable[str]) -> Order:
        """The order where these do not run either."""
        out = self._out.union(names)
        return self if out == self._out else Order(self._steps, out)

    def ordered(self, one: int, other: int) -> bool:
        """Whether one of the two is sure to have ended before the other starts."""
        return bool(self.before(one) >> other & 1 or self.before(other) >> one & 1)

    def before(self, step: int) -> int:
        """The steps that are sure to have ended when `step` starts."""
        for current in self._needs_first(step, self._before):
            self._before[current] = self._compute_before(current)
        return self._before[step]

    def _compute_before(self, step: int) -> int:
        known = 0
        for need in self._needs[step]:
            known |= self._before[need] | 1 << need
        if self._walls >> step & 1:
            known |= self._in_front_of(step)
        needed = self.needed(step)
        found = True
        while found:  # a wall may make sure that a later one is ready, or one that waits for it
            found = False
            for wall in _bits(self._walls & ((1 << step) - 1) & ~known):
                if self.needed(wall) & ~(known & ~self._background | needed) == 0:
                    known |= self.before(wall) | 1 << wall
                    found = True
        return known & ~self._background

    def needed(self, step: int) -> int:
        """What `step` depends on, directly or not."""
        for current in self._needs_first(step, self._needed):
            self._needed[current] = 0
            for need in self._needs[current]:
                self._needed[current] |= self._needed[need] | 1 << need
        return self._needed[step]

    def _needs_first(self, step: int, known: dict[int, int]) -> Iterator[int]:
        """The step and what it depends on, as far as that is not `known`, each after all that it depends on."""
        waiting = [step]
        while waiting:
            missing = [need for need in self._needs[waiting[-1]] if need not in known]
            if missing and waiting[-1] not in known:
                waiting += missing
                continue
            current = waiting.pop()
            if current not in known:
                yield current

    def _in_front_of(self, wall: int) -> int:
        """The steps before a wall in the list that depend on nothing behind it."""
        if wall not in self._front:
            in_front = (1 << wall) - 1
            self._front[wall] = sum(1 << step for step in _bits(self._there & in_front & ~self._background)
                                    if self.needed(step) & ~in_front == 0)
        return self._front[wall]


def _bits(number: int) -> Iterator[int]:
    """The positions of the bits that are set, lowest first."""
    while number:
        yield (number & -number).bit_length() - 1
        number &= number - 1
