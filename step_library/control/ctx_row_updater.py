"""Rows of live data, a time and some numbers, that are appended to a list in ctx in the background."""

from __future__ import annotations

import json
import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from octo.context import Context
from octo.errors import ShapeError, UsageError
from octo.executors.jobs import current_job
from octo.scriptlet import Param, call, resolve, scriptlet
from octo.store import checked
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx, described
from step_library.kit.work.lasting_jobs import named, start_lasting, stop_lasting

SINE_ROWS = 60
"""Rows of one wave; the columns are shifted against each other."""


@scriptlet(
    params=[
        Param("key", "str", help="key of ctx with the list of rows; made where there is none"),
        Param("n", "int", 3, "how many numbers a row has"),
        Param("interval_sec", "number", 1, "seconds between rows"),
        Param("pattern", "str", "random", "random: evenly between low and high, gaussian: around their middle, sine: "
              "waves between them", choices=("random", "gaussian", "sine")),
        Param("low", "number", 0, "lower end of the numbers"),
        Param("high", "number", 1, "upper end of the numbers (gaussian: three standard deviations from the middle)"),
        Param("fn", "callable | null", None, "function that gives a row's values, a list, instead of pattern"),
        Param("args", "dict", {}, "the arguments of fn, by name"),
        Param("extra", "list", [], "values at the end of each row, such as a tag"),
        Param("max_rows", "int | null", None, "end after so many rows"),
        Param("last_n", "int | null", None, "keep only so many rows, the newest"),
        Param("stop_key", "str | null", None, "end when ctx[stop_key] is true, with a line in ctx['log']"),
        Param("echo", "bool", False, "print each row, as one line of JSON"),
        Param("emit", "bool", False, "for each row also add an event named new_row to ctx['events']"),
        Param("instance", "path | null", None,
              "directory of an instance: its ctx gets the rows instead, for other programs to see"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Start appending `[ISO time, n numbers]` to `ctx[key]`, the first row at once, and go on.

    It is the job `row_updater:<key>` in `ctx["jobs"]`, one for each key; `stop(ctx, key)` in this module ends it. In a
    run it ends with the run and comes back on a resume; with `max_rows` the run waits for it. Started by `octo exec`
    or as a program it goes on until Ctrl-C or max_rows. Raises ShapeError (a ValueError and a TypeError) where
    `ctx[key]` is no list. What goes wrong later stands in `ctx["errors"]`.
    """
    if params["n"] < 0 or params["interval_sec"] <= 0:
        raise UsageError(f"n is 0 or more and interval_sec more than 0, not {params['n']} and "
                         f"{params['interval_sec']:g}")
    if params["high"] < params["low"]:
        raise UsageError(f"high is not below low: {params['high']:g} < {params['low']:g}")
    for name in ("max_rows", "last_n"):
        if params[name] is not None and params[name] < 1:
            raise UsageError(f"{name} is 1 or more, not {params[name]}")
    if params["emit"]:
        records.check_list(ctx, "events")
    key = params["key"]
    there = _rows_ctx(ctx, params)
    if key not in there:
        there[key] = []
    _check_list(there, key)
    work = {**params, "fn": named(params["fn"]) if params["fn"] else None}
    start_lasting(ctx, f"row_updater:{key}", append_rows, work, ends=params["max_rows"] is not None)
    return {"started": key}


def stop(ctx: Ctx, key: str) -> bool:
    """End the rows for `ctx[key]`; False where none come."""
    return stop_lasting(ctx, f"row_updater:{key}")


def append_rows(ctx: Ctx, params: dict[str, Any]) -> int:
    """The job: append rows until it is to end; how many it were."""
    job = current_job()
    stopped = threading.Event() if job is None else job.stop
    there, key = _rows_ctx(ctx, params), params["key"]
    values = _values_of(params, ctx)
    due = time.monotonic()
    count = 0
    try:
        while not stopped.is_set() and not _is_flagged(ctx, params, count):
            row = [datetime.now().isoformat(timespec="milliseconds"), *values(count), *params["extra"]]
            _append(there, key, row, params["last_n"])
            count += 1
            if params["emit"]:
                records.event(ctx, "new_row", key, {"row": row})
            if params["echo"]:
                print(json.dumps(row), flush=True)
            if count == params["max_rows"]:
                break
            due = max(due + params["interval_sec"], time.monotonic())  # what is late is not made up for
            stopped.wait(due - time.monotonic())
    except Exception as error:
        if not stopped.is_set():  # else it is the end of its handle
            records.error(ctx, f"row_updater:{key}", error)
        raise
    if job is not None and not stopped.is_set():
        job.finish()  # it is not called again; one that is stopped with its run comes back
    return count


def _values_of(params: Mapping[str, Any], ctx: Ctx) -> Callable[[int], list[Any]]:
    """The function that gives the values of row 0, 1, 2 …"""
    n, low, high = params["n"], params["low"], params["high"]
    if params["fn"] is not None:
        function = resolve(params["fn"])
        return lambda row: _listed(call(function, ctx, params["args"]))
    middle, half = (low + high) / 2, (high - low) / 2
    if params["pattern"] == "gaussian":
        return lambda row: [random.gauss(middle, half / 3) for _ in range(n)]
    if params["pattern"] == "sine":
        return lambda row: [middle + half * math.sin(2 * math.pi * (row / SINE_ROWS + column / max(n, 1)))
                            for column in range(n)]
    return lambda row: [low + (high - low) * random.random() for _ in range(n)]


def _listed(found: Any) -> list[Any]:
    if not isinstance(found, (list, tuple)):
        raise ShapeError(f"fn is to give a list with a row's values, not {described(found)}")
    return list(checked(list(found)))


def _append(ctx: Ctx, key: str, row: list[Any], last_n: int | None) -> None:
    _check_list(ctx, key)
    if isinstance(ctx, Context):
        with ctx.transaction():
            ctx.append(key, row)
            if last_n is not None and len(ctx[key]) > last_n:
                del ctx[key][:-last_n]
    else:
        ctx[key].append(row)
        if last_n is not None:
            del ctx[key][:-last_n]


def _check_list(ctx: Ctx, key: str) -> None:
    there = ctx.get(key)
    if not isinstance(there, list):
        raise ShapeError(f"ctx[{key!r}] is to be a list of rows, not {described(there)}")


def _is_flagged(ctx: Ctx, params: Mapping[str, Any], count: int) -> bool:
    name = params["stop_key"]
    if name is None or not ctx.get(name):
        return False
    records.log(ctx, f"rows for {params['key']!r} ended after {count}: ctx[{name!r}] is set")
    return True


def _rows_ctx(ctx: Ctx, params: Mapping[str, Any]) -> Ctx:
    """Where the rows go: this ctx, or that of an instance."""
    if params["instance"] is None:
        return ctx
    return Context.open(params["instance"], who=f"row_updater:{params['key']}")


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_row_updater")
