"""Work that steps leave behind, in ctx["jobs"]: the run's pool within a run, the process's own elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakValueDictionary

from octo.context import Context
from octo.errors import NameNotFound, ShapeError, UsageError
from octo.executors.jobs import LIVE, Job, default_pool, is_live
from octo.executors.timing import Timing
from octo.resolve import resolve
from octo.scriptlet import call
from step_library.kit.values.ctx_values import Ctx, described

KEY = "jobs"

_started: WeakValueDictionary[tuple[int, str], Job] = WeakValueDictionary()
"""The newest job of each id outside a run, by ctx."""


def start_job(ctx: Ctx, job_id: str, function: str | Callable[..., Any], args: Mapping[str, Any], *,
              schedule: Mapping[str, Any] | None = None, lives: bool = False) -> Job:
    """Call the function in the background, its arguments by name; its state is kept in `ctx["jobs"][job_id]`.

    With a `schedule` it is called when that says so, see `Timing.of`. One that `lives` goes on until its `stop` is
    set: it ends with the run. Both come back when a run goes on, if the function is given by name, see `named`.
    An id that a live job has is refused with a UsageError.
    """
    entry = job_entries(ctx).get(job_id)
    if isinstance(ctx, Context) and ctx.in_a_run:
        return ctx.jobs.submit(function, params=dict(args), job_id=job_id, schedule=schedule, periodic=lives)
    if isinstance(entry, Mapping) and is_live(entry):
        state = entry["status"] if entry["status"] in LIVE else "scheduled"
        raise UsageError(f"a job {job_id} is {state} already: give this one another id, or cancel that one")

    def record(id: str, entry: dict[str, Any]) -> None:
        write_entry(ctx, job_id, entry)

    timing = None if schedule is None else Timing.of(schedule)
    target = resolve(function)
    job = default_pool().submit(lambda: call(target, ctx, args), name=job_id, record=record, timing=timing,
                                periodic=lives)
    _started[id(ctx), job_id] = job
    return job


def named(function: Callable[..., Any]) -> str | Callable[..., Any]:
    """The name by which `resolve` finds the function, here and in the process that goes on; itself where none does."""
    name = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', '')}"
    if name.startswith("__main__:"):
        return function
    try:
        return name if resolve(name) is function else function
    except NameNotFound:
        return function


def job_entries(ctx: Ctx) -> Mapping[str, Any]:
    """What stands in ctx["jobs"], by id; ShapeError where that is no dict."""
    jobs = ctx.get(KEY)
    if jobs is not None and not isinstance(jobs, Mapping):
        raise ShapeError(f"ctx['{KEY}'] is to be a dict of jobs, not {described(jobs)}")
    return jobs or {}


def write_entry(ctx: Ctx, job_id: str, entry: dict[str, Any]) -> None:
    """Put a job's whole entry into ctx["jobs"]; on a Context it outlives the failure of the step."""
    if isinstance(ctx, Context):
        ctx.record(KEY, entry, id=job_id)
    else:
        ctx.setdefault(KEY, {})[job_id] = entry


def cancel_job(ctx: Ctx, job_id: str) -> bool:
    """End a job that lives; what it still does counts for nothing. False where there is none."""
    if isinstance(ctx, Context) and ctx.in_a_run:
        return bool(ctx.jobs.cancel(job_id))
    job = _started.get((id(ctx), job_id))
    return job is not None and job.cancel()
