"""Rows of ctx as columns and rows, as table widgets such as Dash's DataTable want them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from octo.errors import ShapeError
from octo.param import ParamError
from octo.scriptlet import Param, scriptlet
from step_library.kit.values.ctx_values import Ctx, described, plain, put

KINDS = {bool: "text", int: "numeric", float: "numeric", str: "text"}


@scriptlet(
    params=[
        Param("key", "str", help="key of ctx with the rows: dicts, or lists"),
        Param("out", "str | null", None, "key of ctx for the table; key + '_table' where it is not given"),
        Param("columns", "list | null", None, "which columns, in which order: each its id, or {id, name} with the text "
              "of its head"),
        Param("strict", "bool", True, "false: what is no list of rows gives an empty table instead of an error"),
        Param("types", "bool", False, "add type to each column: numeric, text or any"),
        Param("fill", "any", None, "what stands in cells that a row does not have; null: they are left out"),
        Param("source", "bool", False, "add source, the key and the number of rows that it was made from"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Put `{"columns": [{"name", "id"}, ...], "rows": [{id: cell}, ...]}` of `ctx[key]` into `ctx[out]`.

    The columns of dicts are all their keys in the order in which they come up, as text; those of lists are col0, col1,
    ... up to the longest row. Rows have no cell for what they lack. Raises ShapeError (a ValueError) for what is no
    list of rows of one kind. Returns `{"table": out, "columns": n, "rows": n}`.
    """
    key, out = params["key"], params["out"] or f"{params['key']}_table"
    chosen = None if params["columns"] is None else [_column(each, number)
                                                     for number, each in enumerate(params["columns"])]
    ids, rows = _cells(plain(ctx, key), f"ctx[{key!r}]", params["strict"])
    columns: list[dict[str, Any]] = chosen if chosen is not None else [{"name": name, "id": name} for name in ids]
    wanted = [column["id"] for column in columns]
    if chosen is not None:
        kept = set(wanted)
        rows = [{name: cell for name, cell in row.items() if name in kept} for row in rows]
    if params["types"]:
        columns = [{**column, "type": _type(rows, column["id"])} for column in columns]
    if params["fill"] is not None:
        rows = [{name: row.get(name, params["fill"]) for name in wanted} for row in rows]
    table: dict[str, Any] = {"columns": columns, "rows": rows}
    if params["source"]:
        table["source"] = {"key": key, "rows": len(rows)}
    put(ctx, out, table)
    return {"table": out, "columns": len(columns), "rows": len(rows)}


def _cells(found: Any, where: str, strict: bool) -> tuple[list[str], list[dict[str, Any]]]:
    """The columns' ids, and the rows by them."""
    if not isinstance(found, (list, tuple)):
        if strict:
            raise ShapeError(f"{where} is to be a list of rows, not {described(found)}")
        return [], []
    kind: Any = Mapping if found and isinstance(found[0], Mapping) else (list, tuple)
    odd = next((number for number, row in enumerate(found) if not isinstance(row, kind)), None)
    if odd is not None:
        if strict:
            wanted = "a dict" if kind is Mapping else "a list"
            raise ShapeError(f"{where}: row {odd} is to be {wanted}{' or a dict' if odd == 0 else ''}, "
                             f"not {described(found[odd])}")
        return [], []
    if kind is Mapping:
        rows = [{str(name): cell for name, cell in row.items()} for row in found]
        return list(dict.fromkeys(name for row in rows for name in row)), rows
    ids = [f"col{number}" for number in range(max(map(len, found), default=0))]
    return ids, [dict(zip(ids, row, strict=False)) for row in found]


def _column(given: Any, number: int) -> dict[str, Any]:
    if isinstance(given, str):
        return {"name": given, "id": given}
    if not isinstance(given, Mapping) or not isinstance(given.get("id"), str):
        raise ParamError(f"columns[{number}] is to be a column's id, or a dict with id and name, not {given!r}")
    return {"name": given["id"], **given}


def _type(rows: Sequence[Mapping[str, Any]], column: str) -> str:
    """What the cells are that are there and not null."""
    kinds = {KINDS.get(type(row[column]), "any") for row in rows if row.get(column) is not None}
    return kinds.pop() if len(kinds) == 1 else "any"


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_table_view")
