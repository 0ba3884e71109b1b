"""Line charts as SVG text: panels one under the other, with axes, units, limit lines and marks.

Small on purpose: what a step's report needs and nothing more. The text that comes out stands alone as
an .svg file and can be put into an HTML page as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

# Told apart by colour-blind eyes too (Okabe and Ito), and dark enough for thin lines on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")
LIMIT_COLOUR = "#B00020"
INK, QUIET, GRID, SHADE = "#1f2933", "#52606d", "#e4e7eb", "#f5f1e6"
FONT = "system-ui, 'DejaVu Sans', Arial, sans-serif"

WIDTH = 760
LEFT, RIGHT = 64, 20
ABOVE, BELOW = 46, 44


@dataclass(frozen=True)
class Series:
    """One line. A point whose y is None leaves a gap; a point between two gaps is drawn as a dot."""

    label: str
    points: Sequence[tuple[float, float | None]]
    dots: bool = False


@dataclass(frozen=True)
class Limit:
    """A dashed line at `value`: across the panel, or only from `start` to `end` of the x axis."""

    value: float
    label: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Band:
    """A shaded stretch of the x axis."""

    start: float
    end: float
    label: str = ""


@dataclass(frozen=True)
class Mark:
    """A ringed point with words beside it."""

    x: float
    y: float
    label: str


@dataclass(frozen=True)
class Panel:
    """One pair of axes. `x_from`, `y_from` and `y_to` fix an end of an axis; None takes it from the data."""

    title: str
    x_label: str
    series: Sequence[Series]
    limits: Sequence[Limit] = ()
    bands: Sequence[Band] = ()
    marks: Sequence[Mark] = ()
    x_from: float | None = None
    y_from: float | None = 0.0
    y_to: float | None = None
    height: int = 150


def draw(title: str, panels: Sequence[Panel]) -> str:
    """The SVG text of `panels`. `title` is what a screen reader says."""
    parts, top = [], 6.0
    for panel in panels:
        parts.append(_Axes(panel, top).svg())
        top += ABOVE + panel.height + BELOW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top:.0f}"'
        f' width="{WIDTH}" height="{top:.0f}"'
        f' role="img" font-family="{FONT}" font-size="12" fill="{INK}">\n'
        f"<title>{escape(title)}</title>\n"
        f'<rect width="{WIDTH}" height="{top:.0f}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers (steps of 1, 2 or 5 times a power of ten) inside low..high, at most about `most`."""
    span = high - low
    if span <= 0:
        return [low]
    rough = span / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(n * step, 10) for n in range(first, last + 1)]


def spell_number(value: float) -> str:
    """A number as a person writes it beside an axis: no needless zeros, thousands apart but never broken."""
    if value == int(value):
        return f"{int(value):,}".replace(",", "\u202f")
    return f"{value:g}"


class _Axes:
    """Where one panel lies on the sheet, and how its numbers become places."""

    def __init__(self, panel: Panel, top: float) -> None:
        self.panel = panel
        self.top = top + ABOVE
        self.bottom = self.top + panel.height
        xs = [x for s in panel.series for x, _ in s.points] + [
            e for b in panel.bands for e in (b.start, b.end)
        ]
        ys = [y for s in panel.series for _, y in s.points if y is not None]
        ys += [limit.value for limit in panel.limits]
        self.x_low, self.x_high = _range(xs, panel.x_from, None, air=0.0)
        self.y_low, self.y_high = _range(ys, panel.y_from, panel.y_to)

    def x(self, value: float) -> float:
        return LEFT + (value - self.x_low) / (self.x_high - self.x_low) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return self.bottom - (value - self.y_low) / (self.y_high - self.y_low) * self.panel.height

    def svg(self) -> str:
        lines = [*self._heading(), *self._bands(), *self._grid()]
        for number, series in enumerate(self.panel.series):
            lines += self._line(series, COLOURS[number % len(COLOURS)])
        return "\n".join([*lines, *self._limits(), *self._marks()])

    def _heading(self) -> list[str]:
        out = [_text(LEFT, self.top - 26, self.panel.title, size=14, weight=600)]
        if len(self.panel.series) > 1:
            right = float(WIDTH - RIGHT)
            for number, series in reversed(list(enumerate(self.panel.series))):
                out.append(_text(right, self.top - 26, series.label, fill=QUIET, anchor="end"))
                right -= (
                    6.4 * len(series.label) + 22
                )  # about as wide as the words, and the stroke before them
                colour = COLOURS[number % len(COLOURS)]
                out.append(
                    f'<path d="M{right:.1f} {self.top - 30:.1f}h16" stroke="{colour}" stroke-width="3"/>'
                )
                right -= 16
        return out

    def _bands(self) -> list[str]:
        out = []
        for band in self.panel.bands:
            x, width = self.x(band.start), self.x(band.end) - self.x(band.start)
            out.append(
                f'<rect x="{x:.1f}" y="{self.top:.1f}" width="{width:.1f}" height="{self.panel.height}"'
                f' fill="{SHADE}"/>'
            )
            if band.label:
                out.append(
                    _text(x + width / 2, self.top - 5, band.label, size=11, fill=QUIET, anchor="middle")
                )
        return out

    def _grid(self) -> list[str]:
        out = []
        for value in ticks(self.y_low, self.y_high, max(3, self.panel.height // 34)):
            y = self.y(value)
            out.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{GRID}"/>')
            out.append(_text(LEFT - 8, y + 4, spell_number(value), fill=QUIET, anchor="end"))
        for value in ticks(self.x_low, self.x_high, 10):
            x = self.x(value)
            out.append(f'<path d="M{x:.1f} {self.bottom:.1f}v5" stroke="{QUIET}"/>')
            # A year has no gap for the thousands.
            label = f"{value:g}" if value < 10_000 else spell_number(value)
            out.append(_text(x, self.bottom + 18, label, fill=QUIET, anchor="middle"))
        out.append(f'<path d="M{LEFT} {self.bottom:.1f}H{WIDTH - RIGHT}" stroke="{QUIET}"/>')
        middle = (LEFT + WIDTH - RIGHT) / 2
        out.append(_text(middle, self.bottom + 34, self.panel.x_label, fill=QUIET, anchor="middle"))
        return out

    def _line(self, series: Series, colour: str) -> list[str]:
        runs: list[list[tuple[float, float]]] = [[]]
        for x, y in series.points:
            if y is None:
                runs.append([])
            else:
                runs[-1].append((self.x(x), self.y(y)))
        out = []
        for run in runs:
            if len(run) > 1:
                path = "L".join(f"{x:.1f} {y:.1f}" for x, y in run)
                out.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
            if series.dots or len(run) == 1:
                out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.8" fill="{colour}"/>' for x, y in run]
        return out

    def _limits(self) -> list[str]:
        out = []
        for limit in self.panel.limits:
            y = self.y(limit.value)
            start = LEFT if limit.start is None else self.x(limit.start)
            end = WIDTH - RIGHT if limit.end is None else self.x(limit.end)
            out.append(
                f'<path d="M{start:.1f} {y:.1f}H{end:.1f}" stroke="{LIMIT_COLOUR}" stroke-width="1.4"'
                ' stroke-dasharray="6 4"/>'
            )
            # Above the line, unless that would run into the heading.
            place = y - 5 if y - self.top > 16 else y + 14
            out.append(
                _text(end - 4, place, limit.label, size=11, fill=LIMIT_COLOUR, anchor="end", halo=True)
            )
        return out

    def _marks(self) -> list[str]:
        out = []
        for mark in self.panel.marks:
            x, y = self.x(mark.x), self.y(mark.y)
            left = x > (LEFT + WIDTH) * 0.7
            out.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="none" stroke="{INK}" stroke-width="1.6"/>'
            )
            out.append(
                _text(
                    x - 10 if left else x + 10,
                    y - 4,
                    mark.label,
                    anchor="end" if left else "start",
                    halo=True,
                )
            )
        return out


def _range(
    values: Sequence[float], low: float | None, high: float | None, air: float = 0.06
) -> tuple[float, float]:
    """The two ends of an axis: as asked for, else the data's with a little air, and never of length 0."""
    least, most = (min(values), max(values)) if values else (0.0, 1.0)
    if low is None:
        low = least - (most - least) * air
    if high is None:
        high = most + (most - low) * air
    return (low, high) if high > low else (low, low + 1.0)


def _text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 12,
    fill: str = INK,
    anchor: str = "start",
    weight: int = 400,
    halo: bool = False,
) -> str:
    ring = ' stroke="#ffffff" stroke-width="3" paint-order="stroke"' if halo else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{fill}"'
        f' text-anchor="{anchor}"{ring}>{escape(words)}</text>'
    )
