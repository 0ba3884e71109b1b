"""The parameter lock: one writer at a time on one file, among processes that may know nothing of Octo.

`flock` on a descriptor that stays open costs 0.5 µs; a new `filelock.FileLock` for each change costs
over a hundred times that. Both exclude each other, since FileLock uses flock as well. Where there is no
`flock` (Windows), filelock does the work.
"""

from __future__ import annotations

import errno
import os
import random
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from octo.errors import LockTimeout, StoreError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from filelock import FileLock

_BURST = (0.010, 0.030)
"""Seconds of locking back to back after which a process stays off, at random so that two do not fall in step."""
_PAUSE = 0.005
"""How long it stays off: pollers of 50 ms, such as a FileLock, find the lock free in time."""
_MOST = 0.6
"""It only stays off when it held the lock for more than this part of the burst: else pollers had their chances."""
_GAP = 0.0005
"""A lock taken sooner than this after the last one belongs to the same burst."""


class ParameterLock:
    """An exclusive lock between processes. Not for threads: the caller holds a thread lock of its own."""

    def __init__(self, path: Path, timeout: float = 60.0) -> None:
        self.path = path
        self._name = str(path)
        self.timeout = timeout
        self.held = False
        self._fd = -1
        self._identity = (0, 0)
        self._fallback: FileLock | None = None
        self._said = False
        self._burst_from = self._burst_held = 0.0
        self._burst_limit = random.uniform(*_BURST)
        self._taken = self._released = 0.0

    def acquire(self) -> None:
        """Take the lock; `LockTimeout` names the holder where the system tells it."""
        if self.held:
            return
        now = time.monotonic()
        burst = now - self._burst_from
        if now - self._released > _GAP:
            self._burst_from, self._burst_held = now, 0.0
        elif burst > self._burst_limit:
            if self._burst_held > _MOST * burst:
                time.sleep(_PAUSE)
            self._burst_from, self._burst_held = time.monotonic(), 0.0
            self._burst_limit = random.uniform(*_BURST)
        if fcntl is None:
            self._acquire_fallback()
            return
        now = self._taken = time.monotonic()
        wait = 0.0001
        while not self._try():
            waited = time.monotonic() - now
            if waited > self.timeout:
                raise LockTimeout(f"{self.path} is held by {self._holder()}; waited {waited:.0f} s for it")
            time.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(wait * 2, 0.010)
            self._taken = time.monotonic()

    def _try(self) -> bool:
        if self._fd < 0:
            self._fd = self._open()
            mine = os.fstat(self._fd)
            self._identity = mine.st_ino, mine.st_dev
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._drop_if_replaced()
            return False
        except OSError as error:
            raise StoreError(f"{self.path} cannot be locked: {error.strerror}") from error
        self.held = True
        if self._drop_if_replaced():
            self.held = False
            return False
        return True

    def _drop_if_replaced(self) -> bool:
        """A lock on a file that was deleted or replaced excludes nobody: open the one that is there now."""
        try:
            there = os.stat(self._name)
        except OSError:
            there = None
        if there is not None and (there.st_ino, there.st_dev) == self._identity:
            return False
        fd, self._fd = self._fd, -1
        os.close(fd)
        return True

    def _open(self) -> int:
        flags = os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
        self._name = str(self.path)
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | flags, 0o666)
        except OSError as error:
            with suppress(OSError):  # a directory that can only be read: its lock file can still be locked
                return os.open(self.path, os.O_RDONLY | flags)
            if error.errno in (errno.EROFS, errno.EACCES):  # nor can one be made: the directory itself will do
                self._name = str(self.path.parent)
                with suppress(OSError):
                    return os.open(self._name, os.O_RDONLY | os.O_CLOEXEC)
            raise StoreError(f"the lock file {self.path} cannot be opened: {error.strerror}") from error

    def _acquire_fallback(self) -> None:
        from filelock import FileLock, SoftFileLock, Timeout

        if self._fallback is None:
            self._fallback = FileLock(self.path, timeout=self.timeout, thread_local=False)
        try:
            self._fallback.acquire(poll_interval=0.005)
        except Timeout:
            raise LockTimeout(f"{self.path} is held by another process; waited {self.timeout:.0f} s") from None
        if isinstance(self._fallback, SoftFileLock) and not self._said:
            self._said = True
            warnings.warn(f"{self.path} is a soft lock here: a killed holder leaves it behind", stacklevel=2)
        self.held = True

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._fallback is not None:
            self._fallback.release()
        elif self._fd >= 0:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        self.held = False
        if self._name != str(self.path):
            self.close()  # the directory stood in for a lock file; next time there may be one
        self._released = time.monotonic()
        self._burst_held += self._released - self._taken

    def close(self) -> None:
        """Give the lock back and close its file."""
        self.held = False
        if self._fallback is not None:
            self._fallback.release()
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def __del__(self) -> None:
        with suppress(Exception):
            self.close()

    def forget(self) -> None:
        """In the child of a fork: the descriptor is the parent's lock as well, so let it be."""
        if self._fd >= 0:
            os.close(self._fd)  # closing does not unlock while the parent has it open
        self._fd, self.held, self._fallback = -1, False, None

    def _holder(self) -> str:
        """Who holds it, as Linux tells in /proc/locks."""
        with suppress(OSError, ValueError, IndexError):
            inode = os.stat(self.path).st_ino
            for line in Path("/proc/locks").read_text().splitlines():
                fields = line.split()
                if fields[1] == "FLOCK" and fields[5].rsplit(":", 1)[1] == str(inode):
                    name = Path(f"/proc/{fields[4]}/comm").read_text().strip()
                    return f"process {fields[4]} ({name})"
        return "another process"
