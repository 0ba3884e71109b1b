"""instances/machine_check: a real (short) measurement, each arrow of the check, a kill between samples."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from step_library.machine_check import limits

SHORT = {
    "baseline": {"samples": 2, "interval_seconds": 0.02},
    "load": {"pulses": 3, "pulse_seconds": 0.05, "disk_mib": 1, "memory_mib": 1},
    "cool_down": {"seconds": 0.01},
    "diagnose": {"seconds": 0.01},
}


@pytest.fixture
def bench(instance: Callable[[str], Any]) -> Any:
    copy = instance("machine_check")
    copy.set(**SHORT)
    return copy


def visits(bench: Any) -> dict[str, int]:
    found: dict[str, int] = bench.state["engine"]["visits"]
    return found


def test_sound_machine_passes_and_is_reported(bench: Any) -> None:
    assert bench.run().exit_code == 0
    ctx = bench.state["ctx"]
    assert ctx["verdict"] == "pass"
    assert [row["phase"] for row in ctx["rows"]] == ["baseline"] * 2 + ["load"] * 3
    assert visits(bench) == {"identify": 1, "baseline": 2, "load": 3, "check_limits": 1, "report": 1}
    assert all(row["hash_mib_s"] > 0 and row["disk_write_mib_s"] > 0 for row in ctx["rows"][2:])
    with (bench.directory / "Data" / "machine_check.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["second"] for row in table] == [str(row["second"]) for row in ctx["rows"]]
    assert table[0]["hash_mib_s"] == ""
    assets = bench.directory / "Assets"
    ElementTree.parse(assets / "report.svg")
    assert "<svg" in (assets / "report.html").read_text(encoding="utf-8")
    report = (assets / "report.md").read_text(encoding="utf-8")
    assert "**PASS in the first try**" in report
    assert "](report.svg)" in report
    assert not list(bench.directory.glob("Data/.*"))


def test_fail_arrow(bench: Any) -> None:
    bench.set(check_limits={"min_hash_mib_s": 10_000_000})
    assert bench.run().exit_code == 0
    assert visits(bench)["diagnose"] == 1
    ctx = bench.state["ctx"]
    assert ctx["verdict"] == "fail"
    assert ctx["diagnosis"]["beyond"] == ["hash_mib_s"]
    assert "FAIL" in (bench.directory / "Assets" / "report.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_marginal_is_tried_again_and_then_fails(bench: Any) -> None:
    bench.set(check_limits={"max_memory_percent": 0.001, "margin_percent": 1e9, "tries": 3})
    assert bench.run().exit_code == 0
    assert visits(bench) == {
        "identify": 1,
        "baseline": 6,
        "load": 9,
        "check_limits": 3,
        "cool_down": 2,
        "diagnose": 1,
        "report": 1,
    }
    assert [row["try"] for row in bench.state["ctx"]["rows"]] == [1] * 5 + [2] * 5 + [3] * 5


@pytest.mark.slow
@pytest.mark.parametrize("readings", [[], [float("nan"), -5.0, None], [41.0, 52.5]])
def test_temperature_is_measured_or_said_not_to_be(
    bench: Any, monkeypatch: pytest.MonkeyPatch, readings: list[Any]
) -> None:
    entries = [SimpleNamespace(current=value) for value in readings]
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: {"chip": entries}, raising=False)
    bench.set(check_limits={"max_temperature_c": 50})
    assert bench.run().exit_code == 0
    (check,) = [c for c in bench.state["ctx"]["checks"] if c["figure"] == "temperature_c"]
    if 52.5 in readings:
        assert (check["value"], check["outcome"]) == (52.5, "marginal")
    else:
        assert (check["value"], check["outcome"]) == (None, "not measured")
        assert bench.state["ctx"]["verdict"] == "pass"


@pytest.mark.slow
def test_killed_while_sampling_carries_on_with_its_rows(bench: Any) -> None:
    bench.set(load={"pulses": 8, "pulse_seconds": 0.2})
    bench.run_killed_when(lambda state: len(state["ctx"].get("rows", [])) >= 4)
    assert "verdict" not in bench.state["ctx"]
    result = bench.run()
    assert result.exit_code == 0
    assert result.resumed
    state = bench.state
    samples = [(row["phase"], row["sample"]) for row in state["ctx"]["rows"]]
    assert samples == [("baseline", 1), ("baseline", 2), *(("load", n) for n in range(1, 9))]
    assert state["global_parameters"]["run_step_count"] == 1 + sum(visits(bench).values())


def test_limits_are_any_figure_and_any_number() -> None:
    figures = {"cpu_percent": 50.0, "hash_mib_s": 100.0, "temperature_c": None}

    def outcome(**limit: Any) -> str:
        (entry,) = limits.check(figures, {"tries": 3, "margin_percent": 10, **limit}, 10)
        return str(entry["outcome"])

    assert outcome(max_cpu_percent=50) == "pass"
    assert outcome(max_cpu_percent=46) == "marginal"
    assert outcome(max_cpu_percent=45) == "fail"
    assert outcome(min_hash_mib_s=100) == "pass"
    assert outcome(min_hash_mib_s=110) == "marginal"
    assert outcome(min_hash_mib_s=120) == "fail"
    assert outcome(max_temperature_c=1) == "not measured"
    assert outcome(max_cpu_percent=None) == "not checked"
    with pytest.raises(ValueError, match="no figure 'cpu'; there are: cpu_percent"):
        outcome(max_cpu=1)
    with pytest.raises(ValueError, match="max_cpu_percent: 'low' is not a number"):
        outcome(max_cpu_percent="low")


def test_verdict_is_the_worst_outcome() -> None:
    assert limits.worst(["pass", "not measured"]) == "pass"
    assert limits.worst(["pass", "marginal"]) == "marginal"
    assert limits.worst(["fail", "marginal"]) == "fail"
