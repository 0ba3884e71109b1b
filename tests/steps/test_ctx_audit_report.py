"""ctx_audit_report: the records of an audit as a report."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from octo.context import Context
from octo.errors import OctoError, ShapeError
from octo.param import ParamError
from octo.report.entries import time_text
from step_library.kit.files.file_io import NoSuchFile
from step_library.report import ctx_audit_report
from tests.recipe.runs import Project

DATA = Path(__file__).resolve().parents[1] / "conformance" / "data" / "steps" / "report.yaml"
EXAMPLES = next(entry["examples"] for entry in yaml.safe_load(DATA.read_text(encoding="utf-8"))
                if entry["id"] == "ctx_audit_report")
AUDIT = [
    {"step": "b", "start": 20, "end": 21.5, "duration": 1.5, "status": "success", "params": {"n": 1}},
    {"step": "a|<i>", "start": 10, "end": 14, "duration": 4, "status": "error", "error": "no\n<luck> | here"},
    {"status": "skipped"},
]


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    return {"audit": AUDIT} if request.param == "dict" else Context({"audit": AUDIT})


def written(ctx: Any, out: str = "o.md", **params: Any) -> str:
    found = ctx_audit_report.run(ctx, {"out": out, **params})
    assert found == {"report": out, "steps": len(ctx.get(params.get("key", "audit"), []))}
    return Path(out).read_bytes().decode()


@pytest.mark.parametrize("number", range(5))
def test_the_printed_reports(ctx: Any, number: int) -> None:
    """The examples of the catalogue: the file is printed in the note, or follows the layout of the others."""
    example = EXAMPLES[number]
    printed = "# Audit Report\n"
    for entry in example["ctx"]["audit"]:
        printed += (f"\n## Step: {entry['step']}\n- Start: {entry['start']}\n- End: {entry['end']}\n"
                    f"- Duration: {entry['duration']:.2f} sec\n- Status: {entry['status']}\n")
        printed += f"- Error: {entry['error']}\n" if "error" in entry else ""
    if "FILE" in example["note"]:
        assert example["note"].partition(".md:\n")[2] == printed
    ctx["audit"] = example["ctx"]["audit"]
    assert written(ctx, **example["params"]) == printed


def test_without_an_audit(ctx: Any) -> None:
    for given in ({}, {"summary": False, "layout": "table"}):
        del ctx["audit"]
        assert written(ctx, **given) == "# Audit Report\n"
        ctx["audit"] = []
    assert written(ctx, "o.csv") == "step,start,end,duration,status,error\n"
    assert written(ctx, "o.json") == "[]\n"
    assert "- Steps: 0\n- Succeeded: 0\n- Failed: 0\n- Total duration: 0.00 sec\n" in written(ctx, summary=True)
    assert "<table>" not in written(ctx, "o.html")


def test_as_one_table(ctx: Any) -> None:
    """The recommended table of the catalogue."""
    ctx["audit"] = [
        {"step": "load_data", "status": "success", "start": "2025-08-26", "end": "2025-08-26", "duration": 0.2},
        {"step": "normalize_data", "status": "error", "start": "2025-08-26", "end": "2025-08-26", "duration": 2.3,
         "error": "division by zero"}]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in written(ctx, layout="table").splitlines()[2:]]
    assert rows[0] == ["Step Name", "Status", "Start", "End", "Duration (s)", "Error Reason"]
    assert rows[2:] == [["load_data", "success", "2025-08-26", "2025-08-26", "0.20", ""],
                        ["normalize_data", "error", "2025-08-26", "2025-08-26", "2.30", "division by zero"]]


def test_sections_with_all_that_can_be_asked_for(ctx: Any) -> None:
    text = written(ctx, sort_by="start", summary=True, missing="N/A", dates=True, show_params=True)
    assert text == f"""# Audit Report

## Summary
- Steps: 3
- Succeeded: 1
- Failed: 1
- Total duration: 5.50 sec
- Average duration: 2.75 sec
- Earliest start: {time_text(10)}
- Latest end: {time_text(21.5)}

## Step: a|&lt;i>
- Start: {time_text(10)}
- End: {time_text(14)}
- Duration: 4.00 sec
- Status: error
- Error: no &lt;luck> | here

## Step: b
- Start: {time_text(20)}
- End: {time_text(21.5)}
- Duration: 1.50 sec
- Status: success
- Params: {{"n": 1}}

## Step: N/A
- Start: N/A
- End: N/A
- Duration: N/A
- Status: skipped
"""


def test_what_is_missing_is_left_out(ctx: Any) -> None:
    assert written(ctx).endswith("\n\n## Step:\n- Status: skipped\n")


@pytest.mark.parametrize(("by", "order"), [
    ("start", [1, 0, 2]), ("step", [1, 0, 2]), ("name", [1, 0, 2]), ("duration", [0, 1, 2]), ("status", [1, 2, 0]),
])
def test_order(ctx: Any, by: str, order: list[int]) -> None:
    assert json.loads(written(ctx, "o.json", sort_by=by)) == [AUDIT[number] for number in order]
    assert (ctx["audit"] if type(ctx) is dict else ctx.plain("audit")) == AUDIT


def test_collapsible(ctx: Any) -> None:
    text = written(ctx, layout="collapsible")
    assert "<details>\n<summary>Step: a|&lt;i></summary>\n\n- Start: 10\n" in text
    assert text.count("<details>") == text.count("\n- Status: ") == text.count("\n\n</details>\n") == 3


def test_html(ctx: Any) -> None:
    text = written(ctx, "o.html", summary=True)
    assert text.startswith("<!doctype html>") and "<h1>Audit Report</h1>" in text
    assert "<td>a|&lt;i&gt;</td>" in text and "<i>" not in text and text.count('<tr class="alarm">') == 1
    assert "<td>Average duration</td><td>2.75 sec</td>" in text
    assert written(ctx, "o.txt", format="html", summary=True) == text


def test_csv_and_json(ctx: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(written(ctx, "o.csv", missing="N/A"))))
    assert list(rows[0]) == ["step", "start", "end", "duration", "status", "error", "params"]
    assert rows[0]["params"] == '{"n": 1}' and rows[1]["error"] == "no\n<luck> | here"
    assert rows[2]["step"] == rows[2]["duration"] == "N/A" and rows[2]["error"] == ""
    found = json.loads(written(ctx, "o.json", summary=True))
    assert found["steps"] == AUDIT and found["summary"] == {
        "steps": 3, "success": 1, "failed": 1, "duration": 5.5, "mean": 2.75, "start": 10, "end": 21.5}
    assert written(ctx, "o.csv", dates=True).splitlines()[1].startswith(f"b,{time_text(20)},{time_text(21.5)},1.5,")


def test_records_from_a_file(ctx: Any) -> None:
    Path("a.json").write_text(json.dumps(AUDIT))
    Path("a.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in AUDIT))
    Path("ctx.json").write_text(json.dumps({"audit": AUDIT, "other": [1]}))
    Path("none.json").write_text("{}")
    wanted = written(ctx)
    for name in ("a.json", "a.jsonl", "ctx.json"):
        assert ctx_audit_report.run({}, {"infile": name, "out": "f.md"})["steps"] == 3
        assert Path("f.md").read_text(encoding="utf-8") == wanted
    assert ctx_audit_report.run({}, {"infile": "none.json", "out": "f.md"})["steps"] == 0
    with pytest.raises(NoSuchFile, match=r"no file x\.json"):
        ctx_audit_report.run({}, {"infile": "x.json", "out": "f.md"})


def test_other_lists_and_mixed_records(ctx: Any) -> None:
    ctx["step_times"] = [{"step": "load", "start": 1.25, "end": 2, "duration": 0.75}, {"duration": "long"}, {}]
    assert written(ctx, key="step_times").endswith(
        "## Step: load\n- Start: 1.25\n- End: 2\n- Duration: 0.75 sec\n\n## Step:\n- Duration: long\n\n## Step:\n")


@pytest.mark.parametrize(("there", "params", "error", "words"), [
    ({"audit": "x"}, {}, ShapeError, "ctx['audit'] is to be a list, not str 'x'"),
    ({"audit": [{}, 5]}, {}, ShapeError, "ctx['audit']: record 1 is to be a dict, not int 5"),
    ({}, {"out": ""}, ParamError, "'out'"),
    ({}, {"out": "."}, OctoError, "it is a folder"),
    ({}, {"format": "pdf"}, ParamError, "one of 'md', 'html', 'csv', 'json'"),
    ({}, {"sort_by": "age"}, ParamError, "one of 'start', 'step'"),
    ({}, {"out": "o.csv", "summary": True}, ParamError, "summary: csv has a row a record"),
    ({}, {"out": "o.html", "layout": "collapsible"}, ParamError, "layout: collapsible is for md, not for html"),
    ({}, {"sumary": True}, ParamError, "unknown parameter 'sumary'; did you mean summary?"),
])
def test_mistakes(there: dict[str, Any], params: dict[str, Any], error: type[Exception], words: str, tmp_path: Path,
                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as caught:
        ctx_audit_report.run(there, {"out": "o.md", **params})
    assert words in str(caught.value) and isinstance(caught.value, OctoError) and not list(tmp_path.iterdir())


def test_many_records(ctx: Any) -> None:
    ctx["audit"] = [{"step": f"s{number}", "duration": 1.0, "status": "success"} for number in range(20_000)]
    assert written(ctx, layout="table").count("\n") == 20_004
    assert written(ctx, sort_by="name").count("## Step") == 20_000


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        from step_library.observe.ctx_step_audit import step_audit
        def gate(ctx):
            with step_audit(ctx, "gate"):
                if not Path("go").exists():
                    raise ValueError("not yet")
    """)
    project.recipe("""
        steps:
          - {name: gate, module: BODY, function: gate}
          - {name: report, module: scriptlets.python.core.ctx_audit_report, depends_on: gate,
             params: {out: Data/audit_report.md}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    text = (project.folder / "Data" / "audit_report.md").read_text(encoding="utf-8")
    assert text.count("## Step: gate") == 2 and "- Status: error\n- Error: not yet\n" in text  # the record outlived it
    assert project.steps["report"]["result"] == {"report": "Data/audit_report.md", "steps": 2}
