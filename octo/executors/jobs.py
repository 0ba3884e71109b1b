"""Work that goes on behind the steps that started it: the run's one pool of jobs.

A job runs in a daemon thread, so it never holds up the end of the process. It cannot be ended by force: it is
asked to stop, and what comes of it after that counts for nothing.

One lock guards who runs when. It is never held while a job's function is called or its state is recorded: both may
take as long as they like, and other locks.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from octo.errors import UsageError

from .due import DueTimes
from .job import CANCELLED, DONE, ERROR, LIVE, QUEUED, RECORDED, RUNNING, Job, Limit, Record, current_job, is_live
from .timing import Timing, next_turn

__all__ = ["CANCELLED", "DONE", "ERROR", "LIVE", "QUEUED", "RECORDED", "RUNNING", "Job", "JobPool", "Limit",
           "current_job", "default_pool", "is_live"]


def _no_record(id: str, entry: dict[str, Any]) -> None:
    pass


class JobPool:
    """At most `max_workers` jobs at once, in the order in which they came; for any number of threads.

    `record(id, entry)` is called when a job's state changes; `around(job)` is entered around each call of its
    function, in the job's thread. The function sees the context variables of who submitted it.
    """

    def __init__(self, max_workers: int = 32, *, record: Record = _no_record,
                 around: Callable[[Job], AbstractContextManager[Any]] = lambda job: nullcontext()) -> None:
        self.max_workers = max_workers
        self._record = record
        self._around = around
        self._changed = threading.Condition()
        self._ready: deque[Job] = deque()
        self._timed = DueTimes()
        self._jobs: dict[str, Job] = {}
        self._threads = self._free = 0
        self._is_closed = False

    # -- what is asked for -----------------------------------------------------------------------

    def submit(self, function: Callable[..., Any], *args: Any, job_id: str | None = None, periodic: bool = False,
               interval: float | None = None, timing: Timing | None = None, name: str = "",
               record: Record | None = None, limit: Limit | None = None,
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
        id = job_id or f"{name or getattr(function, '__name__', 'job')}-{secrets.token_hex(4)}"
        self._wait_for_record(id)
        with self._changed:
            if self._is_closed:
                raise UsageError("the run has ended: it takes no more jobs")
            known = self._jobs.get(id)
            if known is not None and not known.wait(0):
                state = known.status if known.status in LIVE else "just ending"
                raise UsageError(f"a job {id} is {state} already: give this one another id, or cancel that one")
            job = self._jobs[id] = Job(self, id, name, lambda: function(*args), every, record or self._record, timing)
            job._limit, job._is_beyond = limit, beyond
            self._wait_for(job, after)
            if timing is not None and not timing.run_now and not job._is_last:
                job._plan()
        job._keep()
        with self._changed:
            self._let_go(job)
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
            live = [job for job in self.jobs() if not job.wait(0) and not job.periodic]
            if not live:
                return True
            if not live[0].wait(None if give_up is None else max(0.0, give_up - time.monotonic())):
                return False

    def cancel_all(self) -> list[Job]:
        """Cancel what lives, the newest first: so none fails because one that it comes after was cancelled."""
        return [job for job in reversed(self.jobs()) if job.cancel()]

    def close(self) -> None:
        """Cancel what lives and take no more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self.cancel_all()

    # -- whose turn it is; the caller holds the lock -----------------------------------------------

    def _wait_for(self, job: Job, others: Sequence[Job]) -> None:
        """It begins when they have let it go, and the one who submits it has."""
        job._holds = 1
        for other in others:
            if not other.wait(0):
                other._followers.append(job)
                job._holds += 1
            elif other.status != DONE:
                job._refuse(other)

    def _let_go(self, job: Job) -> None:
        """One thing less that it waits for. After the last it begins, or sleeps until it is due."""
        job._holds -= 1
        if job._holds or job.status not in LIVE:
            return
        if job._due is None:
            self._admit(job)
        else:
            self._sleep(job)

    def _admit(self, job: Job) -> None:
        """It may begin: now, or when its limit allows it."""
        if job._limit is not None:
            if job._limit._used >= job._limit.size:
                job._limit._waiting.append(job)
                return
            job._limit._used += 1
        if job._is_beyond and self._start_thread(self._serve_one, job):
            return
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

    def _sleep(self, job: Job) -> None:
        """Until it is due, which one of the threads sees to."""
        assert job._due is not None
        self._timed.add(job, job._due)
        job._due = None
        self._changed.notify_all()

    # -- threads ---------------------------------------------------------------------------------

    def _see_to_threads(self) -> None:
        """A thread for each job that waits, and one for those that sleep, as far as that is allowed.

        The caller holds the lock.
        """
        self._changed.notify_all()
        wanted = len(self._ready) + bool(self._timed)
        if wanted > self._free and self._threads < self.max_workers and self._start_thread(self._serve):
            self._threads += 1
            self._free += 1

    def _start_thread(self, serve: Callable[..., None], *args: Any) -> bool:
        """False where the system has no more threads: those that are there do the work, one after the other."""
        try:
            threading.Thread(target=serve, args=args, name="octo-job", daemon=True).start()
        except RuntimeError:
            if not self._threads:
                raise
            return False
        return True

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            self._serve_one(job, freed=1)

    def _serve_one(self, job: Job, freed: int = 0) -> None:
        try:
            job._context.run(self._call, job)
        finally:
            with self._changed:
                self._free += freed
                self._release(job)
                self._see_to_threads()

    def _next(self) -> Job | None:
        with self._changed:
            while not self._is_closed:
                for job in self._timed.take():
                    self._admit(job)
                while self._ready:
                    job = self._ready.popleft()
                    if job.status in LIVE:
                        self._free -= 1
                        self._see_to_threads()
                        return job
                    self._release(job)
                self._changed.wait(self._timed.seconds_left())
            return None

    # -- one call --------------------------------------------------------------------------------

    def _call(self, job: Job) -> None:
        began = time.monotonic()
        with self._changed:
            if job.status not in LIVE or self._is_closed:
                return
            is_first = job.status == QUEUED
            job._begin_call()
        if is_first:
            job._keep()
        value, error = job._outcome(self._around)
        if job.timing is not None:
            self._after_scheduled(job, began, value, error)
        elif error is None and job.interval is not None and not job._is_last:
            with self._changed:
                if job.status in LIVE:
                    job._value, job._due = value, next_turn(began, job.interval)
                    self._sleep(job)
        else:
            self._end(job, DONE if error is None else ERROR, value, error)

    def _after_scheduled(self, job: Job, began: float, value: Any, error: BaseException | None) -> None:
        """It sleeps until its next call, or has ended where there is none."""
        with self._changed:
            if job.status not in LIVE:
                return  # cancelled meanwhile
            comes_again = job._end_call(began, value, error)
        if not comes_again:
            self._end(job, DONE if error is None else ERROR, value, error)
            return
        job._keep()
        with self._changed:
            if job.status in LIVE:
                self._sleep(job)

    # -- its end ---------------------------------------------------------------------------------

    def _end(self, job: Job, status: str, value: Any = None, error: BaseException | None = None) -> bool:
        with self._changed:
            if job.status not in LIVE:
                return False
            job._end(status, value, error)
        job._keep()
        return True

    def _settle(self, job: Job) -> None:
        """Its end is recorded: those that come after it may begin. The caller holds the lock."""
        job._finished.set()
        for follower in job._followers:
            if job.status != DONE and follower.status in LIVE:
                follower._refuse(job)
            self._let_go(follower)
        job._followers.clear()
        self._see_to_threads()

    def _wait_for_record(self, id: str) -> None:
        """One that has ended in this moment has its id until its end is recorded."""
        known = self._jobs.get(id)
        if known is not None and known.status not in LIVE:
            known.wait(RECORDED)


_default: JobPool | None = None
_default_lock = threading.Lock()


def default_pool() -> JobPool:
    """The pool of this process, for work outside a run."""
    global _default
    with _default_lock:
        if _default is None:
            _default = JobPool()
        return _default
