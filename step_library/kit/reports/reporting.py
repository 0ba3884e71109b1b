"""One report, written as Markdown and as HTML, with its charts and its table of rows.

A step describes what it found once, as a `Report`; both files are made from that. Every file is written
to a temporary name and renamed, so that a reader (or a step that is repeated after a kill) never meets half
of one.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Verdict = Literal["good", "warning", "bad"]


@dataclass(frozen=True)
class Table:
    """Words in rows. `numbers`: columns to set flush right. `alarms`: rows to make stand out."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()
    alarms: Sequence[int] = ()


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, and a table below them if there is one."""

    title: str
    paragraphs: Sequence[str] = ()
    table: Table | None = None


@dataclass(frozen=True)
class Report:
    """What a run found. `kind` colours `verdict`; `chart` is SVG text from `step_library.kit.reports.charts`."""

    title: str
    verdict: str
    kind: Verdict
    summary: str
    chart: str
    chart_title: str
    sections: Sequence[Section] = field(default_factory=tuple)
    made: str = ""


def write_report(report: Report, folder: Path, stem: str = "report") -> dict[str, str]:
    """Write STEM.md, STEM.html and STEM.svg into `folder`; returns their paths by kind."""
    paths = {kind: folder / f"{stem}.{kind}" for kind in ("svg", "md", "html")}
    replace_text(paths["svg"], report.chart)
    replace_text(paths["md"], as_markdown(report, chart_file=paths["svg"].name))
    replace_text(paths["html"], as_html(report))
    return {kind: path.as_posix() for kind, path in paths.items()}


def as_markdown(report: Report, chart_file: str) -> str:
    """The report as Markdown that shows the chart from a file beside it."""
    lines = [f"# {report.title}", "", f"**{report.verdict}**", "", report.summary, ""]
    lines += [f"![{report.chart_title}]({chart_file})", ""]
    for section in report.sections:
        lines += [f"## {section.title}", ""]
        for paragraph in section.paragraphs:
            lines += [paragraph, ""]
        if section.table:
            lines += [*_markdown_table(section.table), ""]
    if report.made:
        lines += [f"Made {report.made}.", ""]
    return "\n".join(lines)


def as_html(report: Report) -> str:
    """The report as one HTML page that needs no other file."""
    from jinja2 import Environment, StrictUndefined  # here: a step that writes no report need not load it

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(PAGE).render(report=report)


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


def _markdown_table(table: Table) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = ["---:" if n in table.numbers else "---" for n in range(len(table.head))]
    rows = [
        [f"**{cell}**" if n in table.alarms and cell else cell for cell in row]
        for n, row in enumerate(table.rows)
    ]
    return [line(table.head), line(rule), *(line(row) for row in rows)]


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ report.title }}</title>
<style>
body { font: 16px/1.5 system-ui, "DejaVu Sans", Arial, sans-serif; color: #1f2933; background: #fff;
       max-width: 47.5rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0 0 .75rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.verdict { display: inline-block; font-weight: 600; padding: .2rem .7rem; border-radius: .3rem; }
.good { background: #e3f4ea; color: #0b5132; }
.warning { background: #fdf3d7; color: #6b4a00; }
.bad { background: #fde7e9; color: #8c0018; }
svg { max-width: 100%; height: auto; display: block; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; width: 100%; }
th, td { padding: .3rem .6rem; text-align: left; border-bottom: 1px solid #e4e7eb; vertical-align: top; }
th { color: #52606d; font-weight: 600; }
.alarm td { color: #8c0018; font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
footer { margin-top: 2rem; color: #52606d; font-size: .85rem; }
</style>
</head>
<body>
<h1>{{ report.title }}</h1>
<p><span class="verdict {{ report.kind }}">{{ report.verdict }}</span></p>
<p>{{ report.summary }}</p>
{{ report.chart | safe }}
{% for section in report.sections %}
<h2>{{ section.title }}</h2>
{% for paragraph in section.paragraphs %}
<p>{{ paragraph }}</p>
{% endfor %}
{% if section.table %}
{% set table = section.table %}
<div class="wide"><table>
<tr>
{% for cell in table.head %}
<th{{ ' class="number"' | safe if loop.index0 in table.numbers }}>{{ cell }}</th>
{% endfor %}
</tr>
{% for row in table.rows %}
<tr{{ ' class="alarm"' | safe if loop.index0 in table.alarms }}>
{% for cell in row %}
<td{{ ' class="number"' | safe if loop.index0 in table.numbers }}>{{ cell }}</td>
{% endfor %}
</tr>
{% endfor %}
</table></div>
{% endif %}
{% endfor %}
{% if report.made %}
<footer>Made {{ report.made }}.</footer>
{% endif %}
</body>
</html>
"""
