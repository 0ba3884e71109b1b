"""Changes to a tree: what does not fit changes nothing, and what a reader holds stays as it was."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from octo.errors import InvalidValue
from octo.store import MISSING, ParameterStore, diff
from octo.store.changes import Tree


def state() -> dict[str, Any]:
    return {"n": 1, "text": "x", "flag": True, "rows": [1, {"a": 2}], "d": {"e": {}}}


@pytest.mark.parametrize(
    "op",
    [
        {"op": "set", "path": ["n", "a"], "value": 1},
        {"op": "set", "path": ["rows", 2], "value": 1},
        {"op": "set", "path": ["rows", "a"], "value": 1},
        {"op": "set", "path": ["d", 0], "value": 1},
        {"op": "set", "path": ["none", "a"], "value": 1},
        {"op": "delete", "path": ["none"]},
        {"op": "delete", "path": ["rows", 0]},
        {"op": "increment", "path": ["text"], "by": 1},
        {"op": "increment", "path": ["flag"], "by": 1},
        {"op": "increment", "path": ["none"], "by": 1},
        {"op": "increment", "path": ["text"], "by": 1, "new": True},
        {"op": "append", "path": ["text"], "values": [1]},
        {"op": "append", "path": ["none"], "values": [1]},
        {"op": "append", "path": ["d"], "values": [1], "new": True},
        {"op": "splice", "path": ["rows"], "start": 1, "count": 2, "items": []},
        {"op": "splice", "path": ["d"], "start": 0, "count": 0, "items": []},
        {"op": "swap", "path": ["rows"]},
    ],
)
@pytest.mark.parametrize("frozen", [True, False])
def test_what_does_not_fit_changes_nothing(op: dict[str, Any], frozen: bool) -> None:
    tree = Tree(state())
    if frozen:
        tree.freeze()
    with pytest.raises(InvalidValue):
        tree.apply(op)
    assert tree.root == state()


def test_a_frozen_tree_shares_what_was_not_changed() -> None:
    tree = Tree(state())
    root = tree.freeze()
    tree.apply({"op": "set", "path": ["rows", 1, "a"], "value": 3})
    tree.apply({"op": "append", "path": ["rows"], "values": [4]})
    assert root == state()
    assert tree.root["rows"] == [1, {"a": 3}, 4]
    assert tree.root["d"] is root["d"]
    assert [op["path"] for op in diff(root, tree.root)] == [["rows"]]
    tree.thaw()
    rows = tree.root["rows"]
    tree.apply({"op": "append", "path": ["rows"], "values": [5]})
    assert tree.root["rows"] is rows


def test_a_whole_may_be_put() -> None:
    tree = Tree(state())
    root = tree.freeze()
    op = {"op": "set", "path": [], "value": [1], "old": state()}
    tree.apply(copy.deepcopy(op))
    tree.apply({"op": "append", "path": [], "values": [2]})
    assert (root, tree.root) == (state(), [1, 2])
    tree.revert({"op": "append", "path": [], "values": [2]})
    tree.revert(op)
    assert tree.root == state()


@pytest.mark.parametrize(
    ("a", "b"),
    [(1, 1.0), (1, True), (0, False), (0.0, False), (None, False), ([], {}), ("1", 1), ([1], [1.0]),
     ([{"a": 1}], [{"a": True}]), ([1], [1, 1])],
)
def test_likes_are_different(a: Any, b: Any) -> None:
    assert diff(a, b) == [{"op": "set", "path": [], "value": b, "old": a}]
    assert diff({"x": a}, {"x": b}) == [{"op": "set", "path": ["x"], "value": b, "old": a}]
    assert diff([a], copy.deepcopy([a])) == []


def test_positions_from_the_end_are_kept_as_those_from_the_start(store: ParameterStore) -> None:
    store.set("ctx", "rows", [[1], [2]])
    store.append("ctx", "rows", -1, values=[3])
    store.set("ctx", "rows", -2, 0, 5)
    store.delete("ctx", "rows", -1, -1)
    assert store.get("ctx", "rows") == [[5], [2]]
    assert [change.path[2:] for change in store.history()[-3:]] == [(1,), (0, 0), (1,)]


def test_a_record_says_so_and_makes_its_parents(store: ParameterStore) -> None:
    with store.transaction() as tx:
        tx.record(("ctx", "log", "first"), 1)
        tx.record(("ctx", "log", "first"), 2)
        tx.append(("ctx", "log", "rows"), [1], record=True)
    lines = store._state_file.lines_since(0)
    assert [op.get("record") for op in lines[-1]["ops"]] == [True] * 5
    assert store.get("ctx") == {"log": {"first": 2, "rows": [1]}}
    assert [change.old for change in store.history(("ctx", "log", "first"))] == [MISSING, MISSING, MISSING, 1]


def test_reading_without_groups_that_may_be_large(store: ParameterStore) -> None:
    store.set("ctx", {"rows": [1]})
    store.set("limits", {"max": 1})
    found = store.read(without=("ctx", "none"))
    assert list(found) == ["global_parameters", "limits"]
    found["limits"]["max"] = 2
    assert store.get("limits", "max") == 1
