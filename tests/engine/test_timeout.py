"""Time limits of step_execute: by an alarm in the main thread, else in a thread that is left behind."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from octo.engine import RunResult
from octo.engine.timeout import call_within
from octo.errors import StepTimeout
from tests.engine.kit import Box

SLOW = """
class step_node_one(StepNode):
    step_node_graph_dict = {"step_node_one": {"first_node_step_bool": 1, "timeout": 0.3, FLAGS}}
    step_arrow_graph_dict = {"on": {"arrow_step_name_string": "step_node_two"}}
    def step_execute(self):
        say("try")
        self.ctx["half"] = 1
        if said("try") < 2:
            BODY
        self.ctx["done"] = 1

class step_node_two(StepNode):
    def step_execute(self):
        say("two")
        TWO
"""


def slow(tmp_path: Path, body: str = "time.sleep(20)", flags: str = "", two: str = "") -> Box:
    return Box(tmp_path, SLOW.replace("FLAGS", flags).replace("BODY", body).replace("TWO", two))


def run_in_a_thread(box: Box) -> RunResult:
    results: list[RunResult] = []
    thread = threading.Thread(target=lambda: results.append(box.run()))
    thread.start()
    thread.join(30)
    return results[0]


@pytest.mark.parametrize("where", ["main", "thread"])
def test_a_body_that_takes_too_long_fails(tmp_path: Path, where: str) -> None:
    box = slow(tmp_path)
    started = time.monotonic()
    result = box.run() if where == "main" else run_in_a_thread(box)
    assert 0.3 <= time.monotonic() - started < 3
    assert result.status == "COMPLETE_ERROR"
    error = box.setting("last_error")
    assert (
        error["type"] == "StepTimeout"
        and error["message"] == "step_execute took longer than its time-out of 0.3 s"
    )
    assert error["ctx_undone"] == ["ctx/half"] and box.ctx == {}
    assert box.run().status == "COMPLETE_SUCCESS" and box.ctx == {"half": 1, "done": 1}


@pytest.mark.parametrize("where", ["main", "thread"])
def test_it_is_tried_again(tmp_path: Path, where: str) -> None:
    box = slow(tmp_path, flags='"retry": {"attempts": 2, "exceptions": ["StepTimeout"]}')
    result = box.run() if where == "main" else run_in_a_thread(box)
    assert result.status == "COMPLETE_SUCCESS" and box.calls == ["try", "try", "two"] and box.count == 2


@pytest.mark.parametrize("method", ["step_entry", "step_exit", "step_advance"])
def test_the_limit_is_for_step_execute_alone(tmp_path: Path, method: str) -> None:
    box = Box(
        tmp_path,
        f"""
    class step_node_one(StepNode):
        step_node_graph_dict = {{"step_node_one": {{"timeout": 0.1}}}}
        def step_execute(self): pass
        def {method}(self):
            time.sleep(0.3)
            return {'"COMPLETE"' if method == "step_advance" else 0}
    """,
    )
    assert box.run().status == "COMPLETE_SUCCESS"


def test_a_body_in_time_is_left_alone(tmp_path: Path) -> None:
    box = slow(tmp_path, body="time.sleep(0.05)", two="time.sleep(0.6)")
    assert box.run().status == "COMPLETE_SUCCESS"


def test_a_body_that_swallows_the_first_and_comes_back_has_failed(tmp_path: Path) -> None:
    box = slow(
        tmp_path,
        body="""
            try:
                time.sleep(20)
            except Exception:
                return 0""",
    )
    assert box.run().status == "COMPLETE_ERROR"
    assert box.setting("last_error")["type"] == "StepTimeout"


def test_a_body_that_makes_another_error_of_it_has_timed_out(tmp_path: Path) -> None:
    box = slow(
        tmp_path,
        flags='"retry": {"attempts": 2, "exceptions": ["StepTimeout"]}',
        body="""
            try:
                time.sleep(20)
            except Exception as error:
                raise RuntimeError("wrapped") from error""",
    )
    assert box.run().status == "COMPLETE_SUCCESS" and box.calls == ["try", "try", "two"]


@pytest.mark.slow
def test_a_body_that_swallows_every_one_ends_the_process(tmp_path: Path) -> None:
    box = slow(
        tmp_path,
        flags='"retry": 5',
        body="""
            while True:
                try:
                    while True:
                        print("busy", flush=True)
                        self.ctx.increment("n")
                        time.sleep(0.001)
                except BaseException as error:
                    say(type(error).__name__)""",
    )
    started = time.monotonic()
    done = box.child()
    assert done.returncode == 1, done.stderr
    assert 5 < time.monotonic() - started < 15, "once, then again each second for 5 s"
    assert "took longer than its time-out of 0.3 s; its body could not be ended" in done.stderr
    assert box.calls[:6] == ["try", *["StepTimeout"] * 5], "and it is not tried again"
    assert box.setting("step_engine_state") == "COMPLETE_ERROR" and box.setting("ended_by") == "error"
    assert box.setting("last_error")["type"] == "StepTimeout" and box.ctx == {}
    assert "FAILED in EXECUTE: StepTimeout" in box.log and box.store.running() is None
    assert box.run().status == "COMPLETE_SUCCESS", "the next run goes on"


@pytest.mark.slow
def test_one_that_holds_the_lock_ends_the_process_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = slow(
        tmp_path,
        body="""
            with self.ctx.transaction():
                while True:
                    try:
                        time.sleep(1)
                    except BaseException:
                        pass""",
    )
    code = """
from octo.engine import timeout
timeout.INSISTENCE = timeout.PATIENCE = 1
from octo.engine.engine import Engine
Engine({instance!r}, draw=False).run()
"""
    started = time.monotonic()
    assert box.child(code).returncode == 1
    assert time.monotonic() - started < 15
    assert box.position["begun"] and box.ctx == {"half": 1}
    assert box.run().status == "COMPLETE_SUCCESS" and box.ctx == {"half": 1, "done": 1}


LATE = """
            def write():
                for name in ("ctx", "params"):
                    try:
                        getattr(self, name).update(late=1)
                        say(f"{name} wrote")
                    except Exception as error:
                        say(f"{name} {type(error).__name__}")
            while not said("two"):
                time.sleep(0.02)
            write()
            say("late")
            return"""


def test_a_body_left_behind_writes_no_more_and_holds_nothing_up(tmp_path: Path) -> None:
    box = slow(
        tmp_path,
        flags='"retry": 2',
        body=LATE,
        two="""
        while not said("late"):
            time.sleep(0.02)""",
    )
    assert run_in_a_thread(box).status == "COMPLETE_SUCCESS"
    assert box.calls == ["try", "try", "two", "ctx AttemptEnded", "params AttemptEnded", "late"]
    assert box.ctx == {"half": 1, "done": 1} and "late" not in box.state.get("step_node_one", {})


def test_a_body_left_behind_does_not_keep_the_process(tmp_path: Path) -> None:
    box = slow(tmp_path)
    code = """
import threading
from octo.engine.engine import Engine
results = []
thread = threading.Thread(target=lambda: results.append(Engine({instance!r}, draw=False).run()))
thread.start()
thread.join()
print(results[0].status)
"""
    started = time.monotonic()
    done = box.child(code)
    assert done.stdout.strip() == "COMPLETE_ERROR" and done.returncode == 0
    assert time.monotonic() - started < 8


def test_a_program_of_a_timed_out_body_writes_no_more(tmp_path: Path) -> None:
    box = slow(
        tmp_path,
        body="""
            Path("call").write_text(os.environ["OCTO_CALL"])
            time.sleep(20)""",
    )
    box.run()
    code = "from octo.store import ParameterStore; ParameterStore({instance!r}).set('ctx', 'late', 1)"
    done = box.child(code, OCTO_CALL=(box.directory / "call").read_text())
    assert done.returncode == 1 and "AttemptEnded" in done.stderr and box.ctx == {}


def nothing(error: BaseException) -> None:
    raise AssertionError(error)


@pytest.mark.parametrize("seconds", [None, 0, 5.0])
def test_without_or_within_the_limit(seconds: Any) -> None:
    assert call_within(seconds, lambda: 7, nothing) == 7
    with pytest.raises(KeyError):
        call_within(seconds, lambda: {}["x"], nothing)


def test_within_the_limit_in_a_thread() -> None:
    seen: list[Any] = []

    def work() -> None:
        seen.append(call_within(5.0, lambda: 7, nothing))
        with pytest.raises(KeyError):
            call_within(5.0, lambda: {}["x"], nothing)
        with pytest.raises(StepTimeout):
            call_within(0.05, lambda: time.sleep(1), nothing)
        seen.append("all")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [7, "all"]


@pytest.mark.slow
def test_no_alarm_is_left_armed(tmp_path: Path) -> None:
    """An alarm at any moment of the end of a call must not outlive it: it would end the process."""
    code = """
import signal, time
from octo.engine.timeout import call_within
from octo.errors import StepTimeout
ended = 0
for number in range(300):
    limit = 0.002
    def body():
        end = time.perf_counter() + limit + (number - 150) * 1e-6
        while time.perf_counter() < end:
            pass
    try:
        call_within(limit, body, None)
    except StepTimeout:
        ended += 1
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
print(ended)
"""
    box = slow(tmp_path)
    done: subprocess.CompletedProcess[str] = box.child(code)
    assert done.returncode == 0, done.stderr
    assert 10 < int(done.stdout) < 300
