"""Adds an event with its time, a step and what happened, to the list in ctx["trace"]."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from octo.context import Context
from octo.errors import UsageError
from octo.scriptlet import Param, scriptlet
from step_library.kit.files import record_files
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx, plain_list

FIELDS = ("timestamp", "step", "info")


@scriptlet(
    params=[
        Param("step", "str", help="the logical step that it belongs to"),
        Param("info", "any", "", "what happened; what is no text becomes its text"),
        Param("level", "str | null", None, "how grave, such as INFO, WARN, ERROR; kept in the entry"),
        Param("clean", "bool", False, "blanks in place of line breaks and control characters in info"),
        Param("emit", "bool", False, "from ERROR up also add an event named trace to ctx['events']"),
        Param("keep", "int | null", None, "keep only the newest entries, so many"),
    ],
    keeps_unknown=True,
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Append `{timestamp, step, info, kind: "event"}` to `ctx["trace"]`, which is made where there is none.

    The time is in epoch seconds. Further parameters (`user`, `session_id`, …) are kept in the entry. Returns how
    many entries there are. Raises MissingParam (a ValueError) without step, ShapeError where `ctx["trace"]` is no
    list, InvalidValue for a further value that is no JSON. `entries`, `purge`, `export` and `traced_step` in this
    module read and write the trace.
    """
    own = {"step", "info", "level", "clean", "emit", "keep"}
    more = {name: value for name, value in params.items() if name not in own}
    taken = {"timestamp", "kind", "ctx"} & more.keys()
    if taken:
        raise UsageError(f"{min(taken)} is not for a field of your own")
    if params["level"] is not None:
        more["level"] = params["level"]
    info = params["info"] if isinstance(params["info"], str) else str(params["info"])
    if params["clean"]:
        info = " ".join("".join(char if char.isprintable() else " " for char in info).split())
    emit = params["emit"] and records.grave(params["level"]) >= records.LEVELS["ERROR"]
    if emit:
        records.check_list(ctx, "events")
    count = records.trace(ctx, info=info, keep=params["keep"], **more, step=params["step"])
    if emit:
        records.event(ctx, "trace", params["step"], {"info": info, **more})
    return {"trace_len": count}


def entries(ctx: Ctx, level: str | None = None, since: Any = None, keyword: str | None = None,
            **fields: Any) -> list[dict[str, Any]]:
    """The entries of `ctx["trace"]` from a level up (none counts as INFO), not older than `since`, with a text.

    Other fields by name: `entries(ctx, step="load")`. Those of `trace_step` stand among them: `kind="step"`.
    """
    return records.chosen(_all(ctx), at_least=level, since=since, keyword=keyword, **fields)


def purge(ctx: Ctx, level: str | None = None, **which: Any) -> int:
    """Take the entries away that `entries` would find; how many they were."""
    fits = records.chooser(at_least=level, **which)
    with ctx.transaction() if isinstance(ctx, Context) else nullcontext():
        there = _all(ctx)
        kept = [entry for entry in there if not fits(entry)]
        gone = len(there) - len(kept)
        if gone:
            ctx["trace"][:] = kept
    return gone


def export(ctx: Ctx, path: str | Path, **which: Any) -> str:
    """Write what `entries` finds to a file: .csv (timestamp, step, info, …), .json, .jsonl, else lines of text."""
    return record_files.export(entries(ctx, **which), path, FIELDS)


@contextmanager
def traced_step(ctx: Ctx, step: str, **more: Any) -> Iterator[None]:
    """A block with an entry `Started`, then `Completed in 0.12s`, or `Failed: …` with level ERROR and the exception."""
    run(ctx, {**more, "step": step, "info": "Started"})
    began = time.perf_counter()
    try:
        yield
    except BaseException as error:
        run(ctx, {**more, "step": step, "info": f"Failed: {error}", "level": "ERROR"})
        raise
    run(ctx, {**more, "step": step, "info": f"Completed in {time.perf_counter() - began:.2f}s"})


def _all(ctx: Ctx) -> list[Any]:
    return plain_list(ctx, "trace") if "trace" in ctx else []


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_trace")
