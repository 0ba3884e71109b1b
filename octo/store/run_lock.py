"""The run lock: one engine at a time on one instance, and who it is.

The lock is the fact; the owner's file beside it is believed only while the lock is held.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from octo.errors import InstanceBusy, StoreError

from .files import write_whole
from .values import dumps, loads

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from filelock import BaseFileLock

RUN_LOCK_FILE = ".octo_step_engine_run.lock"
RUN_OWNER_FILE = ".octo_step_engine_run.json"
NAMED_WITHIN = 1.0
"""Seconds after which one that holds the lock is taken for somebody who does not say who it is."""


@dataclass(frozen=True)
class RunOwner:
    """The process that runs an instance. `start` is in seconds since 1970."""

    pid: int = 0
    host: str = ""
    start: float = 0.0
    run_id: str = ""

    def __str__(self) -> str:
        if not self.pid:
            return "another process"
        since = time.strftime("%H:%M:%S", time.localtime(self.start))
        return f"process {self.pid} on {self.host or 'this machine'}, since {since}, run {self.run_id}"


class RunLock:
    """Held by the engine for the length of a run. Never re-entrant."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock: BaseFileLock | None = None

    def acquire(self, run_id: str) -> None:
        """Take it or raise InstanceBusy with the owner's name. Waits a second: a look at it takes it for a moment."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.directory / RUN_LOCK_FILE, timeout=1.0, thread_local=False)
        try:
            lock.acquire(poll_interval=0.02)
        except Timeout:
            owner = owner_of(self.directory) or RunOwner()
            raise InstanceBusy(f"{self.directory} is being run by {owner}") from None
        self._lock = lock
        try:
            self.name(run_id)
        except BaseException:
            self.release()
            raise

    def name(self, run_id: str) -> None:
        """Say which run it is."""
        import socket  # late: octo status looks at owners, and starts fast

        owner = {"pid": os.getpid(), "host": socket.gethostname(), "start": time.time(), "run_id": run_id}
        path = self.directory / RUN_OWNER_FILE
        try:
            write_whole(path, [dumps(owner, indent=True) + b"\n"])
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error.strerror}") from error

    def release(self) -> None:
        if self._lock is not None:
            with suppress(OSError):
                (self.directory / RUN_OWNER_FILE).unlink()
            self._lock.release()
            self._lock = None


def owner_of(directory: Path) -> RunOwner | None:
    """Who runs the instance now; None where nobody does. Makes no file.

    One that has just taken the lock says who it is a moment later: that is waited for.
    """
    path = directory / RUN_LOCK_FILE
    give_up = time.monotonic() + NAMED_WITHIN
    while is_held(path):
        try:
            data = loads((directory / RUN_OWNER_FILE).read_bytes())
            return RunOwner(data["pid"], data["host"], data["start"], data["run_id"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            if not isinstance(error, FileNotFoundError) or time.monotonic() >= give_up:
                return RunOwner()
            time.sleep(0.02)
    return None


def is_held(path: Path) -> bool:
    """Whether anybody holds the lock file `path`."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return False
    try:
        if fcntl is None:
            return _is_held_without_flock(path)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
    finally:
        os.close(fd)


def _is_held_without_flock(path: Path) -> bool:
    from filelock import FileLock, Timeout

    probe = FileLock(path, timeout=0, thread_local=False)
    try:
        probe.acquire()
    except Timeout:
        return True
    probe.release()
    return False
