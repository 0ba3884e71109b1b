"""Runs several functions at the same time, in processes of their own, and puts each one's result into ctx."""

from __future__ import annotations

from typing import Any

from octo.param import ParamError
from octo.scriptlet import Param, scriptlet
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.work.parallel import PARAMS, tasks_of


@scriptlet(
    params=[
        *PARAMS,
        Param("max_workers", "int | null", None, "how many processes there are at most; otherwise one a CPU"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> None:
    """As ctx_parallel, for functions that compute: each runs in a worker process, so that all CPUs are used.

    A function is found there by its name, so it is one at the top level of a module, not a lambda or one of the
    program itself. Arguments and results are JSON. ctx is not there: give values as arguments, and what is returned
    comes back. What it prints goes to the log. A task that is given up is asked to stop, then its process is ended.
    `ctx[key]` is the result, or {error, traceback}; where a process died the error says so. Raises a ParamError (a
    ValueError) before any process begins. Returns nothing.
    """
    if params["max_workers"] is not None and params["max_workers"] < 1:
        raise ParamError(f"max_workers is 1 or more, not {params['max_workers']}")
    tasks = tasks_of(params)
    from step_library.kit.work.processes import run_in_processes

    run_in_processes(ctx, params, tasks, source="ctx_parallel_process")


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_parallel_process")
