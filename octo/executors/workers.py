"""The pool of worker processes: bodies that need a process of their own, run by name.

Workers are started afresh when they are first needed, are used again, and live as long as the run. One that a
body broke (a time-out, a crash) is replaced.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from octo.errors import CutOff, UsageError
from octo.store import Author, checked

from .child import PATIENCE
from .worker_process import NotBegun, WorkerProcess, WorkerResult

__all__ = ["WorkerResult", "Workers", "cpus"]


def cpus() -> int:
    """How many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """At most `size` workers (one a CPU) for the run of `instance` in `directory`. For any number of threads."""

    def __init__(self, instance: Path, path: list[str], directory: str, *, size: int | None = None) -> None:
        self.size = size or cpus()
        self._start = (instance, list(path), directory)
        self._changed = threading.Condition()
        self._idle: list[WorkerProcess] = []
        self._busy: list[WorkerProcess] = []
        self._counted = 0
        self._is_closed = False

    def run(
        self,
        target: str,
        *,
        params: Mapping[str, Any] | None = None,
        args: list[Any] | None = None,
        author: Author,
        timeout: float | None = None,
        stop: threading.Event | None = None,
        stop_timeout: float | None = None,
        on_line: Callable[[str], None] = lambda line: None,
        tracked: bool = False,
        beyond: bool = False,
    ) -> WorkerResult:
        """Run the function or class that `target` names, in the next free worker.

        Raises BodyFailed for what the body raised, StepTimeout, CutOff where the worker died. When `stop` is set
        the body sees it in `ctx.stop`; with `stop_timeout` its worker is ended that much later. `tracked` is
        handed to the body's Access. A worker `beyond` the size is for a body that stays (a background step).
        """
        if target.partition(":")[0] == "__main__":
            raise UsageError(f"{target}: a worker process does not have the program that started the run; "
                             "put the function in a module of its own")
        request = {
            "target": target, "params": None if params is None else checked(params, ("params",)),
            "args": None if args is None else checked(args, ("args",)),
            "who": author.who, "visit": author.visit, "call": author.call, "tracked": tracked,
        }
        self._wait_for_turn(beyond)
        try:
            while True:
                worker = self._take()
                was_used = worker.was_used
                try:
                    result = worker.run(request, timeout, stop, stop_timeout, on_line)
                except NotBegun as error:  # it died while it was idle, say for want of memory: another one will do
                    self._drop(worker)
                    if not was_used:
                        raise CutOff(f"{target}: a worker process could not be started: {error}") from None
                except BaseException:
                    self._put_back(worker)
                    raise
                else:
                    self._put_back(worker)
                    return result
        finally:
            self._give_turn_back(beyond)

    def _wait_for_turn(self, beyond: bool) -> None:
        with self._changed:
            while not self._is_closed and not beyond and self._counted >= self.size:
                self._changed.wait()
            self._refuse_when_closed()
            self._counted += not beyond

    def _give_turn_back(self, beyond: bool) -> None:
        with self._changed:
            self._counted -= not beyond
            self._changed.notify()

    def _refuse_when_closed(self) -> None:
        if self._is_closed:
            raise CutOff("the run has ended, and its worker processes with it")

    def _take(self) -> WorkerProcess:
        with self._changed:
            self._refuse_when_closed()
            if self._idle:
                worker = self._idle.pop()
                self._busy.append(worker)
                return worker
        worker = WorkerProcess(*self._start)  # not while the lock is held: it takes a while
        with self._changed:
            if not self._is_closed:
                self._busy.append(worker)
                return worker
        worker.close()
        raise CutOff("the run has ended, and its worker processes with it")

    def _put_back(self, worker: WorkerProcess) -> None:
        with self._changed:
            self._busy.remove(worker)
            keep = worker.is_usable and not self._is_closed
            if keep:
                self._idle.append(worker)
        if not keep:
            worker.close()

    def _drop(self, worker: WorkerProcess) -> None:
        with self._changed:
            self._busy.remove(worker)
        worker.close()

    def close(self, patience: float = PATIENCE) -> None:
        """End all workers, also those where a body still runs; its `run` raises CutOff."""
        with self._changed:
            self._is_closed = True
            workers, self._idle = [*self._idle, *self._busy], []
            self._changed.notify_all()
        enders = [threading.Thread(target=worker.close, args=(patience,), daemon=True) for worker in workers]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
