"""Functions called again and again or at a time, behind the steps: every so often, at a clock time, by cron."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octo.engine.retry import Retry
from octo.errors import MissingKey, nearest
from octo.executors.jobs import is_live
from octo.param import MissingParam, Param, ParamError
from octo.scriptlet import call, resolve, scriptlet
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.work.calls import call_again
from step_library.kit.work.job_control import cancel_job
from step_library.kit.work.jobs import jobs_of
from step_library.kit.work.lasting_jobs import named, start_lasting, stop_lasting
from step_library.kit.work.scheduled_jobs import JOB, JOBS

AROUND = ("attempts", "delay", "backoff", "on_success", "on_failure", "log", "process")
"""What needs more than the call of the function itself."""


@scriptlet(
    params=[
        JOBS,
        Param("replace", "bool", False, "whether a job takes the place of a live one of its id"),
        Param("cancel", "list[str] | null", None, "ids of jobs to end, before others are started"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Start the jobs and go on; `ctx["jobs"][job_id]` tells of the last call and when the next is due.

    `{status: queued (not called yet), running, done, error or cancelled, start, end, duration, runs, next_run, result
    or error}`, epoch seconds. With `interval` the first call comes after that time, with `at` there is one (a time of
    day that is past: tomorrow). A failed call does not end a job that repeats; what comes late is left out. A function
    whose parameters are (ctx, params) gets `args` as its params. In a run, jobs that repeat end with it, and those
    found by name come back on a resume; a single call is waited for if it is due within `jobs_timeout`. `octo exec`
    stays until Ctrl-C. Raises ParamError (a ValueError) for what is wrong in an entry and for an id that is in use.
    """
    if params["jobs"] is None and params["cancel"] is None:
        raise MissingParam("parameter 'jobs' is missing: a list with one dict a job, such as "
                           "{job_id: ping, fn: my_module:ping, interval: 60}")
    there = jobs_of(ctx)
    entries = JOBS.filled(params["jobs"])
    ids = [entry["job_id"] for entry in entries]
    _check_ids(ids, params, there)
    unknown = [id for id in params["cancel"] or () if id not in there]
    if unknown:
        raise MissingKey(f"ctx['jobs'] has no job {unknown[0]!r}{nearest(unknown[0], there)}")
    cancelled = [id for id in params["cancel"] or () if cancel_job(ctx, id)]
    for entry in entries:
        function, args = _target(entry)
        start_lasting(ctx, entry["job_id"], function, args, schedule=entry["schedule"], replace=params["replace"])
    return {"scheduled": ids} | ({} if params["cancel"] is None else {"cancelled": cancelled})


def cancel(ctx: Ctx, job_id: str) -> bool:
    """End a job; what its call still does counts for nothing. False where none of that id lives."""
    return stop_lasting(ctx, job_id)


def _check_ids(ids: list[str], params: Mapping[str, Any], there: Mapping[str, Any]) -> None:
    free = params["cancel"] or ()
    for id in ids:
        entry = there.get(id)
        if not params["replace"] and id not in free and isinstance(entry, Mapping) and is_live(entry):
            raise ParamError(f"jobs: a job {id} has not ended: give this one another id, or say replace: true")


# --- a call with more than the function


def _target(entry: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The function to call and its arguments: the job's own, or `one_call` around it where more is asked for."""
    defaults = {param.name: param.default for param in JOB.params}
    if all(entry[name] == defaults[name] for name in AROUND):
        return entry["fn"], entry["args"]
    names = ("job_id", "fn", "args", *AROUND)
    # functions by name: so the job can come back when a run goes on
    params = {name: named(entry[name]) if callable(entry[name]) else entry[name] for name in names}
    if any(callable(value) for value in params.values()):
        return lambda ctx: one_call(ctx, params), {}
    return one_call, params


def one_call(ctx: Ctx, params: dict[str, Any]) -> Any:
    """One call of a job with its tries, its line in the log, and the function that is told of it."""
    retry = Retry(attempts=params["attempts"], delay=params["delay"], backoff=params["backoff"])
    function = resolve(params["fn"])
    if params["process"]:
        from step_library.kit.work.processes import in_a_process

        function = in_a_process(function)
    try:
        result, _ = call_again(ctx, function, params["args"], retry)
    except Exception as error:
        _tell(ctx, params, "on_failure", f"failed: {error}", {"error": str(error)})
        raise
    _tell(ctx, params, "on_success", "done", {"result": result})
    return result


def _tell(ctx: Ctx, params: Mapping[str, Any], hook: str, said: str, what: dict[str, Any]) -> None:
    """A line in the log, and the hook. What a hook raises changes nothing of how the call ended."""
    if params["log"]:
        records.log(ctx, f"job {params['job_id']} {said}", "INFO" if hook == "on_success" else "ERROR")
    if params[hook] is not None:
        try:
            call(resolve(params[hook]), ctx, {"job_id": params["job_id"], **what})
        except Exception as error:
            records.error(ctx, f"{params['job_id']}: {hook}", error)


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_scheduler")
