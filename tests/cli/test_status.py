"""`status` and `status --watch`."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest

NODE = "step_node_count"


def test_status_of_a_new_instance(octo: Any, it: str) -> None:
    result = octo("status", it)
    assert "INACTIVE" in result.out and "octo run it" in result.next
    status = octo("status", it, "--json").json
    assert (status["state"], status["owner"], status["run_step_count"], status["nodes"]) == (
        "INACTIVE",
        None,
        1,
        {},
    )


def test_status_of_a_pause(octo: Any, it: str) -> None:
    octo("break", it, NODE, "--exit")
    octo("run", it, code=3)
    result = octo("status", it)
    assert f"PAUSED at {NODE} (ADVANCE, not begun)" in result.out
    assert f"{NODE} (exit)" in result.out and "breakpoint" in result.out
    assert f"octo break it {NODE} --clear" in result.next
    status = octo("status", it, "--json").json
    assert status["nodes"]["step_node_start"]["visits"] == 1 and status["pause_reason"]
    assert status["breakpoints"][NODE]["exit"] is True and status["next"] == result.next


def test_status_of_a_failure(octo: Any, it: str) -> None:
    octo("params", it, "step_node_judge", "fail", "true")
    octo("run", it, code=1)
    result = octo("status", it)
    assert "COMPLETE_ERROR at step_node_judge (EXECUTE)" in result.out
    assert "ValueError in step_node_judge (EXECUTE): told to fail" in result.out
    assert octo("status", it, "--json").json["last_error"]["type"] == "ValueError"


def test_watch_ends_at_once_when_nothing_runs(octo: Any, it: str) -> None:
    assert octo("status", it, "--watch").out == octo("status", it).out


@pytest.fixture
def running(octo: Any, it: str, start: Any) -> Any:
    """An engine in another process that needs about a second."""
    octo("params", it, NODE, "rounds", 10)
    octo("params", it, NODE, "seconds", 0.1)
    process = start("run", it)
    end = time.monotonic() + 15
    while octo("status", it, "--json").json["state"] != "RUNNING":
        assert time.monotonic() < end
        time.sleep(0.05)
    yield process
    process.communicate(timeout=20)


@pytest.mark.slow
def test_watch_follows_a_run_of_another_process(octo: Any, it: str, running: Any) -> None:
    shown = octo("status", it, "--watch").out.splitlines()
    changes = [line for line in shown if f"RUNNING at {NODE}" in line]
    assert 2 < len(changes) < 50
    counts = [int(line.rsplit(" ", 1)[1]) for line in changes]
    assert counts == sorted(counts)
    assert any("COMPLETE_SUCCESS" in line for line in shown)
    assert running.wait(timeout=5) == 0


@pytest.mark.slow
def test_watch_as_json_lines(octo: Any, it: str, running: Any) -> None:
    states = [json.loads(line) for line in octo("status", it, "--watch", "--json").out.splitlines()]
    assert states[0]["owner"]["pid"] == running.pid and states[0]["state"] == "RUNNING"
    assert states[-1]["state"] == "COMPLETE_SUCCESS" and states[-1]["owner"] is None


@pytest.mark.slow
def test_who_runs_it(octo: Any, it: str, running: Any) -> None:
    result = octo("status", it)
    assert f"process {running.pid} on " in result.out
    assert result.next == ["octo status it --watch", "octo logs it -f"]


def test_status_does_not_read_ctx(octo: Any, it: str) -> None:
    """A large ctx must not slow it down: the text of it is nowhere."""
    octo("ctx", it, "set", "needle", "haystack")
    assert "haystack" not in octo("status", it, "--json").out


def test_status_from_inside_the_instance(octo: Any, it: str) -> None:
    os.chdir(it)
    assert octo("status", ".").next == ["octo run .", "octo graph ."]
    assert "octo status ." in octo("status", code=2).next
