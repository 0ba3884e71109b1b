"""What Octo is held against: the disk itself, and programs that do the same in the plainest way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from filelock import FileLock

from bench import memory
from bench.ballast import write_state
from bench.clock import Loop, summary
from bench.together import increments_together


def disk_sync(where: Path, *, seconds: float) -> dict[str, Any]:
    """One `write` of 100 bytes at a file's end and one `fdatasync`: the least that a durable step does."""
    line = b"x" * 99 + b"\n"
    sync = getattr(os, "fdatasync", os.fsync)
    times: list[float] = []
    end = time.perf_counter() + seconds
    descriptor = os.open(where / "journal", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
    try:
        while not times or time.perf_counter() < end:
            before = time.perf_counter()
            os.write(descriptor, line)
            sync(descriptor)
            times.append(time.perf_counter() - before)
    finally:
        os.close(descriptor)
    return summary(times)


def _change(state: Path, lock: Path, group: str, key: str, by: int) -> None:
    """Lock, read, change, rewrite: nothing synced, nothing renamed, no history."""
    with FileLock(lock):
        with state.open() as file:
            values = json.load(file)
        values[group][key] += by
        with state.open("w") as file:
            json.dump(values, file, indent=4)


def naive_engine(where: Path, *, steps: int, seconds: float, mib: float = 0) -> dict[str, Any]:
    """An engine that locks, reads and rewrites the JSON for every change, four changes a step."""
    state, lock = where / "state.json", where / "state.lock"
    groups = {"global_parameters": {"run_step_count": 0, "entered": 0, "left": 0}}
    write_state(state, groups, {"n": 0}, mib, "rows")
    loop = Loop(steps, seconds)
    while True:
        loop.tick()
        _change(state, lock, "global_parameters", "entered", 1)
        _change(state, lock, "ctx", "n", 1)
        _change(state, lock, "global_parameters", "run_step_count", 1)
        _change(state, lock, "global_parameters", "left", 1)
        if not loop.more():
            return loop.summary()


class NaiveCounter:
    def __init__(self, directory: str) -> None:
        self.state, self.lock = Path(directory, "state.json"), Path(directory, "state.lock")

    def increment(self) -> None:
        _change(self.state, self.lock, "global_parameters", "run_step_count", 1)


def naive_increments(where: Path, *, processes: int, each: int) -> dict[str, Any]:
    """The same increments as Octo's, by processes that lock, read and rewrite the JSON."""
    write_state(where / "state.json", {"global_parameters": {"run_step_count": 0}}, {}, 0, "rows")
    found = increments_together(NaiveCounter, where, processes, each)
    with (where / "state.json").open() as file:
        found["lost"] = found["expected"] - json.load(file)["global_parameters"]["run_step_count"]
    return found


def python_start(where: Path, *, times: int) -> dict[str, Any]:
    """A whole Python process that does nothing."""
    values = []
    for _ in range(times):
        before = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True, cwd=where)
        values.append(time.perf_counter() - before)
    return summary(values)


def json_load(where: Path, *, mib: float) -> dict[str, Any]:
    """What `json.load` of the state takes: at rest (median), and while it reads (worst)."""
    write_state(where / "state.json", {"global_parameters": {}}, {"n": 0}, mib, "rows")
    with (where / "state.json").open() as file:
        state = json.load(file)
    return memory.summary(memory.resident(), f"{mib:g} MiB of JSON, {len(state['ctx']['ballast'])} rows")
