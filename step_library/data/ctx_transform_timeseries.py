"""Columns of a table in ctx chosen, scaled to mean 0 and variance 1, and smoothed by a moving window."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from octo.errors import MissingKey, ShapeError, nearest
from octo.param import ParamError
from octo.scriptlet import Param, scriptlet
from step_library.kit.records.logged import LOG, logged
from step_library.kit.values.ctx_values import Ctx, described, plain_list
from step_library.kit.values.numbers import as_json, columns_of, numpy_or_hint
from step_library.kit.values.ranges import at_least
from step_library.kit.values.tables import field_values, position

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
        Param("in_place", "bool", False, "allow out to be key"),
        LOG,
    ]
)
@logged(lambda ctx, params, result: f"{params['key']} in {params['out']}, {len(ctx[params['out']])} rows")
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Put the chosen columns of `ctx[key]`, each row a list of its own, into `ctx[out]`; the rows stay as they are.

    Without normalize and rolling_window cells are copied whatever they are; with one of them all are to be numbers.
    Raises MissingKey, and ShapeError (a ValueError) with the place of what does not fit. Returns
    `{"transformed": out}`.
    """
    key, out = params["key"], params["out"]
    if key == out and not params["in_place"]:
        raise ParamError(f"parameter 'out' is {out!r}, as key is: give another key, or in_place: true")
    if params["rolling_window"] is not None:
        at_least("rolling_window", params["rolling_window"], 1)
    rows = plain_list(ctx, key)
    if params["normalize"] or params["rolling_window"] is not None:
        ctx[out] = _numbers(rows, f"ctx[{key!r}]", params)
    else:
        ctx[out] = _cells(rows, f"ctx[{key!r}]", params["headers"], params["select"])
    return {"transformed": out}


def _numbers(rows: list[Any], where: str, params: Mapping[str, Any]) -> list[list[Any]]:
    numpy = numpy_or_hint()
    _, table = columns_of(rows, where, headers=params["headers"], select=params["select"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column of nothing but null stays null
        if params["missing"] == "drop":
            table = table[~numpy.isnan(table).any(axis=1)]
        elif params["missing"] in ("mean", "zero"):
            fill = numpy.nanmean(table, axis=0) if params["missing"] == "mean" else 0.0
            table = numpy.where(numpy.isnan(table), fill, table)
        skip = "nan" if params["missing"] == "ignore" else ""
        if params["normalize"] and len(table):
            mean, std = (getattr(numpy, skip + name)(table, axis=0) for name in ("mean", "std"))
            low, high = (getattr(numpy, skip + name)(table, axis=0) for name in ("min", "max"))
            same = low == high
            table = (table - mean) / numpy.where(same, 1.0, std)
            table[:, same] = numpy.where(numpy.isnan(table[:, same]), table[:, same], 0.0)
        size = params["rolling_window"]
        if size is not None:
            if size > len(table):
                raise ShapeError(f"{where} has {len(table)} rows, fewer than rolling_window {size}")
            windows = numpy.lib.stride_tricks.sliding_window_view(table, size, axis=0)
            table = getattr(numpy, skip + params["rolling"])(windows, axis=2)
    found: list[list[Any]] = table.tolist()
    if not numpy.isfinite(table).all():
        found = [list(as_json(row)) for row in table]
    if params["pad"] and size is not None:
        found = [[None] * table.shape[1] for _ in range(size - 1)] + found
    return found


def _cells(rows: list[Any], where: str, headers: Any, select: Sequence[Any] | None) -> list[list[Any]]:
    """Rows of copies of the cells, whatever they are."""
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
        return _copied([row.get(known[name]) for name in names] for row in rows)
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
    if select is None:
        return _copied(rows)
    return _copied(zip(*(field_values(rows, position(each, headers or None, where), where) for each in select),
                       strict=True))


def _copied(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    return [copy.deepcopy(list(row)) if any(isinstance(cell, (list, dict)) for cell in row) else list(row)
            for row in rows]


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_transform_timeseries")
