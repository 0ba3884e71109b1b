"""State in memory: transactions, history, threads; what it is made of is never changed."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo.errors import AttemptEnded, InvalidValue
from octo.store import MISSING, Author
from octo.store.memory import MemoryState
from tests.store.commands import COMMANDS, START, do, model


def test_reading() -> None:
    memory = MemoryState({"ctx": {"a": [1, {"b": 2}]}})
    assert memory.read() == {"ctx": {"a": [1, {"b": 2}]}} and memory.read(("ctx", "a", 1, "b")) == 2
    assert memory.read(("ctx", "none")) is MISSING
    memory.read()["ctx"]["a"].append(3)
    assert memory.look(("ctx", "a"), len) == 2
    with memory.reading() as tree:
        assert tree.find(("ctx", "a", 0)) == 1


def test_what_it_is_made_of_is_never_changed() -> None:
    root = {"ctx": {"rows": [{"n": 1}, {"n": 2}], "d": {"x": 1}}, "other": {"rows": []}}
    before, other, second = copy.deepcopy(root), root["other"], root["ctx"]["rows"][1]  # type: ignore[index]
    memory = MemoryState(root)
    with memory.transaction("me") as tx:
        tx.append(("ctx", "rows"), [{"n": 3}])
        tx.set(("ctx", "rows", 0, "n"), 9)
        tx.increment(("ctx", "d", "x"))
        tx.delete(("ctx", "d", "x"))
    with memory.transaction("me") as tx:
        tx.set(("ctx", "rows", 2, "n"), 8)
        tx.splice(("ctx", "rows"), 0, 1, [])
    assert root == before
    assert memory.read(("ctx",)) == {"rows": [{"n": 2}, {"n": 8}], "d": {}}
    with memory.reading() as tree:
        assert tree.root["other"] is other and tree.root["ctx"]["rows"][0] is second, "nothing else was copied"


def test_lines_are_those_of_a_journal() -> None:
    older = [{"seq": 1, "time": 0.5, "who": "before", "ops": []}]
    memory = MemoryState({}, before=lambda: older, seq=1)
    with memory.transaction("engine") as tx:
        tx.flags["begin"] = True
    with memory.transaction("step", Author("step", 4, 2)) as tx:
        tx.set(("ctx", "a"), 1)
        tx.increment(("ctx", "a"), 2)
    with memory.transaction("nobody"):
        pass
    first, begin, step = memory.lines()
    assert first is older[0] and (begin["seq"], begin["begin"], begin["ops"]) == (2, True, [])
    assert (step["seq"], step["who"], step["visit"], step["call"]) == (3, "step", 4, 2)
    assert step["ops"][1:] == [
        {"op": "set", "path": ["ctx", "a"], "value": 1},
        {"op": "increment", "path": ["ctx", "a"], "by": 2},
    ]
    assert memory.seq == 3 and 0.5 < begin["time"] <= step["time"]


def test_it_keeps_the_newest_records_only() -> None:
    memory = MemoryState({}, limit=3)
    for number in range(10):
        with memory.transaction("me") as tx:
            tx.set(("n",), number)
    assert [line["seq"] for line in memory.lines()] == [8, 9, 10]


def test_a_transaction_inside_another_is_a_part_of_it() -> None:
    memory = MemoryState({})
    with memory.transaction("outer") as outer, memory.transaction("inner") as inner:
        assert inner is outer
        inner.set(("a",), 1)
    (line,) = memory.lines()
    assert line["who"] == "outer"


@given(start=START, work=st.lists(COMMANDS, max_size=6), dropped=st.lists(COMMANDS, max_size=8))
def test_an_exception_drops_all(start: dict[str, Any], work: list[Any], dropped: list[Any]) -> None:
    from octo.context import Context

    ctx = Context(start)
    expected = copy.deepcopy(start)
    for command in work:
        try:
            command = do(ctx, command)
        except Exception:
            continue
        model(expected, command)
    history = {key: ctx.get_history(key) for key in "abc"}
    with pytest.raises(ZeroDivisionError), ctx.transaction():
        for command in dropped:
            try:
                do(ctx, command)
            except Exception:
                continue
        raise ZeroDivisionError
    assert ctx == expected and history == {key: ctx.get_history(key) for key in "abc"}


def test_a_call_that_failed_writes_no_more() -> None:
    memory = MemoryState({})
    with memory.transaction("engine") as tx:
        tx.flags["begin"] = True
    author = Author("step", 1, memory.seq)
    with memory.transaction("step", author) as tx:
        tx.set(("a",), 1)
    with memory.transaction("engine") as tx:
        tx.flags["fence"] = [author.call]
    with pytest.raises(AttemptEnded), memory.transaction("step", author) as tx:
        tx.set(("a",), 2)
    assert memory.read() == {"a": 1}


def test_a_value_that_is_refused_leaves_the_transaction_usable() -> None:
    memory = MemoryState({})
    with memory.transaction("me") as tx:
        tx.set(("a",), 1)
        with pytest.raises(InvalidValue):
            tx.set(("b",), {1})
        tx.set(("c",), 3)
    assert memory.read() == {"a": 1, "c": 3}


def test_threads_lose_nothing() -> None:
    memory = MemoryState({"n": 0, "rows": []})

    def work(name: int) -> None:
        for number in range(200):
            with memory.transaction(str(name)) as tx:
                tx.set(("n",), tx.get(("n",)) + 1)
                tx.append(("rows",), [[name, number]])

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert memory.read(("n",)) == 1600 == memory.seq == len(list(memory.lines()))
    for name in range(8):
        assert [number for who, number in memory.read(("rows",)) if who == name] == list(range(200))


@pytest.mark.parametrize("how", [copy.deepcopy, lambda memory: pickle.loads(pickle.dumps(memory))])
def test_a_copy_is_a_state_of_its_own(how: Any) -> None:
    memory = MemoryState({"a": [1]}, limit=5)
    with memory.transaction("me") as tx:
        tx.append(("a",), [2])
    other = how(memory)
    with other.transaction("you") as tx:
        tx.append(("a",), [3])
    assert memory.read() == {"a": [1, 2]} and other.read() == {"a": [1, 2, 3]}
    assert [line["who"] for line in other.lines()] == ["me", "you"] and other.seq == 2
