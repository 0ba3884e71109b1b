"""One piece of work behind the steps: its state, what may be asked of it, and how it is kept in ctx["jobs"].

Whose turn it is, and in which thread, is for the pool (`jobs`).
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from octo.errors import UsageError

from .outcome import as_json, describe
from .timing import Timing, next_call

if TYPE_CHECKING:
    from .jobs import JobPool

QUEUED, RUNNING, DONE, ERROR, CANCELLED = "queued", "running", "done", "error", "cancelled"
LIVE = (QUEUED, RUNNING)
RECORDED = 10.0
"""Seconds that one who cancels a job waits for its record, which another thread may be writing."""

Record = Callable[[str, dict[str, Any]], None]
log = logging.getLogger("octo.executors")
_current: ContextVar[Job | None] = ContextVar("octo_job", default=None)


def is_live(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of ctx["jobs"] is of a job that has not ended; a scheduled one reads done between its calls."""
    return entry.get("status") in LIVE or entry.get("next_run") is not None


def current_job() -> Job | None:
    """The job that runs here: its `stop` is set when it is cancelled. None outside a job."""
    return _current.get()


class Limit:
    """At most `size` of the jobs that share it run at once; the others wait for their turn, in order.

    All of them are jobs of one pool.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise UsageError(f"at least one job runs at once, not {size}")
        self.size = size
        self._used = 0
        self._waiting: deque[Job] = deque()


class Job:
    """One piece of work. `status`: queued, running, done, error or cancelled; a scheduled one is queued in between."""

    def __init__(self, pool: JobPool, id: str, name: str, work: Callable[[], Any], interval: float | None,
                 record: Record, timing: Timing | None = None) -> None:
        self.id = id
        self.name = name
        self.interval = interval
        self.timing = timing
        self.status = QUEUED
        self.start: float | None = None
        self.end: float | None = None
        self.error: BaseException | None = None
        self.progress: float | None = None
        """Percent, where its function reports it."""
        self.stop = threading.Event()
        """Set when the job is cancelled: a long function should look at it and return."""
        self.runs = 0
        """How many calls of a scheduled job have ended."""
        self.next_run: float | None = None
        """When a scheduled job is due, in epoch seconds."""
        self._pool = pool
        self._work = work
        self._context = contextvars.copy_context()
        self._value: Any = None
        self._last = QUEUED
        self._is_last = False
        self._due: float | None = None
        # whose turn it is
        self._limit: Limit | None = None
        self._is_beyond = False
        self._holds = 0
        self._followers: list[Job] = []
        # how it is recorded
        self._record = record
        self._is_unsaved = self._is_recording = False
        self._finished = threading.Event()

    @property
    def periodic(self) -> bool:
        """It has no end: nobody waits for it."""
        return self.timing.repeats if self.timing else self.interval is not None

    def cancel(self) -> bool:
        """It counts as cancelled from now on; False where it has ended already."""
        was_live = self._pool._end(self, CANCELLED)
        self.stop.set()  # after that: a function that returns at once has not ended well
        self.wait(RECORDED)
        return was_live

    def finish(self) -> None:
        """For the function of a periodic or scheduled job, from within: this call is the last."""
        self._is_last = True

    def report(self, progress: float) -> None:
        """How far it is, in percent; for its function: `current_job().report(50)`."""
        if not 0 <= progress <= 100:
            raise UsageError(f"the progress of a job is 0 to 100 percent, not {progress}")
        self.progress = progress
        if self.status in LIVE:
            self._keep()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended."""
        return self._finished.wait(timeout)

    def result(self, timeout: float | None = None) -> Any:
        """What it returned (a periodic job: last); raises what it raised, TimeoutError where it has not ended."""
        if not self._finished.wait(timeout):
            raise TimeoutError(f"job {self.id} is {self.status}")
        if self.error is not None:
            raise self.error
        if self.status == CANCELLED:
            raise UsageError(f"job {self.id} was cancelled: it has no result")
        return self._value

    def as_dict(self) -> dict[str, Any]:
        """As it is kept in ctx["jobs"]. A scheduled one tells of its last call, and when the next is due."""
        status = self._last if self.timing and self.status == QUEUED else self.status
        entry: dict[str, Any] = {"status": status, "start": self.start, "end": self.end}
        if self.timing:
            took = None if self.start is None or self.end is None else self.end - self.start
            entry |= {"duration": took, "runs": self.runs, "next_run": self.next_run}
        if self.progress is not None:
            entry["progress"] = self.progress
        if status == DONE or (self.periodic and self._value is not None):
            entry["result"] = as_json(self._value)[0]
        if self.error is not None:
            entry["error"] = describe(self.error)["message"] or type(self.error).__name__
        return entry

    # -- its states; the caller holds the pool's lock ----------------------------------------------

    def _refuse(self, other: Job) -> None:
        """It was to come after one that was not done: that is what its call says now, at once and once."""
        def refuse() -> None:
            raise UsageError(f"it was to come after job {other.name or other.id}, which ended as {other.status}")

        self._work, self._due, self._is_last = refuse, None, True

    def _plan(self, last: float | None = None) -> bool:
        """Note when its next call is due; False where there is none. `last` is when the one before began."""
        assert self.timing is not None
        due = None if self._is_last else next_call(self.timing, last)
        self._due, self.next_run = due or (None, None)
        return due is not None

    def _begin_call(self) -> None:
        self.status = RUNNING
        if self.timing:
            self.start, self.end, self.next_run, self.progress = time.time(), None, None, None
        self.start = self.start or time.time()

    def _end_call(self, began: float, value: Any, error: BaseException | None) -> bool:
        """Of a scheduled one; False where it was the last call."""
        self.runs += 1
        self.error, self._value = error, value
        if not self._plan(began):
            return False
        self.status, self._last, self.end = QUEUED, DONE if error is None else ERROR, time.time()
        return True

    def _end(self, status: str, value: Any, error: BaseException | None) -> None:
        is_between = self.timing is not None and self.status == QUEUED
        self.status, self.error, self.next_run = status, error, None
        self.end = self.end if is_between else time.time()
        if status == DONE:
            self._value = value
        self._work = _nothing  # what it was given need not be kept

    # -- without the lock --------------------------------------------------------------------------

    def _outcome(self, around: Callable[[Job], AbstractContextManager[Any]]) -> tuple[Any, BaseException | None]:
        """Call its function: what that returned, and what it raised or None."""
        token = _current.set(self)
        try:
            with around(self):
                value = self._work()
            _, other = as_json(value)
            if other is not None:
                raise TypeError(f"the result is no JSON value but {other['type']}")
            return value, None
        except BaseException as error:
            return None, error
        finally:
            _current.reset(token)

    def _keep(self) -> None:
        """Record its newest state. Where another thread is at it, that one does this as well.

        So an older state never comes over a newer one, and nobody waits for another here: whoever changes a job may
        hold locks that its record needs. A job has ended for all others when its end is recorded.
        """
        lock = self._pool._changed
        with lock:
            self._is_unsaved = True
            if self._is_recording:
                return
            self._is_recording = True
        while True:
            with lock:
                if not self._is_unsaved:
                    self._is_recording = False
                    if self.status not in LIVE and not self.wait(0):
                        self._pool._settle(self)
                    return
                self._is_unsaved = False
            try:
                self._record(self.id, self.as_dict())
            except Exception:
                log.exception("job %s (%s) could not be recorded", self.id, self.status)


def _nothing() -> None:
    pass
