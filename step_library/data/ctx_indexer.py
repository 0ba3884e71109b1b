"""An index of rows: from the value of a field to the row's position in its list."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from octo.context import Context
from octo.errors import ShapeError
from octo.param import ParamError
from octo.scriptlet import Param, scriptlet
from step_library.kit.records.logged import LOG, logged
from step_library.kit.values.ctx_values import Ctx, described, plain_list
from step_library.kit.values.tables import ABSENT, field_values, position

SKIPPED: Any = object()


@scriptlet(
    params=[
        Param("key", "str", help="key of ctx with the rows: dicts, or lists"),
        Param("index_by", "str | list[str] | null", None, "the field; user.id looks into one; of several the index has "
              "their values as JSON text, such as '[\"ann\", 7]'"),
        Param("index_by_pos", "int | list[int] | null", None, "instead of index_by, for rows that are lists: the "
              "column's position from 0"),
        Param("header", "bool | list[str] | null", None, "names of the columns of rows that are lists, or true: the "
              "first row has them"),
        Param("out", "str | null", None, "key of ctx for the index; key + '_index' where it is not given"),
        Param("multi", "bool", False, "a list of all positions for each value, instead of the last"),
        Param("unique", "bool", False, "a value that comes twice is an error"),
        Param("missing", "str", "error", "what a row without the field is: an error, or left out of the index (skip)",
              choices=("error", "skip")),
        Param("rebuild", "str", "always", "when it is made: always, if_missing (where ctx has none yet), if_changed "
              "(the rows changed since; a plain dict cannot tell, so always there)",
              choices=("always", "if_missing", "if_changed")),
        LOG,
    ],
    one_of=[("index_by", "index_by_pos")],
)
@logged(lambda ctx, params, result: f"{result['count']} entries in {result['indexed']}")
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Put `{value: position}` of all rows of `ctx[key]` into `ctx[key + '_index']`; the last row of a value counts.

    A Context has text keys only, as JSON has: 102 is there under "102", true under "true". On a plain dict the values
    stand as they are. Raises MissingKey for a row without the field, ShapeError where its value is a list or dict.
    Returns `{"indexed": out, "count": entries}`, with the number of `duplicates` and `skipped` rows if there are any.
    """
    key, out = params["key"], params["out"] or f"{params['key']}_index"
    fields = _fields(params)
    if not _due(ctx, key, out, params["rebuild"]):
        return {"indexed": out, "count": len(ctx[out]), "rebuilt": False}
    where = f"ctx[{key!r}]"
    rows = plain_list(ctx, key)
    start = 0
    header = params["header"] or None
    if header is True:
        if not rows or not isinstance(rows[0], list):
            raise ShapeError(f"{where}: its first row is to name the columns")
        header, start = [str(name) for name in rows[0]], 1
    if header or (start < len(rows) and isinstance(rows[start], list) and params["index_by"] is not None):
        fields = [position(field, header, where) for field in fields]
    values = _values(rows[start:] if start else rows, fields, where, params["missing"] == "skip")
    del rows  # of a Context it is a copy, which needs room
    if isinstance(ctx, Context):
        values = _as_texts(values)
    places = range(start, start + len(values))
    skipped = params["missing"] == "skip" and sum(value is SKIPPED for value in values)
    try:
        last: dict[Any, int] = dict(zip(values, places, strict=True))
    except TypeError:
        number, odd = next((n, v) for n, v in zip(places, values, strict=True) if isinstance(v, (list, dict)))
        raise ShapeError(f"{where}: row {number} cannot be indexed by {fields[0]!r}, which is {described(odd)} "
                         "there") from None
    last.pop(SKIPPED, None)
    duplicates = len(values) - skipped - len(last)
    if params["unique"] and duplicates:
        raise _twice(values, start, where)
    if params["multi"]:
        index: dict[Any, Any] = {}
        for value, place in zip(values, places, strict=True):
            if value is not SKIPPED:
                index.setdefault(value, []).append(place)
    ctx[out] = index if params["multi"] else last
    more = {"duplicates": duplicates, "skipped": skipped}
    return {"indexed": out, "count": len(last), **{name: number for name, number in more.items() if number}}


def _fields(params: dict[str, Any]) -> list[Any]:
    given = params["index_by"] if params["index_by"] is not None else params["index_by_pos"]
    found = given if isinstance(given, list) else [given]
    if not found:
        raise ParamError("parameter 'index_by' is to name at least one field")
    return list(found)


def _due(ctx: Ctx, key: str, out: str, when: str) -> bool:
    if when == "always" or out not in ctx:
        return True
    if when == "if_missing":
        return False
    if not isinstance(ctx, Context):
        return True
    rows, index = ctx.last_modified(key), ctx.last_modified(out)
    return rows is None or index is None or rows >= index


def _values(rows: Sequence[Any], fields: list[Any], where: str, skip: bool) -> list[Any]:
    """What each row is found by; text of JSON where that is several fields."""
    columns = [field_values(rows, field, where, SKIPPED if skip else ABSENT) for field in fields]
    if len(columns) == 1:
        return columns[0]
    return [SKIPPED if SKIPPED in several else json.dumps(several, ensure_ascii=False)
            for several in zip(*columns, strict=True)]


def _as_texts(values: list[Any]) -> list[Any]:
    """Keys as JSON would have them; a list or dict as it is, for the error."""
    kinds = set(map(type, values))
    if kinds <= {str}:
        return values
    if kinds == {int}:
        return list(map(str, values))  # as json.dumps, many times faster
    return [value if isinstance(value, (str, list, dict)) or value is SKIPPED else json.dumps(value)
            for value in values]


def _twice(values: list[Any], start: int, where: str) -> ShapeError:
    first: dict[Any, int] = {}
    for number, value in enumerate(values, start):
        if value is not SKIPPED and first.setdefault(value, number) != number:
            return ShapeError(f"{where}: rows {first[value]} and {number} both have {value!r}; it is to be unique")
    raise AssertionError("there is no such value")


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_indexer")
