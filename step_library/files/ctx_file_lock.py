"""A lock around the reading and writing of a shared file, as `with file_lock(path):` or as a decorator."""

from __future__ import annotations

import functools
import inspect
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from octo.errors import UsageError
from step_library.kit.files.path_locks import FileLockAcquisitionError, Shared, give, take
from step_library.kit.records.records import append
from step_library.kit.values.ctx_values import Ctx

__all__ = ["FileLockAcquisitionError", "Held", "file_lock", "filelock_step"]

Function = TypeVar("Function", bound=Callable[..., Any])
TIMEOUT = 60.0
"""Seconds for which a lock is waited for, where nothing else is said."""
KEY = "file_locks"


@dataclass
class Held:
    """What a lock is known by while it is held: the lock files, and the seconds that were waited."""

    paths: list[str]
    waited: float


class file_lock:
    """Only one thread of one process at a time is inside the block of one path; others wait.

    The lock is on a file of its own, PATH.lock, which stays: PATH need not exist and is not touched. It counts for
    those who take it (also as `flock` or filelock on PATH.lock). Who holds a lock (a thread, a task of asyncio) may
    take it again. Several paths are taken in a fixed order, so that two who want the same never wait for one another.

    timeout: seconds to wait; 0 tries once, None waits for ever. FileLockAcquisitionError (a TimeoutError) when it is
    not had by then. ctx: where a record of each use is kept, in ctx["file_locks"], with its reason. As a decorator it
    holds the lock for the time of each call, of an async function too.
    """

    def __init__(self, path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], timeout: float | None = TIMEOUT,
                 *, ctx: Ctx | None = None, reason: str | None = None) -> None:
        given = [path] if isinstance(path, (str, os.PathLike)) else list(path)
        paths = [os.fspath(each) for each in given]
        if not paths or not all(paths):
            raise UsageError("file_lock needs the path of a file, or several")
        if timeout is not None and not timeout >= 0:
            raise UsageError(f"file_lock: timeout is to be seconds, 0 or None, not {timeout!r}")
        self.paths = paths
        self.timeout = timeout
        self.ctx, self.reason = ctx, reason
        self._blocks = threading.local()

    def __enter__(self) -> Held:
        block = self._block()
        held = block.__enter__()
        self._open_blocks().append(block)
        return held

    def __exit__(self, *error: Any) -> None:
        self._open_blocks().pop().__exit__(*error)

    def __call__(self, function: Function) -> Function:
        """The function with the lock around each call."""
        found: Any
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def found(*args: Any, **more: Any) -> Any:
                # while it waits, its thread runs other tasks, the holder perhaps: so it tries again and again
                import asyncio

                began = time.monotonic()
                while True:
                    block = self._block(0)
                    try:
                        block.__enter__()
                        break
                    except FileLockAcquisitionError as error:
                        waited = time.monotonic() - began
                        if self.timeout is not None and waited >= self.timeout:
                            raise FileLockAcquisitionError(f"{error.message} ({waited:.1f} s in all)") from None
                    await asyncio.sleep(0.02)
                try:
                    return await function(*args, **more)
                finally:
                    block.__exit__(None, None, None)
        else:

            @functools.wraps(function)
            def found(*args: Any, **more: Any) -> Any:
                with self._block():
                    return function(*args, **more)

        return found

    def _open_blocks(self) -> Any:
        if not hasattr(self._blocks, "open"):
            self._blocks.open = []
        return self._blocks.open

    @contextmanager
    def _block(self, timeout: float | None = -1) -> Iterator[Held]:
        began, start = time.monotonic(), time.time()
        wait = self.timeout if timeout == -1 else timeout
        taken: list[Shared] = []
        try:
            for name in sorted({os.path.realpath(path) for path in self.paths}):
                left = None if wait is None else max(0.0, wait - (time.monotonic() - began))
                taken.append(take(f"{name}.lock", left))
            held = Held([str(each.lock.path) for each in taken], time.monotonic() - began)
            yield held
        finally:
            for each in reversed(taken):
                give(each)
            if self.ctx is not None and len(taken) == len({os.path.realpath(path) for path in self.paths}):
                self._record(start, held.waited, time.monotonic() - began - held.waited)

    def _record(self, start: float, waited: float, seconds: float) -> None:
        entry = {"paths": self.paths, "process": os.getpid(), "thread": threading.current_thread().name,
                 "acquired": start + waited, "released": start + waited + seconds, "waited": waited,
                 "seconds": seconds, "reason": self.reason}
        if self.ctx is not None:
            append(self.ctx, KEY, entry)


def filelock_step(path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
                  timeout: float | None = TIMEOUT) -> Callable[[Function], Function]:
    """A decorator: the function runs inside `file_lock(path)`."""
    return file_lock(path, timeout)
