"""ctx_snapshot: all of ctx in a file."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

import octo
from octo.context import Context
from octo.errors import OctoError, ShapeError, StoreError, UsageError
from step_library.kit.files.snapshots import automatic
from step_library.state import ctx_snapshot

ROWS = {"a": 1, "rows": [[1, "ü"], [2.5, None]], "_checkpoints": {"x": {"a": 0}}}
DATA = {"a": 1, "rows": [[1, "ü"], [2.5, None]]}


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    return dict(ROWS) if request.param == "dict" else Context(ROWS)


def read(path: str) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["Data/custom_snapshot.json", "Data/ctx_snapshot_20250826.json",
                                  "Data/post_ai_analysis.json"])
def test_documented_names(ctx: Any, name: str) -> None:
    """The second, third and fourth documented examples."""
    assert ctx_snapshot.run(ctx, {"out": name}) == {"snapshot": name}
    assert read(name) == DATA and ctx == ROWS
    assert [path.name for path in Path("Data").iterdir()] == [Path(name).name]


def test_automatic_names_do_not_overwrite_one_another(ctx: Any) -> None:
    """The first documented example."""
    made = [ctx_snapshot.run(ctx, params)["snapshot"] for params in ({}, {"out": ""}, {"out": None})]
    assert re.fullmatch(r"Data/ctx_snapshot_\d+\.json", made[0]) and len(set(made)) == 3
    assert [read(path) for path in made] == [DATA] * 3
    assert [path.as_posix() for path in automatic("Data")] == made


def test_the_envelope(ctx: Any) -> None:
    """The fifth documented example."""
    ctx_snapshot.run({"a": 1}, {"out": "Data/x.json", "by": "me"})
    text = Path("Data/x.json").read_text()
    found = json.loads(text)
    assert text.startswith('{\n  "_meta": {\n    "timestamp": "')
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["_meta"].pop("timestamp"))
    assert found == {"_meta": {"created_by": "me", "recipe": None, "ctx_keys": ["a"]}, "ctx_data": {"a": 1}}
    ctx_snapshot.run(ctx, {"out": "y.json", "meta": True, "recipe": "r.yaml"})
    found = read("y.json")
    assert found["_meta"]["created_by"] == "ctx_snapshot" and found["_meta"]["recipe"] == "r.yaml"
    assert found["_meta"]["versions"]["octo"] == octo.__version__ and found["ctx_data"] == DATA
    ctx_snapshot.run(ctx, {"restore": "y.json"})
    assert "ctx_data" not in ctx and ctx["a"] == 1


def test_keys_and_compressed(ctx: Any) -> None:
    ctx_snapshot.run(ctx, {"file": "k.json", "keys": ["a"]})
    ctx_snapshot.run(ctx, {"snapshot": "e.json", "exclude": ["a"]})
    assert read("k.json") == {"a": 1} and list(read("e.json")) == ["rows"]
    assert ctx_snapshot.run(ctx, {"out": "z.json", "gzip": True}) == {"snapshot": "z.json.gz"}
    assert json.loads(gzip.decompress(Path("z.json.gz").read_bytes())) == DATA
    assert ctx_snapshot.run(ctx, {"gzip": True})["snapshot"].endswith(".json.gz")
    with pytest.raises(KeyError, match="keys: ctx has no key 'rowz'; did you mean rows"):
        ctx_snapshot.run(ctx, {"keys": ["rowz"]})


def test_retain(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sixth documented example."""
    Path("Data").mkdir()
    others = ["ctx_snapshot_mine.json", "other.json", "ctx_snapshot_1_2_3.json", "ctx_snapshot_5.json.bak"]
    for name in [*others, "ctx_snapshot_9.json", "ctx_snapshot_100.json", "ctx_snapshot_100_2.json.gz"]:
        (Path("Data") / name).write_text("{}")
    made = ctx_snapshot.run(ctx, {"retain": 2})["snapshot"]
    assert {path.name for path in Path("Data").iterdir()} == {*others, "ctx_snapshot_100_2.json.gz", Path(made).name}
    wrong: list[dict[str, Any]] = [{"retain": 0}, {"retain": 3, "out": "x.json"}]
    for params in wrong:
        with pytest.raises(UsageError, match="retain"):
            ctx_snapshot.run(ctx, params)


def test_what_changed_since_another(ctx: Any) -> None:
    """The seventh documented example."""
    ctx_snapshot.run(ctx, {"out": "before.json"})
    ctx["a"] = 2
    ctx["rows"].append([3, "x"])
    del ctx["_checkpoints"]
    found = ctx_snapshot.run(ctx, {"out": "after.json", "diff_with": "before.json"})["diff"]
    assert {op["path"][0]: op["op"] for op in found}.keys() == {"a", "rows"}
    json.dumps(found)
    with pytest.raises(FileNotFoundError, match="there is no snapshot no.json"):
        ctx_snapshot.run(ctx, {"out": "never.json", "diff_with": "no.json"})
    assert not Path("never.json").exists()


def test_restore_audit_and_after(ctx: Any) -> None:
    """The eighth documented example."""
    told: list[str] = []
    ctx_snapshot.run(ctx, {"out": "s.json", "after": lambda snapshot: told.append(snapshot), "audit": True})
    assert told == ["s.json"] and ctx["audit"][0]["status"] == "success" and "audit" not in read("s.json")
    ctx["a"] = 9
    assert ctx_snapshot.run(ctx, {"restore": "s.json"}) == {"restored": "s.json", "keys": ["a", "rows"]}
    assert ctx["a"] == 1 and ctx["_checkpoints"] == {"x": {"a": 0}} and "audit" not in ctx
    assert ctx["restore_history"][0]["file"] == "s.json"


@pytest.mark.parametrize(("bad", "place"), [
    ({1, 2}, "rows/0"), (float("nan"), "rows/0"), (object(), "rows/0"), ({1: 2}, "rows/0")])
def test_what_is_no_json(bad: Any, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for error in (TypeError, ValueError, ShapeError):
        with pytest.raises(error, match=place):
            ctx_snapshot.run({"rows": [bad]}, {})
    assert not list(tmp_path.iterdir())
    ctx_snapshot.run({"t": (1, 2)}, {"out": "t.json"})
    assert read("t.json") == {"t": [1, 2]}


def test_other_mistakes_write_nothing(ctx: Any, tmp_path: Path) -> None:
    Path("file").write_text("x")
    cases: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"out": "file/x.json"}, StoreError, "file/x.json cannot be written"),
        ({"folder": "file"}, StoreError, "cannot be written"),
        ({"out": "a", "file": "b"}, OctoError, "'out' and 'file' are one parameter"),
        ({"out": 3}, ValueError, "'out' is to be str"),
        ({"out": "big.json", "max_bytes": 10}, ShapeError, "max_bytes is 10; nothing was written"),
    ]
    for params, error, words in cases:
        with pytest.raises(error) as caught:
            ctx_snapshot.run(ctx, params)
        assert words in str(caught.value) and isinstance(caught.value, OctoError)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_empty_and_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ctx_snapshot.run({}, {"out": "e.json"})
    assert read("e.json") == {}
    rows = [[number, str(number)] for number in range(100_000)]
    ctx_snapshot.run(Context(rows=rows), {"out": "l.json"})
    assert read("l.json") == {"rows": rows}


def test_a_name_that_ends_in_gz_is_packed(tmp_path: Path) -> None:
    path = str(tmp_path / "x.json.gz")
    assert ctx_snapshot.run({"a": 1}, {"out": path}) == {"snapshot": path}
    assert json.loads(gzip.decompress(Path(path).read_bytes())) == {"a": 1}


def test_an_audit_that_is_no_list_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="audit"):
        ctx_snapshot.run({"audit": 5}, {"out": str(tmp_path / "x.json"), "audit": True})
    assert not (tmp_path / "x.json").exists()
