"""Plans that are stopped, killed, or cannot write: what is there afterwards, and what the next run does."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from octo.engine.engine import Engine
from octo.errors import StoreError
from octo.store import journal
from tests.engine.dag_kit import LONG, Plan, Signs, step
from tests.engine.kit import CHECKOUT

pytestmark = pytest.mark.faults

PLAN = """
import os, signal, sys, threading, time
from pathlib import Path
from tests.engine.dag_kit import Plan, step

def say(text):
    with open("calls.txt", "a") as file:
        file.write(text + "\\n")

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)

again = os.path.exists("it/again")
here = Path(sys.argv[1])
"""

RUN = """
result = plan.run()
print(result.status, *result.reasons)
raise SystemExit(result.exit_code)
"""


class Child:
    """A plan that runs in a process of its own."""

    def __init__(self, directory: Path, code: str) -> None:
        self.directory = directory
        self.code = PLAN + code + RUN

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", self.code, str(self.directory)], cwd=self.directory, text=True,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self) -> tuple[int, str]:
        process = self.start()
        out, err = process.communicate(timeout=120)
        return process.returncode, out + err

    @property
    def plan(self) -> Plan:
        return Plan(self.directory)

    def calls(self) -> list[str]:
        path = self.directory / "it" / "calls.txt"
        return path.read_text().splitlines() if path.exists() else []

    def wait_for(self, *texts: str) -> None:
        end = time.monotonic() + 60
        while not set(texts) <= set(self.calls()):
            assert time.monotonic() < end, f"{texts} not among {self.calls()}"
            time.sleep(0.01)


THREE = """
def body(call):
    call.ctx.append("began", call.name)
    say(call.name + (" again" if call.resumed else ""))
    if again:
        return
    if MANNERS:
        call.stop.wait(60)
    else:
        until(lambda: False)

plan = Plan(here, step("first", lambda call: call.ctx.set("first", 1), p=True),
            *(step(name, body, p=P, after="first") for name in "abc"[:3 if P else 1]))
"""


@pytest.mark.parametrize("p", [False, True])
def test_the_first_ctrl_c_lets_what_runs_end(tmp_path: Path, p: bool) -> None:
    names = ["a", "b", "c"] if p else ["a"]
    child = Child(tmp_path, THREE.replace("MANNERS", "True").replace("P ", f"{p} ").replace("p=P", f"p={p}"))
    process = child.start()
    child.wait_for(*names)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out.split()[:2]) == (130, ["PAUSED", "SIGINT"]), out + err
    assert {child.plan.status[name] for name in names} == {"DONE"}
    assert sorted(child.plan.ctx["began"]) == names


@pytest.mark.parametrize("p", [False, True])
def test_the_second_ctrl_c_ends_at_once_and_the_next_run_begins_again(tmp_path: Path, p: bool) -> None:
    names = ["a", "b", "c"] if p else ["a"]
    child = Child(tmp_path, THREE.replace("MANNERS", "False").replace("P ", f"{p} ").replace("p=P", f"p={p}"))
    process = child.start()
    child.wait_for(*names)
    process.send_signal(signal.SIGINT)
    log = next((tmp_path / "it" / "Logs").iterdir())
    end = time.monotonic() + 60
    while "SIGINT" not in log.read_text():
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130 and "at once, in a" in out, out + err
    (tmp_path / "it" / "again").touch()
    code, text = child.run()
    assert code == 0 and text.count("cut off: ") == 1, text
    assert all(name in text.split("cut off: ")[1] for name in names)
    assert sorted(child.plan.ctx["began"]) == names and child.plan.ctx["first"] == 1
    assert sorted(child.calls()) == sorted([*names, *(f"{name} again" for name in names)])


def test_a_kill_in_the_middle_of_parallel_steps(tmp_path: Path) -> None:
    child = Child(tmp_path, """
def body(call):
    say(call.name)
    call.ctx.increment("n")
    call.ctx.record("log", call.name)
    if call.name == "s13" and not again:
        die()

plan = Plan(here, *(step(f"s{number}", body, p=True, after=[f"s{number - 9}"] if number > 9 else ())
                    for number in range(60)))
""")
    code, _ = child.run()
    assert code == -signal.SIGKILL
    (tmp_path / "it" / "again").touch()
    code, text = child.run()
    assert code == 0, text
    assert child.plan.ctx["n"] == 60 and child.plan.setting("run_step_count") - 1 == 60
    assert set(child.calls()) == {f"s{number}" for number in range(60)}


def test_what_a_checkpoint_kept_before_a_kill_belongs_to_the_step(tmp_path: Path) -> None:
    child = Child(tmp_path, """
def body(call):
    if again:
        return
    call.ctx.set("kept", 1)
    call.ctx.checkpoint()
    call.ctx.set("gone", 1)
    die()

plan = Plan(here, step("a", body, p=True), step("b", lambda call: call.ctx.set("kept", 2), p=True, after=()),)
if not again:
    plan.steps = plan.steps[:1]
""")
    assert child.run()[0] == -signal.SIGKILL
    (tmp_path / "it" / "again").touch()
    code, text = child.run()
    assert code == 1 and "CtxClash" in text, text
    assert "gone" not in child.plan.ctx and child.plan.entry("a")["calls"][0] > 0


@pytest.mark.parametrize("p", [False, True])
def test_a_disk_that_is_full_ends_the_run_with_an_error(tmp_path: Path, p: bool,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    full = threading.Event()
    signs, late, write = Signs(), [], journal.write_all

    def write_all(fd: int, data: bytes) -> None:
        if full.is_set():
            raise OSError(errno.ENOSPC, "no space left on device")
        write(fd, data)

    def fills(call: Any) -> None:
        signs.wait("up")
        full.set()

    def server(call: Any) -> None:
        signs.give("up")
        call.stop.wait(LONG)
        signs.wait("run over")
        try:
            call.ctx["late"] = 1
        except Exception as error:
            late.append(type(error).__name__)
        signs.give("tried")

    monkeypatch.setattr(journal, "write_all", write_all)
    plan = Plan(tmp_path, step("server", server, background=True, stop_timeout=0.1), step("a", fills, p=p),
                step("b", lambda call: None, p=p, after="a"))
    with pytest.raises(StoreError, match="no space left"):
        plan.run()
    full.clear()
    signs.give("run over")
    signs.wait("tried")
    assert late == ["AttemptEnded"]
    plan.replace(step("a", lambda call: call.ctx.set("a", 1), p=p))
    plan.replace(step("server", lambda call: call.stop.wait(LONG), background=True))
    assert plan.run().status == "COMPLETE_SUCCESS" and plan.ctx == {"a": 1}


def starts_by(walk: Any, function: Any) -> None:
    """The engine's pool starts a unit by `function(how it does so else, what is called, the unit)`."""
    set_up = walk.set_up

    def and_the_pool(frame: Any) -> None:
        set_up(frame)
        walk.pool.start = partial(function, walk.pool.start)

    walk.set_up = and_the_pool


def test_parallel_steps_of_a_broken_run_write_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's own thread fails while a step runs in another."""
    signs, late = Signs(), []

    def slow(call: Any) -> None:
        signs.give("slow runs")
        signs.wait("run over")
        try:
            call.ctx["late"] = 1
        except Exception as error:
            late.append(type(error).__name__)

    plan = Plan(tmp_path, step("slow", slow, p=True), step("b", lambda call: None, p=True))
    walk = plan.walk()

    def start_or_break(start: Any, function: Any, run: Any) -> None:
        if run.name == "b":
            signs.wait("slow runs")
            raise StoreError("it broke")
        start(function, run)

    starts_by(walk, start_or_break)
    monkeypatch.setattr(plan, "walk", lambda: walk)
    with pytest.raises(StoreError, match="it broke"):
        plan.run()
    before = plan.store.read()
    signs.give("run over")
    end = time.monotonic() + LONG
    while not late:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert late == ["AttemptEnded"] and plan.store.read() == before


def test_a_step_that_is_about_to_begin_when_the_run_breaks_begins_no_more(tmp_path: Path) -> None:
    signs, ran = Signs(), []
    plan = Plan(tmp_path, step("slow", ran.append, p=True), step("b", p=True))
    walk = plan.walk()

    def start_late(start: Any, function: Any, run: Any) -> None:
        def late(run: Any) -> None:
            signs.wait("run over")
            function(run)
            signs.give("late over")

        if run.name == "b":
            raise StoreError("it broke")
        start(late, run)

    starts_by(walk, start_late)
    with pytest.raises(StoreError, match="it broke"):
        Engine(plan.directory, walk=walk, draw=False).run()
    before = plan.store.read()
    signs.give("run over")
    signs.wait("late over")
    assert ran == [] and plan.store.read() == before
