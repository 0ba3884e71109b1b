"""ctx_step_rollback_point: points to which ctx can be rolled back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, UsageError
from step_library.state import ctx_checkpoint, ctx_step_rollback_point
from step_library.state.ctx_step_rollback_point import rollback_on_error
from tests.recipe.runs import Project


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    start = {"foo": 123, "bar": [1, 2, 3]}
    return start if request.param == "dict" else Context(start)


def point(ctx: Any, action: str, **params: Any) -> Any:
    return ctx_step_rollback_point.run(ctx, {"action": action, **params})


def data(ctx: Any) -> Any:
    return {key: ctx[key] for key in ctx if key in ("foo", "bar", "new")}


def test_the_defaults(ctx: Any) -> None:
    assert point(ctx, "mark") == {"rollback_marked": "rollback_point"}
    assert ctx["rollback_point"] == {"foo": 123, "bar": [1, 2, 3]}
    ctx["bar"].append(4)
    ctx["new"] = 1
    for _ in range(2):  # it outlives its own restore
        assert point(ctx, "restore") == {"rollback_restored": "rollback_point"}
        assert data(ctx) == {"foo": 123, "bar": [1, 2, 3]}
        ctx["bar"].append(5)
    assert ctx["rollback_point"] == {"foo": 123, "bar": [1, 2, 3]}
    point(ctx, "restore", keep=False)
    assert set(ctx) - {"_rollback_points"} == {"foo", "bar"} and ctx["_rollback_points"] == {}


def test_points_do_not_nest_and_outlive_one_another(ctx: Any) -> None:
    point(ctx, "mark", out="a")
    ctx_checkpoint.run(ctx, {"action": "save", "name": "c"})
    ctx["foo"] = 2
    point(ctx, "mark", out="b", reason="foo is 2")
    assert ctx["b"] == {"foo": 2, "bar": [1, 2, 3]} and ctx["_checkpoints"]["c"].keys() == {"foo", "bar"}
    point(ctx, "restore", **{"in": "a"})
    assert ctx["foo"] == 123 and ctx["b"]["foo"] == 2 and "c" in ctx["_checkpoints"]
    point(ctx, "restore", **{"in": "b"})
    assert ctx["foo"] == 2
    found = point(ctx, "list")["rollback_points"]
    assert [(one["key"], one["idx"], one["reason"]) for one in found] == [("a", 0, ""), ("b", 0, "foo is 2")]
    ctx_checkpoint.run(ctx, {"action": "restore", "name": "c"})
    assert ctx["foo"] == 123 and "b" in ctx
    point(ctx, "forget", **{"in": "b"})
    assert "b" not in ctx and list(ctx["_rollback_points"]) == ["a"]


def test_history(ctx: Any) -> None:
    point(ctx, "mark", out="e")
    for number in (1, 2, 3):
        ctx["foo"] = number
        point(ctx, "mark", out="e", history=True, reason=str(number))
    assert [copy["foo"] for copy in ctx["e"]] == [123, 1, 2, 3]
    assert [one["reason"] for one in ctx["_rollback_points"]["e"]] == ["", "1", "2", "3"]
    point(ctx, "restore", **{"in": "e", "idx": -2})
    assert ctx["foo"] == 2
    point(ctx, "mark", out="e", history=True, maxlen=2)
    assert [copy["foo"] for copy in ctx["e"]] == [3, 2] and len(ctx["_rollback_points"]["e"]) == 2
    with pytest.raises(KeyError, match="the rollback point 'e' has 2 copies, no 2"):
        point(ctx, "restore", **{"in": "e", "idx": 2})
    point(ctx, "mark", out="e")
    assert ctx["e"]["foo"] == 2 and len(ctx["_rollback_points"]["e"]) == 1


def test_some_keys_preview_and_record(ctx: Any) -> None:
    point(ctx, "mark", keys=["foo"])
    ctx["foo"], ctx["bar"] = 1, 2
    found = point(ctx, "preview")["would_change"]
    assert [(op["op"], op["path"], op["value"]) for op in found] == [("set", ["foo"], 123)] and ctx["foo"] == 1
    point(ctx, "restore", record=True)
    assert data(ctx) == {"foo": 123, "bar": 2} and ctx["restore_history"][0]["rollback_point"] == "rollback_point"
    point(ctx, "mark", out="all")
    ctx["foo"], ctx["bar"] = 0, 0
    point(ctx, "restore", **{"in": "all", "keys": ["bar"]})
    assert data(ctx) == {"foo": 0, "bar": 2}
    with pytest.raises(KeyError, match="keys: ctx has no key 'baz'"):
        point(ctx, "mark", keys=["baz"])


def test_on_disk(ctx: Any) -> None:
    first, second = (point(ctx, "mark", persist=True)["file"] for _ in range(2))
    assert first != second and first.startswith("Data/rollback_point_")
    assert json.loads(Path(second).read_text()) == {"foo": 123, "bar": [1, 2, 3]}
    assert point(ctx, "mark", file="own.json")["file"] == "own.json"
    ctx.clear()
    assert point(ctx, "restore", file=first) == {"rollback_restored": "rollback_point", "file": first}
    assert ctx == {"foo": 123, "bar": [1, 2, 3]}
    with pytest.raises(FileNotFoundError):
        point(ctx, "restore", file="no.json")


def test_what_was_marked_by_hand(ctx: Any) -> None:
    ctx["mine"] = {"foo": 1}
    assert point(ctx, "restore", **{"in": "mine"}) == {"rollback_restored": "mine"}
    assert ctx == {"foo": 1, "mine": {"foo": 1}}
    ctx["foo"] = 2
    assert [op["path"] for op in point(ctx, "preview", **{"in": "mine"})["would_change"]] == [["foo"]]
    point(ctx, "mark", out="mine", history=True)
    assert ctx["mine"] == [{"foo": 1}, {"foo": 2}]
    point(ctx, "restore", **{"in": "mine", "idx": 0})
    assert ctx["foo"] == 1


def test_the_context_manager(ctx: Any) -> None:
    with pytest.raises(ValueError, match="no"), rollback_on_error(ctx):
        ctx["foo"] = ctx["new"] = 1
        raise ValueError("no")
    assert ctx == {"foo": 123, "bar": [1, 2, 3]}
    with pytest.raises(ValueError, match="no"), rollback_on_error(ctx, keys=["bar"]):
        ctx["foo"] = 1
        ctx["bar"].append(4)
        raise ValueError("no")
    assert ctx == {"foo": 1, "bar": [1, 2, 3]}
    with rollback_on_error(ctx):
        ctx["foo"] = 9
    assert ctx["foo"] == 9


@pytest.mark.parametrize(("there", "params", "error", "words"), [
    ({}, {}, KeyError, "'action' is missing"),
    ({}, {"action": "makr"}, ValueError, "did you mean mark?"),
    ({}, {"action": "restore"}, KeyError, "there is no rollback point 'rollback_point' in ctx; none is marked"),
    ({"_rollback_points": {"before": []}}, {"action": "restore", "in": "befor"}, KeyError, "did you mean before?"),
    ({"a": 1}, {"action": "restore", "in": "a"}, ValueError, "ctx['a'] is no rollback point, but int 1"),
    ({"a": [1]}, {"action": "restore", "in": "a"}, ValueError, "but a list of 1"),
    ({"a": [1]}, {"action": "mark", "out": "a"}, UsageError, "is no rollback point, but a list of 1: give another"),
    ({"a": {"b": 1}}, {"action": "mark", "out": "a"}, UsageError, "is no rollback point, but a dict of 1: give"),
    ({}, {"action": "mark", "out": ""}, ValueError, "not empty"),
    ({}, {"action": "mark", "history": True, "maxlen": 0}, UsageError, "maxlen is to be 1 or more"),
    ({"_rollback_points": 1}, {"action": "mark"}, ValueError, "is to be a dict, not int 1"),
])
def test_mistakes(there: dict[str, Any], params: dict[str, Any], error: type[Exception], words: str) -> None:
    for ctx in (dict(there), Context(there)):
        with pytest.raises(error) as caught:
            ctx_step_rollback_point.run(ctx, params)
        assert words in str(caught.value) and isinstance(caught.value, OctoError) and ctx == there


def test_empty_and_on_a_context_only_what_differs_is_a_change() -> None:
    ctx = Context()
    point(ctx, "mark")
    ctx["a"] = 1
    point(ctx, "restore")
    assert set(ctx) == {"rollback_point", "_rollback_points"} and len(ctx.get_history("rollback_point")) == 1
    assert [entry["value"] for entry in ctx.get_history("a")] == [1, None]


def test_in_a_recipe_over_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def clean(ctx):
            ctx["rows"].clear()
        def gate(ctx):
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe("""
        ctx: {rows: [1]}
        steps:
          - {name: mark, function: ctx_step_rollback_point, params: {action: mark, out: before}}
          - {name: clean, module: BODY, function: clean, depends_on: mark}
          - {name: gate, module: BODY, function: gate, depends_on: clean}
          - {name: back, function: ctx_step_rollback_point, params: {action: restore, in: before}, depends_on: gate,
             when: "ctx['rows'] | length == 0"}
    """)
    assert project.run().status == "COMPLETE_ERROR" and project.ctx["rows"] == []
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS" and project.ctx["rows"] == [1]
