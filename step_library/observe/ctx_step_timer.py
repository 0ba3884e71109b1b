"""Times a block of code, or a function as a step of its own, and keeps the times in ctx["step_times"]."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from octo.scriptlet import Param, scriptlet
from step_library.kit.files import record_files
from step_library.kit.measures.blocks import RUN_PARAMS, Block, run_measured
from step_library.kit.measures.measuring import measure
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx, plain_list

KEY = "step_times"
FIELDS = ("step", "start", "end", "duration")


def step_timer(ctx: Ctx | str | None = None, step_name: str | None = None, *, details: bool = False,
               log: bool = False, keep: int | None = None) -> Block:
    """`with step_timer(ctx, "load"):` appends `{step, start, end, duration}` to `ctx["step_times"]` at its end.

    Also `async with`, and `@step_timer("load")` in front of a function that is called with ctx. The times are epoch
    seconds, the duration is measured by a clock that nobody sets. An exception goes on; its message is in `error`.
    `details` adds status (ok, error), parent, path, depth, thread, cpu and the traceback; `log` adds a line to
    `ctx["log"]`; `keep` bounds the list. What is put into the dict that `as` gives is added to the record.
    """

    def opened(ctx: Ctx, step: str, params: Any) -> Any:
        return measure(ctx, KEY, step, status=("ok", "error") if details else None, details=details, to_log=log,
                       keep=keep)

    return Block("step_timer", ctx, step_name, opened)


def step_timer_decorator(ctx: Ctx | str | None = None, step_name: str | None = None, **options: Any) -> Block:
    """`@step_timer_decorator("load")`, or with a ctx in front for functions that are called without one."""
    return step_timer(ctx, step_name, **options)


@scriptlet(params=[
    *RUN_PARAMS,
    Param("details", "bool", False, "also status, parent, path, depth, thread, CPU time and the traceback"),
    Param("log", "bool", False, "also add a line to ctx['log']"),
    Param("keep", "int | null", None, "keep only the newest records, so many"),
])
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Call `fn(**args)` and append `{step, start, end, duration}` to `ctx["step_times"]`; what it raises goes on.

    Returns `{"step": …, "result": what it returned}`. In Python: `with step_timer(ctx, "load"):`, and
    `@step_timer_decorator("load")`. `summary` and `export` in this module read the list.
    """
    options = {name: params[name] for name in ("details", "log", "keep")}
    return dict(run_measured(ctx, params, lambda ctx, step: step_timer(ctx, step, **options)))


def summary(ctx: Ctx) -> list[dict[str, Any]]:
    """One row a step, the slowest first: `{step, count, total, mean, min, max, errors}`."""
    return records.sums(plain_list(ctx, KEY) if KEY in ctx else [])


def export(ctx: Ctx, path: str | Path) -> str:
    """Write the records to a file: .csv, .json, .jsonl, else lines of text."""
    return record_files.export(plain_list(ctx, KEY) if KEY in ctx else [], path, FIELDS)


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_step_timer")
