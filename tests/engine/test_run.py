"""A whole run: who may run it and where, its directory, its result, what it writes and when it syncs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from octo.engine import Engine, Event, RunResult
from octo.errors import InstanceBusy, LibraryError, StoreError, UsageError
from octo.store import GLOBAL, JOURNAL_FILE, ParameterStore, default_state
from tests.engine.kit import CHECKOUT, Box

WAITS = """
class step_node_one(StepNode):
    def step_execute(self):
        say("in")
        while not os.path.exists("go"):
            time.sleep(0.01)
"""
COUNTS = """
class step_node_one(StepNode):
    step_arrow_graph_dict = {"again": {"arrow_step_name_string": "step_node_one"}}
    def step_execute(self):
        self.ctx["n"] = self.ctx.get("n", 0) + 1
    def step_advance(self):
        return "again" if self.ctx["n"] < 5 else "COMPLETE"
"""


# -- who runs it


@pytest.mark.slow
def test_a_second_engine_names_the_first(tmp_path: Path) -> None:
    box = Box(tmp_path, WAITS)
    process = box.start()
    box.wait_for("in")
    with pytest.raises(
        InstanceBusy, match=f"process {process.pid} on .*, run {box.setting('run_id')}"
    ) as caught:
        box.run()
    assert caught.value.exit_code == 2
    assert caught.value.hints == [f"octo status {box.directory} --watch", f"octo logs {box.directory} -f"]
    owner = box.store.running()
    assert owner is not None and owner.pid == process.pid
    (box.directory / "go").touch()
    assert process.wait(20) == 0
    assert box.store.running() is None and box.calls == ["in"]


@pytest.mark.slow
def test_the_same_instance_twice_in_one_process(tmp_path: Path) -> None:
    box = Box(tmp_path, WAITS)
    thread = threading.Thread(target=box.run)
    thread.start()
    box.wait_for("in")
    with pytest.raises(InstanceBusy):
        Engine(box.directory, draw=False).run()
    (box.directory / "go").touch()
    thread.join(20)
    assert box.setting("step_engine_state") == "COMPLETE_SUCCESS"


def test_another_instance_in_the_same_process_needs_a_process_of_its_own(tmp_path: Path) -> None:
    box, other = Box(tmp_path / "a", WAITS), Box(tmp_path / "b", COUNTS)
    thread = threading.Thread(target=box.run)
    thread.start()
    box.wait_for("in")
    with pytest.raises(UsageError, match="in a process of its own"):
        other.run()
    assert other.setting("step_engine_state") == "INACTIVE" and other.store.running() is None
    (box.directory / "go").touch()
    thread.join(20)
    assert other.run().status == "COMPLETE_SUCCESS"


def test_two_that_share_a_working_directory_may(tmp_path: Path) -> None:
    box, other = Box(tmp_path / "a", WAITS), Box(tmp_path / "b", COUNTS)
    other.store.set(GLOBAL, "working_directory", str(box.directory))
    here = os.getcwd()
    thread = threading.Thread(target=box.run)
    thread.start()
    box.wait_for("in")
    assert other.run().status == "COMPLETE_SUCCESS"
    (box.directory / "go").touch()
    thread.join(20)
    assert box.setting("step_engine_state") == "COMPLETE_SUCCESS"
    assert os.getcwd() == here


def test_two_in_one_directory_that_end_in_the_other_order(tmp_path: Path) -> None:
    """The first to end must not take the directory away from the other."""
    box = Box(
        tmp_path / "a",
        """
    class step_node_one(StepNode):
        step_node_graph_dict = {"step_node_one": {"first_node_step_bool": 1}}
        step_arrow_graph_dict = {"on": {"arrow_step_name_string": "step_node_two"}}
        def step_execute(self):
            say("in")
            while not os.path.exists("go"): time.sleep(0.01)
    class step_node_two(StepNode):
        def step_execute(self):
            self.ctx["where"] = os.getcwd()
    """,
    )
    other = Box(tmp_path / "b", WAITS.replace('"in"', '"other"').replace('"go"', '"end"'))
    other.store.set(GLOBAL, "working_directory", str(box.directory))
    here = os.getcwd()
    first = threading.Thread(target=other.run)
    first.start()
    box.wait_for("other")
    second = threading.Thread(target=box.run)
    second.start()
    box.wait_for("in")
    (box.directory / "end").touch()
    first.join(20)
    (box.directory / "go").touch()
    second.join(20)
    assert box.ctx == {"where": str(box.directory)}
    assert os.getcwd() == here


# -- where


def test_the_working_directory_is_the_instance_and_restored(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        def step_entry(self):
            say(os.getcwd())
            os.chdir("/")
        def step_execute(self):
            self.ctx["where"] = os.getcwd()
            os.chdir("/")
            if once("failed"): raise ValueError
    """,
    )
    before = os.getcwd()
    for _ in range(2):
        box.run()
        assert os.getcwd() == before
    assert box.calls == [str(box.directory)] and box.ctx == {"where": str(box.directory)}


def test_a_working_directory_of_the_users(tmp_path: Path) -> None:
    box = Box(tmp_path, COUNTS.replace("self.ctx[", 'Path("was here").touch()\n        self.ctx[', 1))
    (tmp_path / "elsewhere").mkdir()
    box.store.set(GLOBAL, "working_directory", "../elsewhere")
    assert box.run().status == "COMPLETE_SUCCESS"
    assert (tmp_path / "elsewhere" / "was here").exists()


def test_a_working_directory_that_is_not_there(tmp_path: Path) -> None:
    box = Box(tmp_path, COUNTS)
    box.store.set(GLOBAL, "working_directory", "nowhere")
    with pytest.raises(UsageError, match="the working directory .*nowhere is not there"):
        box.run()
    assert box.setting("step_engine_state") == "INACTIVE"


@pytest.mark.parametrize("name", ["with space", "übung 測試 é", 'it\'s "quoted" $HOME'])
def test_a_directory_with_any_name(tmp_path: Path, name: str) -> None:
    box = Box(
        tmp_path / name,
        """
    import subprocess
    class step_node_one(StepNode):
        def step_execute(self):
            self.ctx["where"] = os.getcwd()
            code = "from octo.store import ParameterStore as S; S('.').set('ctx', 'from', 'a program')"
            subprocess.run([sys.executable, "-c", code], check=True)
    """,
    )
    assert box.child().returncode == 0
    assert box.ctx == {"where": str(box.directory), "from": "a program"}
    assert {change.who for change in box.store.history(("ctx", "from"))} == {"step_node_one"}
    assert box.setting("step_engine_instance_path") == str(box.directory)


def test_a_relative_path_from_another_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(tmp_path, COUNTS)
    monkeypatch.chdir(tmp_path)
    assert Engine("it", draw=False).run().status == "COMPLETE_SUCCESS"
    assert list((box.directory / "Logs").iterdir()) and not (tmp_path / "Logs").exists()


def test_an_instance_that_was_moved(tmp_path: Path) -> None:
    box = Box(tmp_path, COUNTS)
    box.run(2)
    new = tmp_path / "moved"
    box.directory.rename(new)
    assert Engine(new, draw=False).run().status == "COMPLETE_SUCCESS"
    assert ParameterStore(new).get(GLOBAL, "step_engine_instance_path") == str(new)


def test_through_a_symbolic_link_a_step_is_still_known_as_the_author(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    from octo.store import ParameterStore
    class step_node_one(StepNode):
        def step_execute(self):
            store = ParameterStore(".")
            store.set("mine", "x", 1)
            store.set("global_parameters", "current_step_state", "JUMP")
            store.set("ctx", "y", 1)
            if once("failed"): raise ValueError
    """,
    )
    link = tmp_path / "link"
    link.symlink_to(box.directory)
    Engine(link, draw=False).run()
    assert all(change.call for change in box.store.history(("mine",)))
    assert box.ctx == {}, "so it can be undone"
    assert Engine(link, draw=False).run().status == "COMPLETE_SUCCESS"
    assert box.position["visit"] == 1 and box.ctx == {"y": 1}


# -- what is wrong before anything runs


@pytest.mark.parametrize("library", ["", "nowhere", "../empty"])
def test_a_library_that_is_none_changes_nothing(tmp_path: Path, library: str) -> None:
    (tmp_path / "empty").mkdir()
    box = Box(tmp_path, COUNTS)
    box.store.set(GLOBAL, "step_engine_library_path", library)
    seq, before = box.store.seq, box.json
    with pytest.raises(UsageError) as caught:
        box.run()
    assert isinstance(caught.value, LibraryError) == bool(library)
    assert box.store.seq == seq and box.json == before and not (box.directory / "Logs").exists()


def test_a_broken_library_changes_nothing(tmp_path: Path) -> None:
    box = Box(tmp_path, COUNTS)
    box.run(1)
    seq = box.store.seq
    box.replace('"step_node_one"}', '"step_node_none"}')
    with pytest.raises(LibraryError, match="step_node_none"):
        box.run()
    assert box.store.seq == seq


def test_no_instance_here(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not an instance"):
        Engine(tmp_path, draw=False).run()
    assert list(tmp_path.iterdir()) == []


def test_an_absolute_library_path_and_a_json_without_a_journal(tmp_path: Path) -> None:
    """An instance written by hand."""
    box = Box(tmp_path, COUNTS)
    new = tmp_path / "by hand"
    new.mkdir()
    state = default_state()
    state[GLOBAL]["step_engine_library_path"] = str(box.library)
    import json

    (new / ".octo_step_engine_parameters.json").write_text(json.dumps(state))
    assert Engine(new, draw=False).run().steps == 5


# -- the result


def test_the_result(tmp_path: Path) -> None:
    box = Box(tmp_path, COUNTS)
    result = box.run()
    assert isinstance(result, RunResult)
    assert (result.status, result.ended_by, result.steps, result.error) == (
        "COMPLETE_SUCCESS",
        "completed",
        5,
        None,
    )
    assert (
        result.timings["step_node_one"]["count"] == 5 and 0 <= result.timings["step_node_one"]["seconds"] < 5
    )
    assert (result.node, result.state, result.resumed) == ("step_node_one", "INACTIVE", False)
    assert result.run_id == box.setting("run_id") and 0 < result.seconds < 10
    assert set(box.position["seconds"]) == {"step_node_one"}


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (RunResult("COMPLETE_SUCCESS", "completed", 1, ""), 0),
        (RunResult("COMPLETE_ERROR", "error", 1, "", wanted=1), 1),
        (RunResult("PAUSED", "breakpoint", 1, ""), 3),
        (RunResult("PAUSED", "limit", 1, ""), 3),
        (RunResult("PAUSED", "signal", 1, ""), 130),
        (RunResult("PAUSED", "signal,limit", 1, "", wanted=1), 130),
        (RunResult("PAUSED", "limit", 2, "", wanted=2), 0),
        (RunResult("PAUSED", "breakpoint", 1, "", wanted=2), 3),
    ],
)
def test_exit_codes(result: RunResult, code: int) -> None:
    assert result.exit_code == code


def test_a_resume_keeps_its_run_id_and_its_log(tmp_path: Path) -> None:
    box = Box(tmp_path, COUNTS)
    ids = {box.run(1).run_id for _ in range(3)}
    assert len(ids) == 1
    assert [path.name for path in (box.directory / "Logs").iterdir()] == [f"{ids.pop()}.log"]
    assert box.log.count("begins") == 1 and box.log.count("goes on") == 2


# -- the store under a run


def test_the_json_is_whole_at_the_end_and_seldom_behind(tmp_path: Path) -> None:
    box = Box(tmp_path, WAITS.replace('say("in")', 'self.ctx["x"] = 1; say("in")'))
    process = box.start()
    box.wait_for("in")
    time.sleep(0.3)
    assert box.json["ctx"] == {"x": 1} and box.json[GLOBAL]["current_step_state"] == "EXECUTE"
    (box.directory / "go").touch()
    process.wait(20)
    assert box.json[GLOBAL]["step_engine_state"] == "COMPLETE_SUCCESS"


def syncs_of(box: Box, monkeypatch: pytest.MonkeyPatch, steps: int) -> list[int]:
    """How often the journal was brought to the disk by the time of each executed step, and in all."""
    count = 0
    real = os.fdatasync
    counts: list[int] = []

    def counted(fd: int) -> None:
        nonlocal count
        count += threading.current_thread() is threading.main_thread()  # other files sync in the background
        real(fd)

    def note(event: Event) -> None:
        if event.kind == "step_executed":
            counts.append(count)

    for name, module in list(sys.modules.items()):
        if name.startswith("octo.store.") and hasattr(module, "sync_data"):
            monkeypatch.setattr(module, "sync_data", counted)
    box.run(steps, subscribers=(note,))
    monkeypatch.undo()
    return [*counts, count]


def test_step_durability_is_one_sync_for_each_executed_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(tmp_path, COUNTS.replace("< 5", "< 500"))
    box.store.set(GLOBAL, "durability", "step")
    counts = syncs_of(box, monkeypatch, 60)
    assert [after - before for before, after in zip(counts[10:59], counts[11:60], strict=True)] == [1] * 49
    assert counts[-1] <= 65, "and a few at the start and at the pause"


def test_os_durability_syncs_only_at_the_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(tmp_path, COUNTS.replace("< 5", "< 500"))
    box.store.set(GLOBAL, "durability", "os")
    assert syncs_of(box, monkeypatch, 40)[-1] <= 2


def test_group_durability_syncs_in_the_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(tmp_path, COUNTS.replace("< 5", "< 2000"))
    assert 1 <= syncs_of(box, monkeypatch, 1000)[-1] < 500


def test_a_disk_that_fails_ends_the_run_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(tmp_path, COUNTS.replace("< 5", "< 2000"))
    box.run(1)

    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreError, match="No space left on device"):
        box.run()
    monkeypatch.undo()
    assert box.store.running() is None and not os.getcwd().startswith(str(tmp_path))
    assert box.run(1).status == "PAUSED" and box.count == 2


@pytest.mark.slow
def test_a_journal_is_kept_short_while_the_engine_runs(tmp_path: Path) -> None:
    box = Box(tmp_path, COUNTS.replace("< 5", "< 3000"))
    box.store.set(GLOBAL, "history_limit", 50)
    assert box.run().steps == 3000
    assert box.ctx == {"n": 3000} and box.count == 3000
    time.sleep(0.2)
    assert len(box.records()) < 3000
    assert (box.directory / JOURNAL_FILE).stat().st_size < 3000 * 400


# -- who


def test_who_made_a_change(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    import subprocess
    from octo.store import ParameterStore
    class step_node_one(StepNode):
        def step_execute(self):
            self.ctx["handle"] = 1
            self.ctx.set("named", 1, who="somebody else")
            store = ParameterStore(".")
            store.set("ctx", "store", 1)
            thread = threading.Thread(target=lambda: store.set("ctx", "thread", 1))
            thread.start()
            thread.join()
            code = "from octo.store import ParameterStore; ParameterStore('.').set('ctx', 'program', 1)"
            subprocess.run([sys.executable, "-c", code], check=True)
    """,
    )
    assert box.child().returncode == 0
    who = {
        change.path[1]: (change.who, change.call > 0, change.visit)
        for change in box.store.history(("ctx",))
        if change.path[1:]
    }
    step = ("step_node_one", True, 1)
    assert who == {
        "handle": step,
        "named": ("somebody else", True, 1),
        "store": step,
        "thread": step,
        "program": step,
    }
    box.store.set("ctx", "outside", 1)
    change = box.store.history(("ctx", "outside"))[-1]
    assert f"[{os.getpid()}]" in change.who and not change.call
    box.edit("ctx", edited=1)
    box.store.read()
    assert box.store.history(("ctx", "edited"))[-1].who == "edit"


def test_the_environment_is_clean_after_a_run(tmp_path: Path) -> None:
    Box(tmp_path, COUNTS).run()
    assert "OCTO_CALL" not in os.environ


def test_an_instance_run_by_a_step_of_another(tmp_path: Path) -> None:
    """`octo run` as a step's program: the calls of the two are not mixed up."""
    inner = Box(tmp_path / "inner", COUNTS)
    outer = Box(
        tmp_path / "outer",
        f"""
    import subprocess
    class step_node_outer(StepNode):
        def step_execute(self):
            self.ctx["before"] = 1
            code = "from octo.engine import Engine; Engine({str(inner.directory)!r}, draw=False).run()"
            subprocess.run([sys.executable, "-c", code], check=True)
    """,
    )
    assert outer.child().returncode == 0
    assert inner.ctx == {"n": 5} and inner.count == 5 and outer.ctx == {"before": 1}
    assert {change.who for change in inner.store.history(("ctx", "n"))} == {"step_node_one"}


# -- in a thread, and as a command


def test_an_engine_in_a_thread(tmp_path: Path) -> None:
    box = Box(tmp_path, COUNTS)
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(box.run()))
    thread.start()
    thread.join(30)
    assert results[0].status == "COMPLETE_SUCCESS" and box.ctx == {"n": 5}


@pytest.mark.slow
def test_the_command_ends_with_the_results_code(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        COUNTS.replace(
            'self.ctx["n"] =', 'if self.params.get("fail"): raise ValueError("told")\n        self.ctx["n"] ='
        ),
    )
    box.store.set("breakpoints", "step_node_one", "entry", True)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}

    def octo(*words: str) -> int:
        return subprocess.run(
            [sys.executable, "-m", "octo", *words, str(box.directory)], env=environment, capture_output=True
        ).returncode

    assert octo("run") == 3
    box.store.set("step_node_one", "fail", True)
    assert octo("run") == 1
    box.store.set("step_node_one", "fail", False)
    box.store.set("breakpoints", "step_node_one", "entry", False)
    assert octo("run") == 0
    assert (box.directory / "Assets" / "graph.png").stat().st_size > 1000


def test_an_at_once_drawn_picture_can_be_left_out(tmp_path: Path) -> None:
    box = Box(tmp_path, COUNTS)
    box.run()
    assert not (box.directory / "Assets").exists()


# -- forks and copies of a run


def test_a_fork_of_a_body_does_not_hold_the_instance(tmp_path: Path) -> None:
    """A process that a body forked lives on when the engine is killed; the next engine can run."""
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        def step_execute(self):
            if once("died"):
                self.ctx["x"] = 1
                if os.fork() == 0:
                    for number in (1, 2):
                        os.close(number)
                    time.sleep(20)
                    os._exit(0)
                time.sleep(0.1)
                die()
    """,
    )
    assert box.child().returncode == -9
    assert box.store.running() is None
    assert box.run().status == "COMPLETE_SUCCESS" and box.ctx == {}


@pytest.mark.slow
def test_what_a_forked_worker_writes_is_the_steps(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    import multiprocessing
    from octo.store import ParameterStore
    def work(number):
        ParameterStore(".").increment("ctx", "n", by=number)
        return number
    class step_node_one(StepNode):
        def step_execute(self):
            with multiprocessing.get_context("fork").Pool(3) as pool:
                self.ctx["sum"] = sum(pool.map(work, range(10)))
            self.ctx.increment("n")
    """,
    )
    done = box.child()
    assert done.returncode == 0, (done.stderr, box.setting("last_error"))
    assert box.ctx == {"sum": 45, "n": 46}
    assert {change.who for change in box.store.history(("ctx", "n"))} == {"step_node_one"}


@pytest.mark.parametrize("code", ["self.ctx['x'] = 2; die()", "raise ValueError"])
def test_a_copy_of_an_interrupted_run_goes_on_by_itself(tmp_path: Path, code: str) -> None:
    box = Box(
        tmp_path,
        f"""
    class step_node_one(StepNode):
        step_node_graph_dict = {{"step_node_one": {{"first_node_step_bool": 1}}}}
        step_arrow_graph_dict = {{"on": {{"arrow_step_name_string": "step_node_two"}}}}
        def step_execute(self): self.ctx["x"] = 1
    class step_node_two(StepNode):
        def step_entry(self):
            if not self.params.get("mended"):
                {code}
        def step_execute(self): self.ctx.increment("x", 10)
    """,
    )
    box.child()
    copy = box.store.fork(tmp_path / "copy")
    for store in (copy, box.store):
        store.set("step_node_two", "mended", True)
        assert Engine(store.directory, draw=False).run().status == "COMPLETE_SUCCESS"
        assert store.get("ctx") == {"x": 11} and store.get(GLOBAL, "run_step_count") == 3
    assert copy.get(GLOBAL, "step_engine_instance_path") == str(tmp_path / "copy")
