"""Jobs that last: called by a schedule, or going on until they are stopped; in a run they come back with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from octo.context import Context
from octo.errors import NameNotFound
from octo.executors.jobs import Job, is_live
from octo.executors.timing import Timing
from octo.resolve import resolve
from octo.scriptlet import call
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.work.job_control import cancel_job
from step_library.kit.work.jobs import check_free, job_of, jobs_of, start_outside


def start_lasting(ctx: Ctx, job_id: str, function: Callable[..., Any], args: Mapping[str, Any], *,
                  schedule: Mapping[str, Any] | None = None, ends: bool = False, replace: bool = False) -> Job:
    """Call the function in the background, its arguments by name; its state is kept in `ctx["jobs"][job_id]`.

    With a `schedule` it is called when that says so, see `Timing.of`; else at once, and it goes on until its `stop`
    is set or, where it `ends`, until it is done, which a run waits for. All but those come back when a run goes on,
    if the function has a name, see `named`. JobInUse where a live job has the id, but not with `replace`.
    """
    if replace:
        job = job_of(ctx, job_id)
        if job is not None:
            _cancel(ctx, job_id, job)
    else:
        check_free(ctx, job_id)
    lives = schedule is None and not ends
    target = named(function)
    if isinstance(ctx, Context) and ctx.in_a_run:
        return ctx.jobs.submit(target, params=dict(args), job_id=job_id, schedule=schedule, periodic=lives)
    timing = None if schedule is None else Timing.of(schedule)
    more = {"name": job_id, "timing": timing, "periodic": lives}
    return start_outside(ctx, job_id, lambda handle: call(function, handle, args), more)


def stop_lasting(ctx: Ctx, job_id: str) -> bool:
    """End it; False where none of that id lives."""
    entry = jobs_of(ctx).get(job_id)
    return isinstance(entry, Mapping) and is_live(entry) and cancel_job(ctx, job_id)


def _cancel(ctx: Ctx, job_id: str, job: Job) -> None:
    if isinstance(ctx, Context) and ctx.in_a_run:
        ctx.jobs.cancel(job_id)
    else:
        job.cancel()


def named(function: Callable[..., Any]) -> str | Callable[..., Any]:
    """The name by which `resolve` finds the function, here and in the process that goes on; itself where none does."""
    name = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', '')}"
    if name.startswith("__main__:"):
        return function
    try:
        return name if resolve(name) is function else function
    except NameNotFound:
        return function
