"""What the instances draw and write: well-formed whatever stands in it."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from step_library.kit.reports.charts import Band, Limit, Mark, Panel, Series, draw, ticks
from step_library.kit.reports.reporting import Report, Section, Table, as_html, as_markdown, write_report, write_rows

SVG = "{http://www.w3.org/2000/svg}"


def sample(**changes: object) -> Report:
    table = Table(["name", "value"], [["a|b", "1"], ["<b>", "2"]], numbers=[1], alarms=[1])
    report = Report(
        "Check of <host> & co",
        "FAIL",
        "bad",
        "All of it.",
        draw("x", []),
        "chart",
        [Section("S", ["p"], table)],
    )
    return Report(**{**report.__dict__, **changes})


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (0, 0.3, [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]),
        (1700, 2008, [1700, 1800, 1900, 2000]),
        (-0.4, 0.8, [-0.4, -0.2, 0, 0.2, 0.4, 0.6, 0.8]),
        (5, 5, [5]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == expected


def test_gaps_bands_limits_and_marks_are_drawn_inside_the_sheet() -> None:
    panel = Panel(
        "a < b",
        "seconds & more",
        [Series("one", [(0, 1), (1, None), (2, 3), (3, 4)]), Series("two", [(0, 900), (3, 0)])],
        limits=[Limit(500, "limit"), Limit(5000, "part", 0, 1)],
        bands=[Band(1, 2, "load")],
        marks=[Mark(3, 4, "peak")],
    )
    sheet = ElementTree.fromstring(draw("A & B", [panel, panel]))
    words = [text.text for text in sheet.iter(f"{SVG}text")]
    assert {"a < b", "seconds & more", "one", "two", "limit", "part", "load", "peak"} <= set(words)
    height = float(sheet.attrib["height"])
    assert all(0 <= float(text.attrib["y"]) <= height for text in sheet.iter(f"{SVG}text"))
    assert len(list(sheet.iter(f"{SVG}circle"))) == 4  # the lone point before the gap, and the mark, twice


@pytest.mark.parametrize("points", [[], [(1.0, None)], [(1.0, 5.0)], [(1.0, 0.0), (2.0, 0.0)]])
def test_panel_with_little_or_nothing_to_show(points: list[tuple[float, float | None]]) -> None:
    drawn = ElementTree.fromstring(draw("x", [Panel("t", "x", [Series("s", points)])]))
    assert drawn.tag.endswith("svg") and "t" in [text.strip() for text in drawn.itertext()]


def test_html_is_escaped_and_markdown_keeps_its_columns() -> None:
    page = as_html(sample())
    assert "<h1>Check of &lt;host&gt; &amp; co</h1>" in page
    assert "<td>&lt;b&gt;</td>" in page
    assert 'class="alarm"' in page
    assert '<td class="number">2</td>' in page
    text = as_markdown(sample(), "chart.svg")
    assert "| a\\|b | 1 |" in text
    assert "| **&lt;b&gt;** | **2** |" in text


def test_files_are_replaced_whole(tmp_path: Path) -> None:
    paths = write_report(sample(), tmp_path / "Assets")
    assert sorted(path.name for path in (tmp_path / "Assets").iterdir()) == [
        "report.html",
        "report.md",
        "report.svg",
    ]
    write_report(sample(title="second"), tmp_path / "Assets")
    assert "second" in Path(paths["md"]).read_text(encoding="utf-8")


def test_rows_become_csv(tmp_path: Path) -> None:
    rows = [{"a": 1, "b": None}, {"a": 2.5, "b": "x,y"}]
    write_rows(tmp_path / "t.csv", rows)
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == [{"a": "1", "b": ""}, {"a": "2.5", "b": "x,y"}]
