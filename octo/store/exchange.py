"""Putting a new JSON in place without losing what somebody saves at that very moment.

A look at the file followed by a rename leaves a gap in which an editor's save would be replaced unseen; when
several processes write without a pause that gap is a good part of the time. Linux can exchange two names in
one step, so that what was replaced can be looked at afterwards. Elsewhere the gap of some microseconds stays
for saves by rename; a save in place is found in the old file, which is kept open.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from .files import replace
from .journal import read_at
from .values import loads
from .view import Seen

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def put_in_place(temporary: Path, target: Path) -> int:
    """Give `temporary` the name `target`; returns what had that name, open for reading, or -1."""
    if sys.platform == "win32":
        replace(temporary, target)
        return -1
    exchange = _exchange_call()
    if exchange is not None and exchange(os.fsencode(temporary), os.fsencode(target)):
        old = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
        os.unlink(temporary)
        return old
    try:
        old = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        old = -1
    try:
        replace(temporary, target)
    except BaseException:
        if old >= 0:
            os.close(old)
        raise
    return old


@lru_cache(maxsize=1)
def _exchange_call() -> Callable[[bytes, bytes], bool] | None:
    """Exchanges two names and says whether it did; None where the system cannot."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):  # an old C library
        return None
    call.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]

    def exchange(one: bytes, other: bytes) -> bool:
        while call(_AT_FDCWD, one, _AT_FDCWD, other, _RENAME_EXCHANGE):
            if ctypes.get_errno() != errno.EINTR:
                return False  # nothing of that name, or a file system that cannot; a rename tells what is wrong
        return True

    return exchange


class Displaced:
    """The file that a newer view replaced, kept open: a save in place may still end up in it."""

    PATIENCE = 1.0
    """Seconds for which a save that is under way may take."""

    def __init__(self, fd: int, own: list[Seen], seq: int) -> None:
        self._fd, self._own, self._seq = fd, own, seq

    def is_own(self) -> bool:
        """Whether it is as Octo left it."""
        if self._fd < 0 or not self._own:
            return True
        stat = os.fstat(self._fd)
        return any(seen.is_file(stat) for seen in self._own)

    def take_edit(self) -> tuple[bytes, int] | None:
        """What stands in it, and the number of the view that was there before; None where it is Octo's own."""
        if self.is_own():
            return None
        give_up = time.monotonic() + self.PATIENCE
        while True:
            stat = os.fstat(self._fd)
            data = read_at(self._fd, 0, stat.st_size)
            if time.monotonic() > give_up or (stat.st_mtime_ns == os.fstat(self._fd).st_mtime_ns and _is_json(data)):
                break
            time.sleep(0.005)
        self._own = [Seen.of(stat, self._seq, 0)]
        return data, self._seq

    def close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def __del__(self) -> None:
        with suppress(Exception):
            self.close()


def _is_json(data: bytes) -> bool:
    try:
        loads(data)
    except (ValueError, RecursionError):
        return False
    return True
