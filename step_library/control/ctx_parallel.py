"""Runs several functions at the same time, in threads, and puts each one's result into ctx."""

from __future__ import annotations

from typing import Any

from octo.executors.jobs import Job
from octo.param import ParamError
from octo.scriptlet import Param, call, scriptlet
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.work.calls import own_handle
from step_library.kit.work.parallel import PARAMS, run_tasks, tasks_of
from step_library.kit.work.tasks import Task


@scriptlet(
    params=[
        *PARAMS,
        Param("mode", "str", "thread", "threads, for what mostly waits, or processes, for what computes (as "
              "ctx_parallel_process)", choices=("thread", "process")),
        Param("max_workers", "int | null", None, "how many run at once; otherwise all, or in processes one a CPU"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> None:
    """Call the function of each task with its `args`, all at once, wait for them, and put the results into ctx.

    `ctx[key]` is what the function returned. Where it raised, took longer than its `timeout`, or returned no JSON,
    the other tasks go on and `ctx[key]` is {error: the message, traceback}. A function that is a step, with parameters
    ctx and params, gets ctx too. Wrong tasks, the same key twice, or a function that is not there are a ParamError (a
    ValueError) before any begins. Returns nothing. In a run the tasks are the jobs `parallel:<key>` of `octo status`.
    """
    if params["max_workers"] is not None and params["max_workers"] < 1:
        raise ParamError(f"max_workers is 1 or more, not {params['max_workers']}")
    tasks = tasks_of(params)
    if params["mode"] == "process":
        from step_library.kit.work.processes import run_in_processes

        run_in_processes(ctx, params, tasks, source="ctx_parallel")
        return

    def work(task: Task, job: Job) -> Any:
        handle, task.close = own_handle(ctx, job.stop)
        if job.stop.is_set():
            task.close()
        return call(task.function, handle, task.args)

    run_tasks(ctx, params, tasks, work, size=params["max_workers"] or max(1, len(tasks)), source="ctx_parallel")


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_parallel")
