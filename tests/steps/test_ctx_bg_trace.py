"""ctx_bg_trace: work in the background, and how it went."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError, UsageError
from octo.executors.jobs import default_pool
from step_library.observe import ctx_bg_trace
from tests.recipe.runs import Project


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="load")


def start(ctx: Any, fn: Any, **params: Any) -> None:
    assert ctx_bg_trace.run(ctx, {"key": "found", "fn": fn, **params}) == {"started": True}


def traces(ctx: Any, key: str = "bg_trace") -> Any:
    assert default_pool().wait(30)
    return ctx.plain(key) if isinstance(ctx, Context) else ctx[key]


def test_result_and_trace(ctx: Any) -> None:
    start(ctx, lambda x: x * x, args={"x": 5})
    assert ctx_bg_trace.wait(ctx, "found", 30) and ctx["found"] == 25
    (trace,) = traces(ctx)
    assert list(trace) == ["key", "status", "start", "end", "duration"]
    assert (trace["key"], trace["status"]) == ("found", "success")
    assert trace["duration"] == pytest.approx(trace["end"] - trace["start"], abs=0.05)
    assert f"{trace['key']} {trace['status']} {trace['duration']} {trace.get('error', '-')}".endswith("-")
    assert ctx["jobs"]["bg_trace:found"]["status"] == "done"


def test_failures_stand_in_the_trace(ctx: Any) -> None:
    def bad() -> None:
        raise ValueError("no luck")

    start(ctx, bad, trace_key="job_traces")
    assert [(each["status"], each["error"]) for each in traces(ctx, "job_traces")] == [("error", "no luck")]
    start(ctx, lambda: {1, 2})
    assert "set is not a JSON value" in traces(ctx)[0]["error"] and "found" not in ctx
    start(ctx, lambda: 1, args={"x": 1})
    assert len(traces(ctx)) == 2 and "found" not in ctx


def test_further_attempts_and_hooks(ctx: Any) -> None:
    calls: list[int] = []
    told: list[Any] = []

    def third_time() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise ValueError("not yet")
        return 3

    params = {"attempts": 3, "delay": 0.001, "details": True, "who": "anna", "emit": True}
    start(ctx, third_time, on_complete=lambda trace: told.append(trace["status"]), **params)
    assert [(each["status"], each["attempt"], each["who"]) for each in traces(ctx)] == [
        ("error", 1, "anna"), ("error", 2, "anna"), ("success", 3, "anna")]
    assert (ctx["found"], told, len(ctx["events"])) == (3, ["success"], 3)

    def hook(ctx: Any, params: dict[str, Any]) -> None:
        ctx["hook"] = params["trace"]["error"]
        raise KeyError("hook")

    start(ctx, lambda: 1 / 0, on_error=hook, keep=1)
    assert len(traces(ctx)) == 1 and ctx["hook"] == "division by zero"
    assert ctx["errors"][0]["step"] == "bg_trace:found"


def test_one_at_a_time_for_one_key_and_cancelled(ctx: Any) -> None:
    go, began = threading.Event(), threading.Event()

    def work() -> int:
        began.set()
        assert go.wait(30)
        return 1

    start(ctx, work)
    assert began.wait(30) and not ctx_bg_trace.wait(ctx, "found", 0.02)
    with pytest.raises(UsageError, match="a job bg_trace:found is running already"):
        start(ctx, work)
    assert ctx_bg_trace.cancel(ctx, "found") and not ctx_bg_trace.cancel(ctx, "found")
    go.set()
    start(ctx, lambda: 2)
    assert [each["status"] for each in traces(ctx)] == ["success"] and ctx["found"] == 2
    with pytest.raises(MissingKey, match="no work for"):
        ctx_bg_trace.wait(ctx, "other")


def test_a_step_of_the_library(ctx: Any) -> None:
    ctx["rows"] = [1]
    start(ctx, "ctx_filter", args={"type": "list"})
    assert traces(ctx)[0]["status"] == "success" and ctx["found"]["filtered"] == "filtered_keys"
    assert list(ctx["filtered_keys"]) == ["rows"]


def test_many_at_once(ctx: Any) -> None:
    for number in range(60):
        ctx_bg_trace.run(ctx, {"key": f"k{number}", "fn": lambda n: n, "args": {"n": number}})
    assert len(traces(ctx)) == 60 and all(ctx[f"k{number}"] == number for number in range(60))


@pytest.mark.parametrize(("there", "params", "error"), [
    ({}, {"fn": len}, OctoError),
    ({}, {"key": "k"}, OctoError),
    ({}, {"key": "k", "fn": "no_such_module:f"}, OctoError),
    ({}, {"key": "k", "fn": len, "args": [1]}, OctoError),
    ({}, {"key": "k", "fn": len, "attempts": 0}, UsageError),
    ({}, {"key": "k", "fn": len, "trace_key": "k"}, UsageError),
    ({}, {"key": "k", "fn": len, "keep": 0}, UsageError),
    ({"events": 1}, {"key": "k", "fn": len, "emit": True}, ShapeError),
    ({"bg_trace": "text"}, {"key": "k", "fn": len}, ShapeError),
    ({"jobs": [1]}, {"key": "k", "fn": len}, ShapeError),
])
def test_mistakes(there: dict[str, Any], params: dict[str, Any], error: type[Exception]) -> None:
    for ctx in (dict(there), Context(there)):
        with pytest.raises(error):
            ctx_bg_trace.run(ctx, params)
        assert ctx == there


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        import time
        from pathlib import Path
        from step_library.observe import ctx_bg_trace
        def work(ctx, n):
            time.sleep(0.05)
            ctx["by_work"] = n
            return n * 2
        def gate(ctx):
            assert ctx_bg_trace.wait(ctx, "live", 30)
            if not Path("go").exists():
                raise ValueError("not yet")
        def slow(ctx):
            while not ctx.stop.is_set():
                time.sleep(0.01)
        def stop(ctx):
            assert ctx_bg_trace.cancel(ctx, "slow")
    """)
    project.recipe("""
        steps:
          - {name: start, function: ctx_bg_trace, params: {key: live, fn: "BODY:work", args: {n: 4}, details: true}}
          - {name: slow, function: ctx_bg_trace, params: {key: slow, fn: "BODY:slow", trace_key: others}}
          - {name: stop, module: BODY, function: stop}
          - {name: gate, module: BODY, function: gate}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert (project.ctx["live"], project.ctx["by_work"]) == (8, 4)
    (trace,) = project.ctx["bg_trace"]
    assert (trace["status"], trace["run_id"]) == ("success", project.settings["run_id"])
    assert project.ctx["jobs"]["bg_trace:slow"]["status"] == "cancelled" and "others" not in project.ctx


def test_waiting_ends_when_the_run_is_to_stop() -> None:
    ctx = Context(jobs={"bg_trace:a": {"status": "running"}})
    ctx.stop.set()
    assert ctx_bg_trace.wait(ctx, "a", 600) is False
