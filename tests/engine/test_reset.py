"""`octo reset` and `octo init` as the engine does them; changed sources between runs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from octo.engine.init import init_instance
from octo.engine.reset import reset
from octo.errors import InstanceBusy, LibraryError, UsageError
from octo.store import GLOBAL, ParameterStore, default_state
from tests.engine.kit import Box

SOURCE = """
from octo.store import ParameterStore
class step_node_one(StepNode):
    step_node_params_dict_init = {"step_node_one": {"limit": 5, "count": 3, "rows": [1]}}
    def step_execute(self):
        self.ctx["x"] = 1
        self.results["status"] = "done"
        self.results["count"] += 1
        self.params["rows"].append(2)
        store = ParameterStore(".")
        store.increment("step_node_one", "tally", by=4)
        store.increment("step_node_one", "count", by=10)
        store.set("made", "by", "step")
        store.set("limits", "max", 9)
        if self.params.get("deep"):
            store.set("step_node_one", "deep", "a", "changed")
            store.delete("step_node_one", "text")
"""


def test_reset_gives_an_instance_as_new(tmp_path: Path) -> None:
    box = Box(tmp_path, SOURCE)
    store = box.store
    store.set("limits", {"max": 5, "min": 1})
    store.set("step_node_one", "deep", {"a": 1, "b": 2})
    store.set("step_node_one", "text", "here")
    store.set("breakpoints", "step_node_one", "exit", True)
    store.set(GLOBAL, "run_step_limit", 7)
    store.set(GLOBAL, "working_directory", ".")
    store.set("steps", {"a": 1})
    before = box.state
    for _ in range(2):
        assert box.run().ended_by == "breakpoint"
        assert box.run().status == "COMPLETE_SUCCESS"
        assert box.ctx == {"x": 1} and box.state["step_node_one"]["count"] == 14
        run_id = box.setting("run_id")
        back = reset(box.store)
        assert "step_node_one/count" in back and "limits/max" in back
        after = box.state
        assert after.pop("ctx", None) is None and after.pop("engine", None) is None
        before.pop("steps", None)
        after[GLOBAL].pop("first_step_node"), after[GLOBAL].pop("first_step_module")
        assert after == {
            **before,
            GLOBAL: {key: value for key, value in before[GLOBAL].items() if not key.startswith("first_")},
        }
        box.run()
        assert box.setting("run_id") != run_id and (box.directory / "Logs" / f"{run_id}.log").exists()
        reset(box.store)
    assert box.store.history(("ctx",)), "the journal is kept"


def test_what_people_wrote_after_the_step_stays(tmp_path: Path) -> None:
    box = Box(tmp_path, SOURCE)
    box.run()
    box.edit("step_node_one", count=99)
    box.store.set("step_node_one", "limit", 6)
    reset(box.store)
    group = box.state["step_node_one"]
    assert group == {"limit": 6, "count": 99, "rows": [1]}
    assert "made" not in box.state


@pytest.mark.slow
def test_reset_while_it_runs(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        def step_execute(self):
            say("in")
            while not os.path.exists("go"):
                time.sleep(0.01)
    """,
    )
    process = box.start()
    box.wait_for("in")
    with pytest.raises(InstanceBusy, match=f"process {process.pid}"):
        reset(box.store)
    (box.directory / "go").touch()
    assert process.wait(20) == 0
    reset(box.store)
    assert box.setting("step_engine_state") == "INACTIVE" and box.setting("run_step_count") == 1


def test_reset_of_a_new_instance_changes_nothing(tmp_path: Path) -> None:
    box = Box(tmp_path, SOURCE)
    before = box.state
    assert reset(box.store) == [] and box.state == before


@pytest.mark.parametrize("ctx", ["self.ctx['x'] = 1", "pass"])
def test_reset_after_a_kill_forgets_the_call_that_was_cut_off(
    tmp_path: Path, ctx: str, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box(
        tmp_path,
        f"""
    from octo.store import ParameterStore
    class step_node_one(StepNode):
        def step_execute(self):
            ParameterStore(".").increment("global_parameters", "run_step_count")
            {ctx}
            if once("died"): die()
    """,
    )
    assert box.child().returncode == -9
    reset(box.store)
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.count == 1 and not caplog.text


# -- init


def test_init_fills_in_what_is_known(tmp_path: Path) -> None:
    box = Box(tmp_path, SOURCE)
    state = box.state
    assert list(state[GLOBAL])[:9] == list(default_state()[GLOBAL])
    assert state[GLOBAL]["step_engine_library_path"] == "../library"
    assert state[GLOBAL]["step_engine_instance_path"] == str(box.directory)
    assert (state[GLOBAL]["first_step_node"], state[GLOBAL]["first_step_module"]) == (
        "step_node_one",
        "step_node_all",
    )
    assert state["step_node_one"] == {"limit": 5, "count": 3, "rows": [1]}


def test_init_refuses_an_instance_and_leaves_nothing_behind_after_an_error(tmp_path: Path) -> None:
    box = Box(tmp_path, SOURCE)
    with pytest.raises(UsageError, match="is an instance already"):
        init_instance(box.directory, box.library)
    (tmp_path / "empty").mkdir()
    with pytest.raises(LibraryError):
        init_instance(tmp_path / "new", tmp_path / "empty")
    assert not (tmp_path / "new").exists()


def test_init_without_a_library(tmp_path: Path) -> None:
    store = init_instance(tmp_path / "bare", None)
    assert store.read()[GLOBAL]["step_engine_library_path"] == ""


# -- sources that change between runs

TWO = """
class step_node_one(StepNode):
    step_node_graph_dict = {"step_node_one": {"first_node_step_bool": 1}}
    step_arrow_graph_dict = {"on": {"arrow_step_name_string": "step_node_two"}}
    def step_execute(self): pass
class step_node_two(StepNode):
    step_node_graph_dict = {"step_node_two": {"node_entry_breakpoint": 1}}
    def step_execute(self): pass
"""


def test_an_unchanged_source_is_no_news(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = Box(tmp_path, TWO)
    box.run()
    assert box.run(strict=True).status == "COMPLETE_SUCCESS" and not caplog.text
    assert set(box.position["fingerprints"]) == {"step_node_one", "step_node_two"}
    assert all(len(mark) == 64 for mark in box.position["fingerprints"].values())


def test_a_changed_source_is_a_warning_and_with_strict_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box(tmp_path, TWO)
    box.run()
    box.replace("pass", "'''mended'''")
    seq = box.store.seq
    with pytest.raises(UsageError, match="the source of step_node_one has changed since it ran") as caught:
        box.run(strict=True)
    assert caught.value.exit_code == 2 and box.store.seq == seq and box.store.running() is None
    assert box.run().status == "COMPLETE_SUCCESS"
    assert "the source of step_node_one has changed since it ran" in caplog.text
    assert box.events[0].data["warnings"] == ["the source of step_node_one has changed since it ran"]


def test_a_node_that_vanished_or_was_renamed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = Box(tmp_path, TWO)
    box.write(
        "class step_node_two(StepNode):\n"
        "    step_node_graph_dict = {'step_node_two': {'node_entry_breakpoint': 1}}\n"
        "    def step_execute(self): pass",
        "step_node_b",
    )
    box.write(TWO.partition("class step_node_two")[0])
    assert box.run().ended_by == "breakpoint"
    text = (box.library / "step_node_all.py").read_text()
    (box.library / "step_node_all.py").write_text(text.replace("step_node_one", "step_node_uno"))
    box.store.set(GLOBAL, "first_step_node", "step_node_uno")
    assert box.run().status == "COMPLETE_SUCCESS"
    assert "step_node_one ran, but is gone now" in caplog.text and "renamed" not in caplog.text


def test_a_renamed_node_of_an_unchanged_source_is_recognized(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One source with nodes named from outside it: the same fingerprint under another name."""
    source = TWO.replace('{"step_node_one": {"first', '{os.environ["OCTO_TEST_NODE"]: {"first')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OCTO_TEST_NODE", "step_node_reader")
        box = Box(tmp_path, source)
        assert box.run().ended_by == "breakpoint"
        patch.setenv("OCTO_TEST_NODE", "step_node_readers")
        box.store.set(GLOBAL, "first_step_node", "step_node_readers")
        box.run()
    assert (
        "step_node_reader ran, but is gone now; step_node_readers has its source: was it renamed?"
        in caplog.text
    )


def test_strict_says_nothing_of_a_first_run(tmp_path: Path) -> None:
    assert Box(tmp_path, TWO).run(strict=True).ended_by == "breakpoint"


def test_reset_forgets_what_ran(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = Box(tmp_path, TWO)
    box.run()
    box.replace("pass", "'''mended'''")
    with ParameterStore(box.directory) as store:
        reset(store)
    time.sleep(0)
    box.run(strict=True)
    assert not caplog.text
