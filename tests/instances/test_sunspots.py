"""instances/sunspots: the period is found, a failure is resumed where it was, a spoilt record is mended."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from step_library.sunspots import periods, record

NODES = ["load", "check", "clean", "periodogram", "autocorrelation", "compare", "report"]


@pytest.fixture
def sun(instance: Callable[[str], Any]) -> Any:
    return instance("sunspots")


def test_main_period_is_about_eleven_years(sun: Any) -> None:
    assert sun.run().exit_code == 0
    ctx = sun.state["ctx"]
    assert len(ctx["years"]) == 309
    assert ctx["problems"] == ctx["filled"] == []
    assert ctx["periodogram"]["period_years"] == pytest.approx(11.0, abs=0.05)
    assert ctx["autocorrelation"]["period_years"] == pytest.approx(10.46, abs=0.05)
    assert ctx["period_years"] == pytest.approx(10.73, abs=0.05)
    assert "Main period: 10.73 years" in (sun.directory / "Assets" / "report.html").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ({"fail_on_purpose": 1}, {"fail_on_purpose": 0}, "failed on purpose"),
        ({"tolerance_years": 0.1}, {"tolerance_years": 1}, "differ by 0.53 years"),
    ],
)
def test_failed_compare_is_carried_on_there(
    sun: Any, wrong: dict[str, Any], right: dict[str, Any], message: str
) -> None:
    sun.set(compare=wrong)
    failed = sun.run()
    assert failed.exit_code == 1
    error = sun.state["global_parameters"]["last_error"]
    assert error["node"] == "compare"
    assert message in error["message"]
    assert "period_years" not in sun.state["ctx"]  # what the failed call did to ctx is undone

    sun.set(compare=right)
    result = sun.run()
    assert result.exit_code == 0
    assert result.run_id == failed.run_id
    assert result.steps == 2
    assert sun.state["engine"]["visits"] == dict.fromkeys(NODES, 1)


def test_spoilt_record_is_mended_and_reported(sun: Any) -> None:
    file = sun.directory / "Data" / "sunspots.csv"
    lines = file.read_text(encoding="utf-8").splitlines()
    lines[lines.index("1703,23")] = "1703,?"
    lines.remove("1900,9.5")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert sun.run().exit_code == 0
    ctx = sun.state["ctx"]
    assert ctx["filled"] == [1703, 1900]
    assert ctx["numbers"][3] == (16 + 36) / 2
    assert "1901 follows 1899" in (sun.directory / "Assets" / "report.md").read_text(encoding="utf-8")


def test_problems_are_named_with_their_line() -> None:
    raw = [
        ["1700", "5"],
        ["1701", "-1"],
        ["x", "3"],
        ["1704", "nan"],
        ["1704", "8"],
        ["1703", "9"],
        ["1705", "1"],
    ]
    assert [(p["line"], p["what"]) for p in record.problems_of(raw)] == [
        (3, "1701: '-1' is no sunspot number"),
        (4, "year 'x' is no whole number"),
        (5, "1704: 'nan' is no sunspot number"),
        (6, "year 1704 comes after 1704"),
        (7, "year 1703 comes after 1704"),
    ]


def test_long_gap_is_not_made_up() -> None:
    raw = [["1700", "5"], ["1705", "9"]]
    assert record.mend(raw, 4) == (
        [1700, 1701, 1702, 1703, 1704, 1705],
        [5.0, 5.8, 6.6, 7.4, 8.2, 9.0],
        [1701, 1702, 1703, 1704],
    )
    with pytest.raises(ValueError, match="no number for 4 years after 1700"):
        record.mend(raw, 3)
    with pytest.raises(ValueError, match="fewer than two"):
        record.mend([["1700", "?"], ["1701", "4"]], 3)


@pytest.mark.parametrize("period", [7.3, 11.0, 22.6])
def test_both_methods_find_the_period_of_a_sine(period: float) -> None:
    sine = [40 + 10 * math.sin(2 * math.pi * n / period) for n in range(300)]
    found, height = periods.highest_peak(periods.periodogram(sine, 4, 40, 0.05), 4)
    assert found == pytest.approx(period, abs=0.1)
    assert height == pytest.approx(1, abs=0.05)
    found, height = periods.highest_peak(periods.autocorrelation(sine, 30), 4)
    assert found % period == pytest.approx(0, abs=0.2) or found % period == pytest.approx(period, abs=0.2)


def test_curve_without_a_peak() -> None:
    with pytest.raises(ValueError, match="no peak between 4 and 9"):
        periods.highest_peak([(float(n), float(n)) for n in range(10)], 4)
