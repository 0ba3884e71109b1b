"""Files that are replaced whole or synced, and the platform differences in that."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from zlib import crc32

PATIENCE = 2.5
"""Seconds for which a rename is tried again while a reader on Windows holds the file."""

_BEFORE = 50_000_000
"""A view is dated this many ns back: coarser clocks than that are not in use, so a later write in place
cannot bear the same time, even within one tick."""

_ALLOCATED = 64 << 10
_SYNC_EVERY = 8 << 20
"""Bytes of a large file after which it is synced in between: else the next sync of the (small) journal, and the
rename inside the lock, wait for all of it."""

sync_data = getattr(os, "fdatasync", os.fsync)


def sync_directory(directory: Path) -> None:
    """Make names (a new or renamed file) survive a power loss. Windows does that by itself."""
    if sys.platform == "win32":
        return
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace(temporary: Path, target: Path) -> None:
    """Rename over `target`; on Windows wait for readers that hold it."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            os.replace(temporary, target)
            return
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() > give_up:
                raise
            time.sleep(0.05)


def is_special(path: Path) -> bool:
    """Whether something is there that is neither a file nor a folder: a device, a pipe, a socket."""
    return path.exists() and not path.is_file() and not path.is_dir()


def behind_links(path: Path) -> Path:
    """The file that is meant where the last part of the name is a link: a rename would replace the link."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def write_all(fd: int, data: bytes) -> None:
    """Write every byte or raise OSError (a full disk can take a part of a write without an error)."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


_numbers = itertools.count(1)


def temporary_for(target: Path) -> Path:
    """A new name beside `target` that tells which process writes it (two of its threads may write at once)."""
    return Path(f"{target}.{os.getpid()}-{next(_numbers)}.tmp")


def write_temporary(target: Path, pieces: Iterable[bytes], *, sync: bool = False) -> tuple[Path, os.stat_result, int]:
    """Write a file beside `target` with its mode and owner, ready to be renamed over it.

    Returns its path, its stat and the CRC-32 of its bytes. On an error nothing is left behind.
    """
    path = temporary_for(target)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0)
                 | getattr(os, "O_BINARY", 0), 0o666)
    try:
        checksum = unsynced = 0
        for piece in pieces:
            if not unsynced:
                _allocate(fd, len(piece))
            write_all(fd, piece)
            checksum = crc32(piece, checksum)
            unsynced += len(piece)
            if sync and unsynced > _SYNC_EVERY:
                sync_data(fd)
                unsynced = 1
        _keep_owner(fd, target)
        now = time.time_ns()
        if os.utime in os.supports_fd:
            os.utime(fd, ns=(now, now - _BEFORE))
        if sync:
            sync_data(fd)
        stat = os.fstat(fd)
    except BaseException:
        os.close(fd)
        with suppress(OSError):
            os.unlink(path)
        raise
    os.close(fd)
    if os.utime not in os.supports_fd:
        os.utime(path, ns=(now, now - _BEFORE))
        stat = os.stat(path)
    return path, stat, checksum


def write_whole(target: Path, pieces: Iterable[bytes]) -> None:
    """Write a file whole or not at all: whoever looks sees the old one or the new one. Nothing is left on an error.

    A link is followed. What is no file (a device, a pipe, /dev/stdout) is written to, never replaced.
    """
    if is_special(target):
        fd = os.open(target, os.O_WRONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
        try:
            for piece in pieces:
                write_all(fd, piece)
        finally:
            os.close(fd)
        return
    target = behind_links(target)
    temporary, _, _ = write_temporary(target, pieces)
    try:
        replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _allocate(fd: int, size: int) -> None:
    """Give a small file its room at once: ext4 flushes what has none yet when it is renamed over another file,
    which costs more than all the rest."""
    if hasattr(os, "posix_fallocate") and 0 < size <= _ALLOCATED:
        with suppress(OSError):  # not every file system can; a full disk is met by the write
            os.posix_fallocate(fd, 0, size)


def _keep_owner(fd: int, target: Path) -> None:
    try:
        old = os.stat(target)
    except FileNotFoundError:
        return
    if not hasattr(os, "fchmod"):
        return
    new = os.fstat(fd)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        with suppress(PermissionError):
            os.fchown(fd, old.st_uid, old.st_gid)
    if old.st_mode != new.st_mode:
        os.fchmod(fd, old.st_mode & 0o7777)


def remove_leftovers(target: Path) -> None:
    """Remove temporary files of `target` whose process is gone."""
    for path in target.parent.glob(f"{_escaped(target.name)}.*.tmp"):
        number = path.name[len(target.name) + 1 : -4].partition("-")[0]
        if number.isdigit() and int(number) != os.getpid() and not _is_alive(int(number)):
            with suppress(OSError):
                path.unlink()


def _escaped(name: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)


def _is_alive(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid)


def time_name() -> str:
    """The time as it stands in file names: 20250131T235959, local."""
    return time.strftime("%Y%m%dT%H%M%S")


def free_name(path: Path) -> Path:
    """`path`, or with a number behind it if that name is taken."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
