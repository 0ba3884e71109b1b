"""ctx_restore: a snapshot from a file becomes ctx."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError
from step_library.state import ctx_restore
from tests.recipe.runs import Project

NOW = {"a": 1, "gone": [1], "d": {"x": 1, "y": {"z": 1}}, "_checkpoints": {"p": {"a": 0}},
       "_rollback_points": {"rp": []}, "rp": {"a": 7}}
FILE = {"a": 2, "rows": [[1, None]], "d": {"x": 5, "y": {"q": 2}}}
STORES = {key: NOW[key] for key in ("_checkpoints", "_rollback_points", "rp")}


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    Path("s.json").write_text(json.dumps(FILE))
    copy = json.loads(json.dumps(NOW))
    return copy if request.param == "dict" else Context(copy)


def test_ctx_is_as_the_file_and_the_stores_stay(ctx: Any) -> None:
    """The eighth documented example."""
    assert ctx_restore.run(ctx, {"file": "s.json"}) == {"restored": "s.json", "keys": ["a", "rows", "d"]}
    assert ctx == {**FILE, **STORES}
    ctx["rows"].append(1)
    ctx_restore.run(ctx, {"snapshot": "s.json"})
    assert ctx["rows"] == FILE["rows"]


def test_an_empty_ctx_equals_the_file(tmp_path: Path) -> None:
    """The first, second and seventh documented examples."""
    path = tmp_path / "s.json"
    path.write_text(json.dumps({**FILE, "_checkpoints": {"old": {}}}))
    there: list[Any] = [{}, Context()]
    for ctx in there:
        ctx_restore.run(ctx, {"file": str(path)})
        assert ctx == {**FILE, "_checkpoints": {"old": {}}}
    path.write_text("{}")
    ctx = Context(a=1)
    assert ctx_restore.run(ctx, {"file": str(path)})["keys"] == [] and ctx == {}


@pytest.mark.parametrize("packed", [False, True])
def test_the_envelope(ctx: Any, packed: bool) -> None:
    text = json.dumps({"_meta": {"by": "me"}, "ctx_data": FILE}).encode()
    Path("e.json").write_bytes(gzip.compress(text) if packed else text)
    ctx_restore.run(ctx, {"file": "e.json"})
    assert ctx == {**FILE, **STORES}
    Path("odd.json").write_text('{"_meta": 1, "ctx_data": {"x": 1}, "more": 2}')
    ctx_restore.run(ctx, {"file": "odd.json"})
    assert ctx["more"] == 2 and ctx["_meta"] == 1


def test_in_part(ctx: Any) -> None:
    """The ninth documented example."""
    assert ctx_restore.run(ctx, {"file": "s.json", "keys": ["rows"]})["keys"] == ["rows"]
    assert ctx == {**NOW, "rows": FILE["rows"]}
    ctx_restore.run(ctx, {"file": "s.json", "exclude": ["gone", "d"]})
    assert ctx == {"a": 2, "rows": FILE["rows"], "gone": [1], "d": NOW["d"], **STORES}


def test_merged(ctx: Any) -> None:
    ctx_restore.run(ctx, {"file": "s.json", "merge": "first"})
    assert ctx == {**NOW, "rows": FILE["rows"], "d": {"x": 1, "y": {"z": 1, "q": 2}}}
    ctx_restore.run(ctx, {"file": "s.json", "merge": "last", "exclude": ["a"]})
    assert ctx["d"] == {"x": 5, "y": {"z": 1, "q": 2}} and ctx["a"] == 1 and ctx["gone"] == [1]


def test_backup_preview_and_record(ctx: Any) -> None:
    before = json.loads(json.dumps(NOW))
    found = ctx_restore.run(ctx, {"file": "s.json", "preview": True, "backup": "b.json"})["would_change"]
    assert ctx == before and not Path("b.json").exists()
    assert {(op["op"], op["path"][0]) for op in found} == {("set", "a"), ("delete", "gone"), ("set", "rows"),
                                                           ("set", "d"), ("delete", "d")}
    ctx_restore.run(ctx, {"file": "s.json", "backup": "b.json", "record": True})
    ctx_restore.run(ctx, {"file": "b.json", "record": True})
    assert [line["file"] for line in ctx["restore_history"]] == ["s.json", "b.json"]
    del ctx["restore_history"]
    assert ctx == before
    with pytest.raises(OctoError, match="another file"):
        ctx_restore.run(ctx, {"file": "b.json", "backup": "./b.json"})


def test_the_documented_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wanted one: a schema is checked, and what was there before is kept."""
    monkeypatch.chdir(tmp_path)
    Path("s.json").write_text(json.dumps(FILE))
    Path("schema.json").write_text('{"a": "int", "rows": "list"}')
    Path("now.json").write_text(json.dumps({"a": 2}))
    command = [sys.executable, "-m", "step_library.state.ctx_restore", "--ctx-file", "now.json", "--ctx-out",
               "out.json", "--file", "s.json", "--validate-schema", "schema.json", "--backup-old",
               "Data/old_ctx_autoback.json"]
    there = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run(command, check=True, env=there)
    assert json.loads(Path("out.json").read_text()) == FILE
    assert json.loads(Path("Data/old_ctx_autoback.json").read_text()) == {"a": 2}
    Path("schema.json").write_text('{"a": "str"}')
    done = subprocess.run(command, capture_output=True, text=True, env=there)
    assert done.returncode and "'a' is to be str, not int 2" in done.stderr


@pytest.mark.parametrize(("content", "params", "error", "words"), [
    (None, {}, FileNotFoundError, "there is no snapshot x.json"),
    (b"", {}, json.JSONDecodeError, "the snapshot x.json is no JSON"),
    (b'{"a": 1,\n', {}, ValueError, "line 2"),
    (b"\xff\xfe", {}, ValueError, "x.json"),
    (b"[1, 2]", {}, TypeError, "is to be a JSON object, not a list of 2"),
    (b"[]", {}, ValueError, "is to be a JSON object"),
    (b"null", {}, ValueError, "not null"),
    (b'{"_meta": {}, "ctx_data": [1]}', {}, ValueError, "not a list of 1"),
    (b'{"a": NaN}', {}, ValueError, "a"),
    (b'{"": 1}', {}, ValueError, "an empty key"),
    (b"\x1f\x8bbad", {}, OctoError, "cannot be read"),
    (b'{"a": 1}', {"keys": ["b"]}, KeyError, "the snapshot x.json has no key 'b'"),
    (b'{"a": 1, "b": []}', {"types": {"a": "str", "b": "list", "c": "int"}}, ValueError,
     "'a' is to be str, not int 1; 'c' is missing"),
    (b"{}", {"types": {"a": "lst"}}, ValueError, "did you mean list?"),
    (b"{}", {"types": "no.yaml"}, OctoError, "types: there is no file no.yaml"),
    (b"{}", {"merge": "both"}, ValueError, "one of 'first', 'last'"),
    (b"{}", {"snapshot": "y"}, OctoError, "are one parameter"),
])
def test_mistakes_change_nothing(
    ctx: Any, content: bytes | None, params: dict[str, Any], error: type[Exception], words: str
) -> None:
    before = json.loads(json.dumps(NOW))
    if content is not None:
        Path("x.json").write_bytes(content)
    with pytest.raises(error) as caught:
        ctx_restore.run(ctx, {"file": "x.json", **params})
    assert words in str(caught.value) and isinstance(caught.value, OctoError) and ctx == before
    with pytest.raises(KeyError, match="'file' is missing"):
        ctx_restore.run(ctx, {})


def test_on_a_context_only_what_differs_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"a": 1, "b": 2}')
    ctx = Context({"a": 1, "b": 1, "c": 1}, who="me")
    ctx_restore.run(ctx, {"file": str(tmp_path / "s.json")})
    assert [len(ctx.get_history(key)) for key in "abc"] == [1, 2, 2]
    assert ctx.get_history("c")[-1]["value"] is None


def test_in_a_recipe(tmp_path: Path) -> None:
    """The third, fourth and sixth documented examples."""
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def spoil(ctx):
            ctx["rows"].append("bad")
            ctx["new"] = 1
        def gate(ctx):
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe("""
        ctx: {rows: [1]}
        steps:
          - {name: save, function: ctx_snapshot, params: {out: Data/pre.json}}
          - {name: spoil, module: BODY, function: spoil, depends_on: save}
          - {name: gate, module: BODY, function: gate, depends_on: spoil}
          - {name: back, function: ctx_restore, params: {file: Data/pre.json}, depends_on: gate}
          - {name: again, module: BODY, function: spoil, depends_on: back}
    """)
    assert project.run().status == "COMPLETE_ERROR" and project.ctx["rows"] == [1, "bad"]
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx == {"rows": [1, "bad"], "new": 1}


def test_branches_in_a_recipe(tmp_path: Path) -> None:
    """The fifth documented example."""
    project = Project(tmp_path / "p")
    project.bodies("""
        def branch(ctx, n):
            ctx["n"] = n
        def scenario(ctx, name):
            ctx["left"] = [ctx["n"], name]
            with open("seen", "a") as file:
                file.write(f"{ctx['n']}{name} ")
    """)
    file = "file: Data/checkpoint_branch"
    project.recipe(f"""
        steps:
          - {{name: one, module: BODY, function: branch, params: {{n: 1}}}}
          - {{name: save1, function: ctx_snapshot, params: {{{file}_1.json}}}}
          - {{name: two, module: BODY, function: branch, params: {{n: 2}}}}
          - {{name: save2, function: ctx_snapshot, params: {{{file}_2.json}}}}
          - {{name: back1, function: ctx_restore, params: {{{file}_1.json}}}}
          - {{name: a, module: BODY, function: scenario, params: {{name: A}}}}
          - {{name: back2, function: ctx_restore, params: {{{file}_2.json}}}}
          - {{name: b, module: BODY, function: scenario, params: {{name: B}}}}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert (project.folder / "seen").read_text() == "1A 2B " and project.ctx == {"n": 2, "left": [2, "B"]}
