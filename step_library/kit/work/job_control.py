"""What later steps do with jobs that earlier ones have started: look at them, wait for them, cancel them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from octo.context import Context
from octo.errors import MissingKey, UsageError, nearest
from octo.executors.jobs import DONE, LIVE, Job, is_live
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.work.jobs import KEY, job_of, jobs_of

LOOK = 0.1
"""Seconds between two looks at jobs that are waited for."""


def jobs_before(ctx: Ctx, ids: Sequence[str]) -> list[Job]:
    """Those of these jobs that have not ended; MissingKey where there is no such job, UsageError where it failed."""
    found = []
    for job_id in ids:
        job, status = job_of(ctx, job_id), status_of(ctx, job_id)
        if status is None:
            raise MissingKey(f"after: there is no job {job_id!r} in ctx['{KEY}']{nearest(job_id, jobs_of(ctx))}")
        if status in LIVE and job is not None:
            found.append(job)
        elif status != DONE:
            raise UsageError(f"after: job {job_id} is {status}" + (" in another process" if status in LIVE else ""))
    return found


def cancel_job(ctx: Ctx, job_id: str) -> bool:
    """Ask it to stop: it counts as cancelled from now on. False where it has ended already.

    MissingKey where there is none of that id, UsageError where another process runs it.
    """
    jobs = jobs_of(ctx)
    if job_id not in jobs:
        raise MissingKey(f"there is no job {job_id!r} in ctx['{KEY}']{nearest(job_id, jobs)}")
    if not _lives(ctx, job_id):
        return False
    job = job_of(ctx, job_id)
    if job is None:
        if not _lives(ctx, job_id):  # it has ended meanwhile
            return False
        raise UsageError(f"job {job_id} runs in another process, or that process is gone: it can be cancelled only "
                         "where it was started")
    if isinstance(ctx, Context) and ctx.in_a_run:
        return bool(ctx.jobs.cancel(job_id))
    return job.cancel()


def status_of(ctx: Ctx, job_id: str) -> str | None:
    """What `ctx["jobs"]` says of it."""
    entry = jobs_of(ctx).get(job_id)
    return entry.get("status") if isinstance(entry, Mapping) else None


def _lives(ctx: Ctx, job_id: str) -> bool:
    """Also one that waits for its next call."""
    entry = jobs_of(ctx).get(job_id)
    return isinstance(entry, Mapping) and is_live(entry)


def wait_for_jobs(ctx: Ctx, ids: Sequence[str], timeout: float) -> list[str]:
    """Wait until they have ended, or the run is asked to stop; those that have not in time."""
    stop = ctx.stop if isinstance(ctx, Context) else None
    give_up = time.monotonic() + timeout
    while True:
        left = [job_id for job_id in ids if status_of(ctx, job_id) in LIVE]
        seconds = min(LOOK, give_up - time.monotonic())
        if not left or seconds <= 0 or (stop is not None and stop.is_set()):
            return left
        job = job_of(ctx, left[0])
        if job is not None:
            job.wait(seconds)
        else:
            time.sleep(seconds)
