"""What several calls did is taken back as if they had never run: against a replay without them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octo.context import Context
from octo.live import Access
from octo.store import Author, ParameterStore
from octo.store.memory import MemoryState
from octo.store.undo import undo_call, undo_calls
from tests.store.commands import COMMANDS, ENTRIES, KEPT, START, do, model


class Steps:
    """Four calls of steps, and a person (0), on one state."""

    def __init__(self, file: Any, lines: Callable[[], list[dict[str, Any]]], start: dict[str, Any]) -> None:
        self.file, self.lines = file, lines
        with file.transaction("start") as tx:
            tx.set(("ctx",), start)
        self.stop = threading.Event()
        self.handles = {0: self.handle(0)}
        self.calls = {0: 0}
        for step in (1, 2, 3, 4):
            with file.transaction("engine") as tx:
                tx.flags["begin"] = True
            self.calls[step] = self.lines()[-1]["seq"]
            self.handles[step] = self.handle(step)
        self.done: list[tuple[int, tuple[Any, ...]]] = []

    def handle(self, step: int) -> Context:
        author = Author(f"step{step}" if step else "person", step, self.calls[step] if step else 0)
        return Context.on(Access(self.file, author, self.stop, tracked=True))

    def do(self, step: int, command: tuple[Any, ...]) -> None:
        try:
            command = do(self.handles[step], command)
        except Exception:
            return  # it does not fit: nothing was changed
        self.done.append((step, command))

    def lines_since(self, number: int) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["seq"] > number]

    def undo(self, steps: set[int], *, mark: bool = True) -> None:
        calls = [self.calls[step] for step in steps]
        with self.file.transaction("engine") as tx:
            undo_calls(tx, self.lines_since, calls, "ctx")
            if mark:
                tx.flags["fence"] = calls

    def expected(self, start: dict[str, Any], without: set[int]) -> dict[str, Any]:
        state = deepcopy(start)
        for step, command in self.done:
            if step not in without or command[0] in KEPT:
                model(state, command)
        return state

    @property
    def ctx(self) -> Any:
        return self.file.read(("ctx",))


def in_memory(start: dict[str, Any]) -> Steps:
    memory = MemoryState({})
    return Steps(memory, lambda: list(memory.lines()), start)


WORK = st.lists(st.tuples(st.integers(0, 4), COMMANDS), max_size=14)
TAKING = st.lists(st.tuples(st.integers(0, 3), ENTRIES), min_size=4, max_size=16)


@pytest.mark.slow
@settings(max_examples=600)
@given(start=START, work=WORK)
def test_one_attempt_removed_is_a_replay_without_it(start: dict[str, Any], work: list[Any]) -> None:
    steps = in_memory(start)
    for step, command in work:
        steps.do(step, command)
    steps.undo({1})
    assert steps.ctx == steps.expected(start, {1})


@pytest.mark.slow
@settings(max_examples=500)
@given(start=START, work=WORK, more=WORK)
def test_and_others_after_an_earlier_one_was_undone(start: dict[str, Any], work: list[Any], more: list[Any]) -> None:
    """Step 1 fails, later 2 is undone too; then both and 3, as by --resume-from: each time a replay without them."""
    steps = in_memory(start)
    for step, command in work:
        steps.do(step, command)
    steps.undo({1})
    for step, command in more:
        if step != 1:
            steps.do(step, command)
    steps.undo({2})
    assert steps.ctx == steps.expected(start, {1, 2})
    for step, command in more:
        if step in (0, 3):
            steps.do(step, command)
    steps.undo({1, 2, 3})
    assert steps.ctx == steps.expected(start, {1, 2, 3})


@pytest.mark.slow
@settings(max_examples=400)
@given(work=TAKING, then=TAKING)
def test_what_is_taken_stays_taken_and_no_other_entry_goes_in_its_stead(work: list[Any], then: list[Any]) -> None:
    steps = in_memory({})
    for step, command in work:
        steps.do(step, command)
    steps.undo({1})
    assert steps.ctx == steps.expected({}, {1})
    for step, command in then:
        if step != 1:
            steps.do(step, command)
    steps.undo({2})
    assert steps.ctx == steps.expected({}, {1, 2})


@settings(max_examples=25)
@given(start=START, work=WORK | TAKING, several=st.sampled_from([{1}, {1, 3}, {2, 3, 4}]))
def test_the_same_in_a_file(tmp_path_factory: pytest.TempPathFactory, start: dict[str, Any], work: list[Any],
                            several: set[int]) -> None:
    store = ParameterStore(tmp_path_factory.mktemp("it"), create=True)
    file = store._state_file
    file.durability = "os"
    steps = Steps(file, lambda: [line for line in file.lines() if "seq" in line], start)
    for step, command in work:
        steps.do(step, command)
    steps.undo(several)
    assert steps.ctx == steps.expected(start, several) == store.get("ctx")


def undone(steps: Steps, *which: int, **more: Any) -> list[str]:
    calls = [steps.calls[step] for step in which]
    with steps.file.transaction("engine") as tx:
        return undo_calls(tx, steps.lines_since, calls, "ctx", **more)


def test_what_parallel_steps_added_to_one_list_stays_when_the_one_that_made_it_goes() -> None:
    steps = in_memory({})
    steps.do(1, ("append", "a", 1))
    steps.do(2, ("append", "a", 2))
    steps.do(1, ("increment", "b", 5))
    steps.do(2, ("increment", "b", 2))
    assert undone(steps, 1) == ["ctx/a", "ctx/b"]
    assert steps.ctx == {"a": [2], "b": 2}


def test_a_default_that_another_wanted_too_is_its_own_then() -> None:
    steps = in_memory({})
    steps.do(1, ("set", "a", 1))
    steps.do(2, ("setdefault", "a", 7))
    undone(steps, 1)
    assert steps.ctx == {"a": 7}


def test_a_checkpoint_protects_from_undo_call_only() -> None:
    steps = in_memory({})
    steps.do(1, ("set", "a", 1))
    steps.handles[1].checkpoint()
    steps.do(1, ("set", "b", 1))
    with steps.file.transaction("engine") as tx:
        assert undo_call(tx, steps.lines_since, steps.calls[1], "ctx") == ["ctx/b"]
        tx.flags["fence"] = steps.calls[1]
    assert steps.ctx == {"a": 1}
    undone(steps, 1)
    assert steps.ctx == {}


def test_undoing_what_stands_below_an_attempt_that_was_undone_since() -> None:
    steps = in_memory({"a": 0})
    steps.do(1, ("set", "a", 1))
    steps.do(2, ("set", "a", 2))
    steps.undo({2})
    assert steps.ctx == {"a": 1}
    undone(steps, 1)
    assert steps.ctx == {"a": 0}


def test_what_is_to_be_kept_of_a_call_is_kept() -> None:
    steps = in_memory({})
    steps.do(1, ("set", "a", 1))
    steps.do(2, ("set", "a", 2))
    steps.do(1, ("set", "b", 1))
    steps.do(2, ("set", "b", 2))
    steps.do(1, ("set", "c", 1))
    found = undone(steps, 2, keep=lambda op: op["path"] != ["ctx", "a"])
    assert found == ["ctx/a"] and steps.ctx == {"a": 1, "b": 2, "c": 1}


def test_what_does_not_fit_any_more_is_noted_and_records_stay() -> None:
    steps = in_memory({})
    steps.do(1, ("set", "a", {}))
    steps.do(2, ("nested", "a", "x", 1))
    steps.do(1, ("record", "log", 1))
    assert undone(steps, 1) == ["ctx/a", "(ctx/a/x: the set by step2 does not fit any more)"]
    assert steps.ctx == {"log": [1]}


def test_nothing_to_undo_is_nothing() -> None:
    steps = in_memory({"a": 1})
    steps.do(2, ("set", "a", 2))
    assert undone(steps, 1, 3) == [] and steps.ctx == {"a": 2}


def test_many_changes_are_undone_in_a_moment() -> None:
    """Not the product of what the call and the others did."""
    steps = in_memory({})
    for number in range(3000):
        steps.handles[1][f"mine{number}"] = number
        steps.handles[2][f"other{number}"] = number
    undone(steps, 1)
    assert steps.ctx == {f"other{number}": number for number in range(3000)}


def test_what_is_taken_is_meant_by_its_value() -> None:
    """1, 1.0 and true are three values; of equal ones it is the nearest; what is gone is not missed."""
    steps = in_memory({"rows": [1.0, 1, "x", 1]})
    steps.handles[1]["rows"].insert(0, True)
    steps.handles[1]["rows"].append("mine")
    steps.handles[2].take("rows", lambda entry: type(entry) is int or entry == "mine", limit=1)
    steps.handles[2].take("rows", lambda entry: entry == "mine")
    steps.handles[3]["rows"].append("y")
    assert undone(steps, 1) == ["ctx/rows"]
    assert repr(steps.ctx["rows"]) == "[1.0, 'x', 1, 'y']"
    steps = in_memory({})
    steps.handles[1].append("rows", 1)
    steps.handles[2].take("rows", lambda entry: True, to="taken")
    assert undone(steps, 1) == ["ctx/rows"]
    assert steps.ctx == {"taken": [1]}
    steps = in_memory({"rows": ["x", "a", "x", 1]})
    steps.handles[1]["rows"].append("mine")
    with steps.handles[2]._access.changing() as tx:
        tx.splice(("ctx", "rows"), 2, 1, [], record=True)
    assert undone(steps, 1) == ["ctx/rows"] and steps.ctx == {"rows": ["x", "a", 1]}
