"""ctx_init: keys to start with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, ShapeError, UsageError
from step_library.state import ctx_init
from tests.recipe.runs import Project


def both(**there: Any) -> list[Any]:
    return [dict(there), Context(there)]


def test_the_caller_appends_to_what_was_made() -> None:
    for ctx in both():
        ctx_init.run(ctx, {"keys": ["step_events", "other"]})
        ctx["step_events"].append({"status": "started"})
        assert ctx == {"step_events": [{"status": "started"}], "other": []}


def test_what_was_there_is_reset_and_the_rest_stays() -> None:
    for ctx in both(a=5, b={"x": 1}, mine=[1]):
        assert ctx_init.run(ctx, {"keys": ["a", "b", "a"]}) == {"initialized": ["a", "b", "a"]}
        assert ctx == {"a": [], "b": [], "mine": [1]}
        assert ctx_init.run(ctx, {"keys": []}) == {"initialized": []}


def test_values_to_start_with_are_copies() -> None:
    init: dict[str, Any] = {"foo": [], "n": 0}
    for ctx in both():
        assert ctx_init.run(ctx, {"keys": ["k"], "init": init}) == {"initialized": ["k", "foo", "n"]}
        ctx["foo"].append(1)
        assert init["foo"] == [] and ctx == {"k": [], "foo": [1], "n": 0}
        ctx_init.run(ctx, {"keys": {"k": {"x": 1}}})
        assert ctx["k"] == {"x": 1}


def test_types(tmp_path: Path) -> None:
    for ctx in both():
        ctx_init.run(ctx, {"keys": ["rows"], "init": {"n": 3}, "schema": {"n": int, "name": "str", "m": "dict"}})
        assert ctx == {"rows": [], "n": 3, "name": "", "m": {}, "types": {"n": "int", "name": "str", "m": "dict"}}
    (tmp_path / "s.yaml").write_text("rows: list\nlast: null\n")
    (tmp_path / "s.json").write_text('{"rows": "list", "last": "null"}')
    for name in ("s.yaml", "s.json"):
        ctx = {"types": {"old": "int"}}
        ctx_init.run(ctx, {"schema": str(tmp_path / name)})
        assert ctx == {"rows": [], "last": None, "types": {"old": "int", "rows": "list", "last": "null"}}


def test_keep_and_refuse() -> None:
    for ctx in both(a=[1]):
        ctx_init.run(ctx, {"keys": ["a", "b"], "keep_existing": True, "log": True})
        assert (ctx["a"], ctx["b"], [line["key"] for line in ctx["init_log"]]) == ([1], [], ["b"])
        with pytest.raises(UsageError, match="ctx has a already; nothing was changed"):
            ctx_init.run(ctx, {"keys": ["c", "a"], "fail_on_exists": True})
        assert "c" not in ctx


def test_nested() -> None:
    for ctx in both(stats={"x": 1}, n=3):
        ctx_init.run(ctx, {"keys": ["stats.cpu", "new.a.b"], "nested": True})
        assert ctx == {"stats": {"x": 1, "cpu": []}, "n": 3, "new": {"a": {"b": []}}}
        with pytest.raises(ShapeError, match=r"'n\.a' leads into ctx\['n'\], which is int 3"):
            ctx_init.run(ctx, {"keys": ["fresh", "n.a"], "nested": True})
        assert "fresh" not in ctx
        ctx_init.run(ctx, {"keys": ["a.b"]})
        assert ctx["a.b"] == []


@pytest.mark.parametrize(("params", "error", "words"), [
    ({}, KeyError, "'keys' is missing"),
    ({"keys": "foo"}, ValueError, "to be list"),
    ({"keys": [1]}, ValueError, "keys"),
    ({"keys": [""]}, ShapeError, "not empty"),
    ({"init": {"a": {1, 2}}}, ShapeError, "a"),
    ({"schema": {"a": "lst"}}, ShapeError, "did you mean list?"),
    ({"schema": {"a": "int"}, "init": {"a": "x"}}, ShapeError, "'a' is to be int, as schema says, not str 'x'"),
    ({"schema": "no_such.yaml"}, OctoError, "schema: there is no file no_such.yaml"),
    ({"key": ["a"]}, OctoError, "did you mean keys?"),
])
def test_mistakes_change_nothing(params: dict[str, Any], error: type[Exception], words: str) -> None:
    for ctx in both(x=1):
        with pytest.raises(error) as caught:
            ctx_init.run(ctx, params)
        assert words in str(caught.value) and isinstance(caught.value, OctoError) and ctx == {"x": 1}


def test_a_schema_file_is_read_as_recipes_are(tmp_path: Path) -> None:
    path = tmp_path / "types.yaml"
    path.write_text("on: list\nn: int\n")
    for ctx in both():
        assert ctx_init.run(ctx, {"schema": str(path)}) == {"initialized": ["on", "n"]}
        assert ctx["on"] == [] and ctx["types"] == {"on": "list", "n": "int"}


def test_a_log_that_is_none_changes_nothing() -> None:
    for ctx in both(init_log=5):
        with pytest.raises(ShapeError, match="init_log"):
            ctx_init.run(ctx, {"keys": ["a"], "log": True})
        assert ctx == {"init_log": 5}
        ctx_init.run(ctx, {"keys": ["a", "init_log"], "log": True})
        assert [entry["key"] for entry in ctx["init_log"]] == ["a", "init_log"]


def test_steps_beside_each_other_may_state_types(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.recipe("""
        steps:
          - {name: one, function: ctx_init, params: {schema: {a: list}}, parallel: true}
          - {name: two, function: ctx_init, params: {schema: {b: int}}, parallel: true}
    """)
    assert project.run().status == "COMPLETE_SUCCESS" and project.ctx["types"] == {"a": "list", "b": "int"}


def test_a_resume_does_not_reset_again(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def add(ctx):
            ctx["rows"].append(1)
        def gate(ctx):
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe("""
        steps:
          - {name: start, function: ctx_init, params: {keys: [rows]}}
          - {name: add, module: BODY, function: add, depends_on: start}
          - {name: gate, module: BODY, function: gate, depends_on: add}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS" and project.ctx["rows"] == [1]
