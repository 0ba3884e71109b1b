"""The jobs that a job server runs: functions of an allow-list, each on a ctx of its own."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any

from octo.access import Access
from octo.context import Context
from octo.executors.jobs import LIVE, Job, JobPool, current_job
from octo.scriptlet import call
from octo.store import Author
from octo.store.memory import MemoryState

KEPT = 1000
"""Ended jobs that can still be asked for; as many may wait or run."""


class ServedJobs:
    """Jobs by their id, at most `workers` of them at once. `tasks`: what may be run, by the name that is asked for."""

    def __init__(self, tasks: Mapping[str, Callable[..., Any]], workers: int) -> None:
        self.tasks = dict(tasks)
        self._pool = JobPool(workers)
        self._lock = threading.Lock()
        self._named: dict[str, tuple[str, Job]] = {}
        self._sent: dict[str, str] = {}

    def start(self, task: str, args: Mapping[str, Any], ctx: Mapping[str, Any] | None, key: str) -> str:
        """The id of a new job; of the same one where the `key` of a request comes again."""
        with self._lock:
            if key and key in self._sent:
                return self._sent[key]
            if sum(job.status in LIVE for _, job in self._named.values()) >= KEPT:
                return ""
            id = secrets.token_hex(8)
            self._named[id] = task, self._pool.submit(_work, self.tasks[task], task, args, ctx, job_id=id)
            if key:
                self._sent[key] = id
            self._let_go()
            return id

    def told(self, id: str) -> dict[str, Any] | None:
        """What is known of a job."""
        task, job = self._named.get(id, ("", None))
        return None if job is None else {"id": id, "task": task, **job.as_dict()}

    def all(self) -> dict[str, Any]:
        """The jobs' states, and what can be asked for."""
        with self._lock:
            return {"jobs": {id: job.status for id, (_, job) in self._named.items()}, "tasks": list(self.tasks)}

    def cancel(self, id: str) -> None:
        """End a job, if there is one that lives."""
        if id in self._named:
            self._named[id][1].cancel()

    def _let_go(self) -> None:
        ended = [id for id, (_, job) in self._named.items() if job.status not in LIVE]
        for id in ended[: max(0, len(ended) - KEPT)]:
            self._pool.forget(self._named.pop(id)[1])
        self._sent = {key: id for key, id in self._sent.items() if id in self._named}

    def close(self) -> None:
        """Cancel what lives and take no more."""
        self._pool.close()


def _work(function: Callable[..., Any], task: str, args: Mapping[str, Any], given: Mapping[str, Any] | None) -> Any:
    """Call the function on a ctx of its own. Where ctx was sent, what it changed there is part of the result."""
    job = current_job()
    before = dict(given or {})
    ctx = Context.on(Access(MemoryState({"ctx": before}), Author(task), job.stop if job else None))
    result = call(function, ctx, args)
    if given is None:
        return result
    after = ctx.plain()
    changed = {key: value for key, value in after.items() if key not in before or before[key] != value}
    return {"result": result, "ctx": changed}
