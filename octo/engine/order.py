"""Which steps the plan puts before which, whatever the clock does.

A step comes after all that it depends on. Besides, a step that runs alone is a wall: what stands before it in the
list, with all that this depends on, has ended when it starts; and nothing behind it starts before it has ended, if
the wall is sure to be ready by then.
"""

from __future__ import annotations

from collections.abc import Sequence

from .graph import StepSpec


class Order:
    """Answers for pairs of positions. Sets of steps are bits of whole numbers."""

    def __init__(self, steps: Sequence[StepSpec]) -> None:
        position = {spec.name: number for number, spec in enumerate(steps)}
        self._steps = steps
        self._needs = [[position[name] for name in spec.needs] for spec in steps]
        self._ancestors: dict[int, int] = {}
        self._before: dict[int, int] = {}
        self._walls = [number for number, spec in enumerate(steps) if not spec.parallel and not spec.background]

    def ordered(self, one: int, other: int) -> bool:
        """Whether one of the two is sure to have ended before the other starts."""
        return bool(self.before(one) >> other & 1 or self.before(other) >> one & 1)

    def before(self, step: int) -> int:
        """The steps that are sure to have ended when `step` starts."""
        if step not in self._before:
            known = self.ancestors(step)
            if step in self._walls:
                known |= self._in_front_of(step)
            for wall in self._walls:
                if wall >= step:
                    break
                if not known >> wall & 1 and self.ancestors(wall) & ~known == 0:
                    known |= 1 << wall
                if known >> wall & 1:
                    known |= self._in_front_of(wall) | self.ancestors(wall)
            self._before[step] = known
        return self._before[step]

    def ancestors(self, step: int) -> int:
        """What `step` depends on, directly or not."""
        waiting = [step]
        while waiting:
            current = waiting[-1]
            if current in self._ancestors:
                waiting.pop()
                continue
            missing = [need for need in self._needs[current] if need not in self._ancestors]
            if missing:
                waiting += missing
                continue
            self._ancestors[current] = 0
            for need in self._needs[current]:
                if not self._steps[need].background:  # met once started: it may still run
                    self._ancestors[current] |= 1 << need
                self._ancestors[current] |= self._ancestors[need]
            waiting.pop()
        return self._ancestors[step]

    def _in_front_of(self, wall: int) -> int:
        """The steps before a wall in the list that depend on nothing behind it."""
        in_front = (1 << wall) - 1
        found = 0
        for step in range(wall):
            if self.ancestors(step) & ~in_front == 0 and not self._steps[step].background:
                found |= 1 << step
        return found
