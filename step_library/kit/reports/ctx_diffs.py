"""What differs between two copies of ctx as a file: a table of what was and what is, or the result as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from octo.errors import UsageError
from octo.report.pages import Report, Section, Table, as_html, as_markdown
from step_library.kit.files.record_files import write_text
from step_library.kit.records.records import safe
from step_library.kit.reports.value_tables import cell_text
from step_library.kit.values.differences import ABSENT, kind_of

Difference = tuple[str, Any, Any]
"""The place, what was there and what is; ABSENT where there was or is nothing."""
LONGEST = 200
"""A longer cell is cut: what differs may be a whole table."""
FORMS = (".md", ".html", ".htm", ".json")


def checked_form(file: str) -> str:
    """The file's name; UsageError where its ending says no form."""
    if Path(file).suffix.lower() not in FORMS:
        raise UsageError(f"file: {file!r} is to end in {', '.join(FORMS)}")
    return file


def write(file: str, found: Mapping[str, Any], differences: Iterable[Difference]) -> None:
    """Write `found` as JSON, or the differences as a page or as Markdown, as the file's name says."""
    form = Path(file).suffix.lower()
    if form == ".json":
        write_text(file, json.dumps(safe(found), ensure_ascii=False, indent=2) + "\n")
        return
    rows = [[place, kind_of(old, new), _cell(old), _cell(new)] for place, old, new in differences]
    report = Report(title="What changed in ctx", verdict="" if rows else "No differences",
                    summary=", ".join(f"{len(found[kind])} {kind}" for kind in ("added", "removed", "changed")),
                    sections=[Section("Differences", table=Table(["key", "kind", "old", "new"], rows))] if rows else [])
    write_text(file, as_markdown(report) if form == ".md" else as_html(report))


def _cell(value: Any) -> str:
    if value is ABSENT:
        return ""
    shown = safe(value)
    text = "null" if shown is None else cell_text(shown)
    return text if len(text) <= LONGEST else f"{text[:LONGEST - 1]}…"
