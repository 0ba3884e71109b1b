"""Two ways to find the main period of an evenly spaced series, and the shape of their answer.

Both return a curve and its highest peak. Plain Python: 309 numbers need no array library.
"""

from __future__ import annotations

import cmath
import math
import statistics
from collections.abc import Sequence

Curve = list[tuple[float, float]]
Peak = tuple[float, float]


def periodogram(values: Sequence[float], shortest: float, longest: float, step: float) -> Curve:
    """(period, power) for trial periods from `shortest` to `longest`, in samples.

    The power is the part of the series' variance that a sine of that period accounts for (0 to 1).
    """
    mean = statistics.fmean(values)
    around = [value - mean for value in values]
    total = sum(value * value for value in around) * len(values) / 2
    curve = []
    for number in range(round((longest - shortest) / step) + 1):
        period = shortest + number * step
        turn = -2j * math.pi / period
        found = abs(sum(value * cmath.exp(turn * at) for at, value in enumerate(around))) ** 2
        curve.append((round(period, 6), round(found / total, 6)))
    return curve


def autocorrelation(values: Sequence[float], longest: int) -> Curve:
    """(lag, correlation of the series with itself that much later) for the lags 1 to `longest`."""
    return [
        (float(lag), round(statistics.correlation(values[:-lag], values[lag:]), 6))
        for lag in range(1, longest + 1)
    ]


def highest_peak(curve: Curve, shortest: float) -> Peak:
    """The highest point from `shortest` on that stands above both its neighbours.

    Its place is refined with a parabola through the three points.

    Raises ValueError when the curve only rises or falls there.
    """
    peaks = [
        n
        for n in range(1, len(curve) - 1)
        if curve[n][0] >= shortest and curve[n - 1][1] < curve[n][1] >= curve[n + 1][1]
    ]
    if not peaks:
        raise ValueError(f"no peak between {shortest:g} and {curve[-1][0]:g}: look at a wider range")
    n = max(peaks, key=lambda place: curve[place][1])
    (x, y), before, after = curve[n], curve[n - 1][1], curve[n + 1][1]
    shift = 0.5 * (before - after) / (before - 2 * y + after)
    return round(x + shift * (x - curve[n - 1][0]), 3), round(y - 0.25 * (before - after) * shift, 4)
