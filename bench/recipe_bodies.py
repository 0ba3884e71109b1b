"""Bodies of the measured recipes' steps."""

from __future__ import annotations

import time


def nothing() -> None:
    """The least that a step can do."""


def moment() -> float:
    """The clock that all processes of this machine share."""
    return time.monotonic()


def work(rounds: int) -> int:
    """Something for a CPU alone."""
    total = 0
    for number in range(rounds):
        total += number * number % 7
    return total
