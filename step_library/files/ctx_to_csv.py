"""A table of ctx as one CSV file: rows as lists or as dicts, in pieces, checked on the way."""

from __future__ import annotations

from typing import Any

from octo.scriptlet import Param, scriptlet
from step_library.kit.files.file_io import allowed, compression_of, write_whole
from step_library.kit.files.sidecars import write_sidecar
from step_library.kit.formats import csv_text
from step_library.kit.records.logged import LOG, logged
from step_library.kit.values.ctx_values import Ctx, plain_list

LINE_ENDS = {"lf": "\n", "crlf": "\r\n"}


@scriptlet(
    params=[
        Param("key", "str", help="key of ctx with the rows: lists of cells (names first, if wanted), or dicts"),
        Param("out", "path", help="the CSV file; one that ends in .gz or .bz2 is packed", aliases=("path",)),
        Param("header", "bool | list[str] | null", None, "names to put before the rows (of dicts: the columns to "
              "take); false for none (of lists: their first row is left out); of dicts their keys"),
        Param("delimiter", "str", ",", "what stands between cells"),
        Param("quoting", "str", "minimal", "which cells are quoted: those that need it (minimal), all, all but numbers "
              "(nonnumeric), or none (a backslash before what would need it)", choices=tuple(csv_text.QUOTING)),
        Param("line_end", "str", "lf", "end of a line: lf as shell tools want it, crlf as Windows does",
              choices=tuple(LINE_ENDS)),
        Param("encoding", "str", "utf-8", "the text's encoding; utf-8-sig for an Excel that guesses"),
        Param("ragged", "bool", True, "rows may be of different lengths, dicts may lack keys"),
        Param("within", "str | list[str] | null", None, "folders that the file has to be in"),
        Param("sidecar", "bool", False, "write OUT.meta.json too: key, rows, columns, time, process and step"),
        LOG,
    ]
)
@logged(lambda ctx, params, result: f"{result['rows']} rows of {params['key']} in {result['written']}")
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Write the rows of `ctx[key]` to `out`, whole or not at all: {"written": out, "rows": rows without names}.

    The first of rows that are lists is taken for the names, as in the file, so it is not counted. null and NaN are
    empty cells, true and false read True and False, a list or dict in a cell is JSON. Raises MissingKey, ShapeError
    (a ValueError) with the row that does not fit, and FileFailed (an OSError).
    """
    key, out = params["key"], params["out"]
    where = f"ctx[{key!r}]"
    style = csv_text.Style(params["delimiter"], params["quoting"], LINE_ENDS[params["line_end"]], params["encoding"])
    target = allowed(out, params["within"])
    table = csv_text.table_of(plain_list(ctx, key), where, header=params["header"], ragged=params["ragged"])
    write_whole(target, csv_text.pieces(table, where, style), compression_of(out))
    named = table.names is not None or table.fields is not None or params["header"] is False
    count = len(table.rows) - (0 if named or not table.rows else 1)
    if params["sidecar"]:
        first = table.rows[0] if table.rows and not named else []
        write_sidecar(target, key=key, out=out, rows=count,
                      columns=table.fields or table.names or list(map(str, first)))
    return {"written": out, "rows": count}


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_to_csv")
