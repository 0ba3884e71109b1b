"""A function that runs in the background while the recipe goes on; how it is, is kept in ctx["jobs"]."""

from __future__ import annotations

from typing import Any

from octo.scriptlet import Param, scriptlet
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.work.jobs import start_job


@scriptlet(
    params=[
        Param("job_id", "str", help="name of the job in ctx['jobs']"),
        Param("fn", "callable", help="the function: a library step's name or module:function"),
        Param("args", "dict", {}, "its arguments, by name"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Start `fn(**args)` and go on; one whose parameters are (ctx, params) gets `args` as its params.

    `ctx["jobs"][job_id]` is {status: queued, running, done, error or cancelled, start, end, result or error}. What
    it raises never reaches the recipe. A function that takes long should look at `ctx.stop` and return. A job id that
    is still running is refused.
    """
    start_job(ctx, params["job_id"], params["fn"], params["args"])
    return {"started": True, "job_id": params["job_id"]}


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_bg_job")
