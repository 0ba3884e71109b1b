"""instances/retry_demo: both ways of trying again, the same luck after a kill, and giving up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

FAST = {"statemachine": {"pause_seconds": 0.02}, "fetch": {"pause_seconds": 0.005}}
SUMMARY = {"statemachine": "COMPLETE", "repairs": 1, "fetch_tries": 3, "parts": 4}
PARTS = [f"part {n} of try 3" for n in (1, 2, 3, 4)]


@pytest.fixture
def demo(instance: Callable[[str], Any]) -> Any:
    copy = instance("retry_demo")
    copy.set(**FAST)
    return copy


@pytest.mark.slow
def test_error_is_left_by_the_failure_arrow_and_fetch_is_retried(demo: Any) -> None:
    result = demo.run()
    assert result.exit_code == 0
    state = demo.state
    assert state["ctx"]["summary"] == SUMMARY
    # INIT, three failed tries, the step to ERROR, ERROR; repaired: INIT, one failed, one good try, COMPLETE
    assert state["engine"]["visits"] == {"statemachine": 10, "repair": 1, "fetch": 1, "summary": 1}
    assert state["engine"]["taken"]["statemachine"]["step_arrow_graph_list_key_failure_path"] == {"repair": 1}
    assert state["ctx"]["parts"] == PARTS  # nothing of the two tries that failed half-way
    assert [event["try"] for event in state["ctx"]["events"]] == [1, 2]  # but their records stay


@pytest.mark.slow
@pytest.mark.parametrize("moment", [3, 8])
def test_killed_at_any_state_the_end_is_the_same(demo: Any, moment: int) -> None:
    demo.set(statemachine={"pause_seconds": 0.15})
    demo.run_killed_when(
        lambda state: state.get("engine", {}).get("visits", {}).get("statemachine", 0) >= moment
    )
    assert demo.run().exit_code == 0
    state = demo.state
    assert state["ctx"]["summary"] == SUMMARY
    assert state["ctx"]["parts"] == PARTS


@pytest.mark.slow
def test_killed_in_fetch_the_end_is_the_same(demo: Any) -> None:
    demo.set(fetch={"pause_seconds": 0.1})
    demo.run_killed_when(lambda state: len(state["ctx"].get("events", [])) >= 1)
    assert demo.run().exit_code == 0
    assert demo.state["ctx"]["summary"] == SUMMARY
    assert demo.state["ctx"]["parts"] == PARTS


def test_repairs_come_to_an_end(demo: Any) -> None:
    demo.set(statemachine={"failure_rate": 1.1}, repair={"most_repairs": 1})
    assert demo.run().exit_code == 0
    state = demo.state
    assert state["engine"]["visits"]["repair"] == 2
    assert "fetch" not in state["engine"]["visits"]
    assert state["ctx"]["summary"] == {"statemachine": "ERROR", "repairs": 1, "fetch_tries": 0, "parts": 0}


@pytest.mark.slow
def test_fetch_that_never_gets_through_leaves_by_its_failure_arrow(demo: Any) -> None:
    demo.set(statemachine={"failure_rate": 0}, fetch={"failure_rate": 1.1})
    assert demo.run().exit_code == 0
    assert demo.state["ctx"]["summary"] == {
        "statemachine": "COMPLETE",
        "repairs": 0,
        "fetch_tries": 4,
        "parts": 0,
    }
