"""Work that steps leave behind, in ctx["jobs"]: the run's pool within a run, the process's own elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from octo.context import Context
from octo.errors import ShapeError, UsageError
from octo.executors.jobs import LIVE, Job, default_pool
from octo.scriptlet import call
from step_library.kit.values.ctx_values import Ctx, described

KEY = "jobs"


def start_job(ctx: Ctx, job_id: str, function: Callable[..., Any], args: Mapping[str, Any]) -> Job:
    """Call the function in the background, its arguments by name; its state is kept in `ctx["jobs"][job_id]`.

    An id that a live job has is refused with a UsageError.
    """
    jobs = ctx.get(KEY)
    if jobs is not None and not isinstance(jobs, Mapping):
        raise ShapeError(f"ctx['{KEY}'] is to be a dict of jobs, not {described(jobs)}")
    if isinstance(ctx, Context) and ctx.in_a_run:
        return ctx.jobs.submit(function, params=dict(args), job_id=job_id)
    there = (jobs or {}).get(job_id)
    if isinstance(there, Mapping) and there.get("status") in LIVE:
        raise UsageError(f"a job {job_id} is {there['status']} already: give this one another id, or cancel that one")

    def record(id: str, entry: dict[str, Any]) -> None:
        if isinstance(ctx, Context):
            ctx.record(KEY, entry, id=job_id)
        else:
            ctx.setdefault(KEY, {})[job_id] = entry

    return default_pool().submit(lambda: call(function, ctx, args), name=job_id, record=record)
