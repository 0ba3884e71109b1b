"""The handle of a step on ctx: increments, appends, records, transactions, history, checkpoints."""

from __future__ import annotations

import time
from copy import deepcopy
from pathlib import Path

import pytest

from octo.context import Context
from octo.engine.unit import replay
from octo.errors import InvalidValue, StaleView, UsageError
from octo.live import Access
from octo.store import Author, ParameterStore, dumps, loads


@pytest.fixture
def store(tmp_path: Path) -> ParameterStore:
    return ParameterStore(tmp_path / "it", create=True)


@pytest.fixture
def ctx(store: ParameterStore) -> Context:
    return Context.on(Access(store._state_file, Author("step_node_one", 3, 0, store.directory)))


def test_set_delete_and_author(ctx: Context, store: ParameterStore) -> None:
    ctx.set("a", 1)
    ctx.set("b", [2], who="somebody")
    ctx.delete("a")
    assert ctx.plain() == {"b": [2]} and ctx.plain("b") == [2]
    with pytest.raises(KeyError):
        ctx.delete("a")
    with pytest.raises(KeyError):
        ctx.plain("a")
    assert store.history(("ctx", "b"))[-1].who == "somebody"
    with pytest.raises(InvalidValue, match="not empty"):
        ctx.set("", 1)


def test_increment(ctx: Context) -> None:
    assert ctx.increment("n") == 1 and ctx.increment("n", 5) == 6 and ctx.increment("n", -0.5) == 5.5
    ctx["text"] = "x"
    ctx["bool"] = True
    for key in ("text", "bool"):
        with pytest.raises(InvalidValue, match=f"ctx/{key}"):
            ctx.increment(key)
    with pytest.raises(InvalidValue):
        ctx.increment("n", float("inf"))
    assert ctx["n"] == 5.5


def test_append_and_extend(ctx: Context, store: ParameterStore) -> None:
    ctx.append("rows", 1)
    ctx.append("rows", 2, 3)
    before = store.seq
    ctx.extend("rows", [4, 5])
    assert ctx["rows"] == [1, 2, 3, 4, 5] and store.seq == before + 1
    ctx["text"] = "x"
    with pytest.raises(InvalidValue, match="ctx/text is not a list"):
        ctx.append("text", 1)


def test_record(ctx: Context) -> None:
    ctx.record("log", {"a": 1})
    ctx.record("log", "b")
    ctx.record("jobs", {"state": "on"}, id="j1")
    ctx.record("jobs", {"state": "off"}, id="j1")
    ctx.record("jobs", 2, id="j2")
    assert ctx["log"] == [{"a": 1}, "b"] and ctx["jobs"] == {"j1": {"state": "off"}, "j2": 2}
    with pytest.raises(InvalidValue):
        ctx.record("jobs", 1, id="")


def test_record_may_keep_the_newest_only(ctx: Context, store: ParameterStore) -> None:
    for number in range(5):
        ctx.record("log", number, keep=3)
    assert ctx["log"] == [2, 3, 4]
    ctx.record("log", 5)
    assert ctx["log"] == [2, 3, 4, 5] and ctx["log"][-1:] == [5]
    assert [store.at(seq)["ctx"]["log"] for seq in range(store.seq - 2, store.seq + 1)] == [
        [1, 2, 3], [2, 3, 4], [2, 3, 4, 5]]
    for wrong in ({"keep": 0}, {"keep": 3, "id": "a"}):
        with pytest.raises(UsageError, match="keep is for a list"):
            ctx.record("log", 6, **wrong)
    assert ctx["log"] == [2, 3, 4, 5]


def test_a_live_entry_stays_at_its_place_while_older_ones_go(ctx: Context) -> None:
    ctx["log"] = [{"n": 0}, {"n": 1}]
    oldest, newest = ctx["log"]
    ctx.record("log", {"n": 2}, keep=2)
    newest["seen"] = True
    assert ctx["log"] == [{"n": 1, "seen": True}, {"n": 2}]
    with pytest.raises(StaleView):
        oldest["seen"] = True


def test_kept_records_of_two_copies_come_together() -> None:
    """As the changes of worker processes do, each made on a copy of its own."""
    ctx = Context(log=[1, 2])
    copies = [deepcopy(ctx), deepcopy(ctx)]
    for number, copy in enumerate(copies):
        before = len(list(copy._access.file.lines()))
        copy.record("log", f"a{number}", keep=3)
        copy.record("log", f"b{number}", keep=3)
        ops = [op for line in list(copy._access.file.lines())[before:] for op in line["ops"]]
        with ctx._access.changing() as tx:
            replay(tx, ops)
    assert ctx["log"] == ["b0", "a1", "b1"]


def test_taking(ctx: Context, store: ParameterStore) -> None:
    ctx["rows"] = [1, "a", 2, 3, "b", 4]
    before = store.seq

    def is_number(entry: object) -> bool:
        return isinstance(entry, int)

    assert ctx.take("rows", is_number, limit=3, to="taken") == [1, 2, 3]
    assert ctx["rows"] == ["a", "b", 4] and ctx["taken"] == [1, 2, 3] and store.seq == before + 1
    assert ctx.take("rows", is_number, changed=lambda entry: [entry]) == [4]
    assert ctx["rows"] == ["a", "b", [4]]
    assert ctx.take("rows", is_number, to="other") == [] and "other" not in ctx
    assert ctx.take("rows", lambda entry: True, to="taken", changed=str) == ["a", "b", [4]]
    assert ctx["rows"] == [] and ctx["taken"] == [1, 2, 3, "a", "b", "[4]"]
    assert ctx.take("none", is_number) == [] and ctx["none"] == []
    assert ctx.scope("stage").take("rows", is_number) == [] and ctx["stage.rows"] == []
    ctx["n"] = 1
    with pytest.raises(InvalidValue, match="ctx/n is not a list"):
        ctx.take("n", is_number)
    with pytest.raises(InvalidValue, match="taken/6"):
        ctx.append("rows", 1)
        ctx.take("rows", is_number, to="taken", changed=lambda entry: {1, 2})
    assert ctx["rows"] == [1] and len(ctx["taken"]) == 6


def test_a_taken_entry_stays_a_record_where_changes_are_made_again() -> None:
    ctx = Context(rows=[1, 2, 1])
    again = deepcopy(ctx)
    before = len(list(ctx._access.file.lines()))
    ctx.take("rows", lambda entry: entry == 1, limit=1)
    ops = [op for line in list(ctx._access.file.lines())[before:] for op in line["ops"]]
    with again._access.changing() as tx:
        replay(tx, ops)
        assert [op.get("record") for op in loads(dumps(tx.ops))] == [True]
        with pytest.raises(InvalidValue, match="by none or as many, not by 1"):
            tx.splice(("ctx", "rows"), 0, 2, [5], record=True)
    assert again["rows"] == ctx["rows"] == [2, 1]


def test_a_transaction_is_one_record_or_none(ctx: Context, store: ParameterStore) -> None:
    before = store.seq
    with ctx.transaction() as same:
        assert same is ctx
        ctx["a"] = 1
        ctx.increment("n")
        ctx["l"] = [1]
        ctx["l"].append(2)
        assert ctx["l"] == [1, 2] and ctx["n"] == 1, "it sees its own changes"
    assert store.seq == before + 1
    with pytest.raises(RuntimeError), ctx.transaction():
        ctx["a"] = 2
        raise RuntimeError
    with ctx.transaction():
        pass
    assert store.seq == before + 1 and ctx == {"a": 1, "n": 1, "l": [1, 2]}


def test_history(ctx: Context, store: ParameterStore) -> None:
    started = time.time()
    assert ctx.get_history("x") == [] and ctx.last_modified("x") is None
    ctx["x"] = {"a": [1]}
    ctx["other"] = 5
    ctx["x"]["a"].append(2)
    ctx.set("x", 3, who="somebody")
    del ctx["x"]
    history = ctx.get_history("x")
    assert [(entry["value"], entry["who"]) for entry in history] == [
        ({"a": [1]}, "step_node_one"), ([2], "step_node_one"), (3, "somebody"), (None, "step_node_one")
    ]  # fmt: skip
    assert "op" not in history[0] and (history[1]["op"], history[1]["path"]) == ("append", ["x", "a"])
    assert all(started <= entry["timestamp"] <= time.time() for entry in history)
    assert ctx.last_modified("x") == history[-1]["timestamp"]


def test_history_of_what_was_set_with_the_whole_group(ctx: Context, store: ParameterStore) -> None:
    store.set("ctx", {"x": 1, "y": 2})
    store.set("ctx", {"y": 2})
    store.set("ctx", {"x": 5})
    assert [entry["value"] for entry in ctx.get_history("x")] == [1, None, 5]
    assert [entry["value"] for entry in ctx.get_history("y")] == [2, 2, None]
    store.delete("ctx")
    assert [entry["value"] for entry in ctx.get_history("x")] == [1, None, 5, None]


def test_stop_is_an_event_that_is_not_set(ctx: Context) -> None:
    assert not ctx.stop.is_set() and ctx.stop.wait(0) is False


def test_a_checkpoint_is_a_record_without_a_change(ctx: Context, store: ParameterStore) -> None:
    before = store.read()
    ctx.checkpoint()
    assert store.read() == before


def test_a_changed_plain_copy_changes_nothing(ctx: Context) -> None:
    ctx["x"] = {"rows": [1]}
    ctx.plain()["x"]["rows"].append(2)
    ctx.plain("x")["rows"].append(2)
    assert ctx == {"x": {"rows": [1]}}
