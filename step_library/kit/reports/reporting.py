"""One report, written as Markdown and as HTML, with its charts and its table of rows.

A step describes what it found once, as a `Report` of `octo.report.pages`; both files are made from that.
Every file is written to a temporary name and renamed, so that a reader (or a step that is repeated after a
kill) never meets half of one.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from octo.report.pages import Report, Section, Table, as_html, as_markdown

__all__ = ["Report", "Section", "Table", "as_html", "as_markdown", "replace_text", "write_report", "write_rows"]


def write_report(report: Report, folder: Path, stem: str = "report") -> dict[str, str]:
    """Write STEM.md, STEM.html and STEM.svg into `folder`; returns their paths by kind."""
    paths = {kind: folder / f"{stem}.{kind}" for kind in ("svg", "md", "html")}
    replace_text(paths["svg"], report.chart)
    replace_text(paths["md"], as_markdown(report, chart_file=paths["svg"].name))
    replace_text(paths["html"], as_html(report))
    return {kind: path.as_posix() for kind, path in paths.items()}


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write `rows` as CSV: the columns are the keys of the first row, None is an empty cell."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    replace_text(path, text.getvalue())


def replace_text(path: Path, text: str) -> None:
    """Put `text` where `path` is, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Always the same name (one engine runs an instance), so what a killed run left is written over.
    beside = path.with_name(f".{path.name}.tmp")
    try:
        beside.write_text(text, encoding="utf-8", newline="\n")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
