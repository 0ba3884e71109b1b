"""The resume table: what the next run does with each position that a run can leave behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from octo.errors import UsageError
from octo.store import GLOBAL, MISSING
from tests.engine.kit import Box

FOUR = """
class step_node_four(StepNode):
    step_node_graph_dict = {"step_node_four": {"first_node_step_bool": 1}}
    step_arrow_graph_dict = {"on": {"arrow_step_name_string": "step_node_last"}}

    def act(self, method):
        say(f"{method} {self.resumed}")
        self.ctx[method] = self.ctx.get(method, 0) + 1
        self.ctx.record("trace", method)
        self.params["outside"] = self.params.get("outside", 0) + 1
        if self.params.get("die_in") == method and once("died"):
            die()
        if self.params.get("fail_in") == method:
            raise ValueError(f"told to fail in {method}")

    def step_entry(self):
        self.act("step_entry")

    def step_execute(self):
        self.act("step_execute")

    def step_exit(self):
        self.act("step_exit")

    def step_advance(self):
        self.act("step_advance")
        return "on"

class step_node_last(StepNode):
    def step_execute(self):
        say("last")
        self.ctx["last"] = self.ctx.get("last", 0) + 1
"""
METHODS = {"ENTER": "step_entry", "EXECUTE": "step_execute", "EXIT": "step_exit", "ADVANCE": "step_advance"}
ALL_ONCE = {"step_entry": 1, "step_execute": 1, "step_exit": 1, "step_advance": 1, "last": 1}


def four(box: Box) -> dict[str, Any]:
    return {key: value for key, value in box.ctx.items() if key != "trace"}


def test_no_position_begins_at_the_first_node(tmp_path: Path) -> None:
    box = Box(tmp_path, FOUR)
    result = box.run()
    assert (result.status, result.ended_by, result.exit_code, result.steps) == (
        "COMPLETE_SUCCESS",
        "completed",
        0,
        2,
    )
    assert box.calls == [f"{method} False" for method in METHODS.values()] + ["last"]
    assert four(box) == ALL_ONCE and box.count == 2
    assert box.position["visit"] == 2 and not result.resumed


@pytest.mark.parametrize("state", METHODS)
def test_a_killed_call_is_undone_and_made_again(tmp_path: Path, state: str) -> None:
    box, method = Box(tmp_path, FOUR), METHODS[state]
    box.store.set("step_node_four", "die_in", method)
    assert box.child().returncode == -9
    assert (box.position["state"], box.position["begun"], box.position["node"]) == (
        state,
        True,
        "step_node_four",
    )
    before = box.calls
    box.clear_calls()
    result = box.run()
    assert result.status == "COMPLETE_SUCCESS" and result.resumed
    later = list(METHODS.values())
    later = later[later.index(method) :]
    assert before[-1] == f"{method} False"
    assert box.calls == [f"{later[0]} True", *(f"{name} False" for name in later[1:]), "last"]
    assert four(box) == ALL_ONCE and box.count == 2
    assert box.ctx["trace"].count(method) == 2, "a record stays, the call was begun twice"
    assert box.state["step_node_four"]["outside"] == 5, "other groups are not undone"
    assert box.position["visit"] == 2 and box.position["visits"] == {"step_node_four": 1, "step_node_last": 1}


@pytest.mark.parametrize("state", METHODS)
def test_a_failed_call_is_made_again_by_the_next_run(tmp_path: Path, state: str) -> None:
    box, method = Box(tmp_path, FOUR), METHODS[state]
    box.store.set("step_node_four", "fail_in", method)
    result = box.run()
    assert (result.status, result.ended_by, result.exit_code) == ("COMPLETE_ERROR", "error", 1)
    assert box.setting("step_engine_state") == "COMPLETE_ERROR" and box.setting("ended_by") == "error"
    assert box.setting("current_step_node") == "step_node_four" and box.setting("current_step_state") == state
    error = box.setting("last_error")
    assert (error["node"], error["state"], error["type"]) == ("step_node_four", state, "ValueError")
    assert error["message"] == f"told to fail in {method}" and error["ctx_undone"] == [f"ctx/{method}"]
    assert (
        error["visit"] == 1
        and "raise ValueError" in error["traceback"]
        and error["module"] == "step_node_all"
    )
    assert method not in box.ctx and method in box.ctx["trace"]
    box.clear_calls()
    assert box.run().status == "COMPLETE_ERROR"
    assert box.calls == [f"{method} True"], "it fails again, at the same place"
    box.store.set("step_node_four", "fail_in", "")
    assert box.run().status == "COMPLETE_SUCCESS"
    assert four(box) == ALL_ONCE and box.count == 2
    assert box.setting("last_error") is None


def test_last_error_is_cleared_also_when_the_mended_call_was_killed_once(tmp_path: Path) -> None:
    box = Box(tmp_path, FOUR)
    box.store.set("step_node_four", "fail_in", "step_execute")
    box.run()
    box.store.set("step_node_four", "fail_in", "")
    box.store.set("step_node_four", "die_in", "step_execute")
    assert box.child().returncode == -9
    assert box.setting("last_error") is not None, "it has not succeeded yet"
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.setting("last_error") is None


def test_a_pause_goes_on_without_being_resumed(tmp_path: Path) -> None:
    box = Box(tmp_path, FOUR)
    box.store.set("breakpoints", "step_node_four", "exit", True)
    assert box.run().ended_by == "breakpoint"
    assert (box.position["state"], box.position["begun"]) == ("ADVANCE", False)
    box.clear_calls()
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["step_advance False", "last"]


def test_killed_after_step_advance_decided_does_not_ask_again(tmp_path: Path) -> None:
    """The record of JUMP is that of the next ENTER; a target that is recorded is entered."""
    box = Box(tmp_path, FOUR)
    box.store.set("step_node_last", "x", 1)
    box.write("""
    class step_node_four(StepNode):
        step_node_graph_dict = {"step_node_four": {"first_node_step_bool": 1}}
        def step_execute(self):
            say("four")
        def step_advance(self):
            say("decided")
            return "step_arrow_graph_list_key_step_node_last"

    class step_node_last(StepNode):
        def step_entry(self):
            say("entered")
            if once("died"):
                die()
        def step_execute(self):
            pass
    """)
    assert box.child().returncode == -9
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["four", "decided", "entered", "entered"]


def test_a_finished_run_is_left_alone(tmp_path: Path) -> None:
    box = Box(tmp_path, FOUR)
    box.run()
    before = box.store.seq, box.calls
    result = box.run()
    assert (result.status, result.exit_code, result.steps, result.nothing_to_do) == (
        "COMPLETE_SUCCESS",
        0,
        0,
        True,
    )
    assert (box.store.seq, box.calls) == before and box.events == []


def test_running_with_the_lock_free_is_by_position(tmp_path: Path) -> None:
    box = Box(tmp_path, FOUR)
    box.store.set("step_node_four", "die_in", "step_exit")
    box.child()
    assert box.setting("step_engine_state") == "RUNNING" and box.store.running() is None
    assert box.run().status == "COMPLETE_SUCCESS"


def test_resume_at_entry_begins_the_visit_again(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        FOUR.replace('"first_node_step_bool": 1', '"first_node_step_bool": 1, "resume_at_entry_bool": 1'),
    )
    box.store.set("step_node_four", "die_in", "step_execute")
    box.child()
    box.clear_calls()
    box.run()
    assert box.calls == [
        "step_entry True",
        "step_execute False",
        "step_exit False",
        "step_advance False",
        "last",
    ]
    assert box.position["visit"] == 2 and box.position["visits"]["step_node_four"] == 1
    assert box.ctx["step_entry"] == 2 and box.ctx["step_execute"] == 1, "step_entry had been committed"


@pytest.mark.parametrize("fails_in", ["step_exit", "step_execute"])
def test_resume_at_entry_after_an_error(tmp_path: Path, fails_in: str) -> None:
    box = Box(
        tmp_path,
        FOUR.replace('"first_node_step_bool": 1', '"first_node_step_bool": 1, "resume_at_entry_bool": 1'),
    )
    box.store.set("step_node_four", "fail_in", fails_in)
    box.run()
    box.clear_calls()
    box.store.set("step_node_four", "fail_in", "")
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls[0] == "step_entry True" and box.setting("last_error") is None


def test_resume_at_entry_of_a_node_without_step_entry_is_resumed_in_its_first_call(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        step_node_graph_dict = {"step_node_one": {"resume_at_entry_bool": 1}}
        def step_execute(self):
            say(f"execute {self.resumed}")
        def step_exit(self):
            say(f"exit {self.resumed}")
            if once("died"):
                die()
    """,
    )
    box.child()
    box.clear_calls()
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["execute True", "exit False"]


def test_a_pause_of_a_resume_at_entry_node_goes_on_where_it_is(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        FOUR.replace('"first_node_step_bool": 1', '"first_node_step_bool": 1, "resume_at_entry_bool": 1'),
    )
    box.store.set("breakpoints", "step_node_four", "exit", True)
    box.run()
    box.clear_calls()
    box.run()
    assert box.calls == ["step_advance False", "last"]


def test_a_node_that_is_gone_names_the_nearest(tmp_path: Path) -> None:
    box = Box(tmp_path, FOUR)
    box.store.set("step_node_four", "fail_in", "step_exit")
    box.run()
    box.replace("step_node_four", "step_node_fours")
    box.store.set(GLOBAL, "first_step_node", "step_node_fours")
    with pytest.raises(
        UsageError, match="'step_node_four', which .* no longer has.*did you mean step_node_fours"
    ):
        box.run()


def test_the_documented_keys_follow_the_position(tmp_path: Path) -> None:
    box = Box(tmp_path, FOUR)
    box.store.set("step_node_four", "fail_in", "step_exit")
    box.run()
    shown = box.json[GLOBAL]
    assert shown["step_engine_state"] == "COMPLETE_ERROR"
    assert shown["current_step_node"] == "step_node_four" and shown["current_step_module"] == "step_node_all"
    assert shown["first_step_node"] == "step_node_four" and shown["first_step_module"] == "step_node_all"
    assert shown["step_engine_instance_path"] == str(box.directory)
    box.store.set("step_node_four", "fail_in", "")
    box.run()
    shown = box.json[GLOBAL]
    assert shown["step_engine_state"] == "COMPLETE_SUCCESS" and shown["current_step_state"] == "INACTIVE"
    assert shown["ended_by"] == "completed" and shown["run_step_count"] == 3


def test_a_state_without_the_engines_group_or_with_a_foreign_one_is_as_new(tmp_path: Path) -> None:
    box = Box(tmp_path, FOUR)
    box.store.set("engine", {"visit": "many", "node": 7, "passed": {}})
    assert box.run().status == "COMPLETE_SUCCESS" and four(box) == ALL_ONCE
    assert box.store.get("engine", "visit", default=MISSING) == 2
