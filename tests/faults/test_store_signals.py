"""A signal at every line of a store call: the state stays whole, the lock is free, the exception comes after."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from octo.store import LOCK_FILE, ParameterStore, critical
from octo.store import view as view_module
from tests.store.states import edit, other, records, shown

pytestmark = [pytest.mark.faults, pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")]

STORE = os.sep + os.path.join("octo", "store") + os.sep


class Stopped(Exception):
    """What the handler raises."""


def raise_later(number: int, frame: FrameType | None) -> None:
    critical.raise_outside(Stopped())


def raise_at_once(number: int, frame: FrameType | None) -> None:
    raise Stopped


def with_signal_at(line: int, call: Callable[[], Any]) -> tuple[bool, bool]:
    """Run `call`, with a signal at the `line`-th line of octo/store. Whether it came, and whether it raised."""
    count = 0
    entered: set[tuple[int, int]] = set()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if STORE not in frame.f_code.co_filename:
            return None
        if event == "call" and frame.f_lineno == frame.f_code.co_firstlineno:  # not a generator that goes on
            entered.difference_update({mark for mark in entered if mark[0] == id(frame)})
        if event == "line":
            # True signals are taken at calls and jumps, never between a with statement's body and its __exit__ (told
            # here as its line again) or at the word `try`; an exception out of this function would be.
            if frame.f_lineno in lines_of(frame.f_code.co_filename, ast.Try):
                return trace
            if frame.f_lineno in lines_of(frame.f_code.co_filename, ast.With):
                mark = id(frame), frame.f_lineno
                if mark in entered:
                    return trace
                entered.add(mark)
            count += 1
            if count == line:
                signal.raise_signal(signal.SIGUSR1)
        return trace

    raised = False
    sys.settrace(trace)
    try:
        call()
    except Stopped:
        raised = True
    finally:
        sys.settrace(None)
    return count >= line, raised


@cache
def lines_of(path: str, kind: type[ast.AST]) -> frozenset[int]:
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    return frozenset(node.lineno for node in ast.walk(tree) if isinstance(node, kind) and isinstance(node, ast.stmt))


def is_free(directory: Path) -> bool:
    """Whether another can take the lock (work in the background may hold it for a moment)."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(directory / LOCK_FILE, timeout=5, poll_interval=0.001):
            return True
    except Timeout:
        return False


def change(store: ParameterStore) -> None:
    with store.transaction() as tx:
        tx.increment(("ctx", "a"))
        tx.increment(("ctx", "b"), -1)


def change_after_an_edit(store: ParameterStore) -> None:
    change(store)


def change_later(store: ParameterStore) -> None:
    with store._state_file.transaction("engine", later=True) as tx:
        tx.flags["begin"] = True
        tx.increment(("ctx", "a"))
        tx.increment(("ctx", "b"), -1)


def compact(store: ParameterStore) -> None:
    change(store)
    store.compact()


def read(store: ParameterStore) -> None:
    store.read()
    store.history()
    store.at(store.seq)


CALLS = {call.__name__: call for call in (change, change_after_an_edit, change_later, compact, read)}


@pytest.fixture
def handler(request: pytest.FixtureRequest) -> Any:
    before = signal.signal(signal.SIGUSR1, request.param)
    yield request.param
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("handler", [raise_later], indirect=True)
@pytest.mark.parametrize(
    ("name", "size"), [*((name, "small") for name in CALLS), ("change", "in pieces"), ("compact", "in pieces")])
def test_a_signal_at_every_line(tmp_path: Path, name: str, size: str, handler: Any,
                                monkeypatch: pytest.MonkeyPatch) -> None:
    store = ParameterStore(tmp_path / "i", create=True)
    store.set("ctx", {"a": 0, "b": 0})
    store.set("global_parameters", "history_limit", 3)
    if size == "in pieces":
        monkeypatch.setattr(view_module, "PIECEWISE", 2000)
        store.set("ctx", "large", ["x" * 50] * 100)
    call, line, came = CALLS[name], 0, True
    while came:
        line += 1
        if name == "change_after_an_edit":
            edit(store.path, lambda s: s.update(edited=s.get("edited", 0) + 1))
        if name == "read":
            store._state_file.tree = None
        store._state_file.deferring = name == "change_later"
        before = store.get("ctx", "a")
        came, raised = with_signal_at(line, lambda: call(store))
        assert raised == came, line
        assert is_free(store.directory), line
        with store._state_file._mutex:
            assert store._state_file._depth == 0
        assert critical.level() == 0
        state = store.read()
        assert state["ctx"]["a"] == -state["ctx"]["b"]
        done = state["ctx"]["a"] - before
        assert done in ((0,) if name == "read" else (0, 1)), line
        if line % 20 == 0 or not came:
            assert other(store).read() == state
            records(store.directory)
    store._state_file.deferring = False
    store.flush()
    assert shown(store) == store.read() == other(store).read()
    if name == "change_after_an_edit":
        assert store.get("edited") == line
    assert line > 30


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the signal may come in a __del__
@pytest.mark.parametrize("handler", [raise_at_once], indirect=True)
def test_an_exception_in_the_middle_of_a_call(tmp_path: Path, handler: Any) -> None:
    """As KeyboardInterrupt where no handler of Octo's is installed: all stays whole, nothing is counted twice."""
    store = ParameterStore(tmp_path / "i", create=True)
    store.set("ctx", {"a": 0, "b": 0})
    line, came = 0, True
    while came:
        line += 1
        before = store.get("ctx", "a")
        came, raised = with_signal_at(line, lambda: change(store))
        state = store.read()
        assert state["ctx"]["a"] == -state["ctx"]["b"]
        assert state["ctx"]["a"] - before in (0, 1), line
        assert store.increment("ctx", "n") == line
        assert is_free(store.directory), line
        records(store.directory)
    assert other(store).read() == store.read() == shown(store)


def test_a_real_signal_waits_until_the_store_is_left(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from octo.store import ParameterStore, critical
store = ParameterStore(sys.argv[1], create=True)
class Stopped(Exception): pass
def handler(number, frame):
    if critical.level():
        critical.raise_outside(Stopped())
counting = True
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.0023)
done = stopped = 0
while counting:
    try:
        store.increment("ctx", "n")
        done += 1
        counting = done < 300
    except Stopped:
        stopped += 1
signal.setitimer(signal.ITIMER_REAL, 0)
print(done, stopped, store.get("ctx", "n"))
"""
    command = [sys.executable, "-c", code, str(tmp_path / "i")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    done, stopped, count = map(int, ended.stdout.split())
    assert stopped > 0
    assert done <= count <= done + stopped


def test_outside_the_store_it_is_raised_at_once() -> None:
    with pytest.raises(Stopped):
        critical.raise_outside(Stopped())


def test_another_threads_call_holds_nothing_back(tmp_path: Path) -> None:
    store = ParameterStore(tmp_path / "i", create=True)
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with store.transaction():
            inside.set()
            go_on.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(10)
    began = time.monotonic()
    with pytest.raises(Stopped):
        critical.raise_outside(Stopped())
    assert time.monotonic() - began < 1
    go_on.set()
    thread.join()
