"""Jobs that wait for a time, and which of them are due now."""

from __future__ import annotations

import heapq
import time

from .job import LIVE, Job

LOOK_AT_CLOCK = 30.0
"""Seconds for which a job that is due at a time of day is left to sleep: the clock may be set meanwhile."""


class DueTimes:
    """The jobs that wait for a time, the next one first. The caller holds the pool's lock."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Job]] = []
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._heap)

    def add(self, job: Job, moment: float) -> None:
        """Due at that moment of time.monotonic(). One that is due by the clock is looked at sooner."""
        if _is_by_clock(job):
            moment = min(moment, time.monotonic() + LOOK_AT_CLOCK)
        self._count += 1
        heapq.heappush(self._heap, (moment, self._count, job))  # the count: jobs cannot be compared

    def seconds_left(self) -> float | None:
        """Until the next look is due; None where no job waits."""
        return max(0.0, self._heap[0][0] - time.monotonic()) if self._heap else None

    def take(self) -> list[Job]:
        """Those that are due now, without those that were cancelled meanwhile."""
        found, now = [], time.monotonic()
        while self._heap and self._heap[0][0] <= now:
            job = heapq.heappop(self._heap)[2]
            if job.status not in LIVE:
                continue
            left = (job.next_run or 0.0) - time.time() if _is_by_clock(job) else 0.0
            if left > 0:
                self.add(job, now + left)
            else:
                found.append(job)
        return found


def _is_by_clock(job: Job) -> bool:
    return job.timing is not None and job.timing.interval is None
