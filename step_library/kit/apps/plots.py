"""Columns of a table as a figure for the browser: lines, points, bars or a histogram, with lines for limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from step_library.kit.apps.rows_shown import RowsShown

BUTTONS = [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]]
"""What a figure offers to the mouse: nothing that sends data away."""
KINDS = ("line", "scatter", "bar", "histogram")
COLOURS = ["#0f62ac", "#d1571b", "#1a7f4b", "#8a3ffc", "#b3261e", "#00798c", "#9a6700", "#c2317f"]
LIGHT_COLOURS = ["#5aa9f0", "#ff9d5c", "#56c98d", "#b794ff", "#ff8a80", "#4fd1dd", "#e3b341", "#f78fc0"]
LIGHT, DARK = ("#1c2733", "#e4e9ef", "#b3261e", "#ffffff"), ("#e6edf3", "#303b47", "#ff9d94", "#1b232c")
"""Text, grid, limits, the ground of what pops up."""
FEW = 40
"""Of fewer rows each point is marked."""
_TRACE: dict[str, dict[str, Any]] = {
    "line": {"type": "scatter", "mode": "lines"}, "scatter": {"type": "scatter", "mode": "markers"},
    "bar": {"type": "bar"}, "histogram": {"type": "histogram", "opacity": 0.75},
}


def figure(shown: RowsShown, chosen: Sequence[str], kind: str = "line", thresholds: Sequence[float] = (),
           theme: str = "light", view: str = "") -> dict[str, Any]:
    """One trace a chosen column against the first. `view`: as long as it stays the same a zoom is kept."""
    ink, grid, limit, card = DARK if theme == "dark" else LIGHT
    is_histogram = kind == "histogram"
    form = {**_TRACE[kind], **({"mode": "lines+markers"} if kind == "line" and len(shown.rows) < FEW else {})}
    data = []
    for name in chosen:
        if name in shown.columns:
            numbers = shown.numbers(shown.columns.index(name))
            places = {"x": numbers} if is_histogram else {"x": shown.column(0), "y": numbers}
            data.append({**form, **places, "name": name})
    small = {"font": {"size": 13}}
    axis = {"gridcolor": grid, "linecolor": grid, "zerolinecolor": grid, "automargin": True}
    first = "value" if is_histogram else _named(shown.columns[0] if shown.columns else "")
    return {
        "data": data,
        "layout": {
            "height": 380, "margin": {"l": 50, "r": 20, "t": 20, "b": 45}, "showlegend": True, "uirevision": view,
            "barmode": "overlay" if is_histogram else "group", "hovermode": "closest" if is_histogram else "x unified",
            "colorway": LIGHT_COLOURS if theme == "dark" else COLOURS, "font": {"color": ink, "size": 13},
            "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": ink, "activecolor": COLOURS[0]},
            "hoverlabel": {"bgcolor": card, "font": {"color": ink}},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
            "xaxis": {**axis, "title": {"text": first, **small}},
            "yaxis": {**axis, "title": {"text": "rows" if is_histogram else "", **small}},
            "shapes": [_limit_line(at, limit, down=is_histogram) for at in thresholds],
        },
    }


def _limit_line(at: float, colour: str, *, down: bool) -> dict[str, Any]:
    """A dashed line through the whole plot, across it or down."""
    along, over = ("y", "x") if down else ("x", "y")
    return {"type": "line", "line": {"color": colour, "width": 1.5, "dash": "dash"}, f"{along}ref": "paper",
            f"{along}0": 0, f"{along}1": 1, f"{over}ref": over, f"{over}0": at, f"{over}1": at}


def _named(column: str) -> str:
    return "" if column.isdigit() else column
