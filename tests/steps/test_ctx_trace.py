"""ctx_trace: a list of what happened."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import InvalidValue, OctoError, ShapeError, UsageError
from step_library.observe import ctx_trace
from tests.recipe.runs import Project


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="load")


def trace(ctx: Any) -> Any:
    return ctx.plain("trace") if isinstance(ctx, Context) else ctx["trace"]


def test_five_calls_in_a_loop(ctx: Any) -> None:
    """The fourth documented example."""
    before = time.time()
    for i in range(5):
        found = ctx_trace.run(ctx, {"step": "data_import", "info": f"Imported chunk {i + 1}/5"})
        assert found == {"trace_len": i + 1}
    assert [(entry["step"], entry["info"]) for entry in trace(ctx)] == [
        ("data_import", f"Imported chunk {i + 1}/5") for i in range(5)]
    assert all(before - 1 <= entry["timestamp"] <= time.time() and entry["kind"] == "event" for entry in trace(ctx))
    if isinstance(ctx, Context):
        assert ctx.get_history("trace")[-1]["who"] == "load"


def test_further_fields(ctx: Any) -> None:
    ctx_trace.run(ctx, {"step": "ai", "info": "Completed", "level": "INFO", "user": "unknown", "n": [1]})
    ctx_trace.run(ctx, {"step": "ai"})
    ctx_trace.run(ctx, {"step": "ai", "info": " a\r\n\tb\x1b[0m ", "clean": True})
    ctx_trace.run(ctx, {"step": "ai", "info": "a\nb"})
    first, second, third, fourth = trace(ctx)
    assert (first["level"], first["user"], first["n"]) == ("INFO", "unknown", [1])
    assert list(second) == ["timestamp", "step", "info", "kind"] and second["info"] == ""
    assert (third["info"], fourth["info"]) == ("a b [0m", "a\nb")


def test_events_and_how_many_are_kept(ctx: Any) -> None:
    for level in ("INFO", "ERROR"):
        ctx_trace.run(ctx, {"step": "s", "info": level, "level": level, "emit": True, "keep": 1})
    assert [entry["info"] for entry in trace(ctx)] == ["ERROR"]
    (event,) = ctx["events"]
    assert (event["event"], event["source"]) == ("trace", "s")
    assert event["payload"] == {"info": "ERROR", "level": "ERROR"}


def test_mixed_entries_are_read(ctx: Any, tmp_path: Path) -> None:
    ctx["trace"] = [{"step": "old", "start": 1.0, "end": 2.0, "duration": 1.0, "mem_peak": 5}]
    ctx_trace.run(ctx, {"step": "load", "info": "bad", "level": "ERROR"})
    ctx_trace.run(ctx, {"step": "load", "info": "fine"})
    assert len(ctx_trace.entries(ctx)) == 3
    assert [e["info"] for e in ctx_trace.entries(ctx, level="WARN")] == ["bad"]
    assert [e["info"] for e in ctx_trace.entries(ctx, step="load", since=1e9)] == ["bad", "fine"]
    path = Path(ctx_trace.export(ctx, tmp_path / "Data" / "trace_log.csv"))
    rows = list(csv.DictReader(path.open()))
    assert list(rows[0])[:3] == ["timestamp", "step", "info"] and rows[0]["duration"] == "1.0" and rows[0]["info"] == ""
    text = Path(ctx_trace.export(ctx, tmp_path / "t.txt", step="old")).read_text()
    assert text.endswith("[old] 1.000 s\n")
    assert ctx_trace.purge(ctx, "ERROR") == 1 and ctx_trace.purge(ctx, "ERROR") == 0
    assert [entry.get("info") for entry in trace(ctx)] == [None, "fine"]
    assert ctx_trace.entries({}) == []


def test_a_block(ctx: Any) -> None:
    with ctx_trace.traced_step(ctx, "one", user="anna"):
        pass
    with pytest.raises(ValueError, match="no luck"), ctx_trace.traced_step(ctx, "two"):
        raise ValueError("no luck")
    infos = [entry["info"] for entry in trace(ctx)]
    assert infos[0] == "Started" and infos[1].startswith("Completed in 0.") and infos[1].endswith("s")
    assert infos[2:] == ["Started", "Failed: no luck"] and trace(ctx)[3]["level"] == "ERROR"
    assert trace(ctx)[1]["user"] == "anna"


@pytest.mark.parametrize(("there", "params", "error", "words"), [
    ({}, {"info": "x"}, ValueError, "parameter 'step' is missing"),
    ({}, {"step": 3}, OctoError, "'step'"),
    ({}, {"step": "s", "timestamp": 1}, UsageError, "timestamp is not for a field of your own"),
    ({}, {"step": "s", "obj": {1}}, InvalidValue, "trace/obj: set is not a JSON value"),
    ({}, {"step": "s", "keep": 0}, UsageError, "at least one entry"),
    ({"trace": {}}, {"step": "s"}, ShapeError, "ctx['trace'] is to be a list of entries, not a dict of 0"),
])
def test_mistakes(there: Any, params: dict[str, Any], error: type[Exception], words: str) -> None:
    for ctx in (dict(there), Context(there)):
        with pytest.raises(error) as caught:
            ctx_trace.run(ctx, params)
        assert words in str(caught.value) and isinstance(caught.value, OctoError) and ctx == there


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        from scriptlets.python.core.ctx_trace import run as trace_run
        def load(ctx):
            trace_run(ctx, {"step": "load", "info": "Extraction started"})
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe("""
        steps:
          - {name: step_one, type: python, module: scriptlets.python.core.ctx_trace, function: run,
             params: {step: step_one, info: Step one started, user: anna}}
          - {name: load, module: BODY, function: load}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert [entry["step"] for entry in project.ctx["trace"]] == ["step_one", "load", "load"]
