"""Ctrl-C and SIGTERM: once to stop after the running method, twice to stop at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from octo.engine.stopping import Stopping
from octo.store import GLOBAL
from tests.engine.kit import Box

BODY = """
class step_node_one(StepNode):
    step_node_graph_dict = {"step_node_one": {"first_node_step_bool": 1}}
    step_arrow_graph_dict = {"on": {"arrow_step_name_string": "step_node_two"}}
    def step_execute(self):
        say(f"in {self.resumed}")
        self.ctx["half"] = 1
        WAIT
        say("out")
        self.ctx["whole"] = 1
    def step_exit(self):
        say("exit")
class step_node_two(StepNode):
    def step_execute(self): say("two")
"""
UNTIL_STOP = "assert self.ctx.stop.wait(20)"
UNTIL_GO = 'while not os.path.exists("go"): time.sleep(0.02)'


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_once_pauses_when_the_method_has_ended(tmp_path: Path, number: signal.Signals) -> None:
    box = Box(tmp_path, BODY.replace("WAIT", UNTIL_STOP))
    process = box.start()
    box.wait_for("in False")
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130 and out == "PAUSED signal 1\n", err
    assert box.calls == ["in False", "out"] and box.ctx == {"half": 1, "whole": 1}, (
        "a body that returns has ended well"
    )
    assert (box.position["state"], box.position["begun"]) == ("EXIT", False)
    assert (box.setting("ended_by"), box.setting("pause_reason")) == ("signal", number.name)
    assert f"{number.name}: stopping" in box.log
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["in False", "out", "exit", "two"] and box.count == 2


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_twice_stops_at_once(tmp_path: Path, second: signal.Signals) -> None:
    box = Box(tmp_path, BODY.replace("WAIT", UNTIL_GO))
    process = box.start()
    box.wait_for("in False")
    process.send_signal(signal.SIGINT)
    while "stopping" not in box.log:
        time.sleep(0.01)
    process.send_signal(second)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130 and out == "PAUSED signal 0\n", err
    assert box.calls == ["in False"]
    assert (box.position["state"], box.position["begun"]) == ("EXECUTE", True)
    assert "SIGINT, at once, in step_execute of step_node_one" in box.setting("pause_reason")
    assert box.setting("step_engine_state") == "PAUSED"
    (box.directory / "go").touch()
    assert box.run().status == "COMPLETE_SUCCESS"
    assert box.calls == ["in False", "in True", "out", "exit", "two"] and box.ctx == {"half": 1, "whole": 1}
    assert box.count == 2


@pytest.mark.slow
def test_many_times_leaves_a_run_that_goes_on(tmp_path: Path) -> None:
    """Signals at any moment of a busy loop: what is written is whole, and the next run ends it."""
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        step_arrow_graph_dict = {"again": {"arrow_step_name_string": "step_node_one"}}
        def step_entry(self): self.ctx.append("rows", self.ctx.get("n", 0))
        def step_execute(self): self.ctx["n"] = self.ctx.get("n", 0) + 1
        def step_exit(self): self.ctx.append("rows", self.ctx["n"])
        def step_advance(self): return "again" if self.ctx["n"] < 400 else "COMPLETE"
    """,
    )
    codes = []
    for number in range(14):
        process = box.start()
        while box.store.running() is None and process.poll() is None:
            time.sleep(0.002)
        time.sleep(0.004 * number)
        process.send_signal(signal.SIGINT)
        if number % 2:
            time.sleep(0.0015 * number)
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        codes.append(process.returncode)
        assert process.returncode in (0, 130, -2), err
        if "rows" in box.ctx:
            assert len(box.ctx["rows"]) in (
                2 * box.ctx.get("n", 0),
                2 * box.ctx.get("n", 0) - 1,
                2 * box.ctx.get("n", 0) + 1,
            )
    assert box.run().status == "COMPLETE_SUCCESS"
    assert 130 in codes
    assert box.ctx["n"] == 400 == box.count
    assert box.ctx["rows"] == [value for number in range(400) for value in (number, number + 1)]


def test_in_a_graph_without_anything_to_call(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        step_node_graph_dict = {"step_node_one": {"skip_step_node_execute_bool": 1}}
        step_arrow_graph_dict = {"again": {"arrow_step_name_string": "step_node_one"}}
        def step_execute(self): pass
    """,
    )
    process = box.start()
    while not box.setting("run_loop_count"):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    assert box.position["visit"] > 1


def test_a_keyboard_interrupt_of_the_bodys_own_stops_at_once(tmp_path: Path) -> None:
    box = Box(tmp_path, BODY.replace("WAIT", 'if once("x"): raise KeyboardInterrupt'))
    result = box.run()
    assert (result.status, result.exit_code) == ("PAUSED", 130)
    assert box.position["begun"] and box.calls == ["in False"]
    assert box.run().status == "COMPLETE_SUCCESS" and box.calls[1] == "in True"


def test_a_signal_in_the_last_method_does_not_keep_the_graph_from_its_end(tmp_path: Path) -> None:
    box = Box(
        tmp_path,
        """
    class step_node_one(StepNode):
        def step_execute(self): pass
        def step_advance(self):
            os.kill(os.getpid(), signal.SIGINT)
            return "COMPLETE"
    """,
    )
    assert box.run().status == "COMPLETE_SUCCESS"


def test_a_signal_and_a_breakpoint_at_one_place(tmp_path: Path) -> None:
    box = Box(
        tmp_path, BODY.replace("WAIT", "pass").replace('say("exit")', "os.kill(os.getpid(), signal.SIGINT)")
    )
    box.store.set("breakpoints", "step_node_one", "exit", True)
    result = box.run()
    assert result.ended_by == "signal,breakpoint" and result.exit_code == 130
    assert box.run().status == "COMPLETE_SUCCESS"


def test_handlers_are_there_for_the_run_only(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    box = Box(
        tmp_path,
        BODY.replace(
            "WAIT",
            """
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler""",
        ),
    )
    assert box.run().status == "COMPLETE_SUCCESS"
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_handlers_are_not_touched_from_a_thread(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with Stopping(print) as stopping:
            seen.append((signal.getsignal(signal.SIGINT), stopping.requested, stopping.event.is_set()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(before, "", False)]


@pytest.mark.slow
def test_a_signal_while_the_log_is_being_written(tmp_path: Path) -> None:
    """What a handler interrupts may hold a lock: a body that prints without end can be stopped."""
    box = Box(
        tmp_path,
        BODY.replace(
            "WAIT",
            """
        import logging
        while not self.ctx.stop.is_set():
            print("x")
            self.log.info("y")
            self.ctx["n"] = 1""",
        ),
    )
    for delay in range(6):
        box.store.delete("ctx") if "ctx" in box.state else None
        box.store.set(GLOBAL, "current_step_node", "step_node_one")
        box.store.set(GLOBAL, "current_step_state", "EXECUTE")
        box.clear_calls()
        process = box.start()
        box.wait_for("in False")
        time.sleep(0.03 * delay)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
        assert process.returncode == 130


FORKS = """
import os, signal
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))  # before the engine's own
from octo.engine.stopping import Stopping
with Stopping(lambda name: None):
    child = os.fork()
    if not child:
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_signal_to_a_worker_that_was_just_forked_ends_it() -> None:
    """It was forgotten, and multiprocessing.Pool waited for ever for that worker."""
    done = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"-{signal.SIGTERM:d}\nset()\n", done
