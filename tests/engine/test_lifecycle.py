"""One visit: records before methods, what the methods may return, which arrow is taken, the node object."""

from __future__ import annotations

from pathlib import Path

import pytest

from octo.engine.graph import FAILURE_ARROW
from octo.store import GLOBAL
from tests.engine.kit import Box

LOOP = """
class step_node_one(StepNode):
    step_arrow_graph_dict = {"again": {"arrow_step_name_string": "step_node_one"}}
    def step_execute(self):
        self.ctx["n"] = self.ctx.get("n", 0) + 1
    METHODS
"""


def test_a_node_with_only_step_execute_is_one_record_a_visit(tmp_path: Path) -> None:
    box = Box(
        tmp_path, LOOP.replace("METHODS", "").replace('self.ctx["n"] = self.ctx.get("n", 0) + 1', "pass")
    )
    box.store.set(GLOBAL, "run_step_limit", 50)
    box.run()
    engine = [record for record in box.records() if record["who"] == "octo"]
    assert len(engine) == 50 + 2, "the start, 50 visits, the pause"
    begun = [record for record in engine if record.get("begin")]
    assert len(begun) == 50 and [record.get("end") for record in begun[1:]] == [r["seq"] for r in begun[:-1]]


def test_each_method_of_the_users_is_one_record_more(tmp_path: Path) -> None:
    methods = """
    def step_entry(self): pass
    def step_exit(self): pass
    def step_advance(self): return "again"
    """
    box = Box(tmp_path, LOOP.replace("METHODS", methods))
    box.store.set(GLOBAL, "run_step_limit", 10)
    box.run()
    assert len([record for record in box.records() if record["who"] == "octo"]) == 4 * 10 + 2
    assert len([record for record in box.records() if record["who"] == "step_node_one"]) == 10


def test_each_transition_is_recorded_before_its_method_is_called(tmp_path: Path) -> None:
    """Each method finds itself in the state, in the engine's group and in the documented keys."""
    box = Box(
        tmp_path,
        """
    from octo.store import ParameterStore
    def look(state):
        tree = ParameterStore(".").read()
        shown, engine = tree["global_parameters"], tree["engine"]
        assert (engine["node"], engine["state"], engine["begun"]) == ("step_node_one", state, True)
        assert (shown["current_step_node"], shown["current_step_state"]) == ("step_node_one", state)
        assert shown["step_engine_state"] == "RUNNING"
        say(state)
    class step_node_one:
        def step_entry(self): look("ENTER")
        def step_execute(self): look("EXECUTE")
        def step_exit(self): look("EXIT")
        def step_advance(self):
            look("ADVANCE")
            return "COMPLETE"
    """,
    )
    assert box.run().status == "COMPLETE_SUCCESS", box.setting("last_error")
    assert box.calls == ["ENTER", "EXECUTE", "EXIT", "ADVANCE"]


def test_every_record_of_a_call_names_it(tmp_path: Path) -> None:
    box = Box(tmp_path, LOOP.replace("METHODS", ""))
    box.store.set(GLOBAL, "run_step_limit", 3)
    box.run()
    calls = [record["seq"] for record in box.records() if record.get("begin")]
    written = [record for record in box.records() if record["who"] == "step_node_one"]
    assert [record["call"] for record in written] == calls
    assert [record["visit"] for record in written] == [1, 2, 3]


# -- return values


@pytest.mark.parametrize("method", ["step_entry", "step_execute", "step_exit"])
@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("return 0", ""),
        ("return None", ""),
        ("pass", ""),
        ("return 1", "StepFailed"),
        ("return -1", "StepFailed"),
        ("return False", "StepFailed"),
        ("return True", "StepFailed"),
        ("return 'ok'", "StepFailed"),
        ("return ''", "StepFailed"),
        ("raise ValueError('x')", "ValueError"),
        ("sys.exit(0)", "SystemExit"),
        ("raise SystemExit", "SystemExit"),
        ("import asyncio; raise asyncio.CancelledError", "CancelledError"),
        ("assert False", "AssertionError"),
        ("self.ctx['x'] = {1, 2}", "InvalidValue"),
    ],
)
def test_return_values(tmp_path: Path, method: str, body: str, error: str) -> None:
    box = Box(
        tmp_path,
        f"""
    class step_node_one(StepNode):
        def step_execute(self): pass
        def {method}(self): {body}
    """,
    )
    result = box.run()
    assert (result.error["type"] if result.error else "") == error
    assert result.exit_code == (1 if error else 0)
    if error == "StepFailed":
        assert f"{method} returned" in box.setting("last_error")["message"]
    assert (box.setting("last_error") is None) == (not error)


def test_an_error_whose_message_cannot_be_had_or_written(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        r"""
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError
    class step_node_one(StepNode):
        def step_entry(self):
            if once("odd"):
                raise Odd
        def step_execute(self): raise ValueError("\udcff\x00" * 3)
    """,
    )
    assert box.run().status == "COMPLETE_ERROR"
    assert box.setting("last_error")["message"] == "(its message cannot be had: RuntimeError)"
    assert box.run().status == "COMPLETE_ERROR"
    assert box.setting("last_error")["message"] == "\\udcff\x00" * 3


def test_the_traceback_begins_in_the_users_code(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        def step_execute(self): raise ValueError("here")
    """,
    )
    box.run()
    trace = box.setting("last_error")["traceback"]
    assert "step_node_all.py" in trace and "lifecycle.py" not in trace and "body.py" not in trace


# -- step_advance

ARROWS = """
class step_node_one(StepNode):
    step_node_graph_dict = {"step_node_one": {"first_node_step_bool": 1}}
    step_arrow_graph_dict = {
        "go": {"arrow_step_name_string": "step_node_two"},
        "shut": {"arrow_step_name_string": "step_node_two", "active_arrow_step_bool": 0},
        "closed": {"arrow_step_name_string": "step_node_idle"},
    }
    def step_execute(self): say("one")
    def step_advance(self):
        say("asked")
        return ANSWER

class step_node_two(StepNode):
    def step_execute(self): say("two")

class step_node_idle(StepNode):
    step_node_graph_dict = {"step_node_idle": {"active_node_step_bool": 0}}
    def step_execute(self): say("idle")
"""


def arrows(tmp_path: Path, answer: str) -> Box:
    return Box(tmp_path, ARROWS.replace("ANSWER", answer))


def test_an_arrow_key(tmp_path: Path) -> None:
    box = arrows(tmp_path, '"go"')
    assert box.run().status == "COMPLETE_SUCCESS" and box.calls == ["one", "asked", "two"]
    assert box.position["taken"] == {
        "step_node_one": {"go": {"step_node_two": 1}},
        "step_node_two": {"COMPLETE": {"COMPLETE": 1}},
    }


def test_a_node_by_its_name(tmp_path: Path) -> None:
    box = arrows(tmp_path, '"step_arrow_graph_list_key_step_node_two"')
    assert box.run().status == "COMPLETE_SUCCESS" and box.calls == ["one", "asked", "two"]


def test_its_own_name_is_a_new_visit(tmp_path: Path) -> None:
    box = arrows(tmp_path, '"step_arrow_graph_list_key_step_node_one" if said("one") < 3 else "COMPLETE"')
    assert box.run().steps == 3
    assert box.position["visit"] == 3 and box.position["visits"] == {"step_node_one": 3}
    assert box.setting("run_loop_count") == 2, "each time an arrow enters the first node again"


def test_complete(tmp_path: Path) -> None:
    box = arrows(tmp_path, '"COMPLETE"')
    assert box.run().status == "COMPLETE_SUCCESS" and box.calls == ["one", "asked"]


@pytest.mark.parametrize("answer", ['"stop"', "None", "0", '["go"]', "{}", '"step_node_two"', '"complete"'])
def test_anything_else_lists_the_keys_there_are(tmp_path: Path, answer: str) -> None:
    box = arrows(tmp_path, answer)
    assert box.run().status == "COMPLETE_ERROR"
    error = box.setting("last_error")
    assert error["state"] == "ADVANCE"
    assert "go, shut, closed, COMPLETE, step_arrow_graph_list_key_<node>" in error["message"]


def test_a_node_that_is_not_there_is_an_error_at_jump(tmp_path: Path) -> None:
    """Named by form (2) it is known only then: a mended library goes on, or step_advance is asked again."""
    box = arrows(tmp_path, '"step_arrow_graph_list_key_step_node_tow"')
    box.run()
    error = box.setting("last_error")
    assert (error["state"], box.position["state"], box.position["next"]) == ("JUMP", "JUMP", "step_node_tow")
    assert "there is no node 'step_node_tow'" in error["message"] and "did you mean step_node_two?" in error["message"]
    assert "current_step_state = ADVANCE" in error["message"]
    box.replace("step_node_tow", "step_node_two")
    assert box.run().status == "COMPLETE_ERROR", "what was decided is not asked again"
    box.edit(GLOBAL, current_step_state="ADVANCE")
    assert box.run().status == "COMPLETE_SUCCESS" and box.calls == ["one", "asked", "asked", "two"]


def test_a_node_that_is_added_later_is_entered(tmp_path: Path) -> None:
    box = arrows(tmp_path, '"step_arrow_graph_list_key_step_node_new"')
    box.run()
    box.write("class step_node_new(StepNode):\n    def step_execute(self): say('new')\n", "step_node_new")
    assert box.run().status == "COMPLETE_SUCCESS" and box.calls == ["one", "asked", "new"]


def test_an_engine_group_that_somebody_took_away_is_written_anew(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    from octo.store import ParameterStore
    class step_node_one(StepNode):
        step_node_graph_dict = {"step_node_one": {"first_node_step_bool": 1}}
        step_arrow_graph_dict = {"on": {"arrow_step_name_string": "step_node_two"}}
        def step_execute(self):
            ParameterStore(".").delete("engine")
    class step_node_two(StepNode):
        step_node_graph_dict = {"step_node_two": {"node_entry_breakpoint": 1}}
        def step_execute(self): say("two")
    """,
    )
    assert box.run().ended_by == "breakpoint"
    assert box.position["node"] == "step_node_two"
    assert box.run().status == "COMPLETE_SUCCESS" and box.calls == ["two"]


def test_an_inactive_arrow_is_asked_again_after_the_repair(tmp_path: Path) -> None:
    box = arrows(tmp_path, '"shut"')
    assert box.run().status == "COMPLETE_ERROR"
    assert (
        box.position["state"] == "ADVANCE" and "'shut' is not active" in box.setting("last_error")["message"]
    )
    box.replace('"active_arrow_step_bool": 0', '"active_arrow_step_bool": 1')
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["one", "asked", "asked", "two"] and box.setting("last_error") is None


@pytest.mark.parametrize("answer", ['"closed"', '"step_arrow_graph_list_key_step_node_idle"'])
def test_an_inactive_node_is_an_error_at_jump_and_not_asked_again(tmp_path: Path, answer: str) -> None:
    box = arrows(tmp_path, answer)
    assert box.run().status == "COMPLETE_ERROR"
    assert (box.position["state"], box.position["next"]) == ("JUMP", "step_node_idle")
    assert (
        box.setting("last_error")["state"] == "JUMP"
        and "is not active" in box.setting("last_error")["message"]
    )
    assert box.count == 1 and box.setting("current_step_state") == "JUMP"
    assert box.run().status == "COMPLETE_ERROR", "as it was"
    assert box.position["state"] == "JUMP" and "step_failed" in box.kinds
    box.replace('"active_node_step_bool": 0', '"active_node_step_bool": 1')
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["one", "asked", "idle"] and box.setting("last_error") is None and box.count == 2


def test_errors_at_advance_and_jump_do_not_take_the_failure_arrow(tmp_path: Path) -> None:
    for number, answer in enumerate(['"nowhere"', '"closed"']):
        box = arrows(tmp_path / str(number), answer)
        box.replace('"go":', f'"{FAILURE_ARROW}":')
        assert box.run().status == "COMPLETE_ERROR"
        assert "two" not in box.calls


def test_without_step_advance_the_only_active_arrow(tmp_path: Path) -> None:
    box = arrows(tmp_path, "''")
    box.replace("def step_advance", "def another")
    box.replace(
        '"closed": {"arrow_step_name_string": "step_node_idle"}',
        '"closed": {"arrow_step_name_string": "step_node_idle", "active_arrow_step_bool": 0}',
    )
    assert box.run().status == "COMPLETE_SUCCESS" and box.calls == ["one", "two"]


def test_several_and_no_step_advance_to_choose(tmp_path: Path) -> None:
    box = arrows(tmp_path, "''")
    box.replace("def step_advance", "def another")
    assert box.run().status == "COMPLETE_ERROR"
    assert "several active arrows (go, closed)" in box.setting("last_error")["message"]
    box.replace(
        '"closed": {"arrow_step_name_string": "step_node_idle"}',
        '"closed": {"arrow_step_name_string": "step_node_idle", "active_arrow_step_bool": 0}',
    )
    assert box.run().status == "COMPLETE_SUCCESS" and box.calls == ["one", "two"]
    assert box.setting("last_error") is None


def test_the_failure_arrow_is_no_way_on_for_a_step_that_succeeded(tmp_path: Path) -> None:
    box = arrows(tmp_path, "''")
    box.replace("def step_advance", "def another")
    box.replace('"go":', f'"{FAILURE_ARROW}":')
    box.replace('"closed":', '"go":')
    box.replace('step_node_idle"},\n', 'step_node_two"},\n')
    assert box.run().status == "COMPLETE_SUCCESS" and box.calls == ["one", "two"]
    assert "go" in box.position["taken"]["step_node_one"]


# -- the failure arrow


def test_the_failure_arrow(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        step_node_graph_dict = {"step_node_one": {"first_node_step_bool": 1, "retry": 2}}
        step_arrow_graph_dict = {"go": {"arrow_step_name_string": "step_node_one"},
            "step_arrow_graph_list_key_failure_path": {"arrow_step_name_string": "step_node_mend"}}
        def step_execute(self):
            say("one")
            raise ValueError("no")
    class step_node_mend(StepNode):
        def step_execute(self):
            say("mend")
    """,
    )
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["one", "one", "mend"], "first all tries, then the arrow"
    assert box.count == 1, "a failed step is not an executed one"
    assert box.setting("last_error")["message"] == "no", "what it was is there to be read"
    assert FAILURE_ARROW in box.position["taken"]["step_node_one"]


def test_a_kill_behind_the_failure_arrow_does_not_call_the_failed_method_again(tmp_path: Path) -> None:
    """The error and the jump are one record."""
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        step_node_graph_dict = {"step_node_one": {"first_node_step_bool": 1}}
        step_arrow_graph_dict = {
            "step_arrow_graph_list_key_failure_path": {"arrow_step_name_string": "step_node_mend"}}
        def step_execute(self):
            say("one")
            raise ValueError("no")
    class step_node_mend(StepNode):
        def step_execute(self):
            say("mend")
    """,
    )
    code = """
import os, signal
from octo.engine.engine import Engine
def kill(event):
    if event.kind == "arrow_taken":
        os.kill(os.getpid(), signal.SIGKILL)
Engine({instance!r}, draw=False, subscribers=[kill]).run()
"""
    assert box.child(code).returncode == -9
    assert (box.position["state"], box.position["next"]) == ("JUMP", "step_node_mend")
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["one", "mend"] and box.setting("last_error")["message"] == "no"


@pytest.mark.parametrize("entry", ['"active_arrow_step_bool": 0, ', ""])
def test_an_inactive_failure_arrow_or_target(tmp_path: Path, entry: str) -> None:
    box = Box(
        tmp_path,
        f"""
    class step_node_one(StepNode):
        step_node_graph_dict = {{"step_node_one": {{"first_node_step_bool": 1}}}}
        step_arrow_graph_dict = {{
            "step_arrow_graph_list_key_failure_path": {{{entry}"arrow_step_name_string": "step_node_mend"}}}}
        def step_execute(self):
            raise ValueError("no")
    class step_node_mend(StepNode):
        step_node_graph_dict = {{"step_node_mend": {{"active_node_step_bool": 0}}}}
        def step_execute(self):
            say("mend")
    """,
    )
    assert box.run().status == "COMPLETE_ERROR" and box.calls == []
    assert box.position["state"] == ("EXECUTE" if entry else "JUMP")


# -- the node object

OBJECT = """
class step_node_one:
    step_arrow_graph_dict = {"again": {"arrow_step_name_string": "step_node_one"}}
    def __init__(self, NAMES):
        self.made = True
        say(f"init {GIVEN}")
    def step_entry(self):
        self.value = 1
        self.visited = getattr(self, "visited", 0) + 1
    def step_execute(self):
        say(f"execute {self.visited} {hasattr(self, 'ctx')}")
    def step_advance(self):
        return "again" if said("execute 1 False") < 2 else "COMPLETE"
"""


@pytest.mark.parametrize(
    ("names", "given", "said"),
    [
        ("", "()", "()"),
        ("name", "name", "step_node_one"),
        ("verbose_flag=False", "verbose_flag", "True"),
        ("name, verbose_flag", "(name, verbose_flag)", "('step_node_one', True)"),
        ("name='x', other=3", "(name, other)", "('step_node_one', 3)"),
        ("**more", "sorted(more)", "['name', 'verbose_flag']"),
        ("verbose=1, *more", "(verbose, more)", "(1, ())"),
    ],
)
def test_init_gets_what_it_names(tmp_path: Path, names: str, given: str, said: str) -> None:
    box = Box(tmp_path, OBJECT.replace("NAMES", names).replace("GIVEN", given))
    assert box.run(verbose=True).status == "COMPLETE_SUCCESS"
    assert box.calls == [f"init {said}", "execute 1 False"] * 2, "a new object for each visit"


def test_a_class_without_init_or_base(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one:
        def step_execute(self): say("plain")
    """,
    )
    assert box.run().status == "COMPLETE_SUCCESS" and box.calls == ["plain"]


def test_an_init_that_fails_is_an_error_of_the_step(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one:
        def __init__(self, what): pass
        def step_execute(self): say("plain")
    """,
    )
    box.run()
    assert box.setting("last_error")["type"] == "TypeError" and "what" in box.setting("last_error")["message"]


NEEDS_SELF = """
class step_node_one(StepNode):
    step_node_graph_dict = {"step_node_one": {FLAGS}}
    def step_entry(self):
        self.rows = [1, 2]
    def step_execute(self):
        say(self.rows)
        FAIL
    def step_advance(self):
        say(self.rows)
        return "COMPLETE"
"""


@pytest.mark.parametrize(
    ("flags", "fail"),
    [
        ("", 'if once("died"): die()'),
        ('"node_exit_breakpoint": 1', ""),
        ('"retry": 2, "timeout": 0.1', "time.sleep(5)"),
    ],
)
def test_an_attribute_that_is_gone_with_the_object_is_explained(
    tmp_path: Path, flags: str, fail: str
) -> None:
    box = Box(tmp_path, NEEDS_SELF.replace("FLAGS", flags).replace("FAIL", fail))
    box.child()
    box.run()
    error = box.setting("last_error")
    assert error["type"] == "AttributeError" and "keep it in ctx, params or results" in error["message"]


def test_another_attribute_error_is_not_explained_so(tmp_path: Path) -> None:
    box = Box(tmp_path, NEEDS_SELF.replace("FLAGS", "").replace("FAIL", "None.rows"))
    box.run()
    box.run()
    assert "keep it in ctx" in box.setting("last_error")["message"], "self.rows"
    box.replace("say(self.rows)\n        None", "None")
    box.run()
    assert "keep it in ctx" not in box.setting("last_error")["message"], "None.rows"
    box.replace("None.rows", "self.typo")
    box.replace("self.rows = [1, 2]", "self.rows = [1, 2]; self.tpyo")
    box.edit(GLOBAL, current_step_state="ENTER")
    box.run()
    assert "keep it in ctx" not in box.setting("last_error")["message"], "a fresh visit"


def test_a_retry_in_the_same_run_has_the_same_object(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        NEEDS_SELF.replace("FLAGS", '"retry": 3').replace(
            "FAIL",
            """
        self.tries = getattr(self, "tries", 0) + 1
        if self.tries < 3:
            raise ValueError""",
        ),
    )
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["[1, 2]"] * 4


# -- flags and groups


def test_skipped_nodes_are_entered_and_left_but_not_executed(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        step_node_graph_dict = {"step_node_one": {"skip_step_node_execute_bool": 1}}
        def step_entry(self): say("entry")
        def step_execute(self): say("execute")
        def step_exit(self): say("exit")
        def step_advance(self):
            say("advance")
            return "COMPLETE"
    """,
    )
    result = box.run()
    assert result.status == "COMPLETE_SUCCESS" and result.steps == 0
    assert box.calls == ["entry", "exit", "advance"] and box.count == 0
    assert [event.data["skipped"] for event in box.events if event.kind == "step_executed"] == [True]
    assert "not executed" in box.log


def test_first_step_node_of_the_instance_wins_over_the_flag(tmp_path: Path) -> None:
    box = arrows(tmp_path, '"go"')
    box.store.set(GLOBAL, "first_step_node", "step_node_two")
    box.run()
    assert box.calls == ["two"]


def test_an_inactive_first_node_is_still_what_was_asked_for(tmp_path: Path) -> None:
    """active_node_step_bool shuts a node to arrows."""
    box = arrows(tmp_path, '"go"')
    box.store.set(GLOBAL, "first_step_node", "step_node_idle")
    result = box.run()
    assert result.status in ("COMPLETE_SUCCESS", "COMPLETE_ERROR")
    assert box.calls == ["idle"]


def test_several_nodes_of_one_class(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_twin(StepNode):
        step_node_graph_dict = {"left": {"first_node_step_bool": 1}, "right": {}}
        step_arrow_graph_dict = {"over": {"arrow_step_name_string": "right"}}
        def step_execute(self):
            say(self.name)
            self.results["was"] = self.name
        def step_advance(self):
            return "over" if self.name == "left" else "COMPLETE"
    """,
    )
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["left", "right"]
    assert box.state["left"] == {"was": "left"} and box.state["right"] == {"was": "right"}


def test_first_values_fill_their_groups_only_where_a_key_is_missing(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        step_node_params_dict_init = {"step_node_one": {"a": 1, "b": {"c": 2}}, "limits": {"max": 5}}
        step_node_results_dict_init = {"step_node_one": {"status": "none", "a": 9}}
        def step_execute(self):
            self.results["status"] = "done"
    """,
    )
    assert box.state["step_node_one"] == {"a": 1, "b": {"c": 2}, "status": "none"}, (
        "octo init fills them already"
    )
    box.store.set("step_node_one", "a", 7)
    box.store.set("limits", {"min": 1})
    box.store.delete("step_node_one", "b")
    box.run()
    assert box.state["step_node_one"] == {"a": 7, "b": {"c": 2}, "status": "done"}
    assert box.state["limits"] == {"min": 1, "max": 5}


def test_unknown_groups_and_keys_are_kept(tmp_path: Path) -> None:
    box = arrows(tmp_path, '"go"')
    box.store.set("mine", {"a": [1, {"b": None}]})
    box.store.set(GLOBAL, "note", "keep me")
    box.run()
    assert box.json["mine"] == {"a": [1, {"b": None}]} and box.json[GLOBAL]["note"] == "keep me"


def test_a_step_node_has_the_handles_that_are_promised(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    import logging
    class step_node_one(StepNode):
        def step_execute(self):
            assert self.name == "step_node_one" and self.verbose_flag is True and self.resumed is False
            assert isinstance(self.log, logging.Logger) and not self.ctx.stop.is_set()
            self.log.info("told")
            assert StepNode.step_entry(self) == StepNode.step_execute(self) == StepNode.step_exit(self) == 0
            assert StepNode.step_advance(self) == ""
            self.params["limit"] = 3
            assert self.results["limit"] == 3
    """,
    )
    assert box.run(verbose=True).status == "COMPLETE_SUCCESS", box.setting("last_error")
    assert "INFO told" in box.log


def test_nodes_without_anything_to_call_do_not_loop_unrecorded(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        step_node_graph_dict = {
            "step_node_one": {"first_node_step_bool": 1, "skip_step_node_execute_bool": 1}}
        step_arrow_graph_dict = {"on": {"arrow_step_name_string": "step_node_two"}}
        def step_execute(self): pass
    class step_node_two(StepNode):
        step_node_graph_dict = {"step_node_two": {"skip_step_node_execute_bool": 1}}
        step_arrow_graph_dict = {"back": {"arrow_step_name_string": "step_node_one"}}
        def step_execute(self): pass
    """,
    )
    box.store.set(GLOBAL, "run_loop_limit", 20)
    result = box.run()
    assert (result.ended_by, result.steps) == ("limit", 0)
    assert box.setting("run_loop_count") == 20 and box.position["visits"] == {
        "step_node_one": 20,
        "step_node_two": 20,
    }
    assert len([record for record in box.records() if record["who"] == "octo"]) >= 40
