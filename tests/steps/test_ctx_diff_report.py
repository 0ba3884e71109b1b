"""ctx_diff_report: what differs between two tables of ctx."""

from __future__ import annotations

import copy
import difflib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError
from octo.param import ParamError
from step_library.files import ctx_excel, file_to_ctx
from step_library.report import ctx_diff_report
from tests.recipe.runs import Project

DATA = Path(__file__).resolve().parents[1] / "conformance" / "data" / "steps" / "report.yaml"
EXAMPLES = next(entry["examples"] for entry in yaml.safe_load(DATA.read_text(encoding="utf-8"))
                if entry["id"] == "ctx_diff_report")
BEFORE = [[1, "foo", 10], [2, "bar", 11], [3, "baz", 13]]
AFTER = [[1, "foo", 10], [2, "bar", 12], [4, "zzz", 44]]
PRINTED = ["--- before", "+++ after", "@@ -1,3 +1,3 @@", " [1, 'foo', 10]", "-[2, 'bar', 11]", "-[3, 'baz', 13]",
           "+[2, 'bar', 12]", "+[4, 'zzz', 44]"]
USERS = [{"id": 1, "name": "Ann", "to": {"zip": 1, "town": "A"}}, {"id": 2, "name": "Bob"}, {"id": 3, "name": "Cyd"}]
NOW = [{"name": "Cyd", "id": 3}, {"to": {"town": "B", "zip": 1}, "id": 1, "name": "Ann"}, {"id": 4, "name": "<Dan>",
                                                                                             "age": 5}]


@pytest.fixture(params=["dict", "Context"])
def make(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    return (lambda old, new: {"before": old, "after": new}) if request.param == "dict" else (
        lambda old, new: Context({"before": old, "after": new}))


def diff(ctx: Any, **params: Any) -> list[str]:
    """The lines; what the file holds is checked where it holds them bare."""
    params = {"key1": "before", "key2": "after", "out": "diff", "file": "Data/d.md", **params}
    found = ctx_diff_report.run(ctx, params)
    more = {"summary": params["summary"]} if params.get("summary") else {}
    assert found == {"diff": "diff", "file": params["file"], **more}
    lines = list(ctx["diff"]) if type(ctx) is dict else ctx.plain("diff")
    if params["file"].endswith(".md") and "format" not in params:
        assert Path(params["file"]).read_text(encoding="utf-8") == "\n".join(lines)
    return lines


def test_the_printed_example(make: Any) -> None:
    assert diff(make(BEFORE, AFTER)) == PRINTED == EXAMPLES[6]["ctx_after"]["diff_report"]


def test_two_excel_exports(make: Any) -> None:
    """Example 5: both are read as lists, then compared."""
    ctx = make(0, 0)
    for key, rows in (("before", BEFORE), ("after", AFTER)):
        ctx["rows"] = rows
        ctx_excel.run(ctx, {"sheets": {"rows": "export"}, "out": f"{key}.xlsx"})
        file_to_ctx.run(ctx, {"path": f"{key}.xlsx", "key": key})
    assert diff(ctx) == PRINTED


@pytest.mark.parametrize("number", range(5))
def test_the_documented_calls(make: Any, number: int) -> None:
    """The examples of the catalogue that show no ctx."""
    params = EXAMPLES[number]["params"]
    ctx = make(0, 0)
    ctx[params["key1"]], ctx[params["key2"]] = BEFORE, AFTER
    assert ctx_diff_report.run(ctx, params) == {"diff": params["out"], "file": params["file"]}
    names = [f"--- {params['key1']}", f"+++ {params['key2']}"]
    assert list(ctx[params["out"]]) == [*names, *PRINTED[2:]]
    assert Path(params["file"]).read_text().split("\n") == [*names, *PRINTED[2:]]


ROWS = st.lists(st.one_of(st.integers(0, 3), st.text("ab\n", max_size=2), st.lists(st.integers(0, 2), max_size=2)),
                max_size=8)


@given(ROWS, ROWS, st.integers(0, 3))
def test_it_is_what_difflib_says(tmp_path_factory: pytest.TempPathFactory, old: list[Any], new: list[Any],
                                 context: int) -> None:
    ctx: dict[str, Any] = {"a": old, "b": new}
    file = tmp_path_factory.getbasetemp() / "d.txt"
    ctx_diff_report.run(ctx, {"key1": "a", "key2": "b", "out": "d", "file": file, "context": context})
    texts = [[str(row).replace("\n", "\\n") for row in rows] for rows in (old, new)]
    assert ctx["d"] == list(difflib.unified_diff(*texts, "a", "b", n=context, lineterm=""))


@pytest.mark.parametrize("params", [{}, {"mode": "cell"}, {"mode": "column"}, {"by": "id"}])
def test_where_nothing_differs(make: Any, params: dict[str, Any]) -> None:
    again = [dict(reversed(row.items())) for row in USERS]  # the order of keys does not matter
    ctx = make(USERS, again)
    assert diff(ctx, **params) == [] and Path("Data/d.md").read_bytes() == b""
    assert diff(make([], []), summary="numbers", **params) == []
    assert "No differences" in _file(ctx, "d.html", **params)


def _file(ctx: Any, file: str, **params: Any) -> str:
    diff(ctx, file=file, **params)
    return Path(file).read_text(encoding="utf-8")


def test_rows_by_id_whatever_their_order(make: Any) -> None:
    assert diff(make(USERS, NOW), by="id", context=0) == [
        "--- before", "+++ after", "@@ -1,2 +1 @@",
        "-{'id': 1, 'name': 'Ann', 'to': {'town': 'A', 'zip': 1}}", "-{'id': 2, 'name': 'Bob'}",
        "+{'id': 1, 'name': 'Ann', 'to': {'town': 'B', 'zip': 1}}", "@@ -3,0 +3 @@",
        "+{'age': 5, 'id': 4, 'name': '<Dan>'}"]
    assert diff(make(USERS, USERS[::-1]), by="id") == []
    assert diff(make(BEFORE, BEFORE[::-1]), by=0) == []
    assert diff(make(BEFORE, BEFORE[::-1])) != []


def test_cell_by_cell(make: Any) -> None:
    assert diff(make(USERS, NOW), by="id", mode="cell") == [
        "--- before", "+++ after", "~id=1/to/town: 'A' -> 'B'", "-id=2: {'id': 2, 'name': 'Bob'}",
        "+id=4: {'age': 5, 'id': 4, 'name': '<Dan>'}"]
    assert diff(make(BEFORE, AFTER), diff_mode="cell", by=[0, 1]) == [
        "--- before", "+++ after", "~0=2,1=bar/2: 11 -> 12", "-0=3,1=baz: [3, 'baz', 13]", "+0=4,1=zzz: [4, 'zzz', 44]"]
    assert diff(make(BEFORE, AFTER), mode="cell") == [
        "--- before", "+++ after", "~1/2: 11 -> 12", "~2/0: 3 -> 4", "~2/1: 'baz' -> 'zzz'", "~2/2: 13 -> 44"]
    # a row that was put in is no change of those behind it
    assert diff(make(BEFORE, [[0], *BEFORE]), mode="cell") == ["--- before", "+++ after", "+0: [0]"]
    assert diff(make([1, "a\n", [1]], [1.0, "b", [1, None]]), mode="cell") == [
        "--- before", "+++ after", "~0: 1 -> 1.0", "~1: 'a\\n' -> 'b'", "~2/1: nothing -> None"]


def test_by_column_and_in_numbers(make: Any) -> None:
    ctx = make(USERS, NOW)
    assert diff(ctx, by="id", mode="column", summary="numbers") == ["--- before", "+++ after", "+age", "~to: 1 cell"]
    numbers = ctx["numbers"] if type(ctx) is dict else ctx.plain("numbers")
    assert numbers == {"added": 1, "removed": 1, "changed": 1, "same": 1, "columns": {"to": 1},
                       "columns_added": ["age"], "columns_removed": []}
    ctx = make([[1, 2], [3, 4]], [[1], [3]])
    assert diff(ctx, summary="numbers", mode="column") == ["--- before", "+++ after", "-1", "~1: 2 cells"]
    assert ctx["numbers"]["changed"] == 2
    diff(make([], AFTER), summary="numbers")


def test_only_some_columns(make: Any) -> None:
    assert diff(make(USERS, NOW), by="id", columns=["name"], mode="cell") == [
        "--- before", "+++ after", "-id=2: {'name': 'Bob'}", "+id=4: {'name': '<Dan>'}"]
    assert diff(make(BEFORE, AFTER), columns=[2])[3:] == [" [10]", "-[11]", "-[13]", "+[12]", "+[44]"]


def test_dicts(make: Any) -> None:
    old, new = {"b": 1, "a": {"x": [1, 2]}, "gone": None}, {"a": {"x": [1, 3]}, "b": 1, "new": "x"}
    assert diff(make(old, new), mode="cell") == [
        "--- before", "+++ after", "~a/x/1: 2 -> 3", "-gone: None", "+new: x"]
    assert diff(make(old, new), context=0) == [
        "--- before", "+++ after", "@@ -2,2 +2,2 @@", "-a: {'x': [1, 2]}", "-gone: None", "+a: {'x': [1, 3]}",
        "+new: x"]


def test_a_page_and_markdown(make: Any) -> None:
    ctx = make(USERS, NOW)
    page = _file(ctx, "d.html", by="id", mode="cell")
    assert page.startswith("<!doctype html>") and "<td>Rows changed</td><td class=\"number\">1</td>" in page
    assert '<span class="changed">~id=1/to/town: &#x27;A&#x27; -&gt; &#x27;B&#x27;</span>' in page
    assert "&lt;Dan&gt;" in page and "<Dan>" not in page
    text = _file(ctx, "d.md", by="id", format="md")
    assert text.startswith("# Differences between before and after\n\n## Summary\n\n| what | how many |\n")
    assert "| Columns added | age |" in text and "\n```diff\n--- before\n" in text and text.endswith("\n```\n")


def test_rows_that_came_are_a_difference_where_no_column_has_changed(make: Any) -> None:
    for old, new, said in (([], [{"x": 1}], False), ([{"x": 1}], [{"x": 1}], True)):
        assert diff(make(old, new), mode="column", file="d.html") == []
        assert ("No differences" in Path("d.html").read_text(encoding="utf-8")) is said


def test_a_long_diff_is_cut(make: Any) -> None:
    assert diff(make(BEFORE, AFTER), limit=3) == [*PRINTED[:3], "… 5 more lines"]
    assert diff(make(BEFORE, AFTER), limit=8) == PRINTED


@pytest.mark.slow
def test_many_rows(make: Any) -> None:
    old = [[number, f"name {number}"] for number in range(20_000)]
    new = copy.deepcopy(old)
    new[10_000][1] = "other"
    del new[5]
    assert len(diff(make(old, new), context=0)) == 7
    assert len(diff(make(old, new), by=0, mode="cell")) == 4


@pytest.mark.parametrize(("old", "new", "params", "error", "words"), [
    (BEFORE, AFTER, {"key1": "befor"}, MissingKey, "ctx has no key 'befor'; did you mean before?"),
    ("x", AFTER, {}, ShapeError, "ctx['before'] is to be a list of rows or a dict, not str 'x'"),
    ({}, [], {}, ShapeError, "is a dict, the other a list"),
    ({}, {}, {"by": "id"}, ParamError, "by: ctx['before'] is a dict"),
    (USERS, NOW, {"by": "idd"}, MissingKey, "row 0 has no field 'idd'; did you mean id?"),
    (USERS, [{"id": 1}, {"id": 1}], {"by": "id"}, ShapeError, "ctx['after']: rows 0 and 1 are both id=1"),
    (USERS, NOW, {"by": [1.5]}, ParamError, "by: a field is a name"),
    (USERS, NOW, {"by": 1.5}, ParamError, "'by' is to be"),
    (USERS, NOW, {"columns": ["nam"]}, MissingKey, "have no column 'nam'; did you mean name?"),
    (BEFORE, AFTER, {"context": -1}, ParamError, "context is to be 0 or more, not -1"),
    (BEFORE, AFTER, {"limit": 0}, ParamError, "limit is to be 1 or more, not 0"),
    (BEFORE, AFTER, {"mode": "words"}, ParamError, "one of 'row', 'cell', 'column'"),
    (BEFORE, AFTER, {"mode": "row", "diff_mode": "cell"}, ParamError, "are one parameter"),
    (BEFORE, AFTER, {"file": "."}, OctoError, "it is a folder"),
    (BEFORE, AFTER, {"keys": 1}, ParamError, "unknown parameter 'keys'"),
    (BEFORE, AFTER, {"out": ""}, ParamError, "out: a key of ctx is not empty"),
    (BEFORE, AFTER, {"summary": ""}, ParamError, "summary: a key of ctx is not empty"),
    (BEFORE, AFTER, {"summary": "diff"}, ParamError, "summary: the lines go to ctx['diff'] already"),
])
def test_mistakes(make: Any, old: Any, new: Any, params: dict[str, Any], error: type[Exception], words: str) -> None:
    ctx = make(old, new)
    with pytest.raises(error) as caught:
        diff(ctx, **params)
    assert words in str(caught.value) and isinstance(caught.value, OctoError)
    assert "diff" not in ctx and not Path("Data").exists()


def test_a_missing_param() -> None:
    with pytest.raises(KeyError, match="'file' is missing"):
        ctx_diff_report.run({"a": [], "b": []}, {"key1": "a", "key2": "b", "out": "c"})


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def load(ctx):
            ctx["before"] = [[1, "a"], [2, "b"]]
        def clean(ctx):
            if not Path("go").exists():
                raise ValueError("not yet")
            ctx["after"] = [row for row in ctx.plain("before") if row[0] > 1]
        def big(ctx):
            ctx["many"] = True
    """)
    project.recipe("""
        steps:
          - {name: load, module: BODY, function: load}
          - {name: clean, module: BODY, function: clean, depends_on: load}
          - {name: diff, module: scriptlets.python.steps.ctx_diff_report, depends_on: clean,
             params: {key1: before, key2: after, out: diff_report, file: Data/diff_report.md, summary: numbers}}
          - {name: big, module: BODY, function: big, depends_on: diff, when: ctx.numbers.removed > 0}
    """)
    assert project.run().status == "COMPLETE_ERROR" and not (project.folder / "Data").exists()
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["diff_report"][3:] == ["-[1, 'a']", " [2, 'b']"] and project.ctx["many"]
    assert project.steps["diff"]["result"]["file"] == "Data/diff_report.md"
    history = project.edit().get_history("diff_report")
    assert [entry["who"] for entry in history] == ["diff"]
