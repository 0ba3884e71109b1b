"""A person moves the run by writing the documented keys; a step that writes them does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from octo.errors import UsageError
from octo.store import GLOBAL
from tests.engine.kit import Box
from tests.engine.test_resume import FOUR, METHODS


def paused(tmp_path: Path, source: str = FOUR) -> Box:
    """A run that waits before step_advance of its first node."""
    box = Box(tmp_path, source)
    box.store.set("breakpoints", "step_node_four", "exit", True)
    box.run()
    box.clear_calls()
    return box


@pytest.mark.parametrize("state", METHODS)
def test_to_another_node_at_a_state(tmp_path: Path, state: str) -> None:
    box = Box(tmp_path, FOUR)
    box.store.set("breakpoints", "step_node_last", "entry", True)
    box.run()
    box.clear_calls()
    box.edit(GLOBAL, current_step_node="step_node_four", current_step_state=state)
    assert box.run().ended_by == "breakpoint", "at the entry of step_node_last, in a new visit"
    assert box.calls == [f"{name} False" for name in list(METHODS.values())[list(METHODS).index(state) :]]
    assert box.position["visit"] == 4
    assert box.position["visits"] == {"step_node_four": 2}


def test_to_another_state_of_the_same_node(tmp_path: Path) -> None:
    box = paused(tmp_path)
    box.edit(GLOBAL, current_step_state="EXECUTE")
    assert box.run().ended_by == "breakpoint", "a new visit stops at its breakpoints again"
    assert box.calls == ["step_execute False", "step_exit False"]
    assert box.position["visit"] == 2


def test_by_the_command_line_or_the_api(tmp_path: Path) -> None:
    box = paused(tmp_path)
    box.store.set(GLOBAL, "current_step_node", "step_node_last")
    box.store.set(GLOBAL, "current_step_state", "ENTER")
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["last"] and box.count == 2


def test_only_the_node_is_changed(tmp_path: Path) -> None:
    """The state that stands there counts: ADVANCE, not begun."""
    box = paused(tmp_path)
    box.edit(GLOBAL, current_step_node="step_node_last")
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == []


@pytest.mark.parametrize("state", ["JUMP", "SOMEWHERE", "", 7])
def test_an_unknown_state_enters_the_node_with_a_warning(
    tmp_path: Path, state: object, caplog: pytest.LogCaptureFixture
) -> None:
    box = paused(tmp_path)
    box.edit(GLOBAL, current_step_node="step_node_last", current_step_state=state)
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["last"]
    assert f"current_step_state {str(state)!r}" in caplog.text and "step_node_last is entered" in caplog.text


def test_a_finished_run_can_be_moved_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = Box(tmp_path, FOUR)
    box.run()
    box.clear_calls()
    box.edit(GLOBAL, current_step_node="step_node_four")
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls[0] == "step_entry False" and box.count == 4 and not caplog.text


def test_an_emptied_node_begins_at_the_first(tmp_path: Path) -> None:
    box = paused(tmp_path)
    box.edit(GLOBAL, current_step_node="", current_step_state="INACTIVE")
    box.run()
    assert box.calls[0] == "step_entry False"


def test_before_the_first_run(tmp_path: Path) -> None:
    box = Box(tmp_path, FOUR)
    box.edit(GLOBAL, current_step_node="step_node_last")
    box.run()
    assert box.calls == ["last"] and box.position["visits"] == {"step_node_last": 1}


def test_a_node_that_is_not_there_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    box = paused(tmp_path)
    box.edit(GLOBAL, current_step_node="step_node_lost")
    with pytest.raises(
        UsageError, match="current_step_node names 'step_node_lost'.*did you mean step_node_last"
    ):
        box.run()
    box.edit(GLOBAL, current_step_node="step_node_last", current_step_state="ENTER")
    assert box.run().status == "COMPLETE_SUCCESS"


def test_it_wins_over_an_error_and_a_cut_off_call(tmp_path: Path) -> None:
    box = Box(tmp_path, FOUR)
    box.store.set("step_node_four", "die_in", "step_execute")
    box.child()
    box.store.set(GLOBAL, "current_step_node", "step_node_last")
    box.clear_calls()
    box.run()
    assert box.calls == ["last"]
    assert "step_execute" not in box.ctx, "the call that was cut off is undone all the same"
    assert box.count == 1


def test_after_an_error_the_error_is_cleared_by_the_next_call_that_succeeds(tmp_path: Path) -> None:
    box = Box(tmp_path, FOUR)
    box.store.set("step_node_four", "fail_in", "step_execute")
    box.run()
    box.edit(GLOBAL, current_step_node="step_node_last", current_step_state="ENTER")
    assert box.run().status == "COMPLETE_SUCCESS" and box.setting("last_error") is None


def test_missing_parameters_are_filled_in_also_when_the_visit_begins_later_than_enter(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        step_node_params_dict_init = {"step_node_one": {"limit": 5}}
        def step_execute(self):
            say(self.params["limit"])
    """,
    )
    box.store.delete("step_node_one")
    box.edit(GLOBAL, current_step_node="step_node_one", current_step_state="EXECUTE")
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["5"] and box.position["visits"] == {"step_node_one": 1}


SEED_STYLE = """
from octo.store import ParameterStore

class step_node_writer:
    step_node_graph_dict = {"step_node_writer": {"first_node_step_bool": 1}}
    def write(self, state):
        ParameterStore(".").set("global_parameters", "current_step_state", state)
    def step_entry(self):
        say("entry")
        self.write("ENTER")
    def step_execute(self):
        say("execute")
        self.write("JUMP")
        if once("died"):
            die()
    def step_exit(self):
        say("exit")
        self.write("ENTER")
        if once("failed"):
            raise ValueError("once")
        self.write("ADVANCE")
"""


def test_a_step_that_writes_its_state_itself_does_not_move_the_run(tmp_path: Path) -> None:
    box = Box(tmp_path, SEED_STYLE)
    assert box.child().returncode == -9
    assert box.setting("current_step_state") == "JUMP" and box.position["state"] == "EXECUTE"
    assert box.run().status == "COMPLETE_ERROR"
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["entry", "execute", "execute", "exit", "exit"] and box.position["visit"] == 1


def test_not_even_when_its_own_write_was_the_last_thing(tmp_path: Path) -> None:
    """The engine writes the keys back with its own next record; a kill can come before that."""
    box = Box(
        tmp_path, SEED_STYLE.replace('if once("failed"):', 'if once("failed"): die()\n        if False:')
    )
    box.child()
    assert box.child().returncode == -9
    assert (box.setting("current_step_state"), box.position["state"]) == ("ENTER", "EXIT")
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["entry", "execute", "execute", "exit", "exit"]


def test_a_person_after_the_step_does_move_it(tmp_path: Path) -> None:
    box = Box(tmp_path, SEED_STYLE)
    box.child()
    box.store.set(GLOBAL, "current_step_state", "EXIT")
    box.clear_calls()
    (box.directory / "failed").touch()
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["exit"] and box.position["visit"] == 2


def test_edits_while_a_run_is_on_do_not_move_it(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_four(StepNode):
        step_node_graph_dict = {"step_node_four": {"first_node_step_bool": 1}}
        step_arrow_graph_dict = {"on": {"arrow_step_name_string": "step_node_last"}}
        def step_execute(self):
            say("in")
            while not os.path.exists("go"):
                time.sleep(0.01)

    class step_node_last(StepNode):
        def step_execute(self):
            say("last")
    """,
    )
    process = box.start()
    box.wait_for("in")
    box.store.set(GLOBAL, "current_step_node", "step_node_last")
    box.store.set(GLOBAL, "current_step_state", "ADVANCE")
    (box.directory / "go").touch()
    assert process.wait(20) == 0
    assert box.calls == ["in", "last"]


def test_a_move_keeps_what_the_left_visit_did_to_the_counter(tmp_path: Path) -> None:
    box = paused(
        tmp_path,
        FOUR.replace(
            'self.act("step_exit")',
            """
        from octo.store import ParameterStore
        ParameterStore(".").increment("global_parameters", "run_step_count", by=5)""",
        ),
    )
    assert box.setting("run_step_count") == 7
    box.edit(GLOBAL, current_step_node="step_node_last", current_step_state="ENTER")
    box.run()
    assert box.count == 2
