"""The plan of a graph of steps: whose turn it is. It knows names, order and dependencies, and nothing of running.

Ready steps are taken in the order of the list. Steps with `parallel` run together; one without it runs alone: it
waits for the foreground steps that run, and no ready step behind it starts before it has ended. Background steps
start when it is their turn and stand in nobody's way.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .graph import StepSpec


class Unit(NamedTuple):
    """What runs as one: a step (`item` -1), or one item of a step that fans out."""

    position: int
    item: int = -1


@dataclass
class Limits:
    """What may run at once: foreground steps in all, and in each lane (such as "process")."""

    steps: int = 32
    lanes: Mapping[str, int] = field(default_factory=dict)
    cpu: float = float("inf")
    mem: float = float("inf")


class Dag:
    """The plan and how far it is. `met`: names of steps that are done with before the run begins.

    Not safe for threads: the walk that uses it holds a lock.
    """

    def __init__(self, steps: Sequence[StepSpec], limits: Limits, met: Iterable[str] = ()) -> None:
        self.steps = list(steps)
        self.limits = limits
        self.position = {spec.name: position for position, spec in enumerate(self.steps)}
        self.running: dict[Unit, StepSpec] = {}
        """Foreground units that run."""
        self._ready: list[Unit] = []
        self._missing: list[int] = []
        self._followers: list[list[int]] = [[] for _ in self.steps]
        self._met = {self.position[name] for name in met}
        self._over = set(self._met)
        self._lanes: dict[str, int] = {}
        self._cpu = self._mem = 0.0
        self._alone = self._background_ready = 0
        for position, spec in enumerate(self.steps):
            needs = {self.position[name] for name in spec.needs}
            for need in needs:
                self._followers[need].append(position)
            self._missing.append(len(needs - self._met))
            if not self._missing[-1] and position not in self._over:
                self._add(Unit(position))

    def spec(self, unit: Unit) -> StepSpec:
        return self.steps[unit.position]

    def next(self, may_start: Callable[[Unit], bool] = lambda unit: True) -> Unit | None:
        """The unit whose turn it is now; None while none may start. `may_start` is asked for that one only."""
        if not self.has_room():
            return None
        for place, unit in enumerate(self._ready):
            spec = self.steps[unit.position]
            if not spec.background:
                if not spec.parallel and self.running:
                    return None
                if not self._fits(spec):
                    continue
            if not may_start(unit):
                return None
            del self._ready[place]
            self._background_ready -= spec.background
            return unit
        return None

    def has_room(self) -> bool:
        """Whether another unit might start. A background step needs no room of its own."""
        return (bool(self._ready) and not self._alone
                and (len(self.running) < self.limits.steps or self._background_ready > 0))

    def _fits(self, spec: StepSpec) -> bool:
        if not self.running:
            return True
        if len(self.running) >= self.limits.steps:
            return False
        lane = self.limits.lanes.get(spec.lane)
        return ((lane is None or self._lanes.get(spec.lane, 0) < lane)
                and self._cpu + spec.cpu <= self.limits.cpu and self._mem + spec.mem <= self.limits.mem)

    def start(self, unit: Unit) -> None:
        """The unit runs from now on."""
        spec = self.steps[unit.position]
        if spec.background:
            return
        self.running[unit] = spec
        self._lanes[spec.lane] = self._lanes.get(spec.lane, 0) + 1
        self._cpu += spec.cpu
        self._mem += spec.mem
        self._alone += not spec.parallel

    def stop(self, unit: Unit) -> None:
        """It runs no more; what it means for the step is said by `met` or `failed`."""
        spec = self.running.pop(unit, None)
        if spec is not None:
            self._lanes[spec.lane] -= 1
            self._cpu -= spec.cpu
            self._mem -= spec.mem
            self._alone -= not spec.parallel

    def fan_out(self, position: int, indices: Iterable[int]) -> None:
        """The step becomes one unit an item."""
        for index in indices:
            self._add(Unit(position, index))

    def _add(self, unit: Unit) -> None:
        insort(self._ready, unit)
        self._background_ready += self.steps[unit.position].background

    def take(self, unit: Unit) -> bool:
        """Take this one out of its turn; False where it is not there to be taken."""
        if unit in self._ready:
            self._ready.remove(unit)
            self._background_ready -= self.steps[unit.position].background
            return True
        return not self._missing[unit.position] == 0 and self._take_unready(unit.position)

    def _take_unready(self, position: int) -> bool:
        if position in self._over:
            return False
        self._over.add(position)
        return True

    def met(self, position: int) -> None:
        """The step counts as done for those that depend on it."""
        self._over.add(position)
        if position in self._met:
            return
        self._met.add(position)
        for follower in self._followers[position]:
            self._missing[follower] -= 1
            if not self._missing[follower] and follower not in self._over:
                self._add(Unit(follower))

    def failed(self, position: int) -> None:
        """The step is over, and what depends on it will not run."""
        self._over.add(position)

    def never(self) -> list[StepSpec]:
        """The steps that depend on one that is over and not met, so that they will never run."""
        waiting = [position for position in self._over if position not in self._met]
        found: set[int] = set()
        while waiting:
            for follower in self._followers[waiting.pop()]:
                if follower not in found and follower not in self._over:
                    found.add(follower)
                    waiting.append(follower)
        return [self.steps[position] for position in sorted(found)]

    def left(self) -> list[StepSpec]:
        """The steps that are not over, in order."""
        return [spec for position, spec in enumerate(self.steps) if position not in self._over]

    def unmet(self, spec: StepSpec) -> list[str]:
        """What the step still waits for."""
        return [name for name in spec.needs if self.position[name] not in self._met]
