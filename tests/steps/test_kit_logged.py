"""The parameter `log` of steps: what they did in ctx["log"], how they failed in ctx["errors"] too."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import ShapeError
from tests.recipe.runs import Project

STEPS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "data.ctx_filter": ({"pattern": "ro"}, {"regex": "("}, "pattern 'ro': 1 keys, in filtered_keys"),
    "data.ctx_map": ({"key": "rows", "expr": "row"}, {"key": "none", "expr": "row"}, "2 rows of rows to rows_mapped"),
    "data.ctx_merge": ({"key1": "rows", "key2": "no", "out": "o"}, {"key1": "n", "key2": "n", "out": "o"},
                       "2 rows in o"),
    "data.ctx_indexer": ({"key": "rows", "index_by_pos": 0}, {"key": "rows", "index_by_pos": 9},
                         "2 entries in rows_index"),
    "data.ctx_stats": ({"key": "rows", "out": "s"}, {"key": "n", "out": "s"}, "statistics of rows in s"),
    "data.ctx_transform_timeseries": ({"key": "rows", "out": "t"}, {"key": "n", "out": "t"}, "rows in t, 2 rows"),
    "files.ctx_to_csv": ({"key": "rows", "out": "a.csv"}, {"key": "n", "out": "a.csv"}, "1 rows of rows in a.csv"),
    "files.ctx_to_file": ({"key": "rows", "path": "a.json"}, {"key": "m", "path": "a.json"}, "rows in a.json"),
    "files.file_to_ctx": ({"path": "in.json", "key": "f"}, {"path": "no.json", "key": "f"}, "in.json in f"),
    "files.ctx_sqlite": ({"db": "a.db", "query": "SELECT 1"}, {"db": "a.db", "query": "SELEC"}, "a.db: {'rows': 1}"),
    "files.ctx_excel": ({"sheets": {"rows": "S"}, "out": "a.xlsx"}, {"sheets": {"m": "S"}, "out": "a.xlsx"},
                        "sheets S in a.xlsx"),
    "files.ctx_excel_advanced": ({"sheets": {"rows": "S"}, "out": "a.xlsx"}, {"sheets": {"m": "S"}, "out": "a.xlsx"},
                                 "sheets S in a.xlsx"),
    "state.ctx_cache": ({"key": "n", "compute_fn": "builtins:len"}, {"key": "c", "compute_fn": "builtins:len"},
                        "n was there"),
}


@pytest.mark.parametrize("kind", [dict, Context])
@pytest.mark.parametrize("name", STEPS)
def test_what_is_told(name: str, kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.json").write_text("1")
    step = importlib.import_module(f"step_library.{name}")
    good, bad, msg = STEPS[name]
    ctx = kind(rows=[[1, 2], [3, 4]], n=5)
    step.run(ctx, good)
    assert "log" not in ctx, "only where it is asked for"
    step.run(ctx, {**good, "log": True})
    entry, = [dict(entry) for entry in ctx["log"]]
    assert list(entry) == ["timestamp", "level", "msg", "step"]
    assert (entry["level"], entry["msg"], entry["step"]) == ("INFO", msg, name.split(".")[1]) and "errors" not in ctx
    with pytest.raises(Exception) as caught:
        step.run(ctx, {**bad, "log": True})
    assert ctx["log"][1]["level"] == "ERROR" and str(caught.value) in ctx["log"][1]["msg"]
    assert [(each["step"], each["error"]) for each in ctx["errors"]] == [(name.split(".")[1], str(caught.value))]
    ctx["log"] = 5
    with pytest.raises(ShapeError, match="'log'"):
        step.run(ctx, {**good, "log": True})


def test_it_outlives_the_failure_that_it_tells_of(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.recipe("""
        steps:
          - {name: load, function: file_to_ctx, params: {path: in.json, key: rows, log: true}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert [entry["level"] for entry in project.ctx["log"]] == ["ERROR"]
    assert project.ctx["errors"][0]["step"] == "file_to_ctx"
    (project.folder / "in.json").write_text("[1]")
    assert project.run().status == "COMPLETE_SUCCESS"
    assert [entry["level"] for entry in project.ctx["log"]] == ["ERROR", "INFO"] and project.ctx["rows"] == [1]


def test_an_event_for_an_excel_file(tmp_path: Path) -> None:
    step = importlib.import_module("step_library.files.ctx_excel")
    for ctx in ({"rows": [[1]]}, Context(rows=[[1]])):
        params = {"sheets": {"rows": "S"}, "out": str(tmp_path / "a.xlsx"), "emit": True}
        result = step.run(ctx, params)
        event, = ctx["events"]
        assert (event["event"], event["source"], event["payload"]) == ("ExcelExportCompleted", "ctx_excel", result)
        step.run(ctx, {**params, "dry_run": True})
        assert len(ctx["events"]) == 1


def test_a_step_that_was_given_up_fails_as_itself() -> None:
    ctx = Context(rows=[1])

    def late(row: Any) -> Any:
        ctx._access.closed = True
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        importlib.import_module("step_library.data.ctx_map").run(ctx, {"key": "rows", "fn": late, "log": True})
