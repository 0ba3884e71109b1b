"""Calls a function while the recipe goes on, and puts what it returns into ctx when it ends."""

from __future__ import annotations

from typing import Any

from octo.param import ParamError
from octo.scriptlet import Param, call, scriptlet
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.work.calls import check_args
from step_library.kit.work.job_control import jobs_before
from step_library.kit.work.jobs import start_job


@scriptlet(
    params=[
        Param("key", "str", help="key of ctx for the function's result"),
        Param("fn", "callable", help="the function: a library step's name or module:function"),
        Param("args", "dict", {}, "its arguments, by name; a step gets them as its params"),
        Param("job_id", "str | null", None, "its name in ctx['jobs']; otherwise async:<key>"),
        Param("errors", "bool", True, "add what it raises to ctx['errors']"),
        Param("timeout", "number | null", None, "seconds that it may take; longer is a failure"),
        Param("after", "str | list[str]", [], "jobs, by their ids, that are to be done before it begins"),
        Param("on_complete", "callable | null", None, "function of key and result, called when it has ended well"),
        Param("emit", "bool", False, "when it has ended add an event named job_done or job_error to ctx['events']"),
        Param("log", "bool", False, "add a line to ctx['log'] when it has ended"),
        Param("process", "bool", False, "call it in a process of its own: for a function of a module that computes, "
              "without ctx"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Start `fn(**args)` and go on; what it returns, None too, is put into `ctx[key]` when it ends.

    Until then `ctx[key]` is as it was, and so it stays where the function raises: that is added to `ctx["errors"]`,
    and never reaches the recipe. Meanwhile it is a job in `ctx["jobs"]`, listed by `octo status`: ctx_job_status waits
    for it and cancels it. A key whose job still runs is refused: JobInUse, a UsageError and a ValueError. The run
    waits for it at its end. A function that takes long should look at `ctx.stop` and return, and may tell how far it
    is by `current_job().report(percent)` (of octo.executors.jobs).
    """
    key, fn = params["key"], params["fn"]
    job_id = params["job_id"] or f"async:{key}"
    if params["timeout"] is not None and params["timeout"] <= 0:
        raise ParamError(f"timeout is more than 0 seconds, not {params['timeout']:g}")
    check_args(fn, params["args"])
    for name in ("errors", *(["events"] if params["emit"] else []), *(["log"] if params["log"] else [])):
        records.check_list(ctx, name)
    after = jobs_before(ctx, [params["after"]] if isinstance(params["after"], str) else params["after"])
    if params["process"]:
        from step_library.kit.work.processes import in_a_process

        fn = in_a_process(fn)

    def ended(ctx: Ctx, said: dict[str, Any]) -> None:
        failure = said.get("error")
        if params["emit"]:
            records.event(ctx, f"job_{said['status']}", "ctx_async",
                          {"key": key, "job_id": job_id, **({} if failure is None else {"error": failure})})
        if params["log"]:
            how = "is there" if failure is None else f"is not to come: {failure}"
            records.log(ctx, f"{key} {how}", "INFO" if failure is None else "ERROR", step="ctx_async")
        if params["on_complete"] is not None and failure is None:
            call(params["on_complete"], ctx, {"key": key, "result": said["result"]})

    start_job(ctx, job_id, fn, params["args"], key=key, errors=f"ctx_async {key}" if params["errors"] else None,
              timeout=params["timeout"], after=after, on_end=ended)
    return {"started": True}


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_async")
