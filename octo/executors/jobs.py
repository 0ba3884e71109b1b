"""Work that goes on behind the steps that started it: the run's one pool of jobs.

A job runs in a daemon thread, so it never holds up the end of the process. It cannot be ended by force: it is
asked to stop, and what comes of it after that counts for nothing.
"""

from __future__ import annotations

import contextvars
import heapq
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any

from octo.errors import UsageError

from .outcome import as_json, describe
from .timing import Timing

QUEUED, RUNNING, DONE, ERROR, CANCELLED = "queued", "running", "done", "error", "cancelled"
LIVE = (QUEUED, RUNNING)
LOOK_AT_CLOCK = 30.0
"""Seconds for which a job that is due at a time of day is left to sleep: the clock may be set meanwhile."""

log = logging.getLogger("octo.executors")
_current: ContextVar[Job | None] = ContextVar("octo_job", default=None)


def is_live(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of ctx["jobs"] is of a job that has not ended; a scheduled one reads done between its calls."""
    return entry.get("status") in LIVE or entry.get("next_run") is not None


def current_job() -> Job | None:
    """The job that runs here: its `stop` is set when it is cancelled. None outside a job."""
    return _current.get()


class Limit:
    """At most `size` of the jobs that share it run at once; the others wait for their turn, in order."""

    def __init__(self, size: int) -> None:
        if size < 1:
            raise UsageError(f"at least one job runs at once, not {size}")
        self.size = size
        self._used = 0
        self._waiting: deque[Job] = deque()


class Job:
    """One piece of work. `status`: queued, running, done, error or cancelled; a scheduled one is queued in between."""

    def __init__(self, pool: JobPool, id: str, name: str, work: Callable[[], Any], interval: float | None,
                 record: Callable[[str, dict[str, Any]], None], timing: Timing | None = None) -> None:
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
        self._last = QUEUED
        self._is_last = False
        self._value: Any = None
        self._pool = pool
        self._work = work
        self._record = record
        self._finished = threading.Event()
        self._record_lock = threading.Lock()
        self._context = contextvars.copy_context()
        self._limit: Limit | None = None
        self._is_beyond = False
        self._waits_for = 0
        self._followers: list[Job] = []

    @property
    def periodic(self) -> bool:
        """It has no end: nobody waits for it."""
        return self.timing.repeats if self.timing else self.interval is not None

    def cancel(self) -> bool:
        """It counts as cancelled from now on; False where it has ended already."""
        return self._pool._cancel(self)

    def finish(self) -> None:
        """For the function of a periodic job, from within: this call is the last."""
        self._is_last = True

    def report(self, progress: float) -> None:
        """How far it is, in percent; for its function: `current_job().report(50)`."""
        if not 0 <= progress <= 100:
            raise UsageError(f"the progress of a job is 0 to 100 percent, not {progress}")
        self.progress = progress
        if self.status in LIVE:
            self._pool._keep(self)

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


def _nothing() -> None:
    pass


def _refusal(other: Job) -> Callable[[], Any]:
    def refuse() -> None:
        raise UsageError(f"it was to come after job {other.name or other.id}, which ended as {other.status}")

    return refuse


def _no_record(id: str, entry: dict[str, Any]) -> None:
    pass


class JobPool:
    """At most `max_workers` jobs at once, in the order in which they came; for any number of threads.

    `record(id, entry)` is called when a job's state changes; `around(job)` is entered around each call of its
    function, in the job's thread. The function sees the context variables of who submitted it.
    """

    def __init__(self, max_workers: int = 32, *, record: Callable[[str, dict[str, Any]], None] = _no_record,
                 around: Callable[[Job], AbstractContextManager[Any]] = lambda job: nullcontext()) -> None:
        self.max_workers = max_workers
        self._record = record
        self._around = around
        self._changed = threading.Condition()
        self._ready: deque[Job] = deque()
        self._timed: list[tuple[float, int, Job]] = []
        self._jobs: dict[str, Job] = {}
        self._threads = self._free = self._count = 0
        self._is_closed = False

    # -- what is asked for -----------------------------------------------------------------------

    def submit(self, function: Callable[..., Any], *args: Any, job_id: str | None = None, periodic: bool = False,
               interval: float | None = None, timing: Timing | None = None, name: str = "",
               record: Callable[[str, dict[str, Any]], None] | None = None, limit: Limit | None = None,
               after: Sequence[Job] = (), beyond: bool = False) -> Job:
        """Call `function(*args)` as soon as a thread is free; a periodic one every `interval` seconds (1) from now.

        With a `timing` it is called when that says so, also after a call that failed. An id that a live job has is
        refused. `record` is for this job, instead of the pool's. It begins when all the jobs `after` which it comes
        are done, and fails when one of them was not. One `beyond` the pool's size has a thread of its own: for work
        that its starter, which may itself be a job, waits for.
        """
        if interval is not None and interval <= 0:
            raise UsageError(f"the interval of a job is more than 0 seconds, not {interval:g}")
        every = interval or 1.0 if periodic or interval else None
        with self._changed:
            if self._is_closed:
                raise UsageError("the run has ended: it takes no more jobs")
            id = job_id or f"{name or getattr(function, '__name__', 'job')}-{secrets.token_hex(4)}"
            known = self._jobs.get(id)
            if known is not None and known.status in LIVE:
                raise UsageError(f"a job {id} is {known.status} already: give this one another id, or cancel that one")
            job = self._jobs[id] = Job(self, id, name, lambda: function(*args), every, record or self._record, timing)
            job._limit, job._is_beyond = limit, beyond
            is_planned = timing is not None and not timing.run_now and self._plan(job)
        self._keep(job)
        with self._changed:
            for other in after:
                if other.status in LIVE:
                    other._followers.append(job)
                    job._waits_for += 1
                elif other.status != DONE:
                    job._work = _refusal(other)
            if not is_planned and not job._waits_for:
                self._admit(job)
            self._see_to_threads()
        return job

    def get(self, id: str) -> Job | None:
        """The newest job of that id."""
        return self._jobs.get(id)

    def forget(self, job: Job) -> None:
        """Nobody will ask for it any more."""
        with self._changed:
            if self._jobs.get(job.id) is job:
                del self._jobs[job.id]

    def jobs(self) -> list[Job]:
        """All jobs, oldest first."""
        with self._changed:
            return list(self._jobs.values())

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for all finite jobs; False where some have not ended in time. Periodic ones have no end."""
        give_up = None if timeout is None else time.monotonic() + timeout
        while True:
            live = [job for job in self.jobs() if not job._finished.is_set() and not job.periodic]
            if not live:
                return True
            if not live[0].wait(None if give_up is None else max(0.0, give_up - time.monotonic())):
                return False

    def cancel_all(self) -> list[Job]:
        """Cancel what lives; which that was."""
        return [job for job in self.jobs() if job.cancel()]

    def close(self) -> None:
        """Cancel what lives and take no more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self.cancel_all()

    # -- whose turn it is; the caller holds the lock -----------------------------------------------

    def _admit(self, job: Job) -> None:
        """It may begin: now, or when its limit allows it."""
        if job._limit is not None:
            if job._limit._used >= job._limit.size:
                job._limit._waiting.append(job)
                return
            job._limit._used += 1
        if job._is_beyond:
            try:
                threading.Thread(target=self._serve_one, args=(job,), name="octo-job", daemon=True).start()
                return
            except RuntimeError:  # the system has no more threads: it waits for one of the pool's
                pass
        self._ready.append(job)
        self._see_to_threads()

    def _release(self, job: Job) -> None:
        """Its function has returned (or was never called): the next one of its limit may begin."""
        limit = job._limit
        if limit is None:
            return
        limit._used -= 1
        while limit._waiting and limit._used < limit.size:
            waiting = limit._waiting.popleft()
            if waiting.status in LIVE:
                self._admit(waiting)

    # -- threads ---------------------------------------------------------------------------------

    def _see_to_threads(self) -> None:
        """A thread for each job that waits, and one for the periodic ones, as far as that is allowed.

        The caller holds the lock.
        """
        self._changed.notify_all()
        if len(self._ready) + bool(self._timed) > self._free and self._threads < self.max_workers:
            self._threads += 1
            self._free += 1
            threading.Thread(target=self._serve, name="octo-job", daemon=True).start()

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            job._context.run(self._call, job)
            with self._changed:
                self._free += 1
                self._release(job)

    def _serve_one(self, job: Job) -> None:
        job._context.run(self._call, job)
        with self._changed:
            self._release(job)

    def _next(self) -> Job | None:
        with self._changed:
            while not self._is_closed:
                now = time.monotonic()
                while self._timed and self._timed[0][0] <= now:
                    job = heapq.heappop(self._timed)[2]
                    if job.status in LIVE and not self._is_early(job):
                        self._admit(job)
                while self._ready:
                    job = self._ready.popleft()
                    if job.status in LIVE:
                        self._free -= 1
                        self._see_to_threads()
                        return job
                    self._release(job)
                self._changed.wait(self._timed[0][0] - now if self._timed else None)
            return None

    def _call(self, job: Job) -> None:
        due = time.monotonic()
        with self._changed:
            if job.status not in LIVE or self._is_closed:
                return
            is_first = job.status == QUEUED
            job.status = RUNNING
            if job.timing:
                job.start, job.end, job.next_run = time.time(), None, None
            job.start = job.start or time.time()
        if is_first:
            self._keep(job)
        token = _current.set(job)
        try:
            with self._around(job):
                value = job._work()
            _, other = as_json(value)
            if other is not None:
                raise TypeError(f"the result is no JSON value but {other['type']}")
        except BaseException as error:
            if job.timing is None or not self._comes_again(job, due, ERROR, None, error):
                self._end(job, ERROR, error=error)
            return
        finally:
            _current.reset(token)
        if job.timing is not None and self._comes_again(job, due, DONE, value, None):
            return
        if job.interval is None or job._is_last:
            self._end(job, DONE, value=value)
            return
        with self._changed:
            if job.status in LIVE:
                job._value = value
                missed = (time.monotonic() - due) // job.interval  # late ones are left out, not made up for
                self._push(job, due + (missed + 1) * job.interval)

    # -- scheduled jobs ----------------------------------------------------------------------------

    def _comes_again(self, job: Job, due: float, status: str, value: Any, error: BaseException | None) -> bool:
        """Note how the call that was due then went, and plan the next; False where that was the last."""
        with self._changed:
            if job.status not in LIVE:
                return True  # cancelled meanwhile
            job.runs += 1
            job.error, job._value = error, value
            if not self._plan(job, due):
                return False
            job.status, job._last, job.end = QUEUED, status, time.time()
        self._keep(job)
        return True

    def _plan(self, job: Job, due: float | None = None) -> bool:
        """Put the next call into the heap; False where there is none. The caller holds the lock."""
        timing, now = job.timing, time.monotonic()
        assert timing is not None
        if due is not None and not timing.repeats:
            return False
        if timing.interval is not None:
            begin = now if due is None else due
            missed = (now - begin) // timing.interval  # late ones are left out, not made up for
            moment = begin + (missed + 1) * timing.interval
            job.next_run = time.time() + moment - now
        else:
            job.next_run = timing.next_time(time.time())
            if job.next_run is None:
                return False
            moment = now + min(job.next_run - time.time(), LOOK_AT_CLOCK)
        self._push(job, moment)
        return True

    def _is_early(self, job: Job) -> bool:
        """It is due by the clock, and it is not so late yet: it sleeps on. The caller holds the lock."""
        left = 0.0 if job.next_run is None or job.timing is None or job.timing.interval else job.next_run - time.time()
        if left > 0:
            self._push(job, time.monotonic() + min(left, LOOK_AT_CLOCK))
        return left > 0

    def _push(self, job: Job, moment: float) -> None:
        self._count += 1
        heapq.heappush(self._timed, (moment, self._count, job))
        self._changed.notify_all()

    def _cancel(self, job: Job) -> bool:
        was_live = self._end(job, CANCELLED)
        job.stop.set()  # after that: a function that returns at once has not ended well
        return was_live

    def _end(self, job: Job, status: str, *, value: Any = None, error: BaseException | None = None) -> bool:
        with self._changed:
            if job.status not in LIVE:
                return False
            is_between = job.timing is not None and job.status == QUEUED
            job.status, job.error, job.next_run = status, error, None
            job.end = job.end if is_between else time.time()
            if status == DONE:
                job._value = value
        self._keep(job)
        job._work = _nothing  # what it was given need not be kept
        job._finished.set()
        with self._changed:
            for follower in job._followers:
                follower._waits_for -= 1
                if status != DONE:
                    follower._work = _refusal(job)
                if not follower._waits_for and follower.status in LIVE:
                    self._admit(follower)
            job._followers.clear()
        return True

    def _keep(self, job: Job) -> None:
        """The newest state of the job; never an older one over it."""
        with job._record_lock:
            try:
                job._record(job.id, job.as_dict())
            except Exception:
                log.exception("job %s (%s) could not be recorded", job.id, job.status)


_default: JobPool | None = None
_default_lock = threading.Lock()


def default_pool() -> JobPool:
    """The pool of this process, for work outside a run."""
    global _default
    with _default_lock:
        if _default is None:
            _default = JobPool()
        return _default
