"""Keeps time, CPU and resident memory of a block of code, or of a function, in ctx["resources"]."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from octo.errors import UsageError, nearest
from octo.scriptlet import Param, scriptlet
from step_library.kit.files import record_files
from step_library.kit.measures.blocks import RUN_PARAMS, Block, run_measured
from step_library.kit.measures.measuring import Probe, measure
from step_library.kit.measures.process_probes import Disk, Peak, Resources
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx, described, plain_list

KEY = "resources"
FIELDS = ("step", "start", "end", "duration", "cpu_start", "cpu_end", "mem_start", "mem_end")
LIMITS = ("duration", "cpu_end", "mem_end", "mem_delta", "mem_peak", "disk_delta")


def resource_monitor(
    ctx: Ctx | str | None = None,
    step_name: str | None = None,
    *,
    peak: bool = False,
    children: bool = False,
    disk: bool = False,
    limits: Mapping[str, float] | None = None,
    details: bool = False,
    log: bool = False,
    audit: bool = False,
    keep: int | None = None,
) -> Block:
    """`with resource_monitor(ctx, "load"):` appends a record of what the process used to `ctx["resources"]`.

    Its fields: step, status (ok, error), start, end, duration, cpu_start, cpu_end, mem_start, mem_end, mem_delta.
    Memory is the resident one, in bytes; CPU in percent of one processor, `cpu_end` that of the block, `cpu_start`
    since the block before. All are of the whole process; a block that overlaps others (threads, tasks) is marked
    `shared`. An exception goes on; its message is in `error`. `peak` adds mem_peak (a thread looks every 20 ms),
    `children` counts the processes below this one too, `disk` adds disk_start, disk_end, disk_delta, read_bytes and
    write_bytes. Where a field is over its `limits` an event `resource_limit` is added to `ctx["events"]`. `details`
    adds parent, path, depth, thread, the thread's CPU time and the traceback; `log` a line in `ctx["log"]`, `audit`
    the record in `ctx["audit"]`.
    """
    wanted = _limits(limits)

    def opened(ctx: Ctx, step: str, params: Any) -> Any:
        for name, is_used in (("events", bool(wanted)), ("audit", audit)):
            if is_used:
                records.check_list(ctx, name)
        probes: list[Probe] = [Resources(children=children)]
        if peak or "mem_peak" in wanted:
            probes.append(Peak(children=children))
        if disk or "disk_delta" in wanted:
            probes.append(Disk())

        def then(record: dict[str, Any]) -> None:
            over = {name: record[name] for name, most in wanted.items() if record[name] > most}
            if over:
                records.event(ctx, "resource_limit", step, {"over": over, "limits": wanted})
            if audit:
                status = "success" if record["status"] == "ok" else "error"
                records.append(ctx, "audit", {"params": {}, **record, "status": status})

        return measure(ctx, KEY, step, probes=probes, status=("ok", "error"), details=details, to_log=log, keep=keep,
                       then=then)

    return Block("resource_monitor", ctx, step_name, opened)


def resource_monitor_decorator(ctx: Ctx | str | None = None, step_name: str | None = None, **options: Any) -> Block:
    """`@resource_monitor_decorator("load")`, or with a ctx in front for functions that are called without one."""
    return resource_monitor(ctx, step_name, **options)


def _limits(given: Mapping[str, Any] | None) -> dict[str, float]:
    for name, most in (given or {}).items():
        if name not in LIMITS:
            raise UsageError(f"limits: there is no {name!r}{nearest(name, LIMITS)}; there are {', '.join(LIMITS)}")
        if isinstance(most, bool) or not isinstance(most, (int, float)):
            raise UsageError(f"limits: {name} is to be a number, not {described(most)}")
    return dict(given or {})


@scriptlet(params=[
    *RUN_PARAMS,
    Param("peak", "bool", False, "also the peak of the resident memory, as mem_peak"),
    Param("children", "bool", False, "count the processes below this one too"),
    Param("disk", "bool", False, "also the disk's use and what the process read and wrote"),
    Param("limits", "dict | null", None, f"add an event where a field is over its number: {', '.join(LIMITS)}"),
    Param("details", "bool", False, "also parent, path, depth, thread, the thread's CPU time and the traceback"),
    Param("log", "bool", False, "also add a line to ctx['log']"),
    Param("audit", "bool", False, "also add the record to ctx['audit']"),
    Param("keep", "int | null", None, "keep only the newest records, so many"),
])
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Call `fn(**args)` and append what the process used meanwhile to `ctx["resources"]`; what it raises goes on.

    The record: `{step, status, start, end, duration, cpu_start, cpu_end, mem_start, mem_end, mem_delta}`, seconds,
    percent of one processor and resident bytes. Returns `{"step": …, "result": what it returned}`. In Python:
    `with resource_monitor(ctx, "load"):`, and `@resource_monitor_decorator("load")`. `summary` and `export` in this
    module read the records.
    """
    names = ("peak", "children", "disk", "limits", "details", "log", "audit", "keep")
    options = {name: params[name] for name in names}
    _limits(params["limits"])
    return dict(run_measured(ctx, params, lambda ctx, step: resource_monitor(ctx, step, **options)))


def summary(ctx: Ctx) -> list[dict[str, Any]]:
    """One row a step, the slowest first: `{step, count, total, mean, min, max, errors, mem_delta, mem_peak}`."""
    return records.sums(plain_list(ctx, KEY) if KEY in ctx else [])


def export(ctx: Ctx, path: str | Path) -> str:
    """Write the records to a file: .csv, .json, .jsonl, else lines of text."""
    return record_files.export(plain_list(ctx, KEY) if KEY in ctx else [], path, FIELDS)


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_resource_monitor")
