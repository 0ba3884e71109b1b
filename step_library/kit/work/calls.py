"""Functions that steps are given to call: whether their arguments fit, within a time, again when they fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from octo.context import Context
from octo.engine.retry import Retry
from octo.errors import AttemptEnded, StepTimeout
from octo.executors.jobs import current_job, default_pool
from octo.param import ParamError
from octo.scriptlet import call, mistakes
from step_library.kit.values.ctx_values import Ctx

LOOK = 0.1
"""Seconds between two looks whether the run is asked to stop."""


def check_args(function: Callable[..., Any], args: Mapping[str, Any]) -> None:
    """ParamError where the arguments do not fit, before anything is called."""
    found = mistakes(function, params=args)
    if found:
        raise ParamError(f"args do not fit: {'; '.join(found)}")


def check_timeout(seconds: float | None) -> None:
    """ParamError where a time-out is none."""
    if seconds is not None and seconds <= 0:
        raise ParamError(f"timeout is more than 0 seconds, not {seconds:g}")


def name_of(function: Callable[..., Any]) -> str:
    """What a function is called in records; a step's `run` by the name of its module."""
    name = getattr(function, "__name__", type(function).__name__)
    return str(function.__module__.rpartition(".")[2] if name == "run" else name)


def stop_of(ctx: Ctx | None) -> threading.Event | None:
    """What is set when the work here is asked to stop: the job's, or the run's."""
    job = current_job()
    if job is not None:
        return job.stop
    return ctx.stop if isinstance(ctx, Context) else None


def pause(ctx: Ctx | None, seconds: float) -> bool:
    """Wait; whether it was asked to stop."""
    stop = stop_of(ctx)
    if stop is not None:
        return stop.wait(seconds)
    time.sleep(seconds)
    return False


def own_handle(ctx: Any, stop: threading.Event) -> tuple[Any, Callable[[], None]]:
    """A handle on ctx with a stop event of its own, and what closes it: a change through it raises AttemptEnded then.

    A plain dict has no handles: it is given back as it is.
    """
    if type(ctx) is not Context:
        return ctx, lambda: None
    access = ctx._access.beside(stop)

    def close() -> None:
        access.closed = True

    return Context.on(access), close


def call_within(ctx: Ctx | None, function: Callable[..., Any], args: Mapping[str, Any], seconds: float | None) -> Any:
    """Call `function(**args)` as a step is called; StepTimeout where it takes longer.

    Then it is asked to stop (`ctx.stop`, `current_job().stop`) and left behind: what it still does to a `Context`
    counts for nothing.
    """
    if seconds is None:
        return call(function, ctx, args)
    outer, mine = stop_of(ctx), current_job()
    returned: list[Any] = []
    begun: list[float] = []
    begin = threading.Event()

    def work() -> None:
        begin.wait()
        begun.append(time.monotonic())
        returned.append(call(function, handle, args))

    def record(id: str, entry: dict[str, Any]) -> None:
        if mine is not None and "progress" in entry:
            mine.report(entry["progress"])

    job = default_pool().submit(work, name=name_of(function), beyond=True, record=record)
    handle, close = own_handle(ctx, job.stop)
    begin.set()
    left = seconds
    try:
        while not job.wait(max(0.0, min(LOOK, left))):
            if outer is not None and outer.is_set():
                job.stop.set()
            left = begun[0] + seconds - time.monotonic() if begun else seconds
            if left <= 0:
                raise StepTimeout(f"{name_of(function)} took longer than its time-out of {seconds:g} s")
    except BaseException:
        close()
        raise
    finally:
        job.cancel()
        default_pool().forget(job)
    job.result()
    return returned[0]


def call_again(
    ctx: Ctx | None,
    function: Callable[..., Any],
    args: Mapping[str, Any],
    retry: Retry,
    *,
    timeout: float | None = None,
    waits: Callable[[int], float] | None = None,
    failed: Callable[[int, Exception, bool, Mapping[str, Any]], Mapping[str, Any] | None] | None = None,
) -> tuple[Any, int]:
    """Call `function(**args)` until it ends well, as `retry` allows; what it returned, and the number of the attempt.

    Raises what the last attempt raised. `waits(attempt)` gives the seconds before the next one instead of `retry`.
    `failed(attempt, error, is_last, args)` is told of each failure and may return other arguments for the next one.
    """
    attempt = 1
    while True:
        try:
            return call_within(ctx, function, args, timeout), attempt
        except AttemptEnded:
            raise  # the step that asked for this is over
        except Exception as error:
            goes_on = retry.allows(error, attempt)
            changed = failed(attempt, error, not goes_on, args) if failed else None
            if not goes_on or pause(ctx, waits(attempt) if waits else retry.wait(attempt)):
                raise
            args = args if changed is None else changed
        attempt += 1
