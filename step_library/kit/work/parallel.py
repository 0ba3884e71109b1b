"""What ctx_parallel and ctx_parallel_process share: their parameters, their checks, and what becomes of the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from octo.context import Context
from octo.errors import StepFailed
from octo.executors.jobs import Job
from octo.param import Param, ParamError, Table
from octo.scriptlet import call
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.values.entries import Entries
from step_library.kit.work.calls import check_args, check_timeout
from step_library.kit.work.jobs import json_value
from step_library.kit.work.tasks import Task, run_together

TASK = Table((
    Param("key", "str", help="key of ctx for its result"),
    Param("fn", "callable", help="the function: a library step's name or module:function"),
    Param("args", "dict | null", None, "its arguments, by name"),
    Param("timeout", "number | null", None, "seconds that it may take"),
))
"""The fields of one task."""


def checked_task(given: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of `tasks`, complete; an OctoError where it does not fit."""
    task = TASK.fill(given)
    task["args"] = task["args"] or {}
    check_timeout(task["timeout"])
    check_args(task["fn"], task["args"])
    return task


TASKS = Entries(
    "tasks", "list[dict]", help="the tasks: {key: where in ctx the result goes, fn: a library step's name or "
    "module:function, args: its arguments by name, timeout: seconds}", fields=TASK, check=checked_task, id="key")
PARAMS = (
    TASKS,
    Param("timeout", "number | null", None, "seconds that one task may take, where it has no timeout of its own"),
    Param("total_timeout", "number", 3600, "seconds that all tasks together may take"),
    Param("raise_errors", "bool", False, "fail when a task has failed, once all have ended and the results are in ctx"),
    Param("fail_fast", "bool", False, "fail as soon as a task has failed: the others are asked to stop, ctx stays"),
    Param("out", "str | null", None, "key of ctx for all results as {key: result}, instead of one key each"),
    Param("reducer", "callable | null", None, "function of results ({key: result}); out gets what it returns"),
    Param("emit", "bool", False, "add an event named task_done or task_error to ctx['events'] as each task ends"),
    Param("log", "bool", False, "add a line to ctx['log'] as each task ends"),
    Param("stats", "str | null", None, "key of ctx for a list of {key, status: done or error, seconds, …}"),
)


def tasks_of(params: Mapping[str, Any]) -> list[Task]:
    """The tasks, checked; ParamError (a ValueError) before any begins."""
    check_timeout(params["timeout"])
    tasks = []
    for given, task in zip(params["tasks"], TASKS.filled(params["tasks"]), strict=True):
        timeout = params["timeout"] if task["timeout"] is None else task["timeout"]
        target = given["fn"] if isinstance(given["fn"], str) else ""
        tasks.append(Task(task["key"], task["fn"], task["args"], timeout, target))
    return tasks


def run_tasks(ctx: Ctx, params: Mapping[str, Any], tasks: list[Task], work: Callable[[Task, Job], Any], *, size: int,
              source: str) -> None:
    """Run them and put the results into ctx, all at once and in this thread."""
    if params["total_timeout"] <= 0:
        raise ParamError(f"total_timeout is more than 0 seconds, not {params['total_timeout']:g}")
    if params["reducer"] is not None and params["out"] is None:
        raise ParamError("reducer needs out, the key of ctx for what it returns")
    for name, wanted in (("events", params["emit"]), ("log", params["log"])):
        if wanted:
            records.check_list(ctx, name)

    def ended(task: Task) -> None:
        more = {} if task.error is None else {"error": task.failure()["error"]}
        if params["emit"]:
            payload = {"key": task.key, "seconds": task.seconds, **more}
            records.event(ctx, f"task_{task.status}", source, payload)
        if params["log"]:
            how = f"done in {task.seconds:.3f} s" if not more else f"failed after {task.seconds:.3f} s: {more['error']}"
            records.log(ctx, f"{task.key}: {how}", "INFO" if not more else "ERROR", step=source)

    if tasks:
        run_together(ctx, tasks, work, size=size, timeout=params["total_timeout"], fail_fast=params["fail_fast"],
                     ended=ended)
    failed = [task for task in tasks if task.error is not None]
    if failed and params["fail_fast"]:
        raise _failure(failed)
    _put(ctx, params, tasks)
    if failed and params["raise_errors"]:
        raise _failure(failed)


def _put(ctx: Ctx, params: Mapping[str, Any], tasks: list[Task]) -> None:
    results = {task.key: task.value if task.error is None else task.failure() for task in tasks}
    found: dict[str, Any] = results
    if params["out"] is not None:
        reducer = params["reducer"]
        found = {params["out"]: results if reducer is None else json_value(call(reducer, ctx, {"results": results}))}
    if params["stats"] is not None:
        found = {**found, params["stats"]: [
            {"key": task.key, "status": task.status, "seconds": task.seconds, **task.usage} for task in tasks]}
    if isinstance(ctx, Context):
        with ctx.transaction():
            ctx.update(found)
    else:
        ctx.update(found)


def _failure(failed: list[Task]) -> Exception:
    """One error for all; the first one is its cause."""
    first = next((task for task in failed if not isinstance(task.error, StepFailed)), failed[0])
    keys = ", ".join(task.key for task in failed)
    error = StepFailed(f"{len(failed)} of the tasks failed ({keys}); {first.key}: {first.failure()['error']}")
    error.__cause__ = first.error
    return error
