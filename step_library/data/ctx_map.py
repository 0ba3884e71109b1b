"""A function or an expression applied to every row of a list in ctx."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from octo.errors import ShapeError
from octo.scriptlet import Param, scriptlet
from step_library.kit.records.logged import LOG, logged
from step_library.kit.values.ctx_values import Ctx, plain_list
from step_library.kit.values.expressions import ExpressionFailed, compiled
from step_library.kit.values.json_values import json_rows, not_json
from step_library.kit.values.ranges import at_least

ERRORS = "map_errors"
Function = Callable[[Any, int], Any]


@scriptlet(
    params=[
        Param("key", "str", help="key of ctx with the list"),
        Param("fn", "callable | null", None, "function of one row that returns the new row: module:function"),
        Param("out", "str | null", None, "key of ctx for the result; key + '_mapped' where it is not given"),
        Param("expr", "str | null", None, "instead of fn: an expression of row and index, such as row['a'] + 1"),
        Param("on_error", "str", "stop", "a row that fails ends the step (stop), is left out (skip), or becomes null "
              "and is told in ctx['map_errors'] (record)", choices=("stop", "skip", "record")),
        Param("drop_none", "bool", False, "leave out what comes out as null, so that fn may filter as well"),
        Param("threads", "int", 1, "rows at work together, for functions that wait for something"),
        Param("strict", "bool", False, "refuse a function that changes its row in place, and results that are no JSON"),
        Param("preview", "int | null", None, "map only so many rows, write nothing and return them"),
        LOG,
    ],
    one_of=[("fn", "expr")],
)
@logged(lambda ctx, params, result: f"{len(ctx[params['key']])} rows of {params['key']} to {result['mapped']}")
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Put `[fn(row) for row in ctx[key]]` into `ctx[out]`, in order; `out` may be `key`.

    On a plain dict fn gets the rows themselves: what it changes in place is changed there too. What fn raises goes
    through and nothing is written. Raises MissingKey, and ShapeError where ctx[key] is no list.
    """
    key, out = params["key"], params["out"] or f"{params['key']}_mapped"
    function = _function(params)
    rows = plain_list(ctx, key)
    at_least("threads", params["threads"], 1)
    if params["preview"] is not None:
        rows = rows[:at_least("preview", params["preview"], 0)]
    failed: dict[int, str] = {}
    if params["fn"] and not params["strict"] and params["on_error"] == "stop" and params["threads"] == 1:
        mapped = list(map(params["fn"], rows))
    else:
        if params["strict"]:
            function = _strict(function, f"ctx[{key!r}]")
        if params["on_error"] != "stop":
            function = _tolerant(function, failed)
        mapped = _mapped(function, rows, params["threads"] if params["fn"] else 1)
    del rows  # of a Context it is a copy, which needs room
    if params["on_error"] == "skip":
        mapped = [row for place, row in enumerate(mapped) if place not in failed]
    if params["drop_none"]:
        mapped = [row for row in mapped if row is not None]
    mapped = json_rows(mapped)
    if params["preview"] is not None:
        return {"mapped": out, "preview": mapped}
    ctx[out] = mapped
    if params["on_error"] == "record":
        ctx[ERRORS] = [{"index": place, "error": failed[place]} for place in sorted(failed)]
    return {"mapped": out}


def _function(params: dict[str, Any]) -> Function:
    """Of a row and its index."""
    function = params["fn"]
    if function is None:
        evaluate = compiled(params["expr"], ("row", "index"))

        def of_row(row: Any, index: int) -> Any:
            try:
                return evaluate(row, index)
            except ExpressionFailed as error:
                raise ExpressionFailed(f"ctx[{params['key']!r}]: row {index}: {error.message}") from None

        return of_row
    return lambda row, index: function(row)


def _strict(function: Function, where: str) -> Function:
    def checked(row: Any, index: int) -> Any:
        before = row.copy() if isinstance(row, (list, dict)) else row
        found = function(row, index)
        if row != before:
            raise ShapeError(f"{where}: row {index} was changed in place by fn; it is to return a new one")
        odd = not_json(found)
        if odd:
            raise ShapeError(f"{where}: what fn makes of row {index} is no JSON: it has {odd}")
        return found

    return checked


def _tolerant(function: Function, failed: dict[int, str]) -> Function:
    def tried(row: Any, index: int) -> Any:
        try:
            return function(row, index)
        except Exception as error:
            failed[index] = f"{type(error).__name__}: {error}"
            return None

    return tried


def _mapped(function: Function, rows: list[Any], threads: int) -> list[Any]:
    if threads == 1:
        return list(map(function, rows, range(len(rows))))
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:
        try:
            return list(pool.map(function, rows, range(len(rows))))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_map")
