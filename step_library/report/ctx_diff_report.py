"""Shows what differs between two tables of ctx, as the lines of a diff in ctx and in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from octo.errors import ShapeError
from octo.param import ParamError
from octo.report.pages import Report, Section, Table, as_html, as_markdown
from octo.scriptlet import Param, scriptlet
from step_library.kit.files.file_io import allowed
from step_library.kit.files.record_files import write_text
from step_library.kit.reports import row_diffs
from step_library.kit.reports.row_sides import Side, only, side
from step_library.kit.values.ctx_values import Ctx, plain


@scriptlet(
    params=[
        Param("key1", "str", help="key of ctx with the earlier rows, a list or a dict"),
        Param("key2", "str", help="key of ctx with the later ones"),
        Param("out", "str", help="key of ctx for the lines of the diff"),
        Param("file", "path", help="file for the same; one page in .html, else the bare lines"),
        Param("by", "str | int | list | null", None, "field (or fields) that tells which rows belong together, such as "
              "id; their order does not matter then"),
        Param("mode", "str", "row", "row: lines as diff -u has them; cell: which cells changed, from what to what; "
              "column: how many cells a column", ("diff_mode",), ("row", "cell", "column")),
        Param("columns", "list | null", None, "only these columns, by name, of lists by position from 0"),
        Param("summary", "str | null", None, "key of ctx for the numbers: rows added, removed, changed, same, changed "
              "cells by column, columns that came and went"),
        Param("format", "str | null", None, "of the file: text; md with the numbers and the diff as code; html; "
              "without it the file's name tells html", choices=("text", "md", "html")),
        Param("context", "int", 3, "mode row: lines that are the same around each difference"),
        Param("limit", "int | null", None, "most lines of the diff; how many more there are is told"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Put the unified diff of two tables, a line a row as `str` writes it, into `ctx[out]` and into `file`.

    Where nothing differs the list and the file are empty. The keys of dicts are in order, so that theirs does not
    matter. Without `by` rows that moved are removed here and added there. Raises MissingKey (a KeyError) for a key or
    a field of `by` that is not there, ShapeError (a ValueError) for what is no table. Returns
    `{"diff": out, "file": file}`, and summary where that was asked for.
    """
    file = allowed(params["file"], None)
    for name, least in (("context", 0), ("limit", 1)):
        if params[name] is not None and params[name] < least:
            raise ParamError(f"{name} is to be {least} or more, not {params[name]}")
    for name in ("out", "summary"):
        if params[name] == "":
            raise ParamError(f"{name}: a key of ctx is not empty")
    if params["summary"] == params["out"]:
        raise ParamError(f"summary: the lines go to ctx[{params['out']!r}] already")
    old, new = _sides(ctx, params)
    form = params["format"] or ("html" if file.suffix.lower() in (".html", ".htm") else "text")
    needs_numbers = params["mode"] != "row" or params["summary"] or form != "text"
    matched = row_diffs.pairs(old, new) if needs_numbers else []
    found = row_diffs.summary(matched) if needs_numbers else {}
    if params["mode"] == "row":
        lines = row_diffs.as_rows(old, new, params["context"])
    elif params["mode"] == "cell":
        lines = row_diffs.as_cells(old, new, matched)
    else:
        lines = row_diffs.as_columns(old, new, found)
    if params["limit"] is not None and len(lines) > params["limit"]:
        lines = [*lines[:params["limit"]], f"… {len(lines) - params['limit']} more lines"]
    if form == "text":
        text = "\n".join(lines)
    else:
        text = (as_html if form == "html" else as_markdown)(_report(old.name, new.name, found, lines))
    write_text(file, text)
    ctx.update({params["out"]: lines, **({params["summary"]: found} if params["summary"] else {})})
    result = {"diff": params["out"], "file": params["file"]}
    return result | ({"summary": params["summary"]} if params["summary"] else {})


def _sides(ctx: Ctx, params: Mapping[str, Any]) -> tuple[Side, Side]:
    given = params["by"]
    by = [] if given is None else given if isinstance(given, list) else [given]
    sides = [side(key, plain(ctx, key), by) for key in (params["key1"], params["key2"])]
    if sides[0].is_dict != sides[1].is_dict:
        raise ShapeError(f"one of ctx[{params['key1']!r}] and ctx[{params['key2']!r}] is a dict, the other a list; "
                         "they are to be of one kind")
    if params["columns"] is not None:
        sides = only(sides, params["columns"])
    return sides[0], sides[1]


def _report(old: str, new: str, found: Mapping[str, Any], lines: Sequence[str]) -> Report:
    rows = [[f"Rows {kind}", f"{found[kind]:,}"] for kind in ("added", "removed", "changed", "same")]
    rows += [[f"Changed cells of {column or 'the rows'}", f"{count:,}"] for column, count in found["columns"].items()]
    rows += [[f"Columns {kind}", ", ".join(found[f"columns_{kind}"])] for kind in ("added", "removed")
             if found[f"columns_{kind}"]]
    differs = any(found[kind] for kind in ("added", "removed", "changed"))  # lines by column may be none even so
    return Report(
        title=f"Differences between {old} and {new}",
        verdict="" if differs else "No differences",
        sections=[Section("Summary", table=Table(["what", "how many"], rows, numbers=[1])),
                  *([Section("Differences", diff=lines)] if lines else [])],
    )


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_diff_report")
