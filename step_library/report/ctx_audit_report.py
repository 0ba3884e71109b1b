"""Writes the records in ctx["audit"] as a report: Markdown, HTML, CSV or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from octo.errors import ShapeError
from octo.param import ParamError
from octo.report.entries import is_number
from octo.scriptlet import Param, scriptlet
from step_library.kit.files import record_files
from step_library.kit.files.file_io import allowed
from step_library.kit.records.records import safe
from step_library.kit.reports import audits
from step_library.kit.values.ctx_values import Ctx, described, plain_list

FORMATS = {".csv": "csv", ".json": "json", ".html": "html", ".htm": "html"}


@scriptlet(
    params=[
        Param("out", "path", help="the file; folders above it are made"),
        Param("format", "str | null", None, "without it the file's name tells: .html, .csv, .json, else md",
              choices=("md", "html", "csv", "json")),
        Param("key", "str", "audit", "key of ctx with the records"),
        Param("infile", "path | null", None, "file with the records instead: a JSON list, a record a line (.jsonl), or "
              "a whole ctx"),
        Param("sort_by", "str | null", None, "order of the records; without it that of the list",
              choices=("start", "step", "name", "duration", "status")),
        Param("summary", "bool", False, "totals in front: records, well and failed, seconds, first start, last end"),
        Param("layout", "str", "sections", "of md: a section a record, one table, or sections that unfold",
              choices=("sections", "table", "collapsible")),
        Param("missing", "str | null", None, "what stands for a field that a record lacks, such as N/A; without it "
              "nothing is said of that field"),
        Param("dates", "bool", False, "times as local dates instead of epoch seconds"),
        Param("show_params", "bool", False, "md, html: also the params that a record has"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Write the records of `ctx["audit"]` to `out`, one section a step: start, end, duration, status, error.

    Without records the report has only its title. HTML is one page with a table; CSV has a row a record and JSON the
    list, with all their fields. Raises ShapeError (a ValueError) where there is no list of dicts. Returns
    `{"report": out, "steps": n}`.
    """
    out = allowed(params["out"], None)
    form = params["format"] or FORMATS.get(out.suffix.lower(), "md")
    if form != "md" and params["layout"] != "sections":
        raise ParamError(f"layout: {params['layout']} is for md, not for {form}")
    if form == "csv" and params["summary"]:
        raise ParamError("summary: csv has a row a record and no place for totals; md, html and json have one")
    entries = _entries(ctx, params)
    if params["sort_by"]:
        entries.sort(key=lambda entry: _place(entry, params["sort_by"]))
    totals = audits.summary(entries) if params["summary"] else None
    look = audits.Look(params["missing"], params["dates"], params["show_params"])
    if form == "md":
        text = audits.as_markdown_text(entries, totals, look, params["layout"])
    elif form == "html":
        text = audits.as_html_text(entries, totals, look)
    else:
        shown = [safe(look.data(entry)) for entry in entries]
        if form == "csv":
            text = record_files.as_csv(shown, ("step", *audits.FIELDS))
        else:
            whole = shown if totals is None else {"summary": totals, "steps": shown}
            text = json.dumps(whole, ensure_ascii=False, indent=2) + "\n"
    record_files.write_text(out, text)
    return {"report": params["out"], "steps": len(entries)}


def _entries(ctx: Ctx, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    key, where = params["key"], f"ctx[{params['key']!r}]"
    if params["infile"] is None:
        found = plain_list(ctx, key) if key in ctx else []
    else:
        from step_library.files import file_to_ctx

        where, read = params["infile"], dict[str, Any]()
        file_to_ctx.run(read, {"path": where, "key": key})
        if isinstance(read[key], Mapping):
            read = read[key]  # a whole ctx
        found = plain_list(read, key) if key in read else []
    for number, entry in enumerate(found):
        if not isinstance(entry, Mapping):
            raise ShapeError(f"{where}: record {number} is to be a dict, not {described(entry)}")
    return [dict(entry) for entry in found]


def _place(entry: Mapping[str, Any], by: str) -> tuple[bool, Any]:
    """Where a record stands in the order; one that lacks the field comes last."""
    if by in ("start", "duration"):
        number = audits.moment_of(entry, by) if by == "start" else entry.get(by)
        return (False, number) if is_number(number) else (True, 0)
    found = entry.get("step" if by == "name" else by)
    return (found is None, str(found))


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_audit_report")
