"""Times a block of code, or a function, and what Python's memory grew by meanwhile, into ctx["profile"]."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from octo.scriptlet import Param, scriptlet
from step_library.kit.files import record_files
from step_library.kit.measures.blocks import RUN_PARAMS, Block, run_measured
from step_library.kit.measures.measuring import Frame, Probe, measure
from step_library.kit.measures.process_probes import read_and_written
from step_library.kit.measures.python_memory import PythonMemory
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx, plain_list

KEY = "profile"
SWITCH = "enable_profile"
FIELDS = ("step", "start", "end", "duration", "mem_start", "mem_end", "mem_delta")


class _Process:
    """CPU seconds of the process, its threads, and bytes that it read and wrote where the system tells."""

    def begin(self, frame: Frame) -> None:
        self._cpu, self._io = time.process_time(), read_and_written()

    def end(self, seconds: float) -> dict[str, Any]:
        found: dict[str, Any] = {"cpu_process": time.process_time() - self._cpu, "threads": threading.active_count()}
        now = read_and_written()
        if now is not None and self._io is not None:
            found |= {"read_bytes": now[0] - self._io[0], "write_bytes": now[1] - self._io[1]}
        return found


def profile_ctx(ctx: Ctx | str | None = None, step_name: str | None = None, *, tags: Sequence[str] | None = None,
                meta: Mapping[str, Any] | None = None, details: bool = False, keep: int | None = None) -> Block:
    """`with profile_ctx(ctx, "load"):` appends step, start, end, duration, mem_start, mem_end, mem_delta to a list.

    The list is `ctx["profile"]`. Memory is in bytes that Python has allocated (tracemalloc), not the resident memory
    that resource_monitor keeps under the same names; a block that overlaps others (threads, tasks) is marked
    `shared`. Nothing is measured where `ctx["enable_profile"]` is false. An exception goes on; its message is in
    `error`. `tags` and `meta` are kept in the record; `details` adds parent, path, depth, thread, CPU time, the
    process's CPU time, threads and bytes read and written, and the traceback.
    """
    more = {name: records.safe(value) for name, value in (("tags", tags), ("meta", meta)) if value is not None}

    def opened(ctx: Ctx, step: str, params: Any) -> Any:
        if not ctx.get(SWITCH, True):
            return nullcontext({})
        probes: list[Probe] = [PythonMemory(delta=True)]
        if details:
            probes.append(_Process())
        return measure(ctx, KEY, step, fields=more, probes=probes, details=details, keep=keep)

    return Block("profile_ctx", ctx, step_name, opened)


def profile_ctx_decorator(ctx: Ctx | str | None = None, step_name: str | None = None, **options: Any) -> Block:
    """`@profile_ctx_decorator("load")`, or with a ctx in front for functions that are called without one."""
    return profile_ctx(ctx, step_name, **options)


@scriptlet(params=[
    *RUN_PARAMS,
    Param("tags", "list[str] | null", None, "words kept in the record"),
    Param("meta", "dict | null", None, "values kept in the record"),
    Param("details", "bool", False, "also parent, path, depth, CPU time, threads, bytes read and written, traceback"),
    Param("keep", "int | null", None, "keep only the newest records, so many"),
])
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Call `fn(**args)` and append its time and memory to `ctx["profile"]`; what it raises goes on.

    The record: `{step, start, end, duration, mem_start, mem_end, mem_delta}`, seconds and bytes as tracemalloc counts
    them. Without a record where `ctx["enable_profile"]` is false. Returns `{"step": …, "result": what it returned}`.
    In Python: `with profile_ctx(ctx, "load"):`, and `@profile_ctx_decorator("load")`. `summary` and `export` in this
    module read the records.
    """
    options = {name: params[name] for name in ("tags", "meta", "details", "keep")}
    return dict(run_measured(ctx, params, lambda ctx, step: profile_ctx(ctx, step, **options)))


def summary(ctx: Ctx) -> list[dict[str, Any]]:
    """One row a step, the slowest first: `{step, count, total, mean, min, max, errors, mem_delta}`."""
    return records.sums(plain_list(ctx, KEY) if KEY in ctx else [])


def export(ctx: Ctx, path: str | Path) -> str:
    """Write the records to a file: .csv, .json, .jsonl, else lines of text."""
    return record_files.export(plain_list(ctx, KEY) if KEY in ctx else [], path, FIELDS)


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_profiler")
