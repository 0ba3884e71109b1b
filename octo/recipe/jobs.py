"""Work that a recipe's steps leave behind: the run's one pool of jobs, kept in ctx["jobs"].

    ctx.jobs.submit(function, 1, 2)                                   # as soon as a thread is free
    ctx.jobs.submit("my_module:poll", params={"url": url}, periodic=True, interval=5)
    ctx.jobs.submit("my_module:report", params={}, schedule={"cron": "0 9 * * mon-fri"})

A periodic or scheduled job that is given by name comes back when the run goes on, as background steps do. A job has
a handle on ctx of its own; what it writes is shared live, and nobody undoes it.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from octo.access import Access
from octo.context import Context
from octo.engine.work import Call
from octo.errors import UsageError
from octo.executors.jobs import DONE, ERROR, LIVE, RECORDED, Job, JobPool, Limit, current_job, is_live
from octo.executors.timing import Timing
from octo.resolve import resolve
from octo.scriptlet import call as call_body
from octo.store import MISSING, Author, Transaction, checked, writing_as
from octo.store.state_file import StateFile

KEY = "jobs"
RETURNING = ("engine", "jobs")
"""In the state: the periodic and scheduled jobs that come back, with what they need."""
PERIODIC_STOP = 10.0
"""Seconds that periodic jobs have to end what they are at, when the run ends."""

log = logging.getLogger("octo.engine")


class RunJobs:
    """The jobs of one run. `stopped()` says whether the run is asked to stop."""

    def __init__(self, file: StateFile, instance: Path, stopped: Callable[[], bool]) -> None:
        self._file, self._instance, self._stopped = file, instance, stopped
        self._pool = JobPool(record=self._record)
        self._about: dict[str, dict[str, Any]] = {}
        self._authors: dict[str, Author] = {}
        self._handles: dict[str, Access] = {}
        self._changed = threading.Condition()
        self._coming: set[str] = set()
        """Ids of jobs that are being submitted."""
        self._is_silent = False

    # -- what a step asks for ----------------------------------------------------------------------

    def submit(
        self,
        author: Author,
        function: str | Callable[..., Any],
        args: tuple[Any, ...] = (),
        *,
        params: Mapping[str, Any] | None = None,
        job_id: str | None = None,
        periodic: bool = False,
        interval: float | None = None,
        schedule: Mapping[str, Any] | None = None,
        name: str = "",
        limit: Limit | None = None,
        after: Sequence[Job] = (),
        beyond: bool = False,
    ) -> Job:
        timing = None if schedule is None else Timing.of(schedule)
        if args and params is not None:
            raise UsageError("a job takes arguments by place or params, not both")
        if any(isinstance(arg, Context) for arg in args):
            raise UsageError("the step's ctx ends with the step, and a job has one of its own: give its arguments by "
                             "name, in params, and it gets that as its parameter ctx")
        target = resolve(function) if isinstance(function, str) else function
        name = name or getattr(target, "__name__", "job")
        id = job_id or f"{name}-{secrets.token_hex(4)}"
        about: dict[str, Any] = {"step": author.who}
        if periodic or interval:
            about["interval"] = interval or 1.0
        if schedule is not None:
            about["schedule"] = dict(schedule)
        kept: dict[str, Any] | None = None
        if isinstance(function, str):
            about["target"] = function
            if periodic or interval or schedule is not None:
                more = {"params": params and dict(params), "args": list(args), "visit": author.visit, "name": name}
                kept = checked({**about, **more}, (KEY, id))
        who = Author(f"{author.who}:{id}", author.visit, 0, self._instance)

        def work() -> Any:
            return self._call(id, who, target, params, list(args) or None)

        with self._id_taken(id):
            if kept is not None:
                self._keep(id, kept)
            self._authors[id], self._about[id] = who, about
            return self._pool.submit(work, job_id=id, periodic=periodic, interval=interval, timing=timing, name=name,
                                     limit=limit, after=after, beyond=beyond)

    @contextmanager
    def _id_taken(self, id: str) -> Iterator[None]:
        """The id of a new job; UsageError where it is in use. No lock is held meanwhile: who submits may hold ctx's."""
        with self._changed:
            known = self._pool.get(id)
            state = "queued" if id in self._coming else known.status if known is not None else None
            if state in LIVE:
                raise UsageError(f"a job {id} is {state} already: give this one another id, or cancel that one")
            self._coming.add(id)
        try:
            if known is not None:
                known.wait(RECORDED)  # its end, which is about this id too
            yield
        finally:
            with self._changed:
                self._coming.discard(id)

    def get(self, id: str) -> Job | None:
        return self._pool.get(id)

    def jobs(self) -> list[Job]:
        return self._pool.jobs()

    def cancel_of(self, step: str) -> None:
        """The attempt of the step has failed: what it has begun ends with it."""
        for job in reversed(self._pool.jobs()):  # else what comes after a cancelled one would fail
            if self._about.get(job.id, {}).get("step") == step and job.cancel():
                self._forget(job.id)

    def cancel(self, id: str) -> bool:
        """It does not come back either; False where there is none that lives."""
        job = self._pool.get(id)
        self._forget(id)
        return job is not None and job.cancel()

    # -- one call ----------------------------------------------------------------------------------

    def _call(self, id: str, who: Author, target: Callable[..., Any], params: Any, args: list[Any] | None) -> Any:
        job = current_job()
        access = Access(self._file, who, job.stop if job else None)
        with self._changed:
            if job is not None and job.status not in LIVE:
                return None
            self._handles[id] = access
        try:
            with writing_as(who):
                return call_body(target, Context.on(access), params, args)
        finally:
            access.closed = True
            with self._changed:
                if self._handles.get(id) is access:  # a cancelled one may still be at it when the next has its id
                    del self._handles[id]
                self._changed.notify_all()

    def _record(self, id: str, entry: dict[str, Any]) -> None:
        if entry["status"] == ERROR:
            log.warning("job %s failed: %s", id, entry.get("error"))
        if not is_live(entry):
            with self._changed:
                handle = self._handles.get(id)
                if handle is not None:
                    handle.closed = True  # what a cancelled one still does counts for nothing
            if entry["status"] in (ERROR, DONE):
                self._forget(id)  # those that are cancelled as the run ends come back
        if not self._is_silent:
            author = self._authors[id]
            with self._file.transaction(author.who, author, later=True) as tx:
                tx.record(("ctx", KEY, id), {**entry, **self._about[id]})

    # -- those that come back ----------------------------------------------------------------------

    def _keep(self, id: str, kept: dict[str, Any]) -> None:
        with self._file.transaction("octo", later=True) as tx:
            tx.set((*RETURNING, id), kept)

    def _forget(self, id: str) -> None:
        if self._file.look((*RETURNING, id), lambda found: found is not MISSING):
            with self._file.transaction("octo", later=True) as tx:
                if tx.peek((*RETURNING, id), MISSING) is not MISSING:
                    tx.delete((*RETURNING, id))

    def start_again(self) -> None:
        """The periodic ones that the last part of this run had."""
        kept = self._file.read(RETURNING)
        for id, job in kept.items() if isinstance(kept, dict) else ():
            author = Author(job["step"], job.get("visit", 0), 0, None)
            try:
                self.submit(author, job["target"], tuple(job["args"]), params=job["params"], job_id=id,
                            interval=job.get("interval"), schedule=job.get("schedule"), name=job["name"])
            except Exception as error:  # its module may be gone
                log.warning("job %s could not be started again: %s", id, error)

    # -- the end -----------------------------------------------------------------------------------

    def settle(self, timeout: float) -> None:
        """Wait for the finite ones, as long as nobody asks the run to stop; then cancel them."""
        give_up = time.monotonic() + timeout
        for job in self._pool.jobs():
            if not job.periodic and (job.next_run or 0) > time.time() + timeout and job.cancel():
                log.warning("%s: cancelled, it is due later than the run waits", job.id)
        while not self._stopped() and time.monotonic() < give_up:
            if self._pool.wait(min(0.2, max(0.0, give_up - time.monotonic()))):
                return
        late = [job.id for job in reversed(self._pool.jobs()) if not job.periodic and job.cancel()][::-1]
        if late:
            why = "the run was asked to stop" if self._stopped() else f"not done within {timeout:g} s"
            log.warning("%s: cancelled, %s", ", ".join(late), why)

    def close(self) -> None:
        """The run ends: periodic jobs end what they are at, all else is cancelled."""
        going = [job for job in self._pool.jobs() if job.status in LIVE]
        for job in going:
            job.stop.set()
        give_up = time.monotonic() + PERIODIC_STOP
        with self._changed:
            while any(job.id in self._handles for job in going) and time.monotonic() < give_up:
                self._changed.wait(max(0.0, give_up - time.monotonic()))
        self._pool.close()

    def leave(self) -> None:
        """The process ends at once: nothing more is written."""
        self._is_silent = True
        with self._changed:
            for handle in self._handles.values():
                handle.closed = True
        self._pool.close()


class StepJobs:
    """`ctx.jobs` of one attempt of a step."""

    def __init__(self, jobs: RunJobs, call: Call) -> None:
        self._jobs, self._author = jobs, call.author

    def submit(self, function: str | Callable[..., Any], *args: Any, params: Mapping[str, Any] | None = None,
               job_id: str | None = None, periodic: bool = False, interval: float | None = None,
               schedule: Mapping[str, Any] | None = None, name: str = "", limit: Limit | None = None,
               after: Sequence[Job] = (), beyond: bool = False) -> Job:
        """Call `function` in the background: with `args` as they are, else like a step's, with `ctx` and `params`.

        A periodic one is called every `interval` seconds (1) as long as the run lives, one with a `schedule` when
        that says so: `{interval: 60 | "5m", run_now: true}`, `{at: "15:30", repeat: daily}`, `{cron: "0 9 * * *"}`.
        `limit`, `after` and `beyond` say when it may begin, as in `JobPool.submit`.
        """
        return self._jobs.submit(self._author, function, args, params=params, job_id=job_id, periodic=periodic,
                                 interval=interval, schedule=schedule, name=name, limit=limit, after=after,
                                 beyond=beyond)

    def get(self, id: str) -> Job | None:
        """The newest job of that id."""
        return self._jobs.get(id)

    def jobs(self) -> list[Job]:
        """All jobs of the run, oldest first."""
        return self._jobs.jobs()

    def cancel(self, id: str) -> bool:
        """It counts as cancelled from now on and does not come back; False where there is none that lives."""
        return self._jobs.cancel(id)


def cut_off(tx: Transaction, again: Collection[str]) -> list[str]:
    """What a run that was killed left in ctx["jobs"]: the ids of those that had not ended.

    Jobs of the steps `again` are begun by these once more.
    """
    found = []
    kept = tx.peek(RETURNING, MISSING)
    for id, job in list(kept.items()) if isinstance(kept, dict) else ():
        if str(job.get("step", "")).partition("[")[0] in again:
            tx.delete((*RETURNING, id))
    kept = tx.peek(RETURNING, MISSING)
    there = tx.peek(("ctx", KEY), MISSING)
    for id, entry in list(there.items()) if isinstance(there, dict) else ():
        if isinstance(entry, dict) and is_live(entry) and "start" in entry:
            cut = {**tx.get(("ctx", KEY, id)), "status": ERROR, "error": "cut off"}
            tx.record(("ctx", KEY, id), {**cut, "next_run": None} if "next_run" in cut else cut)
            found.append(id)
    return found
