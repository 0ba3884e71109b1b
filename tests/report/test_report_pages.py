"""What pages show: whatever stands in a value, it is shown and never taken for markup."""

from __future__ import annotations

import html
import re

from hypothesis import given
from hypothesis import strategies as st

from octo.report.entries import time_text
from octo.report.pages import Report, Section, Table, as_html, as_markdown, fenced, html_table, markdown_table

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=4))
def test_cells_keep_what_is_in_them(rows: list[list[str]]) -> None:
    table = Table(["a", "b"], rows, numbers=[1])
    lines = markdown_table(table)
    assert len(lines) == len(rows) + 2 and lines[1] == "| --- | ---: |"
    for line, row in zip(lines[2:], rows, strict=True):
        cells = re.split(r"(?<!\\)(?:\\\\)*\|", line)  # signs between cells have no backslash in front
        assert len(cells) == 4 and not re.search(r"<(?!br>)", line), row
    found = re.findall(r"<td[^>]*>(.*?)</td>", html_table(table), re.S)
    assert [html.unescape(cell) for cell in found] == [cell for row in rows for cell in row]


def test_a_page_without_a_verdict_chart_or_table() -> None:
    report = Report("A <title> & {more}", sections=[Section("Part", ["one\ntwo <b>"], diff=["+new", "-old", " same"])])
    assert as_markdown(report) == ("# A &lt;title> &amp; {more}\n\n## Part\n\none two &lt;b>\n\n"
                                   "```diff\n+new\n-old\n same\n```\n")
    page = as_html(report)
    assert "<title>A &lt;title&gt; &amp; {more}</title>" in page and "verdict good" not in page
    assert '<span class="added">+new</span>\n<span class="removed">-old</span>\n same\n' in page


def test_a_fence_is_longer_than_any_inside() -> None:
    assert fenced(["a ```` b"])[0] == "`````" and fenced([])[0] == "```"


def test_times() -> None:
    assert time_text("2025-01-31 23:59:59") == "2025-01-31 23:59:59"
    assert (time_text(None), time_text("soon"), time_text(1e300)) == ("", "soon", "1e+300")
