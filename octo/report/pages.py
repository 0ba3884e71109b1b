"""A report that is described once and written as Markdown and as one HTML page; the one writer of their tables."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from octo.ctx_text import markdown_cell

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
    """A heading with paragraphs, a table and lines of a diff below it, whichever there are."""

    title: str
    paragraphs: Sequence[str] = ()
    table: Table | None = None
    diff: Sequence[str] = ()


@dataclass(frozen=True)
class Report:
    """What was found. `kind` colours `verdict`; `chart` is SVG text."""

    title: str
    verdict: str = ""
    kind: Verdict = "good"
    summary: str = ""
    chart: str = ""
    chart_title: str = ""
    sections: Sequence[Section] = ()
    made: str = ""


# --- Markdown


def as_markdown(report: Report, chart_file: str = "") -> str:
    """The report as Markdown that shows the chart from a file beside it."""
    text = markdown_text
    lines = [f"# {text(report.title)}", ""]
    if report.verdict:
        lines += [f"**{text(report.verdict)}**", ""]
    if report.summary:
        lines += [text(report.summary), ""]
    if chart_file:
        lines += [f"![{report.chart_title}]({chart_file})", ""]
    for section in report.sections:
        lines += [f"## {text(section.title)}", ""]
        for paragraph in section.paragraphs:
            lines += [text(paragraph), ""]
        if section.table:
            lines += [*markdown_table(section.table), ""]
        if section.diff:
            lines += [*fenced(section.diff, "diff"), ""]
    if report.made:
        lines += [f"Made {report.made}.", ""]
    return "\n".join(lines)


def markdown_table(table: Table) -> list[str]:
    """The lines of a table; what stands in a cell is shown as it is, never taken for markup."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    rule = ["---:" if number in table.numbers else "---" for number in range(len(table.head))]
    lines = [line(list(map(markdown_cell, table.head))), line(rule)]
    for number, row in enumerate(table.rows):
        cells = list(map(markdown_cell, row))
        if number in table.alarms:
            cells = [f"**{cell}**" if cell else "" for cell in cells]
        lines.append(line(cells))
    return lines


def markdown_text(text: str) -> str:
    """A value in a line of Markdown: on one line, and what looks like a tag is shown."""
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")


def fenced(lines: Sequence[str], language: str = "") -> list[str]:
    """Lines that are shown as they are, whatever stands in them."""
    longest = max((len(run) for text in lines for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence + language, *lines, fence]


# --- HTML


def as_html(report: Report) -> str:
    """The report as one HTML page that needs no other file."""
    text = html.escape
    body = [f"<h1>{text(report.title)}</h1>"]
    if report.verdict:
        body.append(f'<p><span class="verdict {report.kind}">{text(report.verdict)}</span></p>')
    if report.summary:
        body.append(f"<p>{text(report.summary)}</p>")
    if report.chart:
        body.append(report.chart)
    for section in report.sections:
        body.append(f"<h2>{text(section.title)}</h2>")
        body += [f"<p>{text(paragraph)}</p>" for paragraph in section.paragraphs]
        if section.table:
            body.append(f'<div class="wide">{html_table(section.table)}</div>')
        if section.diff:
            body.append(f'<pre class="wide">{"".join(map(_diff_line, section.diff))}</pre>')
    if report.made:
        body.append(f"<footer>Made {text(report.made)}.</footer>")
    return PAGE.format(title=text(report.title), body="\n".join(body))


def html_table(table: Table) -> str:
    """A table by itself; what is in the cells is shown as it is, never taken for markup."""

    def line(tag: str, cells: Sequence[str], opening: str = "<tr>") -> str:
        shown = (f'<{tag} class="number">' if number in table.numbers else f"<{tag}>" for number in range(len(cells)))
        parts = (f"{start}{html.escape(cell)}</{tag}>" for start, cell in zip(shown, cells, strict=True))
        return f"{opening}{''.join(parts)}</tr>"

    rows = [line("td", row, '<tr class="alarm">' if number in table.alarms else "<tr>")
            for number, row in enumerate(table.rows)]
    return "\n".join(["<table>", line("th", table.head), *rows, "</table>"])


def _diff_line(line: str) -> str:
    kind = {"+": "added", "-": "removed", "~": "changed", "@": "place"}.get(line[:1], "")
    if line.startswith(("+++ ", "--- ")):
        kind = "place"
    return f'<span class="{kind}">{html.escape(line)}</span>\n' if kind else html.escape(line) + "\n"


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, "DejaVu Sans", Arial, sans-serif; color: #1f2933; background: #fff;
       max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.6rem; margin: 0 0 .75rem; }}
h2 {{ font-size: 1.15rem; margin: 2rem 0 .5rem; }}
p {{ max-width: 47.5rem; }}
.verdict {{ display: inline-block; font-weight: 600; padding: .2rem .7rem; border-radius: .3rem; }}
.good {{ background: #e3f4ea; color: #0b5132; }}
.warning {{ background: #fdf3d7; color: #6b4a00; }}
.bad {{ background: #fde7e9; color: #8c0018; }}
svg {{ max-width: 100%; height: auto; display: block; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: .9rem; width: 100%; }}
th, td {{ padding: .3rem .6rem; text-align: left; border-bottom: 1px solid #e4e7eb; vertical-align: top; }}
td {{ white-space: pre-line; overflow-wrap: break-word; }}
th {{ color: #52606d; font-weight: 600; }}
.alarm td {{ color: #8c0018; font-weight: 600; }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
td.number {{ white-space: nowrap; }}
pre {{ font-size: .85rem; line-height: 1.4; background: #f7f9fa; padding: .6rem .8rem; }}
.added {{ color: #0b5132; background: #e3f4ea; }}
.removed {{ color: #8c0018; background: #fde7e9; }}
.changed {{ color: #6b4a00; background: #fdf3d7; }}
.place {{ color: #52606d; }}
footer {{ margin-top: 2rem; color: #52606d; font-size: .85rem; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""
