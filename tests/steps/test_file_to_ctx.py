"""file_to_ctx: a file as a value of ctx."""

from __future__ import annotations

import bz2
import gzip
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError
from step_library.files import ctx_to_file, file_to_ctx
from tests.recipe.runs import Project
from tests.steps.documented_files import examples

CSV = 'id,volt,ok\n1,2.5,yes\n2,,no\n'


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text(CSV)
    Path("a.json").write_text('{"a": [1, 2], "b": null}')
    Path("rows.json").write_text('[{"id": 1}, {"id": "x"}]')
    Path("no").write_text("{]")
    Path("empty.csv").write_text("")
    return {} if request.param == "dict" else Context()


def load(ctx: Any, path: str, data: str | bytes | None = None, **params: Any) -> Any:
    if data is not None:
        Path(path).write_bytes(data.encode() if isinstance(data, str) else data)
    file_to_ctx.run(ctx, {"path": path, "key": "v", **params})
    return ctx.plain("v") if isinstance(ctx, Context) else ctx["v"]


@pytest.mark.parametrize("example", examples("file_to_ctx"))
def test_documented_example(example: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params, ctx = example["params"], dict(example.get("ctx", {}))
    Path("Data").mkdir()
    path, expected = Path(params["path"]), {"a": [1, 2.5, None]} if params["format"] == "json" else [["a"], ["1"]]
    if params["format"] == "xlsx":
        book = openpyxl.Workbook()
        book.active.title = "Sheet1"
        for row in (["col1", "col2"], ["1.5", 2]):
            book.active.append(row)
        book.save(path)
        expected = [{"col1": 1.5, "col2": 2}]
    else:
        path.write_text(json.dumps(expected) if params["format"] == "json" else "a\n1\n")
    assert file_to_ctx.run(ctx, params)["loaded"] == params["key"]
    assert ctx == {params["key"]: expected}


def test_each_format(ctx: Any) -> None:
    assert load(ctx, "a.csv") == [["id", "volt", "ok"], ["1", "2.5", "yes"], ["2", "", "no"]]
    assert load(ctx, "a.json") == {"a": [1, 2], "b": None}
    assert load(ctx, "x.csv", "\ufeffa;b\r\n\"1\n2\";ü\r\n", delimiter=";") == [["a", "b"], ["1\n2", "ü"]]
    assert load(ctx, "x.csv", "ü\n".encode("latin-1"), encoding="latin-1") == [["ü"]]
    assert load(ctx, "x.tsv", "a\tb,c\n") == [["a", "b,c"]]
    assert load(ctx, "x.jsonl", '1\n\n{"a": 2}\n') == [1, {"a": 2}]
    assert load(ctx, "x.yml", "a: 007\nb: [1, on, 2025-08-25]\n") == {"a": "007", "b": [1, "on", "2025-08-25"]}
    assert load(ctx, "x.csv.gz", gzip.compress(b"a\n")) == [["a"]]
    assert load(ctx, "x.json.bz2", bz2.compress(b"[1]")) == [1]
    assert load(ctx, "x", "\ufeff[NaN, 12345678901234567890123]", format="json") == [None, 12345678901234567890123]
    assert load(ctx, "empty.csv") == []
    if isinstance(ctx, Context):
        assert ctx.last_modified("v") is not None


def test_excel(ctx: Any) -> None:
    book = openpyxl.Workbook()
    book.active.append(["a", 1, None, True])
    more = book.create_sheet("more")
    more.append(["when", "x"])
    more.append([datetime(2025, 8, 25, 12), 1.5])
    book.save("b.xlsx")
    assert load(ctx, "b.xlsx") == [["a", 1, None, True]]
    for sheet in ("more", 1, -1):
        assert load(ctx, "b.xlsx", sheet=sheet, use_header=True) == [{"when": "2025-08-25T12:00:00", "x": 1.5}]
    with pytest.raises(ShapeError, match="b.xlsx:2: row 0, column 'x' is to be bool, not float 1.5"):
        load(ctx, "b.xlsx", sheet="more", schema={"x": "bool"})
    with pytest.raises(MissingKey, match=r"no sheet 'mor'; did you mean more\?"):
        load(ctx, "b.xlsx", sheet="mor")
    with pytest.raises(ValueError, match="is no Excel file"):
        load(ctx, "a.csv", format="xlsx")


def test_names_and_types(ctx: Any) -> None:
    first = {"id": "1", "volt": "2.5", "ok": "yes"}
    assert load(ctx, "a.csv", use_header=True)[0] == first
    assert load(ctx, "a.csv", numbers=True)[1:] == [[1, 2.5, "yes"], [2, "", "no"]]
    schema = {"id": int, "volt": "float", "ok": "bool"}
    typed = [{"id": 1, "volt": 2.5, "ok": True}, {"id": 2, "volt": None, "ok": False}]
    assert load(ctx, "a.csv", use_header=True, schema=schema) == typed
    assert load(ctx, "a.csv", schema=schema) == [["id", "volt", "ok"], [1, 2.5, True], [2, None, False]]
    assert load(ctx, "a.csv", rename={"volt": "U"})[0] == ["id", "U", "ok"]
    assert load(ctx, "a.json", rename={"a": "A"}, schema={"A": "list"}) == {"A": [1, 2], "b": None}
    assert load(ctx, "rows.json", schema={"n": "any"}, rename={"id": "n"}) == [{"n": 1}, {"n": "x"}]


def test_merging(ctx: Any) -> None:
    ctx["a"] = "mine"
    assert file_to_ctx.run(ctx, {"path": "a.json", "merge": True, "guard": ["a"]}) == {"loaded": ["b"]}
    assert ctx["a"] == "mine" and ctx["b"] is None
    with pytest.raises(ShapeError, match="to be merged it has to hold a dict, not a list of 3"):
        file_to_ctx.run(ctx, {"path": "a.csv", "merge": True})


@pytest.mark.parametrize(("params", "error", "words"), [
    ({"path": "gone.json", "key": "k"}, FileNotFoundError, "there is no file gone.json"),
    ({"path": ".", "key": "k", "format": "json"}, OSError, ". cannot be read"),
    ({"path": "no", "key": "k", "format": "json"}, json.JSONDecodeError, "no:1: no JSON: "),
    ({"path": "no", "key": "k", "format": "jsonl"}, ValueError, "no JSON"),
    ({"path": "no", "key": "k", "format": "yaml"}, ValueError, "no:1: column 2"),
    ({"path": "no", "key": "k"}, ValueError, "does not tell the format"),
    ({"path": "gone", "key": "k", "format": "xml"}, ValueError, "one of 'json'"),  # before the file is looked for
    ({"path": "a.json"}, KeyError, "'key' is missing"),
    ({"key": "k"}, KeyError, "'path' is missing"),
    ({"path": "../a.json", "key": "k", "within": "."}, OctoError, "is not in ."),
    ({"path": "empty.csv", "key": "k", "use_header": True}, ShapeError, "is empty; its first row"),
    ({"path": "a.csv", "key": "k", "schema": {"vlt": "int"}}, MissingKey, "no 'vlt'; did you mean volt?"),
    ({"path": "a.csv", "key": "k", "schema": {"ok": "int"}}, ShapeError, "a.csv:2: row 0, column 'ok' is to be int"),
    ({"path": "a.csv", "key": "k", "schema": {"ok": "itn"}}, OctoError, "no type 'itn'; did you mean int?"),
    ({"path": "rows.json", "key": "k", "schema": {"id": int}}, ShapeError, "row 1, column 'id' is to be int"),
    ({"path": "a.json", "key": "k", "schema": {"a": "dict"}}, ShapeError, "'a' is to be dict, not a list of 2"),
    ({"path": "a.csv", "key": "k", "rename": {"vlt": "x"}}, MissingKey, "no 'vlt'"),
    ({"path": "a.csv", "key": "k", "rename": {"volt": "id"}}, ShapeError, "two columns are called 'id'"),
    ({"path": "a.json", "key": "k", "numbers": True}, OctoError, "numbers is for csv"),
    ({"path": "a.csv", "key": "k", "encoding": "utf-99"}, OctoError, "no encoding 'utf-99'"),
    ({"path": "a.csv", "key": "k", "delimiter": "::"}, OctoError, "not one character"),
])
def test_mistakes(ctx: Any, params: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        file_to_ctx.run(ctx, params)
    assert words in str(caught.value) and isinstance(caught.value, OctoError) and not list(ctx)


@pytest.mark.parametrize(("name", "data", "words"), [
    ("x.json", b'{"a": 1,\n "b": }', "x.json:2: no JSON"),
    ("x.json", b'["\\ud800"]', "surrogate"),
    ("x.json", b"\xff", "not UTF-8"),
    ("x.json", b"[" * 100_000, "nested"),
    ("x.csv", b'a,"b\n', "no CSV"),
    ("x.csv", b"\xff\n", "not text in utf-8"),
    ("x.json.gz", b"[1]", "is not gzip, as its name says"),
    ("x.csv.gz", gzip.compress(b"a,b\n" * 999, mtime=0)[:-9], "is not gzip"),
    ("x.json.bz2", b"[1]", "is not bz2"),
    ("x.csv", b"a,b\n1\n", "x.csv:2: row 0 has 1 columns, the first row names 2"),
    ("x.csv", b'\n"a\n",b\n\n"1\r\n",2\n3\n', "x.csv:7: row 1 has 1 columns"),
    ("x.csv", b"a,a\n1,2\n", "two columns are called 'a'"),
])
def test_damaged_files(ctx: Any, name: str, data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        load(ctx, name, data, **({"use_header": True} if "csv" in name else {}))
    assert isinstance(caught.value, OctoError) and not list(ctx)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
                    | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
                    lambda each: st.lists(each) | st.dictionaries(st.text("abc ü:-1", min_size=1), each), max_leaves=8)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(value=JSON, kind=st.sampled_from(["json", "yaml"]))
def test_it_reads_what_ctx_to_file_writes(tmp_path: Path, value: Any, kind: str) -> None:
    path = str(tmp_path / "v")
    ctx: Any = {"v": value}
    ctx_to_file.run(ctx, {"key": "v", "path": path, "format": kind})
    file_to_ctx.run(ctx, {"key": "back", "path": path, "format": kind})
    assert ctx["back"] == value


@pytest.mark.slow
def test_a_large_file(ctx: Any) -> None:
    text = "".join(f"{number},{number / 2}\n" for number in range(100_000))
    assert load(ctx, "large.csv", text, numbers=True)[99_999] == [99_999, 49_999.5]


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.write("Data/rows.csv", "a,b\n1,2\n")
    project.recipe("""
        steps:
          - {name: rows, function: file_to_ctx, params: {path: Data/rows.csv, key: rows, format: csv}}
          - {name: more, module: scriptlets.python.steps.file_to_ctx, params: {path: Data/m.json, key: m},
             depends_on: rows}
    """)
    assert project.run().status == "COMPLETE_ERROR" and "there is no file" in str(project.steps)
    project.write("Data/m.json", "[1]")
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["rows"] == [["a", "b"], ["1", "2"]] and project.ctx["m"] == [1]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_text_without_the_mark_of_its_encoding(ctx: Any, encoding: str) -> None:
    with pytest.raises(ValueError, match=f"x.csv is not text in {encoding}") as caught:
        load(ctx, "x.csv", b"a,b\n1,2\n", encoding=encoding)
    assert isinstance(caught.value, OctoError) and not list(ctx)
