"""ctx_step_audit: what went in, how long it took, how it ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, ShapeError, UsageError
from step_library.observe.ctx_step_audit import audit_step, entries, export, run, step_audit, summary
from tests.recipe.runs import Project

FIELDS = ["step", "params", "status", "start", "end", "duration"]


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="load")


def audit(ctx: Any) -> Any:
    return ctx.plain("audit") if isinstance(ctx, Context) else ctx["audit"]


def clean_csv_rows(ctx: Any, params: dict[str, Any]) -> None:
    with step_audit(ctx, "clean_csv_rows", params):
        ctx["cleaned_rows"] = [row for row in params["rows"] if row.strip()]
        if not ctx["cleaned_rows"]:
            raise ValueError("All rows removed (empty dataset)")


def test_a_block_that_ends_well(ctx: Any) -> None:
    """The third documented example."""
    params = {"rows": ["foo", "", "bar"]}
    clean_csv_rows(ctx, params)
    params["rows"].append("later")
    (record,) = audit(ctx)
    assert list(record) == FIELDS and list(ctx["cleaned_rows"]) == ["foo", "bar"]
    assert (record["step"], record["params"]) == ("clean_csv_rows", {"rows": ["foo", "", "bar"]})
    assert record["status"] == "success" and isinstance(record["start"], float)
    assert record["duration"] == pytest.approx(record["end"] - record["start"], abs=0.05)


def test_a_block_that_raises(ctx: Any) -> None:
    """The fourth documented example."""
    with pytest.raises(ValueError, match=r"^All rows removed \(empty dataset\)$"):
        clean_csv_rows(ctx, {"rows": ["", " "]})
    (record,) = audit(ctx)
    assert list(record) == [*FIELDS, "error"] and list(ctx["cleaned_rows"]) == []
    assert (record["status"], record["error"]) == ("error", "All rows removed (empty dataset)")


@pytest.mark.parametrize("text", ["good", "bad"])
def test_manual_use(ctx: Any, tmp_path: Path, text: str) -> None:
    """The first documented example."""
    (tmp_path / "input.csv").write_text(text)
    try:
        with step_audit(ctx, "data_ingest", {"file": "input.csv"}):
            data = (tmp_path / "input.csv").read_text()
            if "bad" in data:
                raise Exception("Data corrupted")
            ctx["loaded_data"] = data
    except Exception as error:
        assert str(error) == "Data corrupted"
    (record,) = audit(ctx)
    assert (record["step"], record["params"]) == ("data_ingest", {"file": "input.csv"})
    assert record["status"] == ("success" if text == "good" else "error")
    assert record.get("error") == (None if text == "good" else "Data corrupted")


def test_more_of_it(ctx: Any, tmp_path: Path) -> None:
    told: list[Any] = []
    file = tmp_path / "deep" / "audit.jsonl"
    params = {"password": "x", "rows": {1}, "n": float("nan")}
    with step_audit(ctx, "one", params, outputs=["n", "none"], who=True, mask=True, details=True, log=True, file=file,
                    then=told.append) as more:
        ctx["n"] = 3
        more["rows_in"] = 7
    (record,) = audit(ctx)
    assert record["params"] == {"password": "****", "rows": [1], "n": None}
    assert (record["outputs"], record["rows_in"], record["run_id"]) == ({"n": 3}, 7, None)
    assert len(record["id"]) == 32 and record["depth"] == 0 and "user" in record
    assert json.loads(file.read_text()) == record == told[0] and ctx["log"][0]["step"] == "one"


def test_secrets_are_masked_in_all_of_the_record(ctx: Any) -> None:
    ctx["conf"] = {"api_key": "x", "n": 1}
    with step_audit(ctx, "one", {"token": "x"}, outputs=["conf"], mask=True) as more:
        more["note"] = {"password": "x"}
    assert run(ctx, {"fn": lambda: {"secret": "x"}, "result": True, "mask": ["SECRET"]})["result"] == {"secret": "x"}
    first, second = audit(ctx)
    assert (first["params"], first["outputs"]) == ({"token": "****"}, {"conf": {"api_key": "****", "n": 1}})
    assert first["note"] == {"password": "****"} and second["result"] == {"secret": "****"}
    assert ctx["conf"]["api_key"] == "x"


def test_decorators(ctx: Any) -> None:
    @audit_step("one", result=True)
    def one(ctx: Any, params: dict[str, Any]) -> Any:
        return {1: params["a"]}

    @audit_step(ctx, "two")
    def two(a: int, *, b: int) -> int:
        return a + b

    assert one(ctx, {"a": 5}) == {1: 5} and two(1, b=2) == 3
    first, second = audit(ctx)
    assert (first["params"], first["result"]) == ({"a": 5}, {"1": 5})
    assert (second["params"], second["step"]) == ({"a": 1, "b": 2}, "two") and "result" not in second


def test_as_a_step(ctx: Any) -> None:
    assert run(ctx, {"fn": lambda a: a * 2, "args": {"a": 4}, "step": "twice", "result": True})["result"] == 8
    assert (audit(ctx)[0]["params"], audit(ctx)[0]["result"]) == ({"a": 4}, 8)
    with pytest.raises(ZeroDivisionError):
        run(ctx, {"fn": lambda: 1 / 0, "step": "bad", "details": True})
    assert "ZeroDivisionError" in audit(ctx)[1]["traceback"]
    with pytest.raises(OctoError, match="'fn' is missing"):
        run(ctx, {})


def test_the_documented_reader(ctx: Any) -> None:
    """The fifth documented example."""
    clean_csv_rows(ctx, {"rows": ["a"]})
    with pytest.raises(ValueError, match="All rows removed"):
        clean_csv_rows(ctx, {"rows": [""]})
    read = [f"{r['step']} {r['params']['rows']} {r['status']} {r['end'] >= r['start']} {r['duration'] >= 0} "
            f"{r.get('error', '-')}" for r in audit(ctx)]
    assert read == ["clean_csv_rows ['a'] success True True -",
                    "clean_csv_rows [''] error True True All rows removed (empty dataset)"]


def test_reading_it(ctx: Any, tmp_path: Path) -> None:
    assert entries(ctx) == [] and summary(ctx) == []
    for name, rows in (("a", ["x"]), ("b", [""])):
        try:
            with step_audit(ctx, name, {}):
                if not rows[0]:
                    raise ValueError(name)
        except ValueError:
            pass
    assert [entry["step"] for entry in entries(ctx, status="error")] == ["b"]
    assert entries(ctx, min_duration=1000) == [] and len(entries(ctx, since=1e9)) == 2
    assert {row["step"]: row["errors"] for row in summary(ctx)} == {"a": 0, "b": 1}
    text = Path(export(ctx, tmp_path / "a.csv", step="a")).read_text()
    assert text.startswith("step,status,start,end,duration,error")


def test_mistakes(ctx: Any) -> None:
    with pytest.raises(UsageError, match="step_audit needs the name of the step"):
        step_audit(ctx)
    ctx["audit"] = {"a": 1}
    with pytest.raises(ShapeError, match="not a dict of 1"), step_audit(ctx, "x", {}):
        raise AssertionError("not reached")


def test_many_records_on_a_context() -> None:
    ctx = Context()
    for number in range(500):
        with step_audit(ctx, "x", {"n": number}, keep=100):
            pass
    assert len(ctx["audit"]) == 100 and ctx["audit"][0]["params"]["n"] == 400


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    """The second documented example: a step whose body is a block; the record outlives the failure."""
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        from scriptlets.python.steps.ctx_step_audit import step_audit
        def run(ctx, params):
            with step_audit(ctx, "load_and_check_data", params, who=True):
                ctx["text"] = Path(params["file"]).read_text()
    """)
    project.recipe("""
        steps:
          - {idx: 4, name: load_and_check_data, module: BODY, function: run, params: {file: input.csv}}
          - {idx: 5, name: step, function: ctx_step_audit,
             params: {fn: ctx_filter, args: {pattern: te}, outputs: [filtered_keys]}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    project.write("input.csv", "a")
    assert project.run().status == "COMPLETE_SUCCESS"
    bad, good, step = project.ctx["audit"]
    assert "No such file" in bad["error"] and good["status"] == "success" and good["params"] == {"file": "input.csv"}
    assert good["run_id"] == project.settings["run_id"]
    assert step["step"] == "ctx_filter" and step["outputs"] == {"filtered_keys": ["text"]}
