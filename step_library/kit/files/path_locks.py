"""One lock a path in this process, whoever takes it, and between processes the lock on a file."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octo.errors import LockTimeout, StoreError
from octo.store.lock import ParameterLock
from step_library.kit.work.callers import caller


class FileLockAcquisitionError(LockTimeout, TimeoutError):
    """A lock was not had in time, or cannot be had at all; nothing is held."""

    def __str__(self) -> str:  # an OSError has its own way
        return self.message


@dataclass
class Shared:
    """The lock of one path, and who holds it."""

    lock: ParameterLock
    turn: threading.Lock = field(default_factory=threading.Lock)
    owner: Any = None
    users: int = 0
    depth: int = 0


_shared: dict[str, Shared] = {}
_table = threading.Lock()


def take(name: str, wait: float | None) -> Shared:
    """Take the lock on the file `name`; FileLockAcquisitionError where it is not had within `wait` seconds."""
    with _table:
        found = _shared.setdefault(name, Shared(ParameterLock(Path(name))))
        found.users += 1
    began, me = time.monotonic(), caller()
    got = False
    try:
        if found.owner == me:
            found.depth += 1
            return found
        got = found.turn.acquire(timeout=-1 if wait is None else min(wait, threading.TIMEOUT_MAX))
        if not got:
            raise FileLockAcquisitionError(f"{name} is held by another thread or task of this process; waited "
                                           f"{wait:g} s for it", hints=["give file_lock a longer timeout"])
        found.lock.timeout = float("inf") if wait is None else max(0.0, wait - (time.monotonic() - began))
        try:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            found.lock.acquire()
        except LockTimeout as error:
            raise FileLockAcquisitionError(error.message, hints=["give file_lock a longer timeout"]) from None
        except (StoreError, OSError) as error:
            raise FileLockAcquisitionError(f"the lock {name} cannot be had: {error}") from None
        found.depth, found.owner = 1, me
    except BaseException:
        if got:
            found.turn.release()
        _drop(name, found)
        raise
    return found


def give(found: Shared) -> None:
    """Give it back."""
    found.depth -= 1
    if not found.depth:
        found.owner = None
        found.lock.release()
        found.turn.release()
    _drop(str(found.lock.path), found)


def _drop(name: str, found: Shared) -> None:
    with _table:
        found.users -= 1
        if not found.users and _shared.get(name) is found:
            del _shared[name]
            found.lock.close()


def _after_fork() -> None:
    """What the parent's threads hold is not the child's: it waits as any other process does."""
    global _table
    _table = threading.Lock()
    for each in _shared.values():
        each.lock.forget()
    _shared.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
