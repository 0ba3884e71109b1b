"""A job as ctx_bg_job and ctx_job_queue start it: what may be said of it, and what happens when it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from octo.engine.retry import Retry
from octo.executors.jobs import Job, Limit
from octo.param import Param, ParamError, Table
from octo.scriptlet import call
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.work.calls import check_args, check_timeout
from step_library.kit.work.jobs import start_job

JOB = Table((
    Param("job_id", "str", help="name of the job in ctx['jobs']"),
    Param("fn", "callable", help="the function: a library step's name or module:function"),
    Param("args", "dict | null", {}, "its arguments, by name"),
    Param("retries", "int", 1, "how often it is called at most, the first call included"),
    Param("delay", "number", 2, "seconds before the second call"),
    Param("backoff", "number", 2, "each further wait is so many times as long"),
    Param("timeout", "number | null", None, "seconds that one call may take; longer is a failure"),
    Param("after", "str | list[str]", [], "jobs, by their ids, that are to be done before it begins"),
    Param("process", "bool", False, "call it in a process of its own: for a function of a module that computes, "
          "without ctx"),
))
"""The fields of one job."""
AT_END = (
    Param("on_end", "callable | null", None, "function of job ({job_id, status, result or error}), called when one "
          "was done or failed"),
    Param("emit", "bool", False, "add an event named job_done or job_error to ctx['events'] when one has ended"),
    Param("errors", "bool", False, "add what they raise to ctx['errors']"),
)
"""What the end of a job may bring."""


def checked_job(given: Mapping[str, Any]) -> dict[str, Any]:
    """One job with all its fields; an OctoError where it does not fit."""
    job = JOB.fill(given)
    job["args"] = job["args"] or {}
    job["after"] = [job["after"]] if isinstance(job["after"], str) else list(job["after"])
    if job["retries"] < 1 or job["delay"] < 0 or job["backoff"] < 0:
        raise ParamError("retries is 1 or more, delay and backoff are 0 or more")
    check_timeout(job["timeout"])
    check_args(job["fn"], job["args"])
    if job["process"]:
        from step_library.kit.work.processes import in_a_process

        job["fn"] = in_a_process(job["fn"])
    return job


def check_lists(ctx: Ctx, params: Mapping[str, Any]) -> None:
    """ShapeError where what the end is to add to is no list."""
    for name, wanted in (("events", params["emit"]), ("errors", params["errors"])):
        if wanted:
            records.check_list(ctx, name)


def start_queued(ctx: Ctx, step: str, job: Mapping[str, Any], params: Mapping[str, Any], *, after: Sequence[Job] = (),
                 limit: Limit | None = None, beyond: bool = False) -> Job:
    """Start a checked job for a step with the parameters `AT_END`."""
    return start_job(
        ctx, job["job_id"], job["fn"], job["args"], retry=Retry(job["retries"], job["delay"], job["backoff"]),
        timeout=job["timeout"], limit=limit, after=after, beyond=beyond,
        errors=job["job_id"] if params["errors"] else None, on_end=_teller(step, params))


def _teller(step: str, params: Mapping[str, Any]) -> Callable[[Ctx, dict[str, Any]], None]:
    def ended(ctx: Ctx, said: dict[str, Any]) -> None:
        if params["emit"]:
            more = {name: said[name] for name in ("job_id", "error") if name in said}
            records.event(ctx, f"job_{said['status']}", step, more)
        if params["on_end"] is not None:
            call(params["on_end"], ctx, {"job": said})

    return ended
