"""run_step_count goes up by one for each executed step, whatever the node does; limits; breakpoints."""

from __future__ import annotations

from pathlib import Path

import pytest

from octo.engine.breakpoints import breakpoints, set_breakpoint
from octo.engine.library import load_library
from octo.errors import UsageError
from octo.store import GLOBAL
from tests.engine.kit import Box

COUNTER = """
from octo.store import ParameterStore
class step_node_one(StepNode):
    step_node_graph_dict = {"step_node_one": {FLAGS}}
    step_arrow_graph_dict = {"again": {"arrow_step_name_string": "step_node_one"}}
    def count(self, by=1):
        ParameterStore(".").increment("global_parameters", "run_step_count", by=by)
    def step_entry(self):
        ENTRY
    def step_execute(self):
        EXECUTE
    def step_exit(self):
        EXIT
    def step_advance(self):
        say("visit")
        ADVANCE
        return "again" if said("visit") < 4 else "COMPLETE"
"""


def counter(tmp_path: Path, **bodies: str) -> Box:
    source = COUNTER.replace("FLAGS", bodies.pop("flags", ""))
    for name in ("ENTRY", "EXECUTE", "EXIT", "ADVANCE"):
        source = source.replace(name, bodies.get(name.lower(), "pass"))
    return Box(tmp_path, source)


@pytest.mark.parametrize(
    "bodies",
    [
        {},
        {"execute": "self.count()"},
        {"entry": "self.count()"},
        {"exit": "self.count()"},
        {"advance": "self.count()"},
        {
            "entry": "self.count(5)",
            "execute": "self.count(-2)",
            "exit": "self.count(7)",
            "advance": "self.count(-1)",
        },
        {"execute": "ParameterStore('.').set('global_parameters', 'run_step_count', 40)"},
        {"execute": "self.count(); self.count(-1)"},
        {"entry": "t = threading.Thread(target=self.count); t.start(); t.join()"},
    ],
    ids=str,
)
def test_exactly_one_for_each_executed_step(tmp_path: Path, bodies: dict[str, str]) -> None:
    box = counter(tmp_path, **bodies)
    assert box.run().steps == 4
    assert box.count == 4


@pytest.mark.parametrize("method", ["entry", "execute", "exit", "advance"])
def test_also_with_calls_that_are_cut_off_and_begun_again(tmp_path: Path, method: str) -> None:
    box = counter(tmp_path, **{method: "self.count()\n        if once('died'): die()"})
    assert box.child().returncode == -9
    assert box.run().status == "COMPLETE_SUCCESS" and box.count == box.position["visit"] > 2


@pytest.mark.parametrize("method", ["entry", "execute", "exit"])
def test_also_with_retries(tmp_path: Path, method: str) -> None:
    box = counter(
        tmp_path,
        flags='"retry": 3',
        **{method: "self.count()\n        say('t')\n        if said('t') in (1, 2, 4): raise ValueError"},
    )
    assert box.run().status == "COMPLETE_SUCCESS" and box.count == 4


@pytest.mark.parametrize("method", ["entry", "execute", "exit", "advance"])
def test_also_over_an_error_and_a_pause(tmp_path: Path, method: str) -> None:
    box = counter(
        tmp_path,
        flags='"node_exit_breakpoint": 1',
        **{method: "self.count()\n        if once('failed'): raise ValueError"},
    )
    while box.run().status != "COMPLETE_SUCCESS":
        pass
    assert box.count == box.position["visit"] > 2


def test_a_program_that_counts_in_the_steps_name(tmp_path: Path) -> None:
    box = counter(
        tmp_path,
        execute="""
        import subprocess
        code = ("from octo.store import ParameterStore as Store; "
                "Store('.').increment('global_parameters', 'run_step_count')")
        subprocess.run([sys.executable, "-c", code], check=True)""",
    )
    assert box.child().returncode == 0
    assert box.count == 4
    assert "step_node_one" in {change.who for change in box.store.history((GLOBAL, "run_step_count"))}


def test_what_others_do_to_it_is_theirs(tmp_path: Path) -> None:
    box = counter(tmp_path, flags='"node_exit_breakpoint": 1')
    box.run()
    box.store.increment(GLOBAL, "run_step_count", by=100)
    box.edit("breakpoints", step_node_one={"exit": False})
    box.run()
    assert box.count == 104


def test_a_failed_step_is_not_counted(tmp_path: Path) -> None:
    box = counter(tmp_path, execute="self.count(); raise ValueError")
    box.run()
    assert box.run().steps == 0
    box.replace("; raise ValueError", "")
    box.run()
    assert box.count == 4


@pytest.mark.parametrize("value", ["seven", None, 1.5, True])
def test_a_counter_that_is_no_number_begins_anew(tmp_path: Path, value: object) -> None:
    box = counter(tmp_path)
    box.store.set(GLOBAL, "run_step_count", value)
    box.run()
    assert box.count == 4


# -- limits

LOOP = """
class step_node_one(StepNode):
    step_node_graph_dict = {"step_node_one": {"first_node_step_bool": 1}}
    step_arrow_graph_dict = {"on": {"arrow_step_name_string": "step_node_two"}}
    def step_execute(self): say("one")
class step_node_two(StepNode):
    step_node_graph_dict = {"step_node_two": {TWO}}
    step_arrow_graph_dict = {"back": {"arrow_step_name_string": "step_node_one"}}
    def step_execute(self): say("two")
    def step_advance(self): return "back" if said("two") < ROUNDS else "COMPLETE"
"""


def loop(tmp_path: Path, rounds: int = 3, two: str = "") -> Box:
    return Box(tmp_path, LOOP.replace("ROUNDS", str(rounds)).replace("TWO", two))


def test_the_step_limit_counts_from_the_start_of_this_run(tmp_path: Path) -> None:
    box = loop(tmp_path)
    box.store.set(GLOBAL, "run_step_limit", 4)
    result = box.run()
    assert (result.status, result.ended_by, result.steps, result.exit_code) == ("PAUSED", "limit", 4, 3)
    assert result.reasons == ["4 steps made, the limit of this run"] and box.count == 4
    assert box.setting("pause_reason") == "4 steps made, the limit of this run"
    assert (box.position["state"], box.position["begun"], box.position["node"]) == (
        "ENTER",
        False,
        "step_node_one",
    )
    result = box.run()
    assert (result.status, result.exit_code, result.steps) == ("COMPLETE_SUCCESS", 0, 2)
    assert not box.setting("pause_reason")


def test_a_limit_that_is_reached_with_the_last_step_is_the_end(tmp_path: Path) -> None:
    box = loop(tmp_path, rounds=1)
    box.store.set(GLOBAL, "run_step_limit", 2)
    assert box.run().status == "COMPLETE_SUCCESS"


def test_the_loop_limit(tmp_path: Path) -> None:
    box = loop(tmp_path)
    box.store.set(GLOBAL, "run_loop_limit", 2)
    result = box.run()
    assert (result.ended_by, result.reasons) == ("limit", ["2 loops made, the limit of this run"])
    assert box.calls == ["one", "two"] * 2 and box.setting("run_loop_count") == 2
    assert box.run().status == "COMPLETE_SUCCESS" and box.setting("run_loop_count") == 2


def test_octo_step_is_a_run_with_a_limit(tmp_path: Path) -> None:
    box = loop(tmp_path)
    result = box.run(1)
    assert (result.ended_by, result.exit_code, result.steps, result.reasons) == (
        "limit",
        0,
        1,
        ["1 step made, the limit of this run"],
    )
    assert box.run(2).exit_code == 0 and box.calls == ["one", "two", "one"]
    box.store.set(GLOBAL, "run_step_limit", 1)
    result = box.run(2)
    assert (result.steps, result.exit_code) == (1, 3), "the smaller of two limits; it did not make its steps"
    box.store.set(GLOBAL, "run_step_limit", 50)
    result = box.run(9)
    assert (result.status, result.steps, result.exit_code) == ("COMPLETE_SUCCESS", 2, 0)


@pytest.mark.parametrize("steps", [0, -1])
def test_a_number_of_steps_is_one_or_more(tmp_path: Path, steps: int) -> None:
    with pytest.raises(UsageError, match="1 or more"):
        loop(tmp_path).run(steps)


@pytest.mark.parametrize("limit", [-1, "3", 1.5, True, [1]])
def test_a_limit_that_is_none(tmp_path: Path, limit: object) -> None:
    box = loop(tmp_path)
    box.store.set(GLOBAL, "run_step_limit", limit)
    with pytest.raises(UsageError, match="run_step_limit is a whole number"):
        box.run()
    assert box.store.running() is None


# -- breakpoints


def test_an_entry_breakpoint(tmp_path: Path) -> None:
    box = loop(tmp_path, two='"node_entry_breakpoint": 1')
    result = box.run()
    assert (result.status, result.ended_by, result.exit_code) == ("PAUSED", "breakpoint", 3)
    assert result.reasons == ["breakpoint at entry of step_node_two"] == [box.setting("pause_reason")]
    assert (box.position["state"], box.position["begun"]) == ("ENTER", False)
    assert box.setting("current_step_state") == "ENTER" and box.setting("step_engine_state") == "PAUSED"
    assert box.kinds[-2:] == ["breakpoint_hit", "run_ended"] and box.calls == ["one"]


def test_an_exit_breakpoint_is_before_step_advance(tmp_path: Path) -> None:
    box = loop(tmp_path, rounds=1, two='"node_exit_breakpoint": 1')
    assert box.run().reasons == ["breakpoint at exit of step_node_two"]
    assert (box.position["state"], box.position["begun"]) == ("ADVANCE", False)
    assert box.count == 2, "step_execute is committed"
    assert box.run().status == "COMPLETE_SUCCESS" and box.calls == ["one", "two"]


def test_an_exit_breakpoint_of_a_node_without_step_advance(tmp_path: Path) -> None:
    box = loop(tmp_path, rounds=1)
    box.store.set("breakpoints", "step_node_one", "exit", True)
    assert box.run().reasons == ["breakpoint at exit of step_node_one"]
    assert box.run().status == "COMPLETE_SUCCESS"


def test_honoured_once_a_visit_and_again_in_the_next_round(tmp_path: Path) -> None:
    box = loop(tmp_path, two='"node_entry_breakpoint": 1, "node_exit_breakpoint": 1')
    pauses = []
    while (result := box.run()).status == "PAUSED":
        pauses.append((box.position["visit"], result.reasons[0].split()[2]))
    assert pauses == [(2, "entry"), (2, "exit"), (4, "entry"), (4, "exit"), (6, "entry"), (6, "exit")]
    assert box.calls == ["one", "two"] * 3


def test_neither_a_retry_nor_an_error_nor_a_kill_stops_again(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        step_node_graph_dict = {
            "step_node_one": {"node_entry_breakpoint": 1, "node_exit_breakpoint": 1, "retry": 2}}
        def step_entry(self):
            if once("entry died"): die()
        def step_execute(self):
            say("t")
            if said("t") < 4: raise ValueError
        def step_advance(self):
            if once("advance died"): die()
            if once("advance failed"): raise ValueError
            return "COMPLETE"
    """,
    )
    assert box.run().reasons == ["breakpoint at entry of step_node_one"]
    assert box.child().returncode == -9
    assert box.run().status == "COMPLETE_ERROR"
    assert box.run().reasons == ["breakpoint at exit of step_node_one"]
    assert box.child().returncode == -9
    assert box.run().status == "COMPLETE_ERROR"
    assert box.run().status == "COMPLETE_SUCCESS"


def test_the_group_overrides_the_library(tmp_path: Path) -> None:
    box = loop(tmp_path, rounds=1, two='"node_entry_breakpoint": 1, "node_exit_breakpoint": 1')
    graph = load_library(box.library)
    assert breakpoints(box.store, graph) == {"step_node_two": (True, True)}
    set_breakpoint(box.store, graph, "step_node_two", entry=False)
    set_breakpoint(box.store, None, "step_node_one", entry=True)
    assert box.state["breakpoints"] == {"step_node_two": {"entry": False}, "step_node_one": {"entry": True}}
    assert breakpoints(box.store, graph) == {"step_node_one": (True, False), "step_node_two": (False, True)}
    assert box.run().reasons == ["breakpoint at entry of step_node_one"]
    assert box.run().reasons == ["breakpoint at exit of step_node_two"]
    with pytest.raises(UsageError, match="no node 'step_node_too'.*did you mean step_node_two"):
        set_breakpoint(box.store, graph, "step_node_too", entry=True)


@pytest.mark.parametrize("group", [7, {"step_node_two": 7}, {"step_node_two": {"entry": None}}, []])
def test_a_group_that_is_none_is_passed_over(tmp_path: Path, group: object) -> None:
    box = loop(tmp_path, rounds=1, two='"node_entry_breakpoint": 1')
    box.edit("x")
    state = box.json
    state["breakpoints"] = group
    box.store.set("breakpoints", group)
    assert box.run().reasons == ["breakpoint at entry of step_node_two"]


def test_one_that_is_set_on_a_running_engine(tmp_path: Path) -> None:
    """By the API from another process, and by an edit of the JSON; the next round of the loop sees it."""
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        step_arrow_graph_dict = {"again": {"arrow_step_name_string": "step_node_one"}}
        def step_execute(self):
            say("round")
            time.sleep(0.02)
    """,
    )
    for way in ("api", "edit"):
        process = box.start()
        box.wait_for("round")
        if way == "api":
            set_breakpoint(box.store, None, "step_node_one", exit=True)
        else:
            box.edit("breakpoints", step_node_one={"exit": True})
        assert process.wait(20) == 3
        assert box.setting("pause_reason") == "breakpoint at exit of step_node_one"
        set_breakpoint(box.store, None, "step_node_one", exit=False)
        box.clear_calls()


def test_two_reasons_at_one_place_are_one_pause(tmp_path: Path) -> None:
    box = loop(tmp_path, two='"node_entry_breakpoint": 1')
    box.store.set(GLOBAL, "run_step_limit", 1)
    result = box.run()
    assert (result.ended_by, result.exit_code) == ("limit,breakpoint", 3)
    assert result.reasons == ["1 step made, the limit of this run", "breakpoint at entry of step_node_two"]
    assert box.setting("ended_by") == "limit,breakpoint"
    assert (
        box.setting("pause_reason")
        == "1 step made, the limit of this run; breakpoint at entry of step_node_two"
    )
    result = box.run()
    assert result.ended_by == "limit" and box.calls == ["one", "two"], "the breakpoint is not met again"


def test_both_limits_at_one_place(tmp_path: Path) -> None:
    box = loop(tmp_path)
    box.store.set(GLOBAL, "run_step_limit", 2)
    box.store.set(GLOBAL, "run_loop_limit", 1)
    result = box.run()
    assert result.ended_by == "limit" and len(result.reasons) == 2


@pytest.mark.slow
@pytest.mark.parametrize("where", ["entry", "exit"])
def test_a_breakpoint_and_kills_in_a_loop_stop_exactly_once_a_visit(tmp_path: Path, where: str) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        step_arrow_graph_dict = {"again": {"arrow_step_name_string": "step_node_one"}}
        def step_execute(self):
            say("round")
        def step_advance(self):
            if said("round") == 2 and once("died"):
                die()
            return "again" if said("round") < 3 else "COMPLETE"
    """,
    )
    set_breakpoint(box.store, None, "step_node_one", **{where: True})
    stops, codes = [], []
    while not codes or codes[-1] != 0:
        codes.append(box.child().returncode)
        if codes[-1] == 3:
            stops.append(box.position["visit"])
    assert stops == [1, 2, 3] and sorted(codes) == [-9, 0, 3, 3, 3]
