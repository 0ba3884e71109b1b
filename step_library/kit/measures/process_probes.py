"""What a process uses while a block runs: CPU, resident memory and its peak, with its children if asked for; disk."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from octo.executors.usage import memory
from step_library.kit.measures.measuring import Frame

EVERY = 0.02
"""Seconds between two looks at the memory, for its peak."""


class Resources:
    """`cpu_start`, `cpu_end` (percent of one processor), `mem_start`, `mem_end`, `mem_delta` (resident bytes).

    `cpu_end` is the CPU time of the block over its wall time, `cpu_start` the same of the time since the last block
    (0.0 at first): no sample of a moment, so that short blocks have a right figure too.
    """

    _lock = threading.Lock()
    _last: tuple[float, float] | None = None

    def __init__(self, *, children: bool = False) -> None:
        self._children = children

    def begin(self, frame: Frame) -> None:
        now, last = (time.perf_counter(), time.process_time()), self._last
        self._cpu_before = 0.0 if last is None or now[0] <= last[0] else 100 * (now[1] - last[1]) / (now[0] - last[0])
        self._mem = rss(self._children)
        self._cpu, self._began = cpu_seconds(self._children), time.perf_counter()

    def end(self, seconds: float) -> dict[str, Any]:
        seconds = time.perf_counter() - self._began  # with the work of the other probes, as the CPU time is
        used = max(0.0, cpu_seconds(self._children) - self._cpu)
        mem = rss(self._children)
        with self._lock:
            Resources._last = time.perf_counter(), time.process_time()
        return {"cpu_start": round(self._cpu_before, 3), "cpu_end": round(100 * used / seconds, 3) if seconds else 0.0,
                "mem_start": self._mem, "mem_end": mem, "mem_delta": mem - self._mem}


class Peak:
    """`mem_peak`: the most resident memory that was seen, by a thread every few milliseconds and by blocks within."""

    _living: set[Peak] = set()
    _lock = threading.Lock()

    def __init__(self, *, children: bool = False) -> None:
        self._children = children
        self._over = threading.Event()
        self._peak = 0

    @classmethod
    def seen(cls, size: int, children: bool) -> None:
        """What a block within saw counts for those around it, so that none of them is below it."""
        with cls._lock:
            for peak in cls._living:
                if peak._children or not children:
                    peak._peak = max(peak._peak, size)

    def begin(self, frame: Frame) -> None:
        with self._lock:
            self._living.add(self)
        rss(self._children)
        self._thread = threading.Thread(target=self._look, name="octo-peak", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(EVERY):
            rss(self._children)

    def end(self, seconds: float) -> dict[str, Any]:
        self._over.set()
        self._thread.join()
        rss(self._children)
        with self._lock:
            self._living.discard(self)
        return {"mem_peak": self._peak}


class Disk:
    """`disk_start`, `disk_end`, `disk_delta`: bytes used of the working directory's disk; `read_bytes`, `write_bytes`.

    These two are the process's own, and only there where the system tells them.
    """

    def begin(self, frame: Frame) -> None:
        self._disk, self._io = _disk(), read_and_written()

    def end(self, seconds: float) -> dict[str, Any]:
        disk, now = _disk(), read_and_written()
        found = {"disk_start": self._disk, "disk_end": disk, "disk_delta": disk - self._disk}
        if now is not None and self._io is not None:
            found |= {"read_bytes": now[0] - self._io[0], "write_bytes": now[1] - self._io[1]}
        return found


def _disk() -> int:
    import shutil

    return shutil.disk_usage(os.getcwd()).used


def rss(children: bool = False) -> int:
    """Resident bytes of this process, and of all below it if asked for."""
    size = memory.now() + (sum(_of_children("memory_info", "rss")) if children else 0)
    Peak.seen(size, children)
    return size


def cpu_seconds(children: bool = False) -> float:
    """CPU time of this process, and of all below it if asked for: those that ended as well as those that live."""
    if not children:
        return time.process_time()
    ended = os.times()
    living = sum(_of_children("cpu_times", "user")) + sum(_of_children("cpu_times", "system"))
    return time.process_time() + ended.children_user + ended.children_system + living


def _of_children(method: str, field: str) -> list[Any]:
    import psutil

    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            found.append(getattr(getattr(child, method)(), field))
        except psutil.Error:  # it has ended meanwhile
            continue
    return found


def read_and_written() -> tuple[int, int] | None:
    """Bytes that this process has read and written; None where the system does not tell."""
    import psutil

    try:
        counters = psutil.Process().io_counters()
        return counters.read_bytes, counters.write_bytes
    except (AttributeError, OSError, psutil.Error):  # not on every system, not to every user
        return None
