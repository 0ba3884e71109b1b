"""How long a measured loop goes on, and what its times come to.

A loop's body calls `tick()` first thing. The time from one call to the next is what a whole step costs, the
engine's work between two bodies included. The loop asks `more()` whether to go round again.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any


class Loop:
    """At least `steps` steps and `seconds` seconds, unless `most_seconds` or `full()` ends it before that."""

    def __init__(
        self,
        steps: int,
        seconds: float = 0.0,
        most_seconds: float = 600.0,
        full: Callable[[], bool] = lambda: False,
    ) -> None:
        self.steps = steps
        self.seconds = seconds
        self.most_seconds = most_seconds
        self.full = full
        self.began = time.perf_counter()
        self.stamps: list[float] = []
        self.calls: list[float] = []  # times of one call inside the body, where a measurement is about that
        self.ended_early = ""

    def tick(self) -> None:
        self.stamps.append(time.perf_counter())

    def more(self) -> bool:
        since_first = time.perf_counter() - self.stamps[0]
        if since_first >= self.most_seconds:
            self.ended_early = f"stopped after {self.most_seconds:.0f} s"
            return False
        if self.full():
            self.ended_early = "stopped at its limit of disk space"
            return False
        return len(self.stamps) <= self.steps or since_first < self.seconds

    def steps_taken(self) -> list[float]:
        return [after - before for before, after in itertools.pairwise(self.stamps)]

    def summary(self, note: str = "") -> dict[str, Any]:
        """The steps' times; `start` is how long it took until the first body ran."""
        found = summary(self.steps_taken(), "; ".join(text for text in (note, self.ended_early) if text))
        found["start"] = self.stamps[0] - self.began
        return found


def summary(values: Sequence[float], note: str = "") -> dict[str, Any]:
    """What the table and the JSON show of a series of measured values (seconds, or bytes)."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return {
        "median": statistics.median(ordered),
        "mean": statistics.fmean(ordered),
        "p99": ordered[int(0.99 * (len(ordered) - 1))],
        "worst": ordered[-1],
        "worst_at": list(values).index(ordered[-1]),
        "count": len(ordered),
        "total": sum(ordered),
        "note": note,
    }


# The loop that is being measured in this process: the engine finds and calls step nodes, so they cannot be
# handed an argument.
_running: list[Loop] = []


def start(loop: Loop) -> Loop:
    _running[:] = [loop]
    loop.began = time.perf_counter()
    return loop


def running() -> Loop:
    return _running[0]
