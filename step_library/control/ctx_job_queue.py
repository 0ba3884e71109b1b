"""Starts a list of functions as background jobs, in an order and so many at once as is wished."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octo.context import Context
from octo.errors import StepFailed, StepTimeout
from octo.executors.jobs import Job, Limit
from octo.param import ParamError
from octo.scriptlet import Param, scriptlet
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.values.entries import Entries
from step_library.kit.work.job_control import jobs_before, wait_for_jobs
from step_library.kit.work.jobs import check_free, jobs_of
from step_library.kit.work.queued_jobs import AT_END, JOB, check_lists, checked_job, start_queued

JOBS = Entries(
    "jobs", "list[dict]", help="the jobs: {job_id, fn, args}; also retries (how often it is called at most, 1), delay "
    "(seconds before the second call, 2), backoff (the factor of each further wait, 2), timeout (seconds for one "
    "call), after (ids of jobs that are to be done before it), process (true: in a process of its own, for a function "
    "of a module that computes)", fields=JOB, check=checked_job, id="job_id")


@scriptlet(
    params=[
        JOBS,
        Param("max_workers", "int | null", None, "how many of them run at once; otherwise all"),
        Param("wait", "bool", False, "wait until they have ended"),
        Param("timeout", "number", 60, "seconds to wait at most; longer fails (in a run the jobs end with the step)"),
        Param("raise_errors", "bool", False, "with wait: fail when a job has failed"),
        *AT_END,
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Start the jobs and go on: `{"queued": [their ids]}`. Their state is kept in `ctx["jobs"]`, for `octo status` too.

    `ctx["jobs"][job_id]` is {status: queued, running, done, error or cancelled, start, end, result or error}, in epoch
    seconds, from now on. What a job raises never reaches the recipe, and the others go on; one that is to come after
    a failed one fails too. An id twice, or one of a job that still runs, a function that is not there or arguments
    that do not fit are a ValueError before any begins. ctx_job_status waits for jobs and cancels them.

    A kill or Ctrl-C ends what has not ended (error "cut off", or cancelled): it is begun again by its step only, so
    with `wait`, which keeps the step from being done, or by `octo run --resume-from`.
    """
    if params["max_workers"] is not None and params["max_workers"] < 1:
        raise ParamError(f"max_workers is 1 or more, not {params['max_workers']}")
    if params["timeout"] <= 0:
        raise ParamError(f"timeout is more than 0 seconds, not {params['timeout']:g}")
    jobs = _checked(ctx, params["jobs"])
    check_lists(ctx, params)
    limit = None if params["max_workers"] is None else Limit(params["max_workers"])
    started: dict[str, Job] = {}
    for job in jobs:
        after = [started[other] for other in job["after"] if other in started]
        after += jobs_before(ctx, [other for other in job["after"] if other not in started])
        started[job["job_id"]] = start_queued(ctx, "ctx_job_queue", job, params, after=after, limit=limit, beyond=True)
    if params["wait"]:
        _wait(ctx, list(started), params)
    return {"queued": list(started)}


def _checked(ctx: Ctx, given: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The jobs with all their fields; a ValueError before any begins."""
    jobs = JOBS.filled(given)
    for place, job in enumerate(jobs):
        check_free(ctx, job["job_id"])
        _check_after(ctx, job, [each["job_id"] for each in jobs], place)
    return jobs


def _check_after(ctx: Ctx, job: Mapping[str, Any], ids: list[str], place: int) -> None:
    for other in job["after"]:
        if other not in ids:
            jobs_before(ctx, [other])
        elif ids.index(other) >= place:
            raise ParamError(f"jobs[{place}] ({job['job_id']}): after: {other} stands behind it in the list: put it in "
                             "front")


def _wait(ctx: Ctx, ids: list[str], params: Mapping[str, Any]) -> None:
    left = wait_for_jobs(ctx, ids, params["timeout"])
    if left and isinstance(ctx, Context) and ctx.stop.is_set():
        raise StepFailed(f"the run was asked to stop before these jobs had ended: {', '.join(left)}")
    if left:
        raise StepTimeout(f"jobs that had not ended after {params['timeout']:g} s: {', '.join(left)}")
    failed = [job_id for job_id in ids if jobs_of(ctx)[job_id]["status"] != "done"]
    if failed and params["raise_errors"]:
        first = jobs_of(ctx)[failed[0]]
        raise StepFailed(f"{len(failed)} of the jobs failed ({', '.join(failed)}); {failed[0]}: "
                         f"{first.get('error', first['status'])}")


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_job_queue")
