"""What is measured on the machine: what it is, how busy and warm it is, and what it does under load.

Plain functions without any state, used by the step nodes beside this file. A figure that the system does
not give is None, never a guess.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import psutil

MIB = 1024 * 1024


class Stop(Protocol):
    """Tells a long measurement to end early: `self.ctx.stop`, or any `threading.Event`."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float) -> bool: ...


def identify(folder: Path) -> dict[str, Any]:
    """Host, system, processor, memory, the disk that `folder` lies on, and how many temperature sensors."""
    memory, disk = psutil.virtual_memory(), psutil.disk_usage(str(folder))
    return {
        "host": platform.node(),
        "system": platform.platform(),
        "processor": _processor_name(),
        "cores": psutil.cpu_count(logical=True) or 1,
        "memory_mib": round(memory.total / MIB),
        "disk_gib": round(disk.total / 1024 / MIB, 1),
        "python": platform.python_version(),
        "temperature_sensors": len(_temperatures()),
    }


def sensors(folder: Path) -> dict[str, Any]:
    """Memory and disk in use (percent) and the warmest sensor (degrees Celsius, None without sensors)."""
    return {
        "memory_percent": psutil.virtual_memory().percent,
        "disk_percent": psutil.disk_usage(str(folder)).percent,
        "temperature_c": max(_temperatures(), default=None),
    }


def put_load(
    seconds: float, threads: int, disk_mib: int, memory_mib: int, folder: Path, stop: Stop
) -> dict[str, Any]:
    """Load processor, disk and memory for about `seconds` and say how fast each was (MiB/s).

    `threads` threads hash without a pause (hashlib works outside Python's lock, so each fills a core);
    meanwhile `memory_mib` MiB are copied, and `disk_mib` MiB are written to `folder`, synced and read back.
    `errors` counts what came back different from what it had to be: 0 on a sound machine.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="load") as pool:
        until = time.monotonic() + seconds
        jobs = [pool.submit(_hash_until, until, stop) for _ in range(threads)]
        memory_rate, memory_errors = _copy_memory(memory_mib)
        write_rate, read_rate, disk_errors = _write_and_read(disk_mib, folder)
        hashing = [job.result() for job in jobs]
    return {
        "hash_mib_s": round(sum(rate for rate, _ in hashing), 1),
        "memory_mib_s": round(memory_rate, 1),
        "disk_write_mib_s": round(write_rate, 1),
        "disk_read_mib_s": round(read_rate, 1),
        "errors": sum(errors for _, errors in hashing) + memory_errors + disk_errors,
    }


def busiest_processes(seconds: float, stop: Stop, most: int = 5) -> list[dict[str, Any]]:
    """The processes that use most processor time in the next `seconds`: name, pid, percent of a core, MiB."""
    watched = []
    for process in psutil.process_iter(["name"]):
        try:
            process.cpu_percent()  # the first call only sets the mark that the second one counts from
            watched.append(process)
        except psutil.Error:
            continue
    stop.wait(seconds)
    found = []
    for process in watched:
        try:
            busy, memory = process.cpu_percent(), process.memory_info().rss / MIB
        except psutil.Error:  # it ended meanwhile, or is not ours to look at
            continue
        name = process.info["name"] or "?"
        found.append(
            {"name": name, "pid": process.pid, "cpu_percent": round(busy, 1), "memory_mib": round(memory)}
        )
    found.sort(key=lambda entry: (entry["cpu_percent"], entry["memory_mib"]), reverse=True)
    return found[:most]


def _hash_until(until: float, stop: Stop) -> tuple[float, int]:
    """Hash one block again and again: (MiB/s, how often the digest was wrong)."""
    block = bytes(range(256)) * (MIB // 256)
    right = hashlib.sha256(block).digest()
    blocks = errors = 0
    begun = time.perf_counter()
    while time.monotonic() < until and not stop.is_set():
        errors += hashlib.sha256(block).digest() != right
        blocks += 1
    return blocks / (time.perf_counter() - begun), errors


def _copy_memory(size_mib: int) -> tuple[float, int]:
    """Copy `size_mib` MiB once: (MiB/s, 1 if the copy differs)."""
    source = os.urandom(MIB) * size_mib
    begun = time.perf_counter()
    copy = bytearray(source)
    seconds = time.perf_counter() - begun
    return size_mib / seconds, int(copy != source)


def _write_and_read(size_mib: int, folder: Path) -> tuple[float, float, int]:
    """Write a file, sync it and read it back: (MiB/s written, MiB/s read, 1 if what came back differs)."""
    folder.mkdir(parents=True, exist_ok=True)
    # The same name each time: what a killed run left behind is written over, then removed.
    path = folder / ".load.tmp"
    block = os.urandom(MIB)
    try:
        begun = time.perf_counter()
        with path.open("wb") as file:
            for _ in range(size_mib):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        written = time.perf_counter()
        differs = 0
        with path.open("rb", buffering=0) as file:
            if hasattr(os, "posix_fadvise"):  # ask that the disk is read, not the system's copy in memory
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            start = time.perf_counter()
            for _ in range(size_mib):
                differs |= file.read(MIB) != block
            read = time.perf_counter() - start
        return size_mib / (written - begun), size_mib / read, int(differs)
    finally:
        path.unlink(missing_ok=True)


def _temperatures() -> list[float]:
    """Every temperature that can be believed, in degrees Celsius; empty where there is no sensor."""
    read = getattr(psutil, "sensors_temperatures", None)  # not on every system
    if read is None:
        return []
    values = [entry.current for entries in read().values() for entry in entries]
    return [round(float(value), 1) for value in values if value is not None and 0 < value < 150]


def _processor_name() -> str:
    """The processor's model where the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name" and value.strip():
            return value.strip()
    return platform.processor() or platform.machine() or "unknown"
