"""Ends the programs of an engine that was killed: nobody else would, and the next run would start them again.

A process of its own, started with the first program that takes a while, is told which groups run and holds a pipe
from the engine. When the pipe ends it ends the groups. Run as a script, alone and without any path, so it takes
10 ms and needs nothing of Octo. Not on Windows, where a program is left to itself.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

PATIENCE = 5.0
LOOK = 1.0


class Guard:
    """The engine's side. For any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget_all)
        atexit.register(self.close)

    def watch(self, group: int) -> None:
        """End this group when this process is killed."""
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """It has ended."""
        self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        if sys.platform == "win32":
            return
        with self._lock, suppress(OSError):  # without a guard the program runs all the same
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", os.path.abspath(__file__)], stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", start_new_session=True)
            assert self._process.stdin is not None
            os.write(self._process.stdin.fileno(), line.encode())

    def close(self) -> None:
        """This process ends by itself."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            with suppress(OSError):
                process.stdin.close()  # type: ignore[union-attr]
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE + LOOK)

    def _forget_all(self) -> None:
        """In the child of a fork: the guard is the parent's."""
        self._lock = threading.Lock()
        process, self._process = self._process, None
        if process is not None:
            process.returncode = 0  # it is no child of this process
            with suppress(OSError):
                process.stdin.close()  # type: ignore[union-attr]


guard = Guard()


def main() -> None:
    """The guard itself: hears of groups until the engine is gone, then ends those that are left."""
    engine, part = os.getppid(), b""
    groups: set[int] = set()
    while os.getppid() == engine:  # a process that the engine forked may hold the pipe open
        if not select.select([0], [], [], LOOK)[0]:
            continue
        data = os.read(0, 1 << 16)
        if not data:
            break
        *lines, part = (part + data).split(b"\n")
        for line in lines:
            (groups.add if line[:1] == b"+" else groups.discard)(int(line[1:]))
    _signal(groups, signal.SIGTERM)
    give_up = time.monotonic() + PATIENCE
    while _signal(groups, 0) and time.monotonic() < give_up:
        time.sleep(0.05)
    _signal(groups, signal.SIGKILL)


def _signal(groups: set[int], number: int) -> bool:
    """Signal every group; whether there was one."""
    found = False
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
            found = True
    return found


if __name__ == "__main__":
    main()
