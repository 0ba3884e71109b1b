"""Calls a function until it succeeds, with growing pauses, a time-out for each attempt and a choice of exceptions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from octo.context import Context
from octo.engine.retry import Retry
from octo.errors import ShapeError
from octo.executors.outcome import describe
from octo.param import ParamError
from octo.scriptlet import Param, call, scriptlet
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx, described
from step_library.kit.work.calls import call_again, check_args, name_of

LISTS = ("log", "trace", "errors")


@scriptlet(
    params=[
        Param("fn", "callable", help="the function: a library step's name or module:function"),
        Param("args", "dict", {}, "its arguments, by name; a step gets them as its params"),
        Param("retries", "int", 3, "how often it is called at most, the first call included"),
        Param("delay", "number", 2, "seconds to wait before the second call"),
        Param("backoff", "number", 2, "each further wait is so many times as long; 1: all are the same",
              aliases=["backoff_multiplier"]),
        Param("max_delay", "number", 3600, "no wait is longer than so many seconds"),
        Param("wait", "callable | null", None, "function of attempt (1, 2, …) that gives the seconds to wait after it, "
              "instead of delay and backoff"),
        Param("timeout", "number | null", None, "seconds that one attempt may take; longer is a failure"),
        Param("exceptions", "str | list[str] | null", None, "names of the exceptions (or their bases) after which it "
              "is called again, such as ConnectionError; otherwise after all", aliases=["retry_exceptions"]),
        Param("on_retry", "callable | null", None, "function of attempt, error (the message) and args, called before "
              "each further attempt; a dict that it returns is the args from then on"),
        Param("process", "bool", False, "call it in a process of its own, which a time-out ends: for a function of a "
              "module, without ctx"),
        Param("step_name", "str | null", None, "the name in records; the function's own where there is none"),
        Param("log", "bool", False, "add a line to ctx['log'] for each attempt"),
        Param("trace", "bool", False, "add each attempt to ctx['trace'], with outcome and error"),
        Param("errors", "bool", False, "add the last failure to ctx['errors'] when no attempt is left"),
        Param("status_key", "str | null", None, "key of ctx, such as last_retry_status, for {step: {status: success or "
              "error, attempts, error}}"),
    ]
)
def run(ctx: Ctx | None, params: dict[str, Any]) -> dict[str, Any]:
    """Call `fn(**args)` until it ends well: `{"result": …, "attempt": 1 for the first}`; else raise its last exception.

    Before attempt n+1 it waits delay * backoff**(n-1) seconds, max_delay at most, and no longer than until the run is
    asked to stop. `retries` counts all calls: 1 means no second one. Less than 1, or arguments that do not fit the
    function, are a ParamError (a ValueError) before it is called. An attempt that took longer than `timeout` is left
    behind: its `ctx.stop` is set, and what it still does to a Context counts for nothing. ctx is only written where
    `log`, `trace`, `errors` or `status_key` ask for it, and may be None otherwise. What failed attempts did
    themselves is not undone here, only by the recipe when the step fails.
    """
    retry = _retry(params)
    fn, step = params["fn"], params["step_name"] or name_of(params["fn"])
    check_args(fn, params["args"])
    if params["process"]:
        from step_library.kit.work.processes import in_a_process

        fn = in_a_process(fn)
    if ctx is not None:
        for name in LISTS:
            if params[name]:
                records.check_list(ctx, name)
        there = ctx.get(params["status_key"], {})
        if not isinstance(there, Mapping):
            raise ShapeError(f"ctx[{params['status_key']!r}] is to be a dict of steps, not {described(there)}")

    def failed(attempt: int, error: Exception, is_last: bool, args: Mapping[str, Any]) -> Mapping[str, Any] | None:
        message = describe(error)["message"] or type(error).__name__
        _note(ctx, params, step, attempt, message)
        if is_last:
            if ctx is not None and params["errors"]:
                records.error(ctx, step, error)
            _keep_status(ctx, params, step, attempt, message)
            return None
        if params["on_retry"] is None:
            return None
        return _new_args(call(params["on_retry"], ctx, {"attempt": attempt, "error": message, "args": dict(args)}))

    def waits(attempt: int) -> float:
        return _seconds(call(params["wait"], ctx, {"attempt": attempt}))

    result, attempt = call_again(ctx, fn, params["args"], retry, timeout=params["timeout"],
                                 waits=waits if params["wait"] else None, failed=failed)
    _note(ctx, params, step, attempt, None)
    _keep_status(ctx, params, step, attempt, None)
    return {"result": result, "attempt": attempt}


def _retry(params: Mapping[str, Any]) -> Retry:
    if params["retries"] < 1:
        raise ParamError(f"retries is how often the function is called, 1 or more, not {params['retries']}")
    for name in ("delay", "backoff", "max_delay"):
        if params[name] < 0:
            raise ParamError(f"{name} is 0 or more, not {params[name]:g}")
    if params["timeout"] is not None and params["timeout"] <= 0:
        raise ParamError(f"timeout is more than 0 seconds, not {params['timeout']:g}")
    return Retry.of({
        "attempts": params["retries"], "delay": params["delay"], "backoff": params["backoff"],
        "max_delay": params["max_delay"], "exceptions": params["exceptions"] or (),
    })


def _seconds(found: Any) -> float:
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not math.isfinite(found) or found < 0:
        raise ShapeError(f"wait is to return seconds, 0 or more, not {described(found)}")
    return float(found)


def _new_args(found: Any) -> Mapping[str, Any] | None:
    if found is not None and not isinstance(found, Mapping):
        raise ShapeError(f"on_retry is to return a dict of arguments or nothing, not {described(found)}")
    return found


def _note(ctx: Ctx | None, params: Mapping[str, Any], step: str, attempt: int, error: str | None) -> None:
    """The records of one attempt."""
    if ctx is None:
        return
    how = "ended well" if error is None else f"failed: {error}"
    text = f"attempt {attempt} of {params['retries']} {how}"
    if params["log"]:
        records.log(ctx, f"{step}: {text}", "INFO" if error is None else "WARN", step=step, attempt=attempt)
    if params["trace"]:
        more: dict[str, Any] = {} if error is None else {"error": error}
        records.trace(ctx, step, text, attempt=attempt, status="success" if error is None else "error", **more)


def _keep_status(ctx: Ctx | None, params: Mapping[str, Any], step: str, attempts: int, error: str | None) -> None:
    if ctx is None or params["status_key"] is None:
        return
    entry = {"status": "success" if error is None else "error", "attempts": attempts, "error": error}
    if isinstance(ctx, Context):  # so that it stays when the step fails and is undone
        ctx.record(params["status_key"], entry, id=step)
    else:
        ctx.setdefault(params["status_key"], {})[step] = entry


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_step_retry")
