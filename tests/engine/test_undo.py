"""At least once outside, exactly once in ctx: what is undone, what stays, and who may write no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from octo.store import ParameterStore
from tests.engine.kit import Box

ALL_KINDS = """
class step_node_one(StepNode):
    step_node_graph_dict = {"step_node_one": {FLAGS}}
    step_node_params_dict_init = {
        "ctx": {"kept": {"a": 1, "b": [1, 2, 3]}, "n": 10, "gone": "here", "rows": [{"x": 1}]}}

    def step_execute(self):
        ctx = self.ctx
        first = once("first")
        if not first:
            say("again")
            assert ctx.plain() == START | ({"log": ["tried"], "jobs": {"j": 1}}), ctx.plain()
        ctx["new"] = {"deep": [1]}
        ctx["new"]["deep"].append(2)
        ctx["kept"]["a"] = 2
        ctx["kept"]["b"].insert(0, 0)
        ctx["kept"]["b"].append(4)
        del ctx["kept"]["b"][1]
        ctx["kept"]["c"] = "c"
        ctx.increment("n", 5)
        ctx.increment("f", 0.5)
        del ctx["gone"]
        ctx["rows"][0]["x"] = 2
        ctx["rows"].append({"x": 3})
        ctx["rows"].sort(key=lambda row: -row["x"])
        ctx.append("list", 1, 2)
        ctx.record("log", "tried")
        ctx.record("jobs", 1 if first else 2, id="j")
        if first:
            FAIL

START = {"kept": {"a": 1, "b": [1, 2, 3]}, "n": 10, "gone": "here", "rows": [{"x": 1}]}
"""
START = {"kept": {"a": 1, "b": [1, 2, 3]}, "n": 10, "gone": "here", "rows": [{"x": 1}]}
END = {
    "kept": {"a": 2, "b": [0, 2, 3, 4], "c": "c"}, "n": 15, "rows": [{"x": 3}, {"x": 2}],
    "log": ["tried", "tried"], "jobs": {"j": 2}, "new": {"deep": [1, 2]}, "f": 0.5, "list": [1, 2],
}  # fmt: skip


def all_kinds(flags: str, fail: str) -> str:
    return ALL_KINDS.replace("FLAGS", flags).replace("FAIL", fail)


def test_every_kind_of_change_is_undone_when_the_call_fails(tmp_path: Path) -> None:
    box = Box(tmp_path, all_kinds("", "raise ValueError()"))
    assert box.run().status == "COMPLETE_ERROR"
    assert box.ctx == START | {"log": ["tried"], "jobs": {"j": 1}}
    undone = box.setting("last_error")["ctx_undone"]
    assert {"ctx/new", "ctx/kept/a", "ctx/gone", "ctx/rows", "ctx/n", "ctx/list"} <= set(undone)
    assert not any("log" in place or "jobs" in place for place in undone)
    assert box.run().status == "COMPLETE_SUCCESS" and box.ctx == END


@pytest.mark.parametrize(
    ("flags", "fail"),
    [
        ('"retry": 2', "raise ValueError()"),
        ('"retry": 2', "return 1"),
        ('"retry": 2, "timeout": 0.2', "time.sleep(5)"),
    ],
)
def test_and_before_a_retry(tmp_path: Path, flags: str, fail: str) -> None:
    box = Box(tmp_path, all_kinds(flags, fail))
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.ctx == END and box.calls == ["again"]


def test_and_after_a_kill(tmp_path: Path) -> None:
    box = Box(tmp_path, all_kinds("", "die()"))
    assert box.child().returncode == -9
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.ctx == END and box.calls == ["again"]


def test_and_before_an_error_arrow(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        step_node_graph_dict = {"step_node_one": {"first_node_step_bool": 1}}
        step_arrow_graph_dict = {
            "step_arrow_graph_list_key_failure_path": {"arrow_step_name_string": "step_node_two"}}
        def step_execute(self):
            self.ctx["half"] = 1
            raise ValueError("half done")
    class step_node_two(StepNode):
        def step_execute(self):
            say(sorted(self.ctx))
            self.ctx["two"] = 2
    """,
    )
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["[]"] and box.ctx == {"two": 2}


OTHERS = """
import subprocess
class step_node_one(StepNode):
    step_node_params_dict_init = {"ctx": {"n": 1, "text": "a", "list": [1], "both": {}}}
    def step_execute(self):
        if not once("first"):
            return
        self.ctx["mine"] = 1
        self.ctx.increment("n", 10)
        self.ctx["text"] = "mine"
        self.ctx["list"].append("mine")
        self.ctx["both"]["mine"] = 1
        say("wrote")
        while not os.path.exists("go"):
            time.sleep(0.01)
        END
"""


def others(box: Box) -> dict[str, Any]:
    """What others write while the step runs."""
    process = box.start()
    box.wait_for("wrote")
    store = box.store
    store.increment("ctx", "n", by=100)
    store.append("ctx", "list", values=["other"])
    store.set("ctx", "both", "other", 2)
    store.set("ctx", "text", "other")
    store.set("ctx", "own", {"of": "others"})
    box.edit("ctx", edited=True)
    (box.directory / "go").touch()
    process.communicate(timeout=20)
    return {
        "n": 101,
        "text": "other",
        "list": [1, "other"],
        "both": {"other": 2},
        "own": {"of": "others"},
        "edited": True,
    }


def test_changes_of_others_stay_when_the_call_fails(tmp_path: Path) -> None:
    box = Box(tmp_path, OTHERS.replace("END", "raise ValueError()"))
    expected = others(box)
    assert box.ctx == expected
    assert box.run().status == "COMPLETE_SUCCESS" and box.ctx == expected


def test_changes_of_others_stay_when_the_call_is_killed(tmp_path: Path) -> None:
    box = Box(tmp_path, OTHERS.replace("END", "die()"))
    expected = others(box)
    box.edit("ctx", edited="later")
    assert box.run().status == "COMPLETE_SUCCESS" and box.ctx == expected | {"edited": "later"}


def test_an_edit_merged_after_the_kill_is_of_others(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        step_node_params_dict_init = {"ctx": {"text": "a", "other": 1}}
        def step_execute(self):
            if once("first"):
                self.ctx["text"] = "mine"
                time.sleep(0.2)
                die()
            say(self.ctx["text"])
    """,
    )
    box.child()
    box.edit("ctx", text="a person's", other=2)
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["a person's"] and box.ctx == {"text": "a person's", "other": 2}


def test_what_does_not_fit_any_more_is_skipped_and_noted(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        def step_execute(self):
            self.ctx["mine"] = {}
            say("wrote")
            while not os.path.exists("go"):
                time.sleep(0.01)
            raise ValueError
    """,
    )
    process = box.start()
    box.wait_for("wrote")
    box.store.set("ctx", "mine", "inside", 1)
    box.store.set("ctx", "beside", 1)
    (box.directory / "go").touch()
    process.communicate(timeout=20)
    assert box.ctx == {"beside": 1}
    notes = [text for text in box.setting("last_error")["ctx_undone"] if text.startswith("(")]
    assert len(notes) == 1 and "ctx/mine/inside" in notes[0] and "does not fit" in notes[0]


def test_a_first_change_of_others_stays_though_the_call_had_made_the_group(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        def step_execute(self):
            self.ctx["mine"] = 1
            self.ctx.record("errors", "so it goes")
            self.ctx.record("jobs", {"state": "lost"}, id="a")
            from octo.store import ParameterStore
            from octo.store.author import writing_as, Author
            with writing_as(Author("somebody")):
                ParameterStore(".").set("ctx", "theirs", 2)
            raise ValueError
    """,
    )
    box.run()
    assert box.ctx == {"errors": ["so it goes"], "jobs": {"a": {"state": "lost"}}, "theirs": 2}
    assert box.setting("last_error")["ctx_undone"] == ["ctx/mine"]


@pytest.mark.parametrize("fail", ["raise ValueError", "die()"])
def test_a_checkpoint_moves_the_undo_point(tmp_path: Path, fail: str) -> None:
    box = Box(
        tmp_path,
        f"""
    class step_node_one(StepNode):
        def step_execute(self):
            for number in range(self.ctx.get("done", 0), 4):
                self.ctx.append("rows", number)
                self.ctx["done"] = number + 1
                if number == 1:
                    self.ctx.checkpoint()
                say(number)
                if number == 2 and once("failed"):
                    {fail}
    """,
    )
    box.child()
    box.run()
    assert box.calls == ["0", "1", "2", "2", "3"]
    assert box.ctx == {"rows": [0, 1, 2, 3], "done": 4}


def test_what_was_undone_stays_in_the_history(tmp_path: Path) -> None:
    box = Box(tmp_path, all_kinds("", "raise ValueError()"))
    box.run()
    assert [change.value for change in box.store.history(("ctx", "new"))][:1] == [{"deep": [1]}]


def test_committed_calls_are_not_undone_with_a_later_one(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        def step_entry(self):
            self.ctx["entry"] = 1
        def step_execute(self):
            self.ctx["execute"] = 1
        def step_exit(self):
            self.ctx["entry"] = 2
            raise ValueError
    """,
    )
    box.run()
    assert box.ctx == {"entry": 1, "execute": 1}


LATE = """
import subprocess
from octo.store import ParameterStore
class step_node_one(StepNode):
    step_node_graph_dict = {"step_node_one": {"first_node_step_bool": 1, "retry": 2}}
    step_arrow_graph_dict = {"on": {"arrow_step_name_string": "step_node_two"}}
    def step_execute(self):
        if not once("first"):
            return
        ctx, params, store = self.ctx, self.params, ParameterStore(".")
        rows = ctx.setdefault("rows", [])
        def late():
            while not said("two"):
                time.sleep(0.01)
            writes = {"ctx": lambda: ctx.set("late", 1), "rows": lambda: rows.append(1),
                      "params": lambda: params.update(late=1), "record": lambda: ctx.record("log", 1)}
            for name, write in writes.items():
                try:
                    write()
                    say(f"{name} wrote")
                except Exception as error:
                    say(f"{name} {type(error).__name__}")
            say("late is done")
        threading.Thread(target=late, daemon=True).start()
        code = '''
import time, os
from octo.store import ParameterStore
from pathlib import Path
while "two" not in Path("calls.txt").read_text():
    time.sleep(0.01)
try:
    ParameterStore(".").set("ctx", "late", 2)
    text = "process wrote"
except Exception as error:
    text = f"process {type(error).__name__}"
with open("calls.txt", "a") as file:
    file.write(text + chr(10))
'''
        subprocess.Popen([sys.executable, "-c", code])
        say("failing")
        raise ValueError
class step_node_two(StepNode):
    def step_execute(self):
        say("two")
        while not (said("late is done") and (said("process AttemptEnded") or said("process wrote"))):
            time.sleep(0.01)
"""


def test_a_call_that_failed_writes_no_more(tmp_path: Path) -> None:
    """Its threads, and its programs that have OCTO_CALL, get AttemptEnded; nothing changes."""
    box = Box(tmp_path, LATE)
    done = box.child()
    assert done.returncode == 0, done.stderr
    assert set(box.calls) == {
        "failing", "two", "late is done", "ctx AttemptEnded", "rows AttemptEnded", "params AttemptEnded",
        "record AttemptEnded", "process AttemptEnded",
    }  # fmt: skip
    assert box.ctx == {} and "late" not in box.state.get("step_node_one", {})


def test_a_program_of_a_killed_call_writes_no_more_after_the_next_start(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        def step_execute(self):
            Path("call").write_text(os.environ["OCTO_CALL"])
            if once("died"):
                self.ctx["x"] = 1
                die()
    """,
    )
    box.child()
    call = (box.directory / "call").read_text()
    box.run()
    done = box.child(
        """
from octo.errors import AttemptEnded
from octo.store import ParameterStore
try:
    ParameterStore({instance!r}).set("ctx", "late", 1)
except AttemptEnded as error:
    print("refused", error)
""",
        OCTO_CALL=call,
    )
    assert "refused" in done.stdout, done.stderr
    assert box.ctx == {}


def test_a_handle_kept_from_an_earlier_call_writes_no_more(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    kept = []
    class step_node_one(StepNode):
        def step_entry(self):
            kept.append(self.ctx)
            self.ctx["x"] = [1]
        def step_execute(self):
            say(kept[0].plain())
            kept[0]["y"] = 1
    """,
    )
    box.run()
    assert box.setting("last_error")["type"] == "AttemptEnded" and box.ctx == {"x": [1]}
    assert box.calls == ["{'x': [1]}"], "reading goes on"


def test_undo_reaches_over_a_compaction(tmp_path: Path) -> None:
    """An open call's changes are kept in the journal, however small the history."""
    box = Box(
        tmp_path,
        """
    from octo.store import ParameterStore
    class step_node_one(StepNode):
        step_node_params_dict_init = {"ctx": {"n": 7}}
        def step_execute(self):
            self.ctx["n"] = 8
            for number in range(700):
                self.params["tick"] = number
            ParameterStore(".").compact()
            if once("died"):
                die()
            say(self.ctx["n"])
    """,
    )
    box.store.set("global_parameters", "history_limit", 20)
    assert box.child().returncode == -9
    box.run()
    assert box.ctx == {"n": 8} and box.count == 1
    with ParameterStore(box.directory) as store:
        assert store.get("ctx", "n") == 8
