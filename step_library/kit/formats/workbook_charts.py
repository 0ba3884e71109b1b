"""Charts in Excel files: what may be asked for, checked against the sheet, and drawn by openpyxl."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from octo.errors import MissingKey, ShapeError, UsageError, nearest
from octo.param import Param, Table
from step_library.kit.formats.workbook_rows import openpyxl_or_hint
from step_library.kit.formats.workbook_sheets import Sheet

CHARTS = {"line": "LineChart", "bar": "BarChart", "area": "AreaChart", "scatter": "ScatterChart", "pie": "PieChart"}
CHART = Table((
    Param("sheet", "str", help="the sheet with the data; the chart stands there too"),
    Param("x", "str | int", help="column of the categories, by name or from 0"),
    Param("y", "list | str | int", help="columns that are drawn, one series each"),
    Param("type", "str", "line", choices=tuple(CHARTS)),
    Param("title", "str | null", None),
    Param("cell", "str | null", None, help="its upper left corner, such as F10"),
))
_CELL = re.compile(r"[A-Za-z]{1,3}[1-9][0-9]{0,6}")


@dataclass
class Chart:
    """A chart as asked for, its columns found."""

    options: Mapping[str, Any]
    sheet: Sheet
    x: int
    y: list[int]


def chart_of(options: Mapping[str, Any], sheet: Sheet) -> Chart:
    """The places of its columns; MissingKey or ShapeError where there is none of that name."""
    ys = options["y"] if isinstance(options["y"], list) else [options["y"]]
    if not ys:
        raise UsageError(f"charts: the one on {sheet.title!r} has no y")
    if options["type"] == "pie" and len(ys) > 1:
        raise UsageError(f"charts: a pie shows one column, not {len(ys)}")
    if options["cell"] is not None and not _CELL.fullmatch(options["cell"]):
        raise UsageError(f"charts: {options['cell']!r} is no cell such as F10")
    names, (rows, width) = sheet.names, sheet.size
    if rows <= (names is not None):
        raise ShapeError(f"charts: {sheet.where} has no rows to draw on {sheet.title!r}")

    def place(column: Any) -> int:
        if isinstance(column, int) and not isinstance(column, bool):
            if not 0 <= column < width:
                raise MissingKey(f"charts: {sheet.where} has {width} columns, no column {column} (counted from 0)")
            return column
        if names is None:
            raise ShapeError(f"charts: the columns of {sheet.where} have no names, so {column!r} is none; name columns "
                             "by number from 0")
        if column not in names:
            raise MissingKey(f"charts: {sheet.where} has no column {column!r}{nearest(str(column), names)}; it has "
                             f"{', '.join(names)}")
        return names.index(column)

    return Chart(options, sheet, place(options["x"]), [place(each) for each in ys])


def drawn(chart: Chart, page: Any) -> Any:
    """The chart as openpyxl has it, its data on the page."""
    charts = openpyxl_or_hint("openpyxl.chart")
    found = getattr(charts, CHARTS[chart.options["type"]])()
    named, rows = chart.sheet.names is not None, chart.sheet.size[0]

    def reference(column: int, first: int) -> Any:
        return charts.Reference(page, min_col=column + 1, min_row=first, max_row=rows)

    start = 2 if named else 1
    for column in chart.y:
        if chart.options["type"] == "scatter":
            found.series.append(charts.Series(reference(column, 1), reference(chart.x, start), title_from_data=named))
        else:
            found.add_data(reference(column, 1), titles_from_data=named)
    if chart.options["type"] != "scatter":
        found.set_categories(reference(chart.x, start))
    found.title = chart.options["title"]
    if named and chart.options["type"] != "pie" and chart.sheet.names:
        found.x_axis.title = chart.sheet.names[chart.x]
        found.x_axis.delete = found.y_axis.delete = False  # else newer Excel shows no axes
    return found
