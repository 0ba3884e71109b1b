"""ctx_to_file: a value of ctx as a file."""

from __future__ import annotations

import bz2
import gzip
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError, UsageError
from octo.recipe.nodes import Source, plain
from octo.recipe.reader import read
from step_library.files import ctx_to_file, file_to_ctx
from step_library.files.ctx_file_lock import file_lock
from step_library.kit.files.file_io import reading
from tests.recipe.runs import Project
from tests.steps.documented_files import examples

CTX = {"t": [["a", "b"], [1, None], ["x, y", 'q"']], "d": [{"a": 1}, {"b": [1, 2], "a": True}], "m": {"ä": [1.5, None]},
       "empty": [], "deep": {"rows": [[1, {"k": "v"}]]}}


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    return dict(CTX) if request.param == "dict" else Context(CTX)


def written(ctx: Any, **params: Any) -> bytes:
    result = ctx_to_file.run(ctx, params)
    path = Path(result["written"])
    assert not list(path.parent.glob("*.tmp"))
    return path.read_bytes()


@pytest.mark.parametrize("example", examples("ctx_to_file"))
def test_documented_example(example: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params = example["params"]
    value = [["col1", "col2"], [1, "x"]] if params["format"] == "csv" else {"a": 1}
    ctx = example.get("ctx") or {params["key"]: value}
    assert ctx_to_file.run(ctx, params) == example["returns"]
    text, value = Path(params["path"]).read_text(encoding="utf-8"), ctx[params["key"]]
    if params["format"] == "csv":
        assert text == "".join(",".join(map(str, row)) + "\n" for row in value)
    else:
        assert json.loads(text) == value


def test_each_format(ctx: Any) -> None:
    assert written(ctx, key="t", path="o/t.csv", format="csv") == b'a,b\n1,\n"x, y","q"""\n'
    assert written(ctx, key="t", out="o/t.tsv", format="auto") == b'a\tb\n1\t\nx, y\t"q"""\n'
    assert written(ctx, key="d", path="d.csv", format="csv") == b'a,b\n1,\nTrue,"[1,2]"\n'
    assert written(ctx, key="d", path="d.jsonl", format="jsonl") == b'{"a":1}\n{"b":[1,2],"a":true}\n'
    assert json.loads(written(ctx, key="deep", path="x.csv")) == CTX["deep"]  # json unless said otherwise
    assert yaml.safe_load(written(ctx, key="m", path="m.yml", format="auto")) == CTX["m"]
    assert written(ctx, key="empty", path="e.csv", format="csv") == b""
    assert json.loads(written(ctx, key="empty", path="e.json")) == []


@pytest.mark.parametrize("value", ["1e5", "true", "~", "0x1F", "", "null", "a: b", "12", "2025-08-25", "ü\n", "1_0"])
def test_yaml_reads_back_as_it_was(value: str, tmp_path: Path) -> None:
    ctx = {"v": {"k": [value]}}
    ctx_to_file.run(ctx, {"key": "v", "path": str(tmp_path / "v.yaml"), "format": "yaml"})
    text = (tmp_path / "v.yaml").read_text(encoding="utf-8")
    assert plain(read(Source(text, None, Path("v")))) == ctx["v"]


def test_names_before_the_rows(ctx: Any) -> None:
    assert written(ctx, key="t", path="t.csv", format="csv", header=["p", "q"]).startswith(b"p,q\na,b\n1,")
    assert written(ctx, key="t", path="t.csv", format="csv", header=False).startswith(b"1,\n")
    assert written(ctx, key="d", path="t.csv", format="csv", header=["a"]) == b"a\n1\nTrue\n"
    assert written(ctx, key="d", path="t.csv", format="csv", header=False) == b'1,\nTrue,"[1,2]"\n'


def test_packed_by_name_or_by_parameter(ctx: Any) -> None:
    """The seventh documented example, wished for there: Data/output.csv.gz, by its ending or by a parameter."""
    assert gzip.decompress(written(ctx, key="t", path="Data/output.csv.gz", format="csv")).startswith(b"a,b\n")
    assert bz2.decompress(written(ctx, key="m", path="m.json.bz2", format="auto")).startswith(b"{")
    assert gzip.decompress(written(ctx, key="m", path="m", compression="gzip")).startswith(b"{")
    assert written(ctx, key="m", path="m.json.gz", compression="none").startswith(b"{")


def test_adding_to_a_file(ctx: Any) -> None:
    for _ in range(2):
        ctx_to_file.run(ctx, {"key": "d", "path": "log.csv.gz", "format": "csv", "append": True})
        ctx_to_file.run(ctx, {"key": "t", "path": "log.tsv", "format": "tsv", "append": True, "header": False})
    assert gzip.decompress(Path("log.csv.gz").read_bytes()) == b'a,b\n1,\nTrue,"[1,2]"\n1,\nTrue,"[1,2]"\n'
    assert Path("log.tsv").read_bytes().count(b"\n") == 4
    ctx["bad"] = [{"a": 1}]
    Path("log.jsonl").write_text("1\n")
    bad: Any = {"bad": [1, 2, {3}]}
    with pytest.raises(ShapeError):
        ctx_to_file.run(bad, {"key": "bad", "path": "log.jsonl", "format": "jsonl", "append": True})
    assert Path("log.jsonl").read_text() == "1\n"
    with pytest.raises(ShapeError):
        ctx_to_file.run(bad, {"key": "bad", "path": "new.jsonl", "format": "jsonl", "append": True})
    assert not Path("new.jsonl").exists()
    with pytest.raises(UsageError, match="a json file cannot be added to"):
        ctx_to_file.run(ctx, {"key": "d", "path": "x.json", "append": True})


def test_what_is_added_goes_under_the_names_that_stand_there(ctx: Any) -> None:
    def add(rows: list[Any], **params: Any) -> str:
        ctx["new"] = rows
        ctx_to_file.run(ctx, {"key": "new", "path": "t.csv", "format": "csv", "append": True, **params})
        return Path("t.csv").read_text()

    Path("t.csv").write_text("a,b")  # by a program that ends no last line
    assert add([{"b": 2, "a": 1}, {"a": 3}]) == "a,b\n1,2\n3,\n"
    assert add([{"c": 7, "b": 5, "a": 4}], header=["a", "b"]) == "a,b\n1,2\n3,\n4,5\n"
    assert add([[6, 7]], header=["a", "b"]) == "a,b\n1,2\n3,\n4,5\n6,7\n"
    before = add([[8, 9]])
    assert before.endswith("6,7\n8,9\n")
    for rows, params, words in (
        ([{"a": 1, "bb": 2}], {}, "has a column 'bb', t.csv has none; did you mean b?; it has a, b"),
        ([{"a": 1}], {"header": ["a"]}, "header: t.csv has the columns a, b"),
        ([[1]], {"header": ["b", "a"]}, "header: t.csv has the columns a, b"),
    ):
        with pytest.raises(ShapeError) as caught:
            add(rows, **params)  # type: ignore[arg-type]
        assert words in str(caught.value) and Path("t.csv").read_text() == before
    assert add([{"z": 1}], header=False) == f"{before}1\n"
    for kind in ("gzip", "bz2"):
        for _ in range(2):
            ctx_to_file.run({"d": [{"a": 1}]}, {"key": "d", "path": kind, "format": "csv", "append": True,
                                                "compression": kind})
        with reading(Path(kind), kind) as stream:
            assert stream.read() == b"a\n1\n1\n"
    Path("x.jsonl").write_text("1")
    ctx_to_file.run({"d": [2]}, {"key": "d", "path": "x.jsonl", "format": "jsonl", "append": True})
    assert Path("x.jsonl").read_text() == "1\n2\n"


def test_several_that_add_to_a_file_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "log.csv")

    def work(number: int) -> None:
        rows = [{"worker": number, "row": row} for row in range(10)]
        for _ in range(5):
            ctx_to_file.run({"rows": rows}, {"key": "rows", "path": path, "format": "csv", "append": True})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    lines = Path(path).read_text().splitlines()
    assert lines[0] == "worker,row" and len(lines) == 1 + 4 * 5 * 10
    with file_lock(path), ThreadPoolExecutor(1) as pool, pytest.raises(TimeoutError, match="longer timeout|held by"):
        pool.submit(ctx_to_file.run, {"rows": []}, {"key": "rows", "path": path, "lock": True, "lock_timeout": 0}
                    ).result(30)
    with file_lock(path), ThreadPoolExecutor(1) as pool:  # one that is to wait for nobody
        pool.submit(ctx_to_file.run, {"rows": []}, {"key": "rows", "path": path, "lock": False}).result(30)


def test_without_a_path_and_with_a_note_beside_it(ctx: Any) -> None:
    path = ctx_to_file.run(ctx, {"key": "t", "format": "csv", "sidecar": True})["written"]
    assert path.startswith("Data/t_20") and path.endswith(".csv")
    about = json.loads(Path(f"{path}.meta.json").read_text())
    assert (about["key"], about["rows"], about["columns"], about["process"]) == ("t", 3, ["a", "b"], os.getpid())


def test_not_a_number_is_null(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ctx: Any = {"v": [["nan", float("nan"), float("inf")], (1.5, 2, 3)]}
    assert written(ctx, key="v", path="v.csv", format="csv") == b"nan,,\n1.5,2,3\n"
    assert json.loads(written(ctx, key="v", path="v.json")) == [["nan", None, None], [1.5, 2, 3]]


@pytest.mark.parametrize(("params", "error", "words"), [
    ({"key": "tt", "path": "x"}, MissingKey, "ctx has no key 'tt'; did you mean t?"),
    ({"path": "x"}, KeyError, "'key' is missing"),
    ({"key": "t", "path": "x", "format": "xml"}, ValueError, "one of 'json', 'csv'"),
    ({"key": "t", "path": "x", "format": "xml"}, OctoError, "one of"),
    ({"key": "m", "path": "x", "format": "csv"}, ShapeError, "is to be a list of rows for csv, not a dict of 1"),
    ({"key": "m", "path": "x", "format": "jsonl"}, ShapeError, "to be a list for jsonl"),
    ({"key": "mixed", "path": "x", "format": "csv"}, ShapeError, "ctx['mixed']: row 1 is to be a list, not int 2"),
    ({"key": "both", "path": "x", "format": "csv"}, ShapeError, "row 1 is to be a dict, not a list of 1"),
    ({"key": "t", "path": ".", "format": "csv"}, OSError, "it is a folder"),
    ({"key": "t", "path": "file/x"}, OSError, "file/x cannot be written"),
    ({"key": "t", "path": "x.xlsx", "format": "auto"}, UsageError, "ctx_excel writes these"),
    ({"key": "t", "path": "../x", "within": "Data"}, UsageError, "../x is not in Data, where it has to be"),
    ({"key": "t", "path": "Data/../x", "within": ["Data", "out"]}, UsageError, "not in Data or out"),
    ({"key": "m", "path": "x", "required": ["ä", "b"]}, ShapeError, "ctx['m'] has no 'b'; it has ä"),
    ({"key": "d", "path": "x", "format": "csv", "header": ["z"]}, ShapeError, "no row has a column 'z'"),
    ({"key": "t", "path": "x", "header": False}, UsageError, "header is for csv, tsv, parquet"),
    ({"key": "t", "path": "x", "out": "y"}, OctoError, "one parameter"),
])
def test_mistakes_leave_what_was_there(ctx: Any, params: dict[str, Any], error: type[Exception], words: str) -> None:
    ctx["mixed"], ctx["both"] = [[1], 2], [{"a": 1}, [1]]
    Path("x").write_text("old")
    Path("file").write_text("")
    with pytest.raises(error) as caught:
        ctx_to_file.run(ctx, params)
    assert words in str(caught.value) and isinstance(caught.value, OctoError)
    assert Path("x").read_text() == "old" and sorted(map(str, Path().iterdir())) == ["file", "x"]


@pytest.mark.parametrize("kind", ["json", "csv", "yaml", "jsonl"])
def test_what_is_no_json_value(kind: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"ctx\['v'\].*set is not a JSON value") as caught:
        ctx_to_file.run({"v": [[1], [{1}]]}, {"key": "v", "path": str(tmp_path / "v"), "format": kind})
    assert isinstance(caught.value, ValueError) and not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_large_table(tmp_path: Path) -> None:
    rows = [[number, f"t{number}", number / 2] for number in range(100_000)]
    ctx = Context({"rows": rows})
    ctx_to_file.run(ctx, {"key": "rows", "path": str(tmp_path / "rows.csv"), "format": "csv"})
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    assert len(lines) == 100_000 and lines[70_001] == "70001,t70001,35000.5"


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def make(ctx):
            ctx["rows"] = [["a", "b"], [1, 2]]
        def gate(ctx):
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe("""
        steps:
          - {name: make, module: BODY, function: make}
          - {name: first, function: ctx_to_file, params: {key: rows, path: Data/a.csv, format: csv}, depends_on: make}
          - {name: gate, module: BODY, function: gate, depends_on: first}
          - {name: then, module: scriptlets.python.core.ctx_to_file, depends_on: gate,
             params: {key: rows, path: "Data/{{ ctx.rows | length }}.json"}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "Data" / "a.csv").write_text("mine")
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert (project.folder / "Data" / "a.csv").read_text() == "mine"  # what was done is not done again
    assert json.loads((project.folder / "Data" / "2.json").read_text()) == [["a", "b"], [1, 2]]


def test_columns_that_have_to_be_there_are_those_of_the_file(ctx: Any) -> None:
    ctx["numbers"] = [[1, 2]]
    ctx["late"] = [{"a": 1}, {"a": 2, "b": 3}]
    assert written(ctx, key="numbers", path="n.csv", format="csv", header=["x", "y"], required=["y"],
                   sidecar=True) == b"x,y\n1,2\n"
    assert json.loads(Path("n.csv.meta.json").read_text())["columns"] == ["x", "y"]
    assert written(ctx, key="late", path="l.csv", format="csv", required=["b"]) == b"a,b\n1,\n2,3\n"
    with pytest.raises(ShapeError, match=r"ctx\['late'\] has no 'b'; it has a"):
        ctx_to_file.run(ctx, {"key": "late", "path": "l.csv", "format": "csv", "header": ["a"], "required": ["b"]})
    with pytest.raises(ShapeError, match=r"ctx\['late'\] has no 'c'; it has a, b"):
        ctx_to_file.run(ctx, {"key": "late", "path": "l.json", "required": ["c"]})


def test_parquet(ctx: Any) -> None:
    ctx["table"] = [["n", "x", "text"], [1, 0.5, "ü"], [None, float("nan") if type(ctx) is dict else None, None]]
    ctx["dicts"] = [{"a": 1, "deep": [1, 2]}, {"a": 2}]
    for key, params, rows in (
        ("table", {}, [{"n": 1, "x": 0.5, "text": "ü"}, {"n": None, "x": None, "text": None}]),
        ("dicts", {"format": "parquet"}, [{"a": 1, "deep": [1, 2]}, {"a": 2, "deep": None}]),
        ("dicts", {"header": ["a"]}, [{"a": 1}, {"a": 2}]),
    ):
        ctx_to_file.run(ctx, {"key": key, "path": "o/t.parquet", "format": "auto", **params})
        assert file_to_ctx.run(ctx, {"path": "o/t.parquet", "key": "back"}) == {"loaded": "back", "rows": 2}
        assert ctx["back"] == rows
    file_to_ctx.run(ctx, {"path": "o/t.parquet", "key": "back", "rename": {"a": "b"}, "schema": {"b": "int"}})
    assert ctx["back"] == [{"b": 1}, {"b": 2}]


@pytest.mark.parametrize(("value", "words"), [
    ([{"a": 1}, {"a": "x"}], "the column 'a' cannot be written as parquet"),
    ([{"a": 1 << 70}], "the column 'a' cannot be written as parquet"),
    ([{"a": "\ud800"}], "the column 'a' cannot be written as parquet"),
    ([], "has no rows under names of columns"),
    ([["a", "b"]], "has no rows under names of columns"),
    ([["a", "a"], [1, 2]], "two columns have one name"),
    ([["a", "b"], [1]], "row 0 under the names has 1 cells for 2 columns"),
    ({"a": 1}, "is to be a list of rows for parquet"),
    ([1], "is to be a list"),
])
def test_what_parquet_cannot_hold(tmp_path: Path, value: Any, words: str) -> None:
    file = tmp_path / "t.parquet"
    file.write_bytes(b"before")
    with pytest.raises(ShapeError, match=re.escape(words)):
        ctx_to_file.run({"v": value}, {"key": "v", "path": str(file), "format": "parquet"})
    assert file.read_bytes() == b"before"
