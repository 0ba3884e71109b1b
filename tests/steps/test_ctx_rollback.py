"""ctx_rollback: back to a snapshot when there are errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, StepFailed
from step_library.state import ctx_checkpoint, ctx_rollback
from tests.recipe.runs import Project

NOW = {"some_data": [1, 2, 3], "errors": ["Something failed!"]}
SNAP = {"some_data": [1], "more": {"x": None}}
NAME = "Data/ctx_snapshot_20250825.json"


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    Path("Data").mkdir()
    Path(NAME).write_text(json.dumps(SNAP))
    start = json.loads(json.dumps(NOW))
    return start if request.param == "dict" else Context(start)


def back(ctx: Any, **params: Any) -> Any:
    return ctx_rollback.run(ctx, {"snapshot": NAME, **params})


def data(ctx: Any) -> Any:
    return {key: value for key, value in ctx.items() if key not in ("rollback_history", "_checkpoints",
                                                                    "_checkpoint_meta")}


def test_back_to_the_file(ctx: Any) -> None:
    """The first and seventh documented examples."""
    assert back(ctx, errors_key="errors") == {"rolled_back": True}
    assert data(ctx) == SNAP
    [entry] = ctx["rollback_history"]
    assert entry.pop("timestamp") and entry == {"snapshot": NAME, "errors_key": "errors", "errors":
                                                ["Something failed!"], "keys": ["some_data", "more"]}
    assert back(ctx) == {"rolled_back": False}
    ctx["errors"] = "again"
    assert back(ctx) == {"rolled_back": True} and len(ctx["rollback_history"]) == 2


def test_nothing_to_do_opens_nothing(ctx: Any) -> None:
    empty: list[Any] = [[], "", None, 0, {}]
    for errors in empty:
        ctx["errors"] = errors
        assert back(ctx, snapshot="Data/no.json") == {"rolled_back": False}
    assert back(ctx, errors_key="other") == {"rolled_back": False} and "rollback_history" not in ctx
    with pytest.raises(KeyError, match="'snapshot' is missing"):
        ctx_rollback.run(ctx, {})


def test_the_envelope_and_errors_in_the_snapshot(ctx: Any) -> None:
    Path(NAME).write_text(json.dumps({"_meta": {}, "ctx_data": {"errors": ["old"]}}))
    assert back(ctx) == {"rolled_back": True, "errors_in_snapshot": True} and data(ctx) == {"errors": ["old"]}
    assert ctx_rollback.run(ctx, {"file": NAME, "clear_errors": True}) == {"rolled_back": True} and data(ctx) == {}


def test_in_part_and_preview(ctx: Any) -> None:
    before = json.loads(json.dumps(NOW))
    found = back(ctx, preview=True)
    assert not found["rolled_back"] and ctx == before
    assert {(op["op"], op["path"][0]) for op in found["would_change"]} >= {("set", "more"), ("delete", "errors")}
    back(ctx, keys=["more"], backup="Data/before.json")
    assert data(ctx) == {**before, "more": {"x": None}} and ctx["rollback_history"][0]["keys"] == ["more"]
    assert json.loads(Path("Data/before.json").read_text()) == before
    back(ctx, exclude=["errors"])
    assert data(ctx) == {**SNAP, "errors": ["Something failed!"]}


def test_a_folder_and_a_checkpoint(ctx: Any) -> None:
    for number in (1, 2):
        Path(f"Data/ctx_snapshot_99999999{number}.json").write_text(json.dumps({"n": number, "errors": [number]}))
    assert back(ctx, snapshot="Data", back=0)["rolled_back"] and ctx["n"] == 2
    assert back(ctx, snapshot="Data", back=1)["rolled_back"] and ctx["n"] == 1
    with pytest.raises(FileNotFoundError, match="no snapshot 3 before the newest: Data has 3"):
        back(ctx, snapshot="Data", back=3)
    ctx_checkpoint.run(ctx, {"action": "save", "name": "good"})
    ctx["n"] = 5
    assert ctx_rollback.run(ctx, {"checkpoint": "good"})["rolled_back"] and ctx["n"] == 1
    ctx["n"], ctx["_checkpoint_meta"] = 5, {"good": "odd"}
    assert ctx_rollback.run(ctx, {"checkpoint": "good", "keys": []})["rolled_back"] and ctx["n"] == 5
    assert ctx_rollback.run(ctx, {"checkpoint": "good"})["rolled_back"] and ctx["n"] == 1
    with pytest.raises(KeyError, match="did you mean good"):
        ctx_rollback.run(ctx, {"checkpoint": "god"})
    with pytest.raises(OctoError, match="one of them"):
        back(ctx, checkpoint="good")


def test_after_and_stop(ctx: Any) -> None:
    told: list[Any] = []
    with pytest.raises(StepFailed, match="rolled back to Data/.* had a list of 1"):
        back(ctx, after=lambda snapshot, errors: told.append((snapshot, errors)), stop=True)
    assert told == [(NAME, ["Something failed!"])] and data(ctx) == SNAP


def test_the_backup_does_not_take_the_snapshots_place(ctx: Any) -> None:
    before, there = data(ctx), Path(NAME).read_text()
    with pytest.raises(OctoError, match="another file"):
        back(ctx, backup=f"./{NAME}")
    assert data(ctx) == before and Path(NAME).read_text() == there


@pytest.mark.parametrize(("content", "error", "words"), [
    (None, FileNotFoundError, "there is no snapshot Data/x.json"),
    ("", json.JSONDecodeError, "Data/x.json is no JSON"),
    ("{", ValueError, "line 1 column 2"),
    ("[1, 2]", TypeError, "not a list of 2"),
    ("[]", ValueError, "not a list of 0"),
    ('"text"', TypeError, "not str 'text'"),
])
def test_a_bad_file_leaves_ctx_alone(ctx: Any, content: str | None, error: type[Exception], words: str) -> None:
    if content is not None:
        Path("Data/x.json").write_text(content)
    with pytest.raises(error) as caught:
        back(ctx, snapshot="Data/x.json")
    assert words in str(caught.value) and isinstance(caught.value, OctoError)
    assert ctx == NOW


def test_stop_in_a_recipe_and_the_resume(tmp_path: Path) -> None:
    """The eighth documented example."""
    project = Project(tmp_path / "p")
    project.bodies("""
        def risky(ctx):
            ctx["rows"].append("bad")
            ctx["errors"].append("no luck")
        def end(ctx):
            ctx["end"] = True
    """)
    project.recipe("""
        ctx: {rows: [1], errors: []}
        steps:
          - {name: save, function: ctx_snapshot, params: {out: Data/s.json}}
          - {name: risky, module: BODY, function: risky, depends_on: save}
          - {name: back, function: ctx_rollback, params: {snapshot: Data/s.json, stop: true}, depends_on: risky}
          - {name: end, module: BODY, function: end, depends_on: back}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert project.ctx["rows"] == [1] and project.ctx["rollback_history"][0]["errors"] == ["no luck"]
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["rows"] == [1] and project.ctx["end"] and len(project.ctx["rollback_history"]) == 1
