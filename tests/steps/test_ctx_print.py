"""ctx_print: ctx as JSON on standard output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError
from step_library.observe import ctx_print
from tests.recipe.runs import Project, chdir

CTX = {"alpha": 42, "beta": [1, 2, 3], "gamma": {"nest": "val"}}
TEXT = '{\n  "alpha": 42,\n  "beta": [\n    1,\n    2,\n    3\n  ],\n  "gamma": {\n    "nest": "val"\n  }\n}\n'
SECRET = {"user": "anna", "conf": {"API-Key": "k", "list": [{"db_password": ["p"]}]}, "token": None}

Both = pytest.mark.parametrize("kind", [dict, Context])


@Both
def test_exactly_what_is_documented(kind: Any, capsys: Any) -> None:
    ctx = kind(CTX)
    assert ctx_print.run(ctx, {}) == {"printed": True}
    assert capsys.readouterr().out == TEXT and ctx == CTX
    ctx_print.run(kind(), {})
    assert capsys.readouterr().out == "{}\n"
    ctx_print.run(kind({"ü": 1}), {})
    assert capsys.readouterr().out == '{\n  "\\u00fc": 1\n}\n'


@Both
def test_some_keys_into_a_file(kind: Any, capsys: Any, tmp_path: Path) -> None:
    out = tmp_path / "Logs" / "ctx.json"
    params = {"keys": ["gamma", "alpha"], "exclude": ["alpha", "none"], "out": str(out)}
    assert ctx_print.run(kind(CTX), params) == {"printed": True, "file": str(out)}
    assert out.read_text() == capsys.readouterr().out and json.loads(out.read_text()) == {"gamma": {"nest": "val"}}


@Both
def test_what_a_step_has_cleaned(kind: Any, capsys: Any, tmp_path: Path) -> None:
    """The fifth documented example: of all ctx only two keys are printed and saved."""
    with chdir(tmp_path):
        result = ctx_print.run(kind({"data": [1], "metrics": {"rows": 1}, "raw": ["secret"]}),
                               {"out": "Logs/post_clean_ctx_snapshot.json", "keys": ["data", "metrics"]})
    assert result == {"printed": True, "file": "Logs/post_clean_ctx_snapshot.json"}
    saved = (tmp_path / result["file"]).read_text()
    assert capsys.readouterr().out == saved and json.loads(saved) == {"data": [1], "metrics": {"rows": 1}}


@Both
def test_secrets_and_large_values(kind: Any, capsys: Any) -> None:
    ctx = kind(SECRET)
    ctx_print.run(ctx, {"mask": True})
    shown = json.loads(capsys.readouterr().out)
    assert shown == {"user": "anna", "conf": {"API-Key": "****", "list": [{"db_password": "****"}]}, "token": "****"}
    assert ctx == SECRET
    ctx_print.run(ctx, {"mask": ["USER"]})
    assert json.loads(capsys.readouterr().out) == {**SECRET, "user": "****"}
    ctx_print.run(kind({"rows": list(range(10_000)), "d": {"a": 1, "b": 2, "c": 3}}), {"max_items": 2})
    shown = json.loads(capsys.readouterr().out)
    assert shown == {"rows": [0, 1, "… 9998 more"], "d": {"a": 1, "b": 2, "…": "… 1 more"}}


def test_who_changed_what(capsys: Any) -> None:
    ctx = Context({"n": 1}, who="load")
    ctx["n"] = 2
    ctx_print.run(ctx, {"history": True})
    assert capsys.readouterr().out.splitlines()[-1].endswith(" by load, change 2")
    ctx_print.run({"n": 1}, {"history": True})
    assert json.loads(capsys.readouterr().out) == {"n": 1}


def test_a_log_that_does_not_grow_for_ever(capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctx_print, "LOG_SIZE", 10)
    with chdir(tmp_path):
        for number in range(3):
            ctx_print.run({"n": number}, {"log": True})
    assert '"n": 2' in (tmp_path / "Logs/ctx_print.log").read_text()
    assert '"n": 1' in (tmp_path / "Logs/ctx_print.log.1").read_text()


def test_not_a_number_is_null(capsys: Any) -> None:
    ctx_print.run({"a": [float("nan"), (1, 2)]}, {})
    assert json.loads(capsys.readouterr().out) == {"a": [None, [1, 2]]}


@pytest.mark.parametrize(("ctx", "params", "error", "words"), [
    ({"x": {1, 2}}, {}, TypeError, "x: set is not a JSON value"),
    ({"x": [{"y": len}]}, {}, ShapeError, "x/0/y: builtin_function_or_method is not"),
    ({"x": {1: 1, "a": 2}}, {}, TypeError, "x: the key 1 is no text"),
    ({"x": {(1, 2): 1}}, {}, TypeError, "x: the key (1, 2) is no text"),
    ({"data": 1}, {"keys": ["date"]}, MissingKey, "keys: ctx has no key 'date'; did you mean data?"),
    ({"data": 1}, {"keys": "data"}, OctoError, "'keys'"),
    ({"data": 1}, {"key": ["data"]}, OctoError, "did you mean keys?"),
    ({"data": 1}, {"out": "."}, OctoError, "is a folder"),
])
def test_mistakes(ctx: dict[str, Any], params: dict[str, Any], error: type[Exception], words: str, capsys: Any) -> None:
    """The documents' third example (a set in ctx) is here: a Context takes no set in the first place."""
    with pytest.raises(error) as caught:
        ctx_print.run(ctx, params)
    assert words in str(caught.value) and isinstance(caught.value, OctoError) and capsys.readouterr().out == ""


def test_what_holds_itself() -> None:
    loop: dict[str, Any] = {}
    loop["x"] = loop
    with pytest.raises(ShapeError, match="it holds itself"):
        ctx_print.run(loop, {})


def test_in_a_recipe(tmp_path: Path, capfd: Any) -> None:
    project = Project(tmp_path / "p")
    project.recipe("""
        ctx: {rows: [1, 2], password: x}
        steps:
          - {name: show, function: ctx_print, params: {mask: true, out: "Logs/{step}_{runid}.json"}}
    """)
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS"
    (file,) = (project.folder / "Logs").glob("show_*.json")
    assert file.stem == f"show_{project.settings['run_id']}"
    assert json.loads(file.read_text())["password"] == "****"
