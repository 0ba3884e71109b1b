"""A process with a group of its own: started, waited for with its exact usage, ended with all that it started.

Its own session keeps the terminal's Ctrl-C away from it: that is the engine's alone. Windows has no process
groups in this sense; there psutil finds the processes that it started.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import IO, Any

from .usage import MAXRSS_UNIT, Usage

PATIENCE = 5.0
"""Seconds between the polite signal and SIGKILL."""

SETTLED = 0.005
"""Seconds from which a look at its memory says something: before, it is not even loaded."""

if sys.platform != "win32":
    import resource

    _OWN: dict[str, Any] = {"start_new_session": True}
else:
    _OWN = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}


class Child:
    """A running process. Any thread may poll, wait for and end it."""

    def __init__(self, argv: list[str], *, cwd: str | None = None, env: dict[str, str] | None = None,
                 stdin: int | IO[Any] | None = subprocess.DEVNULL) -> None:
        self._floor = _own_peak()
        self._started = time.perf_counter()
        self.process = subprocess.Popen(argv, cwd=cwd, env=env, stdin=stdin, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, **_OWN)
        self.pid = self.process.pid
        self.usage = Usage()
        """Known when the process has ended."""
        self._lock = threading.Lock()
        self._peak = 0
        self._cpu = 0.0

    def poll(self) -> int | None:
        """The exit code (-N: ended by signal N) or None while it runs."""
        with self._lock:
            if self.process.returncode is None:
                self._look()
                self._reap()
            return self.process.returncode

    def wait(self, timeout: float) -> int | None:
        """Wait until it has ended, `timeout` seconds at most; the exit code or None."""
        give_up, pause = time.monotonic() + timeout, 0.0002
        while (code := self.poll()) is None and (left := give_up - time.monotonic()) > 0:
            time.sleep(min(pause, left))
            pause = min(pause * 2, 0.02)
        return code

    def _reap(self) -> None:
        if sys.platform == "win32":
            if self.process.poll() is not None:
                self.usage = Usage(time.perf_counter() - self._started, self._cpu, self._peak)
            return
        try:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
        except ChildProcessError:  # the user's code has waited for any child, and got this one
            self.process.returncode = 255
            return
        if pid:
            self.process.returncode = os.waitstatus_to_exitcode(status)
            peak = used.ru_maxrss * MAXRSS_UNIT
            if peak <= self._floor:  # a process begins with the peak of the one that starts it: this one is ours
                peak = self._peak
            self.usage = Usage(time.perf_counter() - self._started, used.ru_utime + used.ru_stime, peak)

    def _look(self) -> None:
        """Its peak of memory so far, where the system tells that of another process."""
        if time.perf_counter() - self._started < SETTLED:
            return
        if sys.platform == "win32":
            self._look_by_psutil()
        elif sys.platform == "linux":
            with suppress(OSError, ValueError, IndexError), open(f"/proc/{self.pid}/status", "rb") as file:
                self._peak = int(file.read().split(b"VmHWM:", 1)[1].split(None, 1)[0]) * 1024

    def _look_by_psutil(self) -> None:
        import psutil

        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            self._cpu = sum(process.cpu_times()[:2])
            info = process.memory_info()
            self._peak = max(self._peak, getattr(info, "peak_wset", info.rss))

    # -- ending ----------------------------------------------------------------------------------

    def end(self, patience: float = PATIENCE) -> int | None:
        """End it with all that it started: politely, then, `patience` seconds later, by force."""
        everyone = _descendants(self.pid) if sys.platform == "win32" else []
        if patience > 0:
            self._signal(everyone, hard=False)
            give_up, pause = time.monotonic() + patience, 0.001
            while self._is_anyone_left(everyone) and time.monotonic() < give_up:
                time.sleep(pause)
                pause = min(pause * 2, 0.05)
        self.clear(everyone)
        return self.wait(PATIENCE)  # not for ever: a process can hang in the kernel

    def clear(self, everyone: list[Any] | None = None) -> None:
        """Whatever is left of its group is killed."""
        self._signal(everyone or [], hard=True)

    def _is_anyone_left(self, everyone: list[Any]) -> bool:
        if self.poll() is None:
            return True
        if sys.platform == "win32":
            return any(process.is_running() for process in everyone)
        try:
            os.killpg(self.pid, 0)
        except (ProcessLookupError, PermissionError):  # macOS says the latter where only zombies are left
            return False
        return _lives_in_group(self.pid)

    def _signal(self, everyone: list[Any], *, hard: bool) -> None:
        if sys.platform == "win32":
            import psutil

            for process in everyone:
                with suppress(psutil.Error):
                    process.kill() if hard else process.terminate()
            with suppress(OSError):
                self.process.kill() if hard else self.process.terminate()
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL if hard else signal.SIGTERM)


def spell_exit(code: int | None) -> str:
    """How a process ended, for people."""
    if code is None:
        return "does not end, not even by force"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was ended by {name}"


def _lives_in_group(group: int) -> bool:
    """Whether any process of a group still runs: where nobody collects them, zombies stay in it for long."""
    import psutil

    for pid in psutil.pids():
        with suppress(OSError, psutil.Error):
            if os.getpgid(pid) == group and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def _own_peak() -> int:
    return 0 if sys.platform == "win32" else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT


def _descendants(pid: int) -> list[Any]:
    import psutil

    with suppress(psutil.Error):
        return list(psutil.Process(pid).children(recursive=True))
    return []
