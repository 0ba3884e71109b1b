"""Functions that run at the same time while their starter waits: the core of ctx_parallel and ctx_parallel_process."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from octo.context import Context
from octo.errors import BodyFailed, StepFailed, StepTimeout
from octo.executors.jobs import Job, Limit, current_job, default_pool
from octo.executors.outcome import describe
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.work.calls import stop_of
from step_library.kit.work.jobs import json_value

LOOK = 0.1
"""Seconds between two looks at time-outs and whether the run is asked to stop."""


@dataclass(eq=False)
class Task:
    """One function with its arguments, and how it ended. `began` is by time.monotonic, None before."""

    key: str
    function: Callable[..., Any]
    args: Mapping[str, Any]
    timeout: float | None = None
    target: str = ""
    began: float | None = None
    seconds: float = 0.0
    value: Any = None
    error: BaseException | None = None
    is_done: bool = False
    usage: dict[str, Any] = field(default_factory=dict)
    job: Job | None = None
    close: Callable[[], None] = lambda: None
    """Ends its handle on ctx, so that what it still does counts for nothing."""

    @property
    def status(self) -> str:
        return "done" if self.error is None else "error"

    def give_up(self) -> None:
        if self.job is not None:
            self.job.cancel()
        self.close()

    def failure(self) -> dict[str, Any]:
        """What stands in ctx in place of its result."""
        assert self.error is not None
        said = describe(self.error)
        there = self.error.traceback_text if isinstance(self.error, BodyFailed) else said["traceback"]
        return {"error": said["message"] or said["type"], "traceback": there}


def run_together(
    ctx: Ctx,
    tasks: Sequence[Task],
    work: Callable[[Task, Job], Any],
    *,
    size: int,
    timeout: float,
    fail_fast: bool = False,
    ended: Callable[[Task], object] = lambda task: None,
) -> None:
    """Call `work(task, job)` for all, at most `size` at once, and wait until the last has ended.

    What comes of each is in it then. A task that takes longer than its own time-out, and all that are left after
    `timeout` seconds, or with `fail_fast` after the first failure, end with an error and are asked to stop by their
    job. `ended` is called with each, in this thread. StepFailed when the run is asked to stop. Within a run the tasks
    are jobs `parallel:<key>` in ctx["jobs"] meanwhile.
    """
    returned: queue.SimpleQueue[Task] = queue.SimpleQueue()
    limit, give_up, stop = Limit(size), time.monotonic() + timeout, stop_of(ctx)
    left = list(tasks)
    try:
        for task in tasks:
            task.job = _started(ctx, task, work, returned, limit)
        while left:
            try:
                returned.get(timeout=max(0.0, min(LOOK, give_up - time.monotonic())))
            except queue.Empty:
                pass
            for task in [task for task in left if _has_ended(task, give_up, timeout)]:
                left.remove(task)
                ended(task)
                if fail_fast and task.error is not None:
                    return
            if stop is not None and stop.is_set() and left:
                raise StepFailed(f"the run was asked to stop: {len(tasks) - len(left)} of {len(tasks)} tasks were done")
    finally:
        for task in tasks:
            if task.job is not None:
                if task in left or not task.job.wait(LOOK):
                    task.give_up()
                default_pool().forget(task.job)
            if task in left and task.error is None:
                task.error = StepFailed("it was given up: another task failed")


def _started(ctx: Ctx, task: Task, work: Callable[[Task, Job], Any], returned: queue.SimpleQueue[Task],
             limit: Limit) -> Job:
    def called() -> None:
        job = current_job()
        assert job is not None
        task.began = time.monotonic()
        try:
            value = json_value(work(task, job))
            if not job.stop.is_set():
                task.value = value
        except BaseException as error:
            if task.error is None:
                task.error = error
            raise
        finally:
            task.seconds = time.monotonic() - task.began
            task.is_done = True
            returned.put(task)

    if isinstance(ctx, Context) and ctx.in_a_run and ctx._access.jobs is not None:
        job: Job = ctx.jobs.submit(called, job_id=f"parallel:{task.key}", limit=limit, beyond=True)
        return job
    return default_pool().submit(called, name=task.key, limit=limit, beyond=True)


def _has_ended(task: Task, give_up: float, timeout: float) -> bool:
    """Whether it has, by itself or because its time is over."""
    now = time.monotonic()
    if task.is_done:
        return True
    if task.job is not None and task.job.stop.is_set():
        task.error = StepFailed("it was cancelled")
    elif task.timeout is not None and task.began is not None and now - task.began >= task.timeout:
        task.error = StepTimeout(f"it took longer than its time-out of {task.timeout:g} s")
    elif now >= give_up:
        task.error = StepTimeout(f"all tasks together took longer than {timeout:g} s")
    else:
        return False
    task.seconds = 0.0 if task.began is None else now - task.began
    task.give_up()
    return True
