"""A function that runs in the background, its result in ctx, and how it went in a list of traces."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from octo.errors import MissingKey, ShapeError, UsageError
from octo.executors.jobs import current_job
from octo.executors.outcome import describe
from octo.scriptlet import Param, call, scriptlet
from octo.store import checked
from step_library.kit.records import records
from step_library.kit.records.showing import run_id
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.work.job_control import cancel_job, status_of, wait_for_jobs
from step_library.kit.work.jobs import KEY as JOBS
from step_library.kit.work.jobs import start_job


@scriptlet(
    params=[
        Param("key", "str", help="key of ctx for the function's result"),
        Param("fn", "callable", help="the function: a library step's name or module:function"),
        Param("args", "dict", {}, "its arguments, by name"),
        Param("trace_key", "str", "bg_trace", "key of ctx for the list of traces"),
        Param("attempts", "int", 1, "how often it is called at most, until it ends well; each call has its trace"),
        Param("delay", "number", 0, "seconds to wait before the second call, twice as many before each further one"),
        Param("who", "str | null", None, "kept in the trace"),
        Param("details", "bool", False, "in the trace also the attempt, the run's id and the CPU time of its thread"),
        Param("keep", "int | null", None, "keep only so many traces, the newest"),
        Param("on_complete", "callable | null", None, "function of trace, called when it ended well"),
        Param("on_error", "callable | null", None, "function of trace, called when it failed for good"),
        Param("emit", "bool", False, "when it ends also add an event named bg_trace to ctx['events']"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Start `fn(**args)` and go on; its result is put into `ctx[key]`, then its trace into the list `ctx[trace_key]`.

    The trace: `{key, status, start, end, duration}`, in epoch seconds and seconds.
    `status` is success or error, with the message as `error`; what it raises never reaches the recipe. A function
    whose parameters are (ctx, params) gets `args` as its params. Meanwhile it is the job `bg_trace:<key>` in
    `ctx["jobs"]`: a key whose job still runs is refused with a UsageError. `wait` and `cancel` in this module are
    for later steps; a run waits for it at its end.
    """
    if params["attempts"] < 1 or params["delay"] < 0:
        raise UsageError(f"attempts is 1 or more and delay 0 or more, not {params['attempts']} and {params['delay']:g}")
    if params["key"] == params["trace_key"]:
        raise UsageError(f"key and trace_key are both {params['key']!r}: the result would take the place of the traces")
    for name in ("key", "trace_key"):
        if not params[name]:
            raise ShapeError(f"{name}: a key of ctx is not empty")
        if params[name] == JOBS:
            raise UsageError(f"{name}: ctx['{JOBS}'] tells of all jobs, this one too: give another key")
    records.check_list(ctx, params["trace_key"], params["keep"])
    if params["emit"]:
        records.check_list(ctx, "events")
    start_job(ctx, _id(params["key"]), _work(params), {})
    return {"started": True}


def wait(ctx: Ctx, key: str, timeout: float = 60.0) -> bool:
    """Wait until the work for `ctx[key]` has ended; False where it has not in time, or the run is to stop.

    MissingKey where there is no such work.
    """
    if status_of(ctx, _id(key)) is None:
        raise MissingKey(f"ctx_bg_trace has no work for ctx[{key!r}]")
    return not wait_for_jobs(ctx, [_id(key)], timeout)


def cancel(ctx: Ctx, key: str) -> bool:
    """Ask the work for `ctx[key]` to stop: what it still does counts for nothing. False where it has ended."""
    return cancel_job(ctx, _id(key))


def _id(key: str) -> str:
    return f"bg_trace:{key}"


def _work(params: dict[str, Any]) -> Callable[[Ctx], None]:
    """The job: all attempts, with a handle on ctx of its own."""

    def work(ctx: Ctx) -> None:
        delay, job = params["delay"], current_job()
        for attempt in range(1, params["attempts"] + 1):
            trace, raised = _attempt(ctx, params, attempt)
            if raised is None or job is None or attempt == params["attempts"] or job.stop.wait(delay):
                break
            delay *= 2
        _tell(ctx, params["on_complete" if raised is None else "on_error"], trace)
        if raised is not None:
            raise raised

    return work


def _attempt(ctx: Ctx, params: dict[str, Any], attempt: int) -> tuple[dict[str, Any], Exception | None]:
    """Call it once; first its result is written, then the trace. The trace, and what it raised."""
    key, job = params["key"], current_job()
    start, began, cpu = time.time(), time.perf_counter(), time.thread_time()
    raised: Exception | None = None
    try:
        result = checked(call(params["fn"], ctx, params["args"]), (key,))
        seconds, used = time.perf_counter() - began, time.thread_time() - cpu
        if job is not None and job.stop.is_set():
            return {}, UsageError(f"{job.id} was cancelled")
        ctx[key] = result
    except Exception as error:
        raised, seconds, used = error, time.perf_counter() - began, time.thread_time() - cpu
    trace = {"key": key, "status": "success" if raised is None else "error", "start": start, "end": time.time(),
             "duration": seconds}
    if raised is not None:
        trace["error"] = describe(raised)["message"] or type(raised).__name__
    if params["who"] is not None:
        trace["who"] = params["who"]
    if params["details"]:
        trace |= {"attempt": attempt, "run_id": run_id() or None, "cpu": max(0.0, used)}
    if job is None or not job.stop.is_set():
        records.append(ctx, params["trace_key"], trace, params["keep"])
        if params["emit"]:
            records.event(ctx, "bg_trace", params["who"] or key, trace)
    return trace, raised


def _tell(ctx: Ctx, hook: Callable[..., Any] | None, trace: dict[str, Any]) -> None:
    """What the hook raises is kept in ctx["errors"]: it changes nothing of how the work ended."""
    job = current_job()
    if hook is None or (job is not None and job.stop.is_set()):
        return
    try:
        call(hook, ctx, {"trace": trace})
    except Exception as error:
        records.error(ctx, _id(trace["key"]), error)


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_bg_trace")
