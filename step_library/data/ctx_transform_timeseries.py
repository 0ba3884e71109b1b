"""Columns of a table in ctx chosen, scaled to mean 0 and variance 1, smoothed, and brought to equal steps of time."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from octo.errors import MissingKey, ShapeError, nearest
from octo.param import MissingParam, ParamError
from octo.scriptlet import Param, scriptlet
from step_library.kit.records.logged import LOG, logged
from step_library.kit.values.ctx_values import Ctx, described, plain_list
from step_library.kit.values.numbers import as_json, columns_of, numpy_or_hint
from step_library.kit.values.ranges import at_least
from step_library.kit.values.tables import field_values, position
from step_library.kit.values.time_series import filled, normalized, resampled, seconds_of, smoothed

MISSING = ("propagate", "ignore", "drop", "mean", "zero")


@scriptlet(
    params=[
        Param("key", "str", help="key of ctx with the rows: lists, or dicts with a column a key"),
        Param("out", "str", help="key of ctx for the new rows, which are lists"),
        Param("select", "list | null", None, "only these columns, by position from 0 or by name"),
        Param("normalize", "bool", False, "scale each column kept to mean 0 and variance 1 (of the population), "
              "one of equal values becomes 0"),
        Param("headers", "bool | list[str] | null", None, "the columns' names, or true where the first row has them"),
        Param("rolling_window", "int | null", None, "then the mean of each row and those before it, so many together; "
              "there are window - 1 rows fewer"),
        Param("rolling", "str", "mean", "what of the window", choices=("mean", "median")),
        Param("pad", "bool", False, "put rows of null where the window is not full yet, so that no row is lost"),
        Param("missing", "str", "propagate", "null among the numbers: makes the result null (propagate), does not "
              "count (ignore), its row goes (drop), it is the column's mean, or zero", choices=MISSING),
        Param("ewma", "number | null", None, "then the exponentially weighted mean: of each row this share (above 0, "
              "at most 1), the rest from the mean of those before it"),
        Param("time", "str | int | null", None, "the column with the times, ISO text or seconds, by name or position: "
              "the first of the result, with the numbers behind it"),
        Param("resample", "number | null", None, "at first the means of each span of so many seconds, with its begin "
              "(in UTC a multiple of it) as time; spans without rows are null"),
        Param("columns_out", "str | null", None, "key of ctx for the names of the result's columns (positions as text "
              "where they have none)"),
        Param("in_place", "bool", False, "allow out to be key"),
        LOG,
    ]
)
@logged(lambda ctx, params, result: f"{params['key']} in {params['out']}, {len(ctx[params['out']])} rows")
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Put the chosen columns of `ctx[key]`, each row a list of its own, into `ctx[out]`; the rows stay as they are.

    Cells are copied whatever they are; with normalize, rolling_window, ewma or time all are to be numbers (but for the
    time). The order is: resample, missing, normalize, rolling_window, ewma.
    Raises MissingKey, and ShapeError (a ValueError) with the place of what does not fit. Returns
    `{"transformed": out}`.
    """
    key, out = params["key"], params["out"]
    if key == out and not params["in_place"]:
        raise ParamError(f"parameter 'out' is {out!r}, as key is: give another key, or in_place: true")
    if params["rolling_window"] is not None:
        at_least("rolling_window", params["rolling_window"], 1)
    for name in ("out", "key"):
        if params["columns_out"] == params[name]:
            raise ParamError(f"parameter 'columns_out' is {params[name]!r}, as {name} is: give another key")
    if params["resample"] is not None and params["time"] is None:
        raise MissingParam("parameter 'time' is missing: the column with the times that 'resample' goes by")
    rows, where = plain_list(ctx, key), f"ctx[{key!r}]"
    if params["normalize"] or any(params[name] is not None for name in ("rolling_window", "ewma", "time")):
        names, found = _numbers(rows, where, params)
    else:
        names, found = _cells(rows, where, params["headers"], params["select"])
    ctx.update({out: found, **({params["columns_out"]: names} if params["columns_out"] else {})})
    return {"transformed": out}


def _numbers(rows: list[Any], where: str, params: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """The columns' names, and the new rows."""
    numpy = numpy_or_hint()
    select, times = params["select"], None  # times: one for each row, as it is written
    if params["time"] is not None:
        times, others = _times(rows, where, params["headers"], params["time"])
        select = others if select is None else select
    names, table = columns_of(rows, where, headers=params["headers"], select=select)
    if names is None:
        width = len(rows[0])
        names = [str(place % width) for place in (range(width) if select is None else select)]
    if params["resample"] is not None:
        times, table = resampled(table, times or [], params["resample"], where)
    skip = params["missing"] == "ignore"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column of nothing but null stays null
        if params["missing"] == "drop":
            kept = ~numpy.isnan(table).any(axis=1)
            table = table[kept]
            times = times if times is None else [time for time, keep in zip(times, kept, strict=True) if keep]
        table = filled(table, params["missing"])
        if params["normalize"] and len(table):
            table = normalized(table, skip)
        size = params["rolling_window"]
        if size is not None:
            if size > len(table):
                raise ShapeError(f"{where} has {len(table)} rows, fewer than rolling_window {size}")
            windows = numpy.lib.stride_tricks.sliding_window_view(table, size, axis=0)
            table = getattr(numpy, ("nan" if skip else "") + params["rolling"])(windows, axis=2)
    if params["ewma"] is not None:
        table = smoothed(table, params["ewma"], skip)
    found: list[list[Any]] = table.tolist()
    if not numpy.isfinite(table).all():
        found = [list(as_json(row)) for row in table]
    lost = 0 if size is None else size - 1
    if params["pad"]:
        found, lost = [[None] * table.shape[1] for _ in range(lost)] + found, 0
    if times is not None:
        names = [str(params["time"]), *names]
        found = [[time, *row] for time, row in zip(times[lost:], found, strict=True)]
    return names, found


def _times(rows: list[Any], where: str, headers: Any, time: str | int) -> tuple[list[Any], list[Any]]:
    """The cells of the column with the times, and the other columns."""
    if rows and isinstance(rows[0], Mapping):
        names = dict.fromkeys(str(name) for row in rows if isinstance(row, Mapping) for name in row)
        times = field_values(rows, str(time), where)
        others: list[Any] = [name for name in names if name != str(time)]
    else:
        first = 1 if headers is True else 0
        if len(rows) <= first or not isinstance(rows[0], (list, tuple)):
            raise ShapeError(f"{where} has no rows of numbers")
        place = position(time, [str(name) for name in rows[0]] if headers is True else headers or None, where)
        times = field_values(rows[first:], place, where)
        others = [other for other in range(len(rows[0])) if other != place % len(rows[0])]
    seconds_of(times, where)  # none of them is to be something else
    return times, others


def _cells(
    rows: list[Any], where: str, headers: Any, select: Sequence[Any] | None
) -> tuple[list[str], list[list[Any]]]:
    """The columns' names, and rows of copies of the cells, whatever they are."""
    if select is not None and not select:
        raise ParamError("select: no column is chosen; leave it out for all of them")
    if rows and isinstance(rows[0], Mapping):
        odd = next((number for number, row in enumerate(rows) if not isinstance(row, Mapping)), None)
        if odd is not None:
            raise ShapeError(f"{where}: row {odd} is to be a dict, not {described(rows[odd])}")
        known = {str(key): key for row in rows for key in row}
        names = list(known) if select is None else list(map(str, select))
        for name in names:
            if name not in known:
                raise MissingKey(f"{where}: no row has a column {name!r}{nearest(name, known)}")
        return names, _copied([row.get(known[name]) for name in names] for row in rows)
    odd = next((number for number, row in enumerate(rows) if not isinstance(row, (list, tuple))), None)
    if odd is not None:
        raise ShapeError(f"{where}: row {odd} is to be a list, not {described(rows[odd])}")
    in_first_row = headers is True
    if in_first_row:
        if not rows:
            raise ShapeError(f"{where} is empty; its first row is to name the columns")
        headers = [str(name) for name in rows[0]]
    width = len(headers) if headers else len(rows[0]) if rows else 0
    uneven = next((number for number, row in enumerate(rows) if len(row) != width), None)
    if uneven is not None:
        raise ShapeError(f"{where}: row {uneven} has {len(rows[uneven])} columns, not {width}")
    if in_first_row:
        rows = rows[1:]
    names = [str(name) for name in headers or range(width)]
    if select is None:
        return names, _copied(rows)
    places = [position(each, headers or None, where) for each in select]
    cells = [field_values(rows, place, where) for place in places]
    return [names[place] for place in places if -len(names) <= place < len(names)], _copied(zip(*cells, strict=True))


def _copied(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    return [copy.deepcopy(list(row)) if any(isinstance(cell, (list, dict)) for cell in row) else list(row)
            for row in rows]


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_transform_timeseries")
