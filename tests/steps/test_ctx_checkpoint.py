"""ctx_checkpoint: named copies of ctx."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError
from step_library.state import ctx_checkpoint
from tests.recipe.runs import Project


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    start = {"foo": 123, "bar": [1, 2, 3]}
    return start if request.param == "dict" else Context(start)


def point(ctx: Any, action: str, name: str | None = None, **more: Any) -> Any:
    return ctx_checkpoint.run(ctx, {"action": action, **({} if name is None else {"name": name}), **more})


def data(ctx: Any) -> Any:
    return {key: value for key, value in json.loads(json.dumps(ctx)).items() if not key.startswith("_")}


def test_checkpoints_do_not_nest_and_outlive_a_restore(ctx: Any) -> None:
    assert point(ctx, "save", "one") == {"checkpoint_saved": "one"}
    ctx["foo"], ctx["new"] = 888, True
    ctx["bar"].append(4)
    point(ctx, "save", "two")
    assert ctx["_checkpoints"] == {"one": {"foo": 123, "bar": [1, 2, 3]},
                                   "two": {"foo": 888, "bar": [1, 2, 3, 4], "new": True}}
    for _ in range(2):
        assert point(ctx, "restore", "one") == {"checkpoint_restored": "one"}
        assert data(ctx) == {"foo": 123, "bar": [1, 2, 3]} and list(ctx["_checkpoints"]) == ["one", "two"]
        ctx["bar"].append("later")  # must not change the copy
    point(ctx, "restore", "two")
    assert data(ctx) == {"foo": 888, "bar": [1, 2, 3, 4], "new": True}


def test_the_same_name_replaces(ctx: Any) -> None:
    point(ctx, "save", "a", comment="first")
    point(ctx, "save", "b")
    ctx["foo"] = 5
    with pytest.raises(OctoError, match="there is a checkpoint 'a' already"):
        point(ctx, "save", "a", overwrite=False)
    point(ctx, "save", "a", comment="second")
    found = point(ctx, "list")["checkpoints"]
    assert [(one["name"], one["comment"], one["keys"]) for one in found] == [
        ("b", "", ["foo", "bar"]), ("a", "second", ["foo", "bar"])]
    assert ctx["_checkpoints"]["a"]["foo"] == 5
    json.dumps(found)


def test_some_keys(ctx: Any) -> None:
    point(ctx, "save", "part", keys=["foo"])
    ctx["foo"], ctx["bar"] = 1, 2
    point(ctx, "restore", "part")
    assert data(ctx) == {"foo": 123, "bar": 2}
    point(ctx, "save", "all")
    ctx["foo"], ctx["bar"] = 0, 0
    point(ctx, "restore", "all", keys=["bar"])
    assert data(ctx) == {"foo": 0, "bar": 2}
    for action, error in (("save", "keys: ctx has no key 'baz'; did you mean bar"), ("restore", "no key 'baz'")):
        with pytest.raises(KeyError, match=error):
            point(ctx, action, "all", keys=["baz"])


def test_a_name_that_is_not_there(ctx: Any) -> None:
    for action in ("restore", "preview", "delete"):
        assert point(ctx, action, "no") == {"error": "No such checkpoint"}
    point(ctx, "save", "before")
    with pytest.raises(KeyError, match="there is no checkpoint 'befor'; did you mean before"):
        point(ctx, "restore", "befor", must_exist=True)
    assert data(ctx) == {"foo": 123, "bar": [1, 2, 3]}


def test_preview(ctx: Any) -> None:
    point(ctx, "save", "a")
    ctx["foo"], ctx["new"] = 1, 2
    found = point(ctx, "preview", "a")["would_change"]
    assert {(op["op"], *op["path"]) for op in found} == {("set", "foo"), ("delete", "new")} and ctx["foo"] == 1


def test_files(ctx: Any) -> None:
    point(ctx, "save", "mem")
    assert point(ctx, "save_file", "f") == {"checkpoint_saved": "f", "file": "Data/checkpoint_f.json"}
    assert json.loads(Path("Data/checkpoint_f.json").read_text()) == {"foo": 123, "bar": [1, 2, 3]}
    ctx.clear()
    assert point(ctx, "restore_file", "f")["checkpoint_restored"] == "f"
    assert data(ctx) == {"foo": 123, "bar": [1, 2, 3]}
    point(ctx, "save_file", "a/b", file="own.json.gz")
    ctx["foo"] = 0
    point(ctx, "restore_file", "a/b", file="own.json.gz", keys=["foo"])
    assert ctx["foo"] == 123
    with pytest.raises(FileNotFoundError, match=r"there is no snapshot Data/checkpoint_g\.json"):
        point(ctx, "restore_file", "g")
    for name in ("a/b", "..", ""):
        with pytest.raises(OctoError, match="give file"):
            point(ctx, "save_file", name)


def test_prune_and_delete(ctx: Any) -> None:
    for name in "abcd":
        point(ctx, "save", name)
    ctx["_checkpoint_meta"]["c"]["time"] = 5.0
    assert point(ctx, "prune", max_age=3600) == {"pruned": ["c"]}
    assert point(ctx, "prune", keep=2) == {"pruned": ["a"]}
    point(ctx, "save", "e", keep=2)
    assert list(ctx["_checkpoints"]) == list(ctx["_checkpoint_meta"]) == ["d", "e"]
    assert point(ctx, "delete", "d") == {"checkpoint_deleted": "d"} and list(ctx["_checkpoints"]) == ["e"]
    wrongs: list[dict[str, Any]] = [{}, {"keep": -1}]
    for wrong in wrongs:
        with pytest.raises(OctoError, match="keep"):
            point(ctx, "prune", **wrong)


@pytest.mark.parametrize(("there", "params", "error", "words"), [
    ({}, {"name": "x"}, KeyError, "'action' is missing"),
    ({}, {"action": "save"}, KeyError, "(action 'save' needs it)"),
    ({}, {"action": "rstore", "name": "x"}, ValueError, "one of 'save', 'restore', 'save_file'"),
    ({}, {"action": "save", "name": 3}, ValueError, "'name' is to be str"),
    ({"_checkpoints": [1]}, {"action": "save", "name": "x"}, ValueError, "is to be a dict, not a list of 1"),
    ({"_checkpoints": {"x": [1]}}, {"action": "restore", "name": "x"}, ValueError, "is no checkpoint, but a list of 1"),
    ({"_checkpoint_meta": 1}, {"action": "list"}, ValueError, "is to be a dict, not int 1"),
])
def test_mistakes(there: dict[str, Any], params: dict[str, Any], error: type[Exception], words: str) -> None:
    for ctx in (dict(there), Context(there)):
        with pytest.raises(error) as caught:
            ctx_checkpoint.run(ctx, params)
        assert words in str(caught.value) and isinstance(caught.value, OctoError) and ctx == there


def test_an_empty_ctx_and_what_stood_in_a_ctx_before() -> None:
    there: list[Any] = [{}, Context()]
    for ctx in there:
        point(ctx, "save", "empty")
        ctx["x"] = 1
        point(ctx, "restore", "empty")
        assert data(ctx) == {}
    old: dict[str, Any] = {"foo": 8, "_checkpoints": {"init": {"foo": 1}}}
    point(old, "restore", "init")
    assert old == {"foo": 1, "_checkpoints": {"init": {"foo": 1}}}


def test_in_a_recipe_over_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def work(ctx):
            ctx["foo"] = 2
        def gate(ctx):
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe("""
        ctx: {foo: 1}
        steps:
          - {name: save, function: ctx_checkpoint, params: {action: save, name: start, comment: before work}}
          - {name: work, module: BODY, function: work, depends_on: save}
          - {name: gate, module: BODY, function: gate, depends_on: work}
          - {name: back, function: ctx_checkpoint, params: {action: restore, name: start}, depends_on: gate}
    """)
    assert project.run().status == "COMPLETE_ERROR" and project.ctx["foo"] == 2
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["foo"] == 1 and list(project.ctx["_checkpoints"]) == ["start"]
