"""ctx_lazy_loader: only what is needed of large files."""

from __future__ import annotations

import datetime
import decimal
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError, UsageError
from step_library.files import ctx_lazy_loader
from tests.recipe.runs import Project
from tests.steps.documented_files import examples

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

ROWS = [{"n": number, "x": number / 2, "who": f"p{number % 3}"} for number in range(25)]
FILES = ("t.parquet", "t.csv", "t.tsv", "t.json", "t.jsonl", "t.jsonl.gz")


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    return {"old": 1} if request.param == "dict" else Context({"old": 1})


def write(name: str, rows: list[dict[str, Any]] = ROWS) -> str:
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    if name.endswith(".parquet"):
        parquet.write_table(pyarrow.Table.from_pylist(rows), name, row_group_size=10)
    elif name.endswith(".json"):
        Path(name).write_text(json.dumps(rows, indent=1))
    elif name.endswith(".jsonl"):
        Path(name).write_text(lines)
    elif name.endswith(".gz"):
        Path(name).write_bytes(gzip.compress(lines.encode()))
    else:
        mark = "\t" if name.endswith(".tsv") else ","
        cells = [list(rows[0]), *(row.values() for row in rows)]
        Path(name).write_text("".join(mark.join(map(str, row)) + "\n" for row in cells))
    return name


def load(ctx: Any, path: str, **params: Any) -> Any:
    result = ctx_lazy_loader.run(ctx, {"key": "big", "path": path, **params})
    assert result["loaded"] == "big"
    found = ctx.plain("big") if isinstance(ctx, Context) else ctx["big"]
    json.dumps(found, allow_nan=False)
    assert result.get("rows", 0) == (len(found) if isinstance(found, list) else 0)
    return found


@pytest.mark.parametrize("example", examples("ctx_lazy_loader"))
def test_documented_example(example: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("Data").mkdir()
    columns = {f"col{number}": [0] * 60_000 for number in range(1, 21)}
    parquet.write_table(pyarrow.table(columns), "Data/huge_file.parquet")
    params = example["params"]
    ctx: Any = {"big_data_chunk": [1]}
    result = ctx_lazy_loader.run(ctx, params)
    if params.get("action") == "clear":
        assert ctx == {} and result == {"cleared": "big_data_chunk"}
    elif "chunk" in params:
        assert ctx[params["key"]] == [dict.fromkeys(columns, 0)] * params["chunk"]
        assert result == {"loaded": params["key"], "rows": params["chunk"], "more": True}
    else:
        assert ctx["big_data_preview"] == {"shape": [60_000, 20], "columns": list(columns)}
        assert ctx["big_data_preview"].keys() == example["ctx_after"]["big_data_preview"].keys()


@pytest.mark.parametrize("name", FILES)
def test_each_format(ctx: Any, name: str) -> None:
    write(name)
    assert load(ctx, name) == {"shape": [25, 3], "columns": ["n", "x", "who"]}
    assert load(ctx, name, chunk=4) == ROWS[:4]
    assert load(ctx, name, chunk=0) == []
    assert load(ctx, name, action="full") == ROWS
    assert load(ctx, name, page=2, page_size=10) == ROWS[20:]
    assert load(ctx, name, page=1, chunk=3) == ROWS[3:6]
    assert load(ctx, name, page=1, page_size=10, chunk=3) == ROWS[10:13]
    assert load(ctx, name, page=7, page_size=10) == []
    assert load(ctx, name, chunk=2, columns=["who", "n"]) == [{"who": "p0", "n": 0}, {"who": "p1", "n": 1}]
    assert load(ctx, name, filter={"who": "p1"}) == {"shape": [8, 3], "columns": ["n", "x", "who"]}
    fit = [row for row in ROWS if row["who"] == "p1"]
    assert load(ctx, name, filters={"who": "p1"}, page=1, page_size=3) == fit[3:6]
    assert load(ctx, name, filter={"n": {">=": 5, "<": 9}, "x": [2.5, 4]}, action="full", columns=["n"]) == [
        {"n": 5}, {"n": 8}]
    assert load(ctx, name, filter={"n": {"!=": 0}}, chunk=1, schema={"x": "float", "n": "number"}) == ROWS[1:2]
    with pytest.raises(MissingKey, match="'whu'.*did you mean who"):
        load(ctx, name, filter={"whu": 1}, chunk=1)
    with pytest.raises(MissingKey, match="'whu'.*did you mean who"):
        load(ctx, name, columns=["whu"])
    with pytest.raises(ShapeError, match="row 0, column 'who' is to be int, not str 'p0'"):
        load(ctx, name, schema={"who": "int"}, chunk=1)
    with pytest.raises(ShapeError, match="filter: column 'who' has str 'p0', which is neither less nor more than int"):
        load(ctx, name, filter={"who": {">": 3}}, chunk=1)


def test_whether_more_follow(ctx: Any) -> None:
    write("t.parquet")
    params = {"key": "big", "path": "t.parquet", "page_size": 5, "filter": {"n": {"<": 10}}}
    assert ctx_lazy_loader.run(ctx, {**params, "page": 0}) == {"loaded": "big", "rows": 5, "more": True}
    assert ctx_lazy_loader.run(ctx, {**params, "page": 1}) == {"loaded": "big", "rows": 5, "more": False}


@pytest.mark.slow
def test_the_rest_of_the_file_is_not_read(ctx: Any) -> None:
    """What is damaged behind the rows that are asked for does not matter, nor do other columns."""
    write("t.parquet")
    meta = parquet.ParquetFile("t.parquet").metadata
    data = bytearray(Path("t.parquet").read_bytes())
    for group, column in ((2, 0), (2, 1), (2, 2), (0, 2)):
        place = meta.row_group(group).column(column)
        start = place.dictionary_page_offset or place.data_page_offset
        data[start : start + place.total_compressed_size] = b"\xff" * place.total_compressed_size
    Path("t.parquet").write_bytes(data)
    assert load(ctx, "t.parquet", chunk=7, columns=["n"]) == [{"n": number} for number in range(7)]
    assert load(ctx, "t.parquet", page=2, page_size=5) == ROWS[10:15]  # the first group is skipped
    with pytest.raises(ValueError, match=r"t\.parquet is no Parquet file, or damaged") as caught:
        load(ctx, "t.parquet", action="full")
    assert isinstance(caught.value, OctoError)
    for name in ("t.csv", "t.json", "t.jsonl"):
        write(name, ROWS * 2000)
        text = Path(name).read_bytes()
        Path(name).write_bytes(text[: len(text) // 2] + b'}}""\xff"')
        assert load(ctx, name, chunk=7) == ROWS[:7]
        with pytest.raises((OctoError, ValueError)):
            load(ctx, name, action="full")


def test_values_are_json(ctx: Any) -> None:
    utc = datetime.timezone.utc
    day = datetime.datetime(2025, 1, 2, 3, 4, 5, 678901)
    pyarrow_types = {"f": [float("nan"), 1.5], "t": [day, None], "d": [day.date(), None], "h": [day.time(), None],
                     "s": [datetime.timedelta(seconds=1.5), None], "c": [decimal.Decimal("2.50"), None],
                     "b": [b"ab", b"\xff"], "l": [[1.0, float("inf")], None], "m": [{"k": day.date()}, None]}
    table = pyarrow.table(pyarrow_types)
    table = table.append_column("ns", pyarrow.array([1, None], pyarrow.timestamp("ns", "UTC")))
    table = table.append_column("old", pyarrow.array([1_500, None], pyarrow.timestamp("ns")))
    table = table.append_column("span", pyarrow.array([1_500_000, None], pyarrow.duration("ns")))
    table = table.append_column("clock", pyarrow.array([1_000, None], pyarrow.time64("ns")))
    table = table.append_column("word", pyarrow.array(["a", None]).dictionary_encode())
    parquet.write_table(table, "t.parquet")
    first, second = load(ctx, "t.parquet", action="full")
    assert first == {
        "f": None, "t": "2025-01-02T03:04:05.678901", "d": "2025-01-02", "h": "03:04:05.678901", "s": 1.5, "c": 2.5,
        "b": "ab", "l": [1.0, None], "m": {"k": "2025-01-02"},
        "ns": datetime.datetime(1970, 1, 1, tzinfo=utc).isoformat(), "old": "1970-01-01T00:00:00.000001",
        "span": 0.0015, "clock": "00:00:00.000001", "word": "a"}
    assert second == {**dict.fromkeys(first), "f": 1.5, "b": "/w=="}
    assert load(ctx, "t.parquet", filter={"d": {">=": "2025-01-01"}})["shape"][0] == 1
    Path("t.json").write_text('[{"a": NaN, "b": [-Infinity, 1e999]}, {"b": 1}]')
    assert load(ctx, "t.json", action="full") == [{"a": None, "b": [None, None]}, {"b": 1}]
    assert load(ctx, "t.json", action="full", columns=["a"]) == [{"a": None}] * 2


def test_text_of_csv_as_types_and_as_it_is(ctx: Any) -> None:
    Path("t.csv").write_text("id;ok;x\n007;true;\n\n8;false;1,5\n")
    params: dict[str, Any] = {"delimiter": ";", "action": "full"}
    assert load(ctx, "t.csv", **params) == [{"id": "007", "ok": "true", "x": ""}, {"id": 8, "ok": "false", "x": "1,5"}]
    assert load(ctx, "t.csv", **params, numbers=False)[1]["id"] == "8"
    typed = load(ctx, "t.csv", **params, schema={"id": "str", "ok": "bool"}, filter={"ok": False})
    assert typed == [{"id": "8", "ok": False, "x": "1,5"}]
    with pytest.raises(ShapeError, match="row 1, column 'x' is to be float, not str '1,5'"):
        load(ctx, "t.csv", **params, schema={"x": float})


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_json_list_is_read_in_pieces(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from step_library.kit.formats import json_text

    monkeypatch.setattr(json_text, "PIECE", size)
    rows = [{"a": 'q"]},{', "b": [1.25e-7, -12, True, None, {"c": "ä\n"}]}, {}, {"n": 10**30}]
    for indent in (None, 2):
        (tmp_path / "t.json").write_text(json.dumps(rows, indent=indent))
        assert load({}, str(tmp_path / "t.json"), action="full") == rows
    (tmp_path / "t.json").write_text("\ufeff [ ] \n", encoding="utf-8")
    assert load({}, str(tmp_path / "t.json")) == {"shape": [0, 0], "columns": []}


@pytest.mark.parametrize(("text", "words"), [
    ("", "t.json is to be a JSON list of rows"),
    ('{"a": 1}', "t.json is to be a JSON list of rows"),
    ('[{"a": 1},\n 2]', "t.json:2: no JSON list of rows: a row that is a dict is expected"),
    ('[{"a": 1}\n {"a": 2}]', "t.json:2: no JSON list of rows: a comma or ] is expected"),
    ('[{"a": 1},]', "t.json:1: no JSON list of rows: after a comma"),
    ('[{"a": 1}', "t.json:1: no JSON list of rows: a comma or ]"),
    ('[{"a": 1}] x', "t.json:1: no JSON list of rows: nothing is expected behind"),
    ('[{"a": 1},\n{"a" 1, "b": "' + "x" * 99 + '"}]', "t.json:2: no JSON: Expecting ':' delimiter"),
    ('[{"a": "x', "t.json:1: no JSON: Unterminated string"),
    ('[{"a": "\\ud800"}]', "lone surrogate"),
    ("[" * 3000, "nested too deeply"),
    ('[{"a": ' + "1" * 5000 + "}]", "digits"),
    ("[[1]]", "t.json: row 0 is to be a dict, not a list of 1"),
])
def test_json_that_is_no_list_of_rows(text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.json").write_text(text)
    ctx: dict[str, Any] = {}
    with pytest.raises(ValueError) as caught:
        load(ctx, "t.json")
    assert words in str(caught.value) and isinstance(caught.value, OctoError) and not ctx


@pytest.mark.parametrize(("params", "error", "words"), [
    ({"path": "gone.parquet"}, FileNotFoundError, "there is no file gone.parquet"),
    ({}, KeyError, "'path' is missing"),
    ({"path": "t.csv", "format": "parquet"}, ValueError, "t.csv is no Parquet file"),
    ({"path": "t"}, ValueError, "t is no Parquet file"),
    ({"path": "t.xlsx"}, UsageError, "t.xlsx is xlsx; rows are read one after another from parquet, csv"),
    ({"path": "t.csv", "format": "xml"}, ValueError, "one of 'parquet'"),
    ({"path": "t.csv", "action": "lod"}, ValueError, "did you mean load?"),
    ({"path": "t.csv", "chunk": -1}, ValueError, "'chunk' is to be 0 or more"),
    ({"path": "t.csv", "page": 1}, KeyError, "'page_size' is missing"),
    ({"path": "t.csv", "page": 0, "page_size": 0}, ValueError, "'page_size' is to be 1 or more"),
    ({"path": "t.csv", "filter": {"a": {"=": 1}}}, UsageError, "there is no comparison '='"),
    ({"path": "t.csv", "filter": {"a": 1}, "filters": {}}, OctoError, "filter"),
    ({"path": "t.csv", "schema": {"a": "integer"}, "chunk": 1}, UsageError, "did you mean int"),
    ({"path": "t.csv", "schema": {"z": "int"}}, MissingKey, "t.csv has no column 'z'"),
    ({"path": "t.csv", "action": "full"}, ShapeError, "row 1 has 1 columns, the first row names 2"),
    ({"path": "twice.csv"}, ShapeError, "two columns are called 'a'"),
    ({"path": "empty.csv"}, ShapeError, "is empty; its first row is to name the columns"),
    ({"path": "t.csv", "within": "Data"}, UsageError, "is not in Data"),
    ({"path": "."}, OSError, "cannot be read"),
])
def test_mistakes_leave_ctx_as_it_was(ctx: Any, params: dict[str, Any], error: type[Exception], words: str) -> None:
    Path("t.csv").write_text("a,b\n1,2\n3\n")
    Path("t").write_text("a,b\n")
    Path("twice.csv").write_text("a,a\n1,2\n")
    Path("empty.csv").write_text("")
    with pytest.raises(error) as caught:
        ctx_lazy_loader.run(ctx, {"key": "big", **params})
    assert words in str(caught.value) and isinstance(caught.value, OctoError) and list(ctx) == ["old"]


def test_clearing(ctx: Any) -> None:
    write("t.csv")
    load(ctx, "t.csv", chunk=1)
    for _ in range(2):
        assert ctx_lazy_loader.run(ctx, {"key": "big", "action": "clear"}) == {"cleared": "big"}
        assert list(ctx) == ["old"]
    assert not isinstance(ctx, Context) or ctx.get_history("big")[-1]["value"] is None


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), project.folder / "t.parquet")
    project.recipe("""
        steps:
          - {name: sample, module: scriptlets.python.core.ctx_lazy_loader,
             params: {key: some, path: t.parquet, chunk: 5}}
          - {name: gate, cmd: test, args: [-e, go], depends_on: sample}
          - {name: page, function: ctx_lazy_loader, depends_on: gate,
             params: {key: page, path: t.parquet, page: 1, page_size: 2, filter: {who: p2}}}
          - {name: free, function: ctx_lazy_loader, depends_on: page, params: {key: some, action: clear}}
    """)
    assert project.run().status == "COMPLETE_ERROR" and project.ctx["some"] == ROWS[:5]
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx == {"page": [ROWS[8], ROWS[11]]}
