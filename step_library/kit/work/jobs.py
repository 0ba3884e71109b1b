"""Work that steps leave behind, in ctx["jobs"]: the run's pool within a run, the process's own elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from octo.context import Context
from octo.engine.retry import Retry
from octo.errors import ShapeError, UsageError
from octo.executors.jobs import LIVE, Job, Limit, current_job, default_pool, is_live
from octo.executors.outcome import as_json, describe
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx, described
from step_library.kit.values.json_values import json_rows
from step_library.kit.work.calls import call_again, own_handle

KEY = "jobs"
OnEnd = Callable[[Ctx, dict[str, Any]], object]

_live: dict[tuple[int, str], Job] = {}
"""What runs outside of a run, by its ctx (which the job holds as long) and its id."""


class JobInUse(UsageError, ValueError):
    """A job is to have the id of one that lives."""


def jobs_of(ctx: Ctx) -> Mapping[str, Any]:
    """`ctx["jobs"]`, empty where there are none; ShapeError where it is no dict."""
    jobs = ctx.get(KEY)
    if jobs is not None and not isinstance(jobs, Mapping):
        raise ShapeError(f"ctx['{KEY}'] is to be a dict of jobs, not {described(jobs)}")
    return jobs or {}


def start_job(
    ctx: Ctx,
    job_id: str,
    function: Callable[..., Any],
    args: Mapping[str, Any],
    *,
    key: str | None = None,
    errors: str | None = None,
    retry: Retry | None = None,
    timeout: float | None = None,
    limit: Limit | None = None,
    after: Sequence[Job] = (),
    beyond: bool = False,
    on_end: OnEnd | None = None,
) -> Job:
    """Call the function in the background, its arguments by name; its state is kept in `ctx["jobs"][job_id]`.

    An id that a live job has is refused with JobInUse. With `key` the result is put there and not into the job's
    own entry. With `errors`, a step's name, a failure for good is added to `ctx["errors"]` as well. `retry` and
    `timeout` are for each attempt. It begins when `limit` allows it and the jobs `after` which it comes are done; one
    `beyond` the pool's size does not wait for a thread.
    `on_end(ctx, {job_id, status, result or error})` is called in its thread when it was done or failed; what that
    raises is added to `ctx["errors"]`.
    """
    check_free(ctx, job_id)

    def work(ctx: Ctx) -> Any:
        said: dict[str, Any] = {"job_id": job_id}
        try:
            result, _ = call_again(ctx, function, args, retry or Retry(), timeout=timeout)
            said |= {"status": "done", "result": json_value(result)}
            if key is not None and not _is_stopped():
                ctx[key] = said["result"]
        except Exception as error:
            said |= {"status": "error", "error": describe(error)["message"] or type(error).__name__}
            if errors is not None and not _is_stopped():
                records.error(ctx, errors, error)
            _tell(ctx, on_end, said)
            raise
        _tell(ctx, on_end, said)
        return said["result"] if key is None else None

    more: dict[str, Any] = {"name": job_id, "limit": limit, "after": after,
                            "beyond": beyond}
    if isinstance(ctx, Context) and ctx.in_a_run:
        return ctx.jobs.submit(work, params={}, job_id=job_id, **more)
    return start_outside(ctx, job_id, work, more)


def json_value(result: Any) -> Any:
    """What a function returned, as ctx can hold it: NaN as null, numpy's numbers as Python's. TypeError else."""
    value, other = as_json(result)
    if other is not None:
        value, other = as_json(_plain(result))
    if other is not None:
        raise TypeError(f"the result is no JSON value but {other['type']}")
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in json_rows(list(value))]
    return json_rows([value])[0]


def check_free(ctx: Ctx, job_id: str) -> None:
    """JobInUse where a live job has this id."""
    there = jobs_of(ctx).get(job_id)
    if isinstance(there, Mapping) and is_live(there):
        state = there["status"] if there.get("status") in LIVE else "scheduled"
        raise JobInUse(f"a job {job_id} is {state} already: give this one another id, or cancel that one")


def write_entry(ctx: Ctx, job_id: str, entry: dict[str, Any]) -> None:
    """Put a job's whole entry into ctx["jobs"]; on a Context it outlives the failure of the step."""
    if isinstance(ctx, Context):
        ctx.record(KEY, entry, id=job_id)
    else:
        ctx.setdefault(KEY, {})[job_id] = entry


def _is_stopped() -> bool:
    job = current_job()
    return job is not None and job.stop.is_set()


def _tell(ctx: Ctx, hook: OnEnd | None, said: dict[str, Any]) -> None:
    if hook is None or _is_stopped():
        return
    try:
        hook(ctx, said)
    except Exception as error:
        records.error(ctx, said["job_id"], error)


# --- outside of a run


def start_outside(ctx: Ctx, job_id: str, work: Callable[[Ctx], Any], more: dict[str, Any]) -> Job:
    """Start a job in the process's own pool; `more` goes to `JobPool.submit`."""
    place = _place(ctx, job_id)
    begun: list[Callable[[], None]] = []

    def called() -> Any:
        job = current_job()
        assert job is not None
        handle, close = own_handle(ctx, job.stop)
        begun[:] = [close]  # of one that is called again and again the newest
        if job.stop.is_set():
            close()
        return work(handle)

    def record(id: str, entry: dict[str, Any]) -> None:
        if not is_live(entry):
            _live.pop(place, None)
            for close in begun:  # what a cancelled one still does counts for nothing
                close()
        write_entry(ctx, job_id, entry)
        ended = None if is_live(entry) else default_pool().get(id)
        if ended is not None:
            default_pool().forget(ended)  # ctx knows all of it now

    job = default_pool().submit(called, record=record, **more)
    _live[place] = job
    if job.status not in LIVE:
        _live.pop(place, None)
    return job


def _place(ctx: Ctx, job_id: str) -> tuple[int, str]:
    return id(ctx._access.file if isinstance(ctx, Context) else ctx), job_id


def job_of(ctx: Ctx, job_id: str) -> Job | None:
    """The job itself, while it lives in this process."""
    if isinstance(ctx, Context) and ctx.in_a_run:
        jobs = ctx._access.jobs  # none in a process of its own
        return None if jobs is None else jobs.get(job_id)
    return _live.get(_place(ctx, job_id))
