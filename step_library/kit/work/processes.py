"""Functions in worker processes of their own: the run's kind of workers, for as long as a step needs them."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from octo.errors import NameNotFound, StepFailed
from octo.executors.jobs import Job
from octo.executors.workers import Workers, cpus
from octo.param import ParamError
from octo.resolve import resolve, run_path
from octo.run_path import active_directories
from octo.scriptlet import call
from octo.store import Author, checked, running_step
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.work.calls import name_of, stop_of
from step_library.kit.work.jobs import json_value
from step_library.kit.work.parallel import run_tasks
from step_library.kit.work.tasks import Task

SHIM = "step_library.kit.work.processes:call_there"
PATIENCE = 5.0
"""Seconds that a function has to end by itself when it is asked to stop."""

log = logging.getLogger("octo.steps")


def call_there(target: str, args: dict[str, Any]) -> Any:
    """In the worker: call the function that `target` names. ctx is empty there, and has to stay so."""
    ctx: dict[str, Any] = {}
    result = json_value(call(resolve(target), ctx, args))
    if ctx:
        raise StepFailed(f"it wrote to ctx ({', '.join(map(str, ctx))}), which stays in its process: let it return "
                         "that, or make it a step with executor: process")
    return result


def name_for_worker(function: Callable[..., Any], given: str) -> str:
    """By which name a worker finds it; ParamError where it has none that can be imported."""
    if given:
        return given
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    target = f"{module}:{name}"
    if module and module != "__main__" and "<" not in name:
        try:
            if resolve(target) is function:
                return target
        except NameNotFound:
            pass
    raise ParamError(f"{name or function} of {module}: a process finds a function by its name; put it at the top level "
                     "of a module that can be imported")


def in_a_process(function: Callable[..., Any]) -> Callable[[Ctx | None, dict[str, Any]], Any]:
    """A function of ctx and params that calls this one in a worker process, started for it and ended with it."""
    target = name_for_worker(function, "")

    def there(ctx: Ctx | None, params: dict[str, Any]) -> Any:
        with _workers(1, target) as (workers, author):
            done = workers.run(SHIM, args=[target, dict(params)], author=author, stop=stop_of(ctx),
                               stop_timeout=PATIENCE, on_line=lambda line: log.info("%s: %s", target, line))
            return done.value

    there.__name__ = name_of(function)
    return there


@contextmanager
def _workers(size: int, source: str) -> Iterator[tuple[Workers, Author]]:
    """Workers that find what can be found here, and in whose name they work."""
    path = [*active_directories(), *run_path(None, Path.cwd())]
    author = running_step() or Author(source)
    with (tempfile.TemporaryDirectory(prefix="octo-") as place,
          Workers(author.instance or Path(place), path, os.getcwd(), size=size) as workers):
        yield workers, author


def run_in_processes(ctx: Ctx, params: Mapping[str, Any], tasks: list[Task], *, source: str) -> None:
    """Run the tasks in worker processes, started afresh, and end these."""
    for task in tasks:
        task.target = name_for_worker(task.function, task.target)
        checked(dict(task.args), (task.key, "args"))
    size = max(1, min(params["max_workers"] or cpus(), len(tasks)))
    with _workers(size, source) as (workers, author):

        def work(task: Task, job: Job) -> Any:
            done = workers.run(SHIM, args=[task.target, dict(task.args)], author=author, stop=job.stop,
                               stop_timeout=PATIENCE, on_line=lambda line: log.info("%s: %s", task.key, line))
            task.usage = {"cpu": done.usage.cpu, "rss": done.usage.rss}
            return done.value

        run_tasks(ctx, params, tasks, work, size=size, source=source)
