"""A function that runs in the background while the recipe goes on; how it is, is kept in ctx["jobs"]."""

from __future__ import annotations

from typing import Any

from octo.scriptlet import scriptlet
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.work.job_control import jobs_before
from step_library.kit.work.jobs import check_free
from step_library.kit.work.queued_jobs import AT_END, JOB, check_lists, checked_job, start_queued


@scriptlet(params=[*JOB.params, *AT_END])
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Start `fn(**args)` and go on; one whose parameters are (ctx, params) gets `args` as its params.

    `ctx["jobs"][job_id]` is {status: queued, running, done, error or cancelled, start, end, result or error}. What
    it raises never reaches the recipe. A function that takes long should look at `ctx.stop` and return. A job id that
    is still running, or arguments that do not fit, are a ValueError before it begins. One that comes `after` a job
    that fails, fails too. ctx_job_status waits for it and cancels it. What a
    kill or Ctrl-C cut off is begun again by its step only: `octo run --resume-from`.
    """
    check_free(ctx, params["job_id"])
    job = checked_job({param.name: params[param.name] for param in JOB.params})
    check_lists(ctx, params)
    start_queued(ctx, "ctx_bg_job", job, params, after=jobs_before(ctx, job["after"]))
    return {"started": True, "job_id": params["job_id"]}


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_bg_job")
