"""Measures time and Python's memory, with its peak, of a block of code or a function, into ctx["trace"]."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from octo.scriptlet import Param, scriptlet
from step_library.kit.files import record_files
from step_library.kit.measures.blocks import RUN_PARAMS, Block, run_measured
from step_library.kit.measures.measuring import measure
from step_library.kit.measures.python_memory import PythonMemory
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx, plain_list

KEY = "trace"
FIELDS = ("step", "start", "end", "duration", "mem_start", "mem_end", "mem_peak")


def trace_step(
    ctx: Ctx | str | None = None,
    step_name: str | None = None,
    *,
    level: str | None = None,
    params: Mapping[str, Any] | bool | None = None,
    details: bool = False,
    log: bool = False,
    keep: int | None = None,
    file: str | Path | None = None,
) -> Block:
    """`with trace_step(ctx, "load"):` appends a record of time and memory to `ctx["trace"]` at its end.

    Its fields: step, start, end, duration (seconds), mem_start, mem_end, mem_peak (bytes).
    Memory is what Python has allocated (tracemalloc); the peak is right for nested blocks, and a block that
    overlaps others (threads, tasks) is marked `shared`. `timestamp` (its start) and kind `step` tell such records
    from those of ctx_trace. An exception goes on; its message is in `error`. `params` are kept as a copy (True: those
    of the decorated function's call), `level` as it is; `details` adds status, parent, path, depth, thread, cpu and
    the traceback; `log` adds a line to `ctx["log"]`; each record is also added to `file` at once, as a line of JSON.
    """

    def written(record: dict[str, Any]) -> None:
        if file is not None:
            record_files.add_text(file, json.dumps(record, ensure_ascii=False) + "\n")

    @contextmanager
    def opened(ctx: Ctx, step: str, called: Any) -> Iterator[dict[str, Any]]:
        fields: dict[str, Any] = {"timestamp": time.time(), "kind": "step"}
        if level is not None:
            fields["level"] = level
        given = (called or {}) if params is True else params
        if given not in (None, False):
            fields["params"] = records.safe(given)
        with measure(ctx, KEY, step, fields=fields, probes=[PythonMemory(peak=True)], details=details, to_log=log,
                     status=("success", "error") if details else None, keep=keep, then=written) as more:
            yield more

    return Block("trace_step", ctx, step_name, opened)


def trace_step_decorator(ctx: Ctx | str | None = None, step_name: str | None = None, **options: Any) -> Block:
    """`@trace_step_decorator("load")`, or with a ctx in front for functions that are called without one."""
    return trace_step(ctx, step_name, **options)


@scriptlet(params=[
    *RUN_PARAMS,
    Param("level", "str | null", None, "how grave, such as INFO; kept in the record"),
    Param("keep_params", "bool", False, "keep a copy of args in the record, as params"),
    Param("details", "bool", False, "also status, parent, path, depth, thread, CPU time and the traceback"),
    Param("log", "bool", False, "also add a line to ctx['log']"),
    Param("keep", "int | null", None, "keep only the newest entries, so many"),
    Param("file", "path | null", None, "also add each record to this file at once, as a line of JSON"),
])
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Call `fn(**args)` and append its time and memory to `ctx["trace"]`; what it raises goes on.

    The record: `{step, timestamp, kind: "step", start, end, duration, mem_start, mem_end, mem_peak}`, seconds and
    bytes as tracemalloc counts them. Returns `{"step": …, "result": what it returned}`. In Python:
    `with trace_step(ctx, "load"):`, and `@trace_step_decorator("load")`. `entries`, `summary` and `export` in this
    module read the records.
    """
    options = {name: params[name] for name in ("level", "details", "log", "keep", "file")}
    kept = params["args"] if params["keep_params"] else None
    return dict(run_measured(ctx, params, lambda ctx, step: trace_step(ctx, step, params=kept, **options)))


def entries(ctx: Ctx, status: str | None = None, since: Any = None, min_duration: float = 0.0,
            **fields: Any) -> list[dict[str, Any]]:
    """The measured records (not ctx_trace's events): of a status (success, error), begun since, that took so long."""
    found = records.chosen(plain_list(ctx, KEY) if KEY in ctx else [], since=since, **fields)
    return [entry for entry in found if entry.get("duration", -1) >= min_duration
            and status in (None, "error" if "error" in entry else "success")]


def summary(ctx: Ctx, **which: Any) -> list[dict[str, Any]]:
    """One row a step, the slowest first: `{step, count, total, mean, min, max, errors, mem_peak}`."""
    return records.sums(entries(ctx, **which))


def export(ctx: Ctx, path: str | Path, **which: Any) -> str:
    """Write what `entries` finds to a file: .csv, .json, .jsonl, else lines of text."""
    return record_files.export(entries(ctx, **which), path, FIELDS)


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_trace_step")
