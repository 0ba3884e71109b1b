"""Only what is needed of a large file of rows (Parquet, CSV, JSON): its shape, its first rows, a page of it."""

from __future__ import annotations

from itertools import islice
from typing import Any

from octo.errors import UsageError
from octo.param import MissingParam
from octo.scriptlet import Param, scriptlet
from step_library.kit.files.file_io import allowed, format_of
from step_library.kit.formats.csv_text import Style
from step_library.kit.formats.row_filter import tests_of
from step_library.kit.formats.row_sources import FORMATS, source_of
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.values.ranges import at_least


@scriptlet(
    params=[
        Param("key", "str", help="key of ctx for the rows, or for what the file has"),
        Param("path", "path | null", None, "the file; one that ends in .gz or .bz2 is unpacked; not needed to clear"),
        Param("action", "str", "load", "load what chunk or page say (without them only shape and columns), all rows "
              "(full), or take the key out of ctx (clear)", choices=("load", "full", "clear")),
        Param("chunk", "int | null", None, "at most so many rows"),
        Param("format", "str | null", None, "what the file is; without it its name tells, else it is Parquet",
              choices=FORMATS),
        Param("columns", "list[str] | null", None, "only these columns"),
        Param("filter", "dict", {}, "only rows that fit: {column: value}, {column: [one, of, these]} or {column: "
              "{'>=': 1, '<': 5}} with == != < <= > >=; dates are ISO text", aliases=("filters",)),
        Param("page", "int | null", None, "which page of the rows that fit, from 0"),
        Param("page_size", "int | null", None, "rows of a page; without it chunk"),
        Param("schema", "dict", {}, "columns that have to be there and their types: {volt: float}; text from csv "
              "becomes one. Types: str, int, float, number, bool, list, dict, any"),
        Param("numbers", "bool", True, "csv, tsv: text that is a JSON number becomes one"),
        Param("delimiter", "str | null", None, "csv: what stands between cells; a comma (in tsv a tab)"),
        Param("encoding", "str", "utf-8", "csv, tsv: the text's encoding"),
        Param("within", "str | list[str] | null", None, "folders that the file has to be in"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Put rows of the file into `ctx[key]` as dicts: {"loaded": key, "rows": how many, "more": whether others follow}.

    Without chunk and page only {"shape": [rows, columns], "columns": names} is put there, of Parquet from its
    metadata. The rows that fit the filter are counted for pages; chunk is the most of a page. Dates and times are ISO
    text (to the microsecond), NaN null. Raises NoSuchFile, BadFile (a ValueError) with the place, MissingKey for a
    column that there is not, and ShapeError for what does not fit the schema; ctx is changed only when all is read.
    """
    key = params["key"]
    if params["action"] == "clear":
        ctx.pop(key, None)
        return {"cleared": key}
    if params["path"] is None:
        raise MissingParam("parameter 'path' is missing: the file with the rows")
    kind = params["format"] or format_of(params["path"]) or "parquet"
    if kind not in FORMATS:
        raise UsageError(f"path: {params['path']} is {kind}; rows are read one after another from "
                         f"{', '.join(FORMATS)} (file_to_ctx reads others as a whole)")
    first, most = _page(params)
    style = Style(delimiter=params["delimiter"] or ("\t" if kind == "tsv" else ","), encoding=params["encoding"])
    tests = tests_of(params["filter"])
    with source_of(allowed(params["path"], params["within"]), kind, params["schema"], style, params["numbers"]) as file:
        if most is None and params["action"] != "full":
            file.check(params["columns"] or [])
            count, names = file.shape(tests)
            names = params["columns"] or names
            ctx[key] = {"shape": [count, len(names)], "columns": names}
            return {"loaded": key}
        found = list(islice(file.rows(params["columns"] or None, tests, first), None if most is None else most + 1))
    more = most is not None and len(found) > most
    ctx[key] = found[:most] if more else found
    return {"loaded": key, "rows": len(found) - more, "more": more}


def _page(params: dict[str, Any]) -> tuple[int, int | None]:
    """The number of the first row, and how many at most; None: no limit is given."""
    chunk, page, size = params["chunk"], params["page"], params["page_size"]
    for name, least in (("chunk", 0), ("page", 0), ("page_size", 1)):
        if params[name] is not None:
            at_least(name, params[name], least)
    if size is None:
        size = chunk
    if page is not None and size is None:
        raise MissingParam("parameter 'page_size' is missing: how many rows a page has")
    return (page or 0) * (size or 0), size if chunk is None or size is None else min(size, chunk)


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_lazy_loader")
