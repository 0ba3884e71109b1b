"""`status`, `break`, `list`, `show`, `history` of a recipe's instance."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from octo.cli.steps import FEW_STEPS, steps_table
from octo.store import ParameterStore


@pytest.fixture
def stopped(octo: Any, write: Any) -> str:
    """An instance whose run failed at `fit`."""
    recipe = write(
        "name: load, function: 'M:load'",
        "name: never, function: 'M:load', when: 'false'",
        "name: square, function: 'M:square', params: {item: '{{ item }}'}, for_each: ctx.rows, parallel: true",
        "name: other, function: 'M:load'",
        "name: fit, function: 'M:fail'",
        "name: draw, function: 'M:load', depends_on: [fit, load]",
        "name: last, function: 'M:load'",
    )
    octo("run", recipe, "--skip", "other", code=1)
    return "demo.octo"


def test_status_says_how_far_each_step_is_and_why(octo: Any, stopped: str, tmp_path: Path) -> None:
    result = octo("status", stopped)
    assert "COMPLETE_ERROR at fit" in result.out and "ValueError in fit: no data" in result.out
    assert str(tmp_path / "demo.yaml") in result.out
    rows = [line.split() for line in result.out.partition("\n\n")[2].splitlines() if line]
    lines = {row[0]: " ".join(row[1:]) for row in rows}
    assert lines["square"].endswith("3 of 3 items") and lines["square"].startswith("DONE")
    assert "when: " in lines["never"] and lines["never"].startswith("SKIPPED")
    assert lines["other"] == "LEFT_OUT --skip names it"
    assert lines["fit"].startswith("FAILED 1") and lines["fit"].endswith("ValueError: no data")
    assert lines["draw"] == "WAITING waits for fit (FAILED)"
    assert lines["last"] == "WAITING not begun when another failed"
    status = octo("status", stopped, "--json").json
    assert status["steps"]["draw"]["waits"] == "waits for fit (FAILED)"
    assert status["steps"]["square"]["items"] == {"DONE": 3} and "result" not in status["steps"]["load"]
    assert status["steps"]["load"]["usage"]["wall"] >= 0
    assert status["next"][-1] == "octo run demo.octo"


def test_status_shows_jobs(octo: Any, stopped: str) -> None:
    with ParameterStore(stopped) as store:
        store.set("ctx", "jobs", {"fetch-1": {"status": "DONE", "start": 100.0, "end": 103.5, "result": "haystack"},
                                  "fetch-2": {"status": "error", "start": 100.0, "end": None, "error": "cut off"}})
    out = octo("status", stopped).out
    assert "fetch-1: DONE after 3.5 s" in out and "(cut off)" in out and "haystack" not in out
    assert octo("status", stopped, "--json").json["jobs"]["fetch-2"]["error"] == "cut off"


def test_a_thousand_steps_are_summed_up() -> None:
    steps = {f"s{n}": {"status": "DONE", "attempt": 1, "seconds": n / 1000} for n in range(1000)}
    steps["s7"] = {"status": "FAILED", "attempt": 2, "error": {"type": "E", "message": "why"}}
    lines = steps_table(steps, now=time.time(), runs=False)
    assert len(lines) == FEW_STEPS + 2 and lines[-1] == "and 960 more: 960 DONE"
    assert any(line.startswith("s7 ") and "E: why" in line for line in lines) and any("s999 " in line for line in lines)


def test_who_shared_the_memory_is_marked() -> None:
    steps = {"one": {"status": "DONE", "attempt": 1, "usage": {"cpu": 0.5, "rss": 5 << 20, "shared": True}},
             "two": {"status": "DONE", "attempt": 1, "usage": {"cpu": 0.5, "rss": 3 << 30}}}
    lines = steps_table(steps, now=0, runs=False)
    assert "5.0 MiB*" in lines[1] and "3.0 GiB" in lines[2] and "3.0 GiB*" not in lines[2] and "shared" in lines[3]


def test_breakpoints_at_steps_and_items(octo: Any, write: Any) -> None:
    recipe = write(
        "name: load, function: 'M:load', breakpoint: exit",
        "name: square, function: 'M:square', params: {item: '{{ item }}'}, for_each: ctx.rows",
        "name: last, function: 'M:load'",
    )
    result = octo("run", recipe, code=3)
    assert "octo: paused at load: breakpoint at exit" in result.err
    assert "octo break demo.octo load --clear" in result.next
    assert octo("break", "demo.octo").out == "load: breakpoint at exit\n"
    assert octo("break", "demo.octo", "square[1]").out == "square[1]: breakpoint at entry\n"
    octo("break", "demo.octo", "last")
    assert octo("break", "demo.octo", "--json").json == {
        "load": {"entry": False, "exit": True},
        "last": {"entry": True, "exit": False},
        "square[1]": {"entry": True, "exit": False},
    }
    assert "paused at square[1]: breakpoint at entry" in octo("run", "demo.octo", code=3).err
    assert octo("status", "demo.octo", "--json").json["steps"]["square"]["items"] == {"DONE": 1, "WAITING": 2}
    shown = octo("status", "demo.octo").out
    assert "1 PAUSED" in shown and "cut off" not in shown and "1 of 3 items" in shown
    octo("break", "demo.octo", "last", "--clear")
    assert "done: " in octo("run", "demo.octo").out


@pytest.mark.parametrize(("name", "says"), [
    ("sqare", "there is no step 'sqare' in demo.octo; did you mean square?"),
    ("load[1]", "there is no item 'load[1]' in demo.octo: load has no for_each"),
    ("square[x]", "an item is written square[3]"),
])
def test_breakpoints_nowhere(octo: Any, stopped: str, name: str, says: str) -> None:
    assert says in octo("break", stopped, name, code=2).err


def test_list_and_show(octo: Any, stopped: str) -> None:
    rows = octo("list", "steps", stopped, "--json").json
    assert [row["step"] for row in rows] == ["load", "never", "square", "other", "fit", "draw", "last"]
    assert rows[0]["does"].endswith(":load")
    assert "COMPLETE_ERROR" in octo("list", "instances").out
    shown = octo("show", "draw", "-l", stopped).out
    assert ":load, " in shown and '["fit", "load"]' in shown and "base class" not in shown


def test_history_is_what_steps_did(octo: Any, stopped: str) -> None:
    shown = octo("history", stopped).out
    assert "ctx/rows" in shown and "steps/load" not in shown
    assert "steps/load" in octo("history", stopped, "--all", "--limit", 0).out


def test_what_an_error_says_does_not_break_the_table(octo: Any) -> None:
    Path("m.py").write_text("def bad():\n    raise ValueError('\\x1b[31mred\\x1b[0m \\x00\\t\\ry\\x9b2J')\n")
    Path("r.yaml").write_text("steps:\n  - {name: a, function: 'm:bad'}\n")
    run = octo("run", "r.yaml", code=1)
    shown = octo("status", "r.octo").out
    assert r"ValueError: red \x00\t\ry\x9b2J" in shown.split("step ")[-1]
    assert not set("\0\x1b\r\x9b") & set(run.out + run.err + shown), "nor the lines around it"
