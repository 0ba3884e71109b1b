"""ctx_excel and ctx_excel_advanced: tables of ctx as an Excel file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from zipfile import ZipFile

import openpyxl
import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError, UsageError
from step_library.files import ctx_excel, ctx_excel_advanced
from tests.recipe.runs import Project
from tests.steps.documented_files import examples

CTX = {"m": [["Temp", "V1", "V2"], [25, 1.5, 3], [26, None, 4]], "d": [{"A": 1, "B": "x"}, {"B": [1], "C": True}],
       "numbers": [[1, 2], [3, 4]], "none": [], "n": 3, "odd": [["=1+1", "#N/A"], ["'x", "ü"]], "bad": [["a\x01"]],
       "long": [["x" * 32_768]], "huge": [[1], [10**400]], "head": [["a", "b"]],
       "mixed": [[1], {"a": 1}]}
BOTH = [ctx_excel, ctx_excel_advanced]


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    return dict(CTX) if request.param == "dict" else Context(CTX)


def book(ctx: Any, sheets: Any, step: ModuleType = ctx_excel, out: str = "Data/o.xlsx", **params: Any) -> Any:
    assert step.run(ctx, {"sheets": sheets, "out": out, **params})["written"] == out
    assert [path.suffix for path in Path(out).parent.iterdir()] == [".xlsx"]
    return openpyxl.load_workbook(out)


def rows(page: Any) -> list[list[Any]]:
    return [list(row) for row in page.iter_rows(values_only=True)]


def kinds(page: Any) -> list[tuple[str, int]]:
    return [(type(chart).__name__, len(chart.series)) for chart in page._charts]


TABLE = [["Time", "Temp", "Value", "Value1", "Value2", "Temperature", "Power", "Step", "Score"], [*range(9)],
         [*range(9)]]


@pytest.mark.parametrize(("step", "example"), [(step, example) for step in BOTH
                                               for example in examples(step.__name__.rpartition(".")[2])])
def test_documented_example(step: ModuleType, example: dict[str, Any], tmp_path: Path,
                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params = example["params"]
    ctx = example.get("ctx") or dict.fromkeys(params["sheets"], TABLE)
    result = step.run(ctx, params)
    charts = params.get("charts", [])
    assert result["written"] == params["out"] and result["charts"] == len(charts)
    found = openpyxl.load_workbook(params["out"])
    assert found.sheetnames == list(params["sheets"].values()) == result["sheets"]
    for key, title in params["sheets"].items():
        table = ctx[key]
        if isinstance(table[0], dict):
            table = [list(table[0]), *(list(row.values()) for row in table)]
        assert rows(found[title]) == table
        wanted = [(chart.get("type", "line").title() + "Chart", len(chart["y"])) for chart in charts
                  if chart["sheet"] == title]
        assert kinds(found[title]) == wanted


@pytest.mark.parametrize("step", BOTH)
def test_what_stands_in_the_cells(ctx: Any, step: ModuleType) -> None:
    found = book(ctx, {"m": "M", "d": "Sheet", "none": "None", "odd": "ö!"}, step)
    assert found.sheetnames == ["M", "Sheet", "None", "ö!"]
    assert rows(found["M"]) == CTX["m"]
    assert rows(found["Sheet"]) == [["A", "B", "C"], [1, "x", None], [None, "[1]", True]]
    assert rows(found["None"]) == []
    assert [cell.data_type for cell in found["ö!"][1]] == ["s", "s"] and found["ö!"]["A1"].value == "=1+1"
    assert book(ctx, {"odd": "o"}, step, formulas=True)["o"]["A1"].data_type == "f"


def test_not_a_number_is_blank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert rows(book({"v": [[float("nan"), 1], (2.5, float("inf"))]}, {"v": "v"})["v"]) == [[None, 1], [2.5, None]]
    with pytest.raises(ShapeError, match=r"ctx\['v'\]: row 1 of the sheet holds what is no JSON value"):
        ctx_excel.run({"v": [[1], [{1}]]}, {"sheets": {"v": "v"}, "out": "x.xlsx"})
    assert [path.name for path in Path().iterdir()] == ["Data"]


def test_charts(ctx: Any) -> None:
    charts = [{"sheet": "M", "x": "Temp", "y": ["V1", "V2"], "type": kind}
              for kind in ("line", "area", "scatter", "bar")]
    charts += [{"sheet": "M", "x": 0, "y": 2, "type": "pie", "title": "Pie", "cell": "f40"},
               {"sheet": "N", "x": 0, "y": [1]}]
    found = book(ctx, {"m": "M", "numbers": "N"}, charts=charts)
    assert kinds(found["M"]) == [("LineChart", 2), ("AreaChart", 2), ("ScatterChart", 2), ("BarChart", 2),
                                 ("PieChart", 1)]
    places = [(chart.anchor._from.col, chart.anchor._from.row) for chart in found["M"]._charts]
    assert places == [(4, 1), (4, 17), (4, 33), (4, 49), (5, 39)]
    line, pie = found["M"]._charts[0], found["M"]._charts[4]
    assert line.series[1].val.numRef.f == "'M'!$C$2:$C$3" and line.series[1].tx.strRef.f == "'M'!C1"
    assert line.series[0].cat.numRef.f == "'M'!$A$2:$A$3" and pie.series[0].val.numRef.f == "'M'!$C$2:$C$3"
    assert found["N"]._charts[0].series[0].val.numRef.f == "'N'!$B$1:$B$2"  # no names there


def test_how_it_looks(ctx: Any) -> None:
    page = book(ctx, {"m": "M", "numbers": "N"}, bold_header=True, auto_width=True)["M"]
    assert page["A1"].font.b and not page["A2"].font.b and page.freeze_panes == "A2"
    assert page.column_dimensions["A"].width == 8


def test_what_is_missing(ctx: Any) -> None:
    sheets, charts = {"gone": "G", "m": "M"}, [{"sheet": "G", "x": "a", "y": ["b"]}]
    result = ctx_excel_advanced.run(ctx, {"sheets": sheets, "out": "o.xlsx", "charts": charts})
    assert result == {"written": "o.xlsx", "sheets": ["M"], "charts": 0, "skipped": ["gone"]}
    for step, more in ((ctx_excel, {}), (ctx_excel_advanced, {"strict": True})):
        with pytest.raises(KeyError, match="ctx has no .*'gone'"):
            step.run(ctx, {"sheets": sheets, "out": "p.xlsx", **more})
    with pytest.raises(MissingKey, match="there is none to write"):
        ctx_excel_advanced.run(ctx, {"sheets": {"gone": "G"}, "out": "p.xlsx"})
    assert not Path("p.xlsx").exists()


def test_only_checked(ctx: Any) -> None:
    assert ctx_excel.run(ctx, {"sheets": {"m": "M"}, "out": "o.xlsx", "dry_run": True}) == \
        {"written": None, "sheets": ["M"], "charts": 0}
    assert not Path("o.xlsx").exists()


CHART = {"sheet": "M", "x": "Temp", "y": ["V1"]}


@pytest.mark.parametrize("step", BOTH)
@pytest.mark.parametrize(("params", "error", "words"), [
    ({"sheets": {"n": "N"}}, ShapeError, "ctx['n'] is to be a list of rows for the sheet 'N', not int 3"),
    ({"sheets": {"mixed": "N"}}, ShapeError, "ctx['mixed']: row 1 is to be a list"),
    ({"sheets": {"bad": "N"}}, ShapeError, "ctx['bad']: row 0 of the sheet has a control character"),
    ({"sheets": {"long": "N"}}, ShapeError, "a text of 32768 characters"),
    ({"sheets": {"huge": "N"}}, ShapeError, "ctx['huge']: row 1 of the sheet has a number that is too large"),
    ({"sheets": {"m": "a/b"}}, UsageError, "'a/b' cannot be the name of a sheet"),
    ({"sheets": {"m": "x" * 32}}, UsageError, "1 to 31 characters"),
    ({"sheets": {"m": ""}}, UsageError, "cannot be the name"),
    ({"sheets": {"m": "M", "d": "m"}}, UsageError, "two are called 'm'"),
    ({"sheets": {"m": 1}}, UsageError, "is to be a name, not 1"),
    ({"sheets": ["m"]}, UsageError, "'m' is no pair"),
    ({"sheets": {}}, KeyError, "there is none to write"),
    ({"out": "o.xls"}, UsageError, "is to end in .xlsx"),
    ({"overwrite": False}, UsageError, "is there already"),
    ({"within": "Data"}, UsageError, "is not in Data"),
    ({"charts": [{**CHART, "sheet": "N"}]}, MissingKey, "there is no sheet 'N'; there are M"),
    ({"charts": [{**CHART, "x": "Tmp"}]}, MissingKey, "no column 'Tmp'; did you mean Temp?"),
    ({"charts": [{**CHART, "y": ["V1", 9]}]}, MissingKey, "has 3 columns, no column 9"),
    ({"charts": [{**CHART, "y": []}]}, UsageError, "has no y"),
    ({"charts": [{**CHART, "type": "donut"}]}, ValueError, "charts, number 0 from 0: parameter 'type'"),
    ({"charts": [{"sheet": "M", "x": "Temp"}]}, KeyError, "parameter 'y' is missing"),
    ({"charts": [{**CHART, "cell": "10F"}]}, UsageError, "no cell such as F10"),
    ({"charts": [{**CHART, "type": "pie", "y": ["V1", "V2"]}]}, UsageError, "a pie shows one column"),
    ({"sheets": {"numbers": "M"}, "charts": [CHART]}, ShapeError, "the columns of ctx['numbers'] have no names"),
    ({"sheets": {"head": "M"}, "charts": [CHART]}, ShapeError, "ctx['head'] has no rows to draw"),
    ({"out": "file/o.xlsx"}, OSError, "cannot be written"),
])
def test_mistakes_leave_what_was_there(ctx: Any, step: ModuleType, params: dict[str, Any], error: type[Exception],
                                       words: str) -> None:
    Path("o.xlsx").write_text("old")
    Path("file").touch()
    kept = list(openpyxl.worksheet._writer.ALL_TEMP_FILES)
    with pytest.raises(error) as caught:
        step.run(ctx, {"sheets": {"m": "M"}, "out": "o.xlsx", **params})
    assert words in str(caught.value) and isinstance(caught.value, OctoError)
    assert Path("o.xlsx").read_text() == "old" and sorted(map(str, Path().iterdir())) == ["file", "o.xlsx"]
    assert kept == openpyxl.worksheet._writer.ALL_TEMP_FILES


def test_more_rows_than_a_sheet_holds(ctx: Any) -> None:
    with pytest.raises(ShapeError, match="has 1048577 rows of 1 columns; a sheet of Excel holds 1048576"):
        ctx_excel.run({"v": [[1]] * 1_048_577}, {"sheets": {"v": "V"}, "out": "o.xlsx"})


def test_a_large_table(ctx: Any) -> None:
    ctx["large"] = [[number, number / 2] for number in range(10_000)]
    book_path = ctx_excel.run(ctx, {"sheets": {"large": "L"}, "out": "o.xlsx"})["written"]
    assert b'<row r="10000"' in ZipFile(book_path).read("xl/worksheets/sheet1.xml")


@pytest.mark.parametrize("sheets", [["m:Metrics", "d:Summary"], ["m:Metrics d:Summary"]], ids=["words", "text"])
def test_the_command(tmp_path: Path, sheets: list[str]) -> None:
    """The sixth documented example of ctx_excel_advanced: --sheets takes pairs, separated by spaces."""
    (tmp_path / "ctx.json").write_text(json.dumps(CTX))
    command = [sys.executable, "-m", "step_library.files.ctx_excel_advanced", "--ctx-file", str(tmp_path / "ctx.json"),
               "--sheets", *sheets, "--out", str(tmp_path / "all_results.xlsx")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert openpyxl.load_workbook(tmp_path / "all_results.xlsx").sheetnames == ["Metrics", "Summary"]


@pytest.mark.parametrize("step", ["ctx_excel", "ctx_excel_advanced"])
def test_in_a_recipe_with_a_resume(tmp_path: Path, step: str) -> None:
    project = Project(tmp_path / "p")
    project.recipe(f"""
        ctx: {{metrics: [{{Temp: 1, V: 2}}, {{Temp: 2, V: 3}}]}}
        steps:
          - {{name: gate, cmd: test, args: [-e, go]}}
          - {{name: export, module: scriptlets.python.core.{step}, depends_on: gate,
             params: {{sheets: {{metrics: Results}}, out: Data/o.xlsx,
                      charts: [{{sheet: Results, x: Temp, y: [V]}}]}}}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert kinds(openpyxl.load_workbook(project.folder / "Data/o.xlsx")["Results"]) == [("LineChart", 1)]


@pytest.mark.parametrize("step", BOTH)
def test_a_key_with_a_colon(ctx: Any, step: ModuleType) -> None:
    ctx["C:a"] = [[1]]
    assert book(ctx, ["C:a:Sheet"], step).sheetnames == ["Sheet"]


@pytest.mark.parametrize("step", BOTH)
def test_other_names_of_columns(ctx: Any, step: ModuleType) -> None:
    chart = {"sheet": "M", "x": "Temperature", "y": ["V1"]}
    found = book(ctx, {"m": "M", "d": "D"}, step, charts=[chart],
                 rename={"m": {"Temp": "Temperature"}, "d": {"B": "β"}})
    assert rows(found["M"])[0] == ["Temperature", "V1", "V2"] and rows(found["M"])[1] == [25, 1.5, 3]
    assert rows(found["D"])[0] == ["A", "β", "C"] and CTX["m"][0][0] == ctx["m"][0][0] == "Temp"  # type: ignore[index]
    for rename, error, words in (
        ({"mm": {}}, UsageError, "rename: no sheet is made of 'mm'; did you mean m?"),
        ({"m": {"Tmp": "x"}}, MissingKey, "ctx['m'] has no column 'Tmp'; did you mean Temp?"),
        ({"m": {"Temp": "V1"}}, ShapeError, "two columns of ctx['m'] would have one name"),
        ({"numbers": {"a": "b"}}, ShapeError, "the columns of ctx['numbers'] have no names"),
    ):
        with pytest.raises(error) as caught:
            step.run(ctx, {"sheets": {"m": "M", "numbers": "N"}, "out": "new.xlsx", "rename": rename})
        assert words in str(caught.value) and not Path("new.xlsx").exists()


def test_charts_of_dicts_whose_keys_are_no_text(tmp_path: Path) -> None:
    given = {"sheets": {"r": "S"}, "out": str(tmp_path / "o.xlsx")}
    ctx: dict[str, Any] = {"r": [{1: 2, 3: 4}]}
    with pytest.raises(MissingKey, match=r"has no column 'a'; it has 1, 3"):
        ctx_excel.run(ctx, {**given, "charts": [{"sheet": "S", "x": "a", "y": ["b"]}]})
    assert ctx_excel.run(ctx, {**given, "charts": [{"sheet": "S", "x": "1", "y": ["3"]}]})["charts"] == 1


@pytest.mark.skipif(os.name == "nt", reason="links and pipes")
def test_a_link_is_followed_and_a_pipe_is_refused(ctx: Any) -> None:
    Path("real.xlsx").write_text("old")
    Path("link.xlsx").symlink_to("real.xlsx")
    ctx_excel.run(ctx, {"sheets": {"m": "M"}, "out": "link.xlsx"})
    assert Path("link.xlsx").is_symlink() and openpyxl.load_workbook("real.xlsx").sheetnames == ["M"]
    os.mkfifo("p.xlsx")
    with pytest.raises(OctoError, match="p.xlsx cannot be written: it is a device or a pipe, where a file is needed"):
        ctx_excel.run(ctx, {"sheets": {"m": "M"}, "out": "p.xlsx"})
    assert Path("p.xlsx").is_fifo()
