"""What a body used: wall time, CPU time, memory.

A body in this process shares its memory with all else that runs here, so its RSS is that of the process,
sampled while the body runs; `shared` says that another body ran at the same time. Bodies in processes of their
own are measured by the system (`child`, `worker`).
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

EVERY = 0.1
"""Seconds between two looks at the memory."""

MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in one of `ru_maxrss`."""


@dataclass(frozen=True)
class Usage:
    """Seconds of wall and CPU time, and the peak of the resident memory in bytes (0: not known)."""

    wall: float = 0.0
    cpu: float = 0.0
    rss: int = 0
    shared: bool = False

    def as_dict(self) -> dict[str, Any]:
        """As it is kept in the instance's file."""
        kept: dict[str, Any] = {"wall": round(self.wall, 6), "cpu": round(self.cpu, 6)}
        if self.rss:
            kept["rss"] = self.rss
        if self.shared:
            kept["shared"] = True
        return kept


class _Memory:
    """The resident memory of this process, read from a file that stays open where there is one (1 µs, not 20)."""

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._fd = -1  # in the child of a fork it would be the parent's memory
        self._known = False

    def now(self) -> int:
        if not self._known:
            self._known = True
            with suppress(OSError):
                self._fd = os.open("/proc/self/statm", os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
                self._page = os.sysconf("SC_PAGESIZE")
        if self._fd >= 0:
            return int(os.pread(self._fd, 100, 0).split(None, 2)[1]) * self._page
        import psutil

        return int(psutil.Process().memory_info().rss)


class _Sampler:
    """One thread that looks at the memory for all meters. It sleeps while there are none."""

    def __init__(self) -> None:
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self.lock = threading.Lock()
        self.running: list[Meter] = []
        self._needed = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, meter: Meter) -> None:
        with self.lock:
            if self.running:
                meter.shared = True
                if len(self.running) == 1:
                    self.running[0].shared = True
            self.running.append(meter)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="octo-usage", daemon=True)
                self._thread.start()
            if not self._needed.is_set():
                self._needed.set()

    def remove(self, meter: Meter) -> None:
        with self.lock:
            self.running.remove(meter)

    def _work(self) -> None:
        while True:
            self._needed.wait()
            time.sleep(EVERY)
            with self.lock:
                if not self.running:
                    self._needed.clear()
                    continue
                rss = memory.now()
                for meter in self.running:
                    meter.rss = max(meter.rss, rss)


memory = _Memory()
_sampler = _Sampler()


class Meter:
    """Measures a body that runs in this thread: `with Meter() as meter: ...`, then `meter.usage`."""

    __slots__ = ("_cpu", "_wall", "rss", "shared", "usage")

    def __init__(self) -> None:
        self.rss = 0
        self.shared = False
        self.usage = Usage()

    def __enter__(self) -> Meter:
        self.rss = memory.now()
        _sampler.add(self)
        self._wall, self._cpu = time.perf_counter(), time.thread_time()
        return self

    def __exit__(self, *_: object) -> None:
        wall, cpu = time.perf_counter() - self._wall, time.thread_time() - self._cpu
        _sampler.remove(self)
        self.usage = Usage(wall, cpu, max(self.rss, memory.now()), self.shared)
