"""ctx_bg_job: work that goes on behind the steps."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, ShapeError, UsageError
from octo.executors.jobs import default_pool
from step_library.control import ctx_bg_job
from tests.recipe.runs import Project


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context()


def start(ctx: Any, job_id: str, fn: Any, **args: Any) -> Any:
    return ctx_bg_job.run(ctx, {"job_id": job_id, "fn": fn, "args": args})


def test_its_state_is_kept_in_ctx(ctx: Any) -> None:
    go, began = threading.Event(), threading.Event()

    def work(x: int) -> int:
        began.set()
        assert go.wait(30)
        return x + 1

    assert start(ctx, "one", work, x=1) == {"started": True, "job_id": "one"}
    assert began.wait(30) and ctx["jobs"]["one"]["status"] in ("queued", "running")
    with pytest.raises(UsageError, match="a job one is (queued|running) already"):
        start(ctx, "one", work, x=2)
    go.set()
    assert default_pool().wait(30)
    job = ctx["jobs"]["one"]
    assert (job["status"], job["result"]) == ("done", 2) and job["end"] >= job["start"]
    start(ctx, "one", work, x=2)  # it has ended, so its name is free
    assert default_pool().wait(30) and ctx["jobs"]["one"]["result"] == 3


def test_what_it_raises_stands_there(ctx: Any) -> None:
    def bad() -> None:
        raise ValueError("no luck")

    start(ctx, "bad", bad)
    start(ctx, "odd", lambda: {1, 2})
    assert default_pool().wait(30)
    assert (ctx["jobs"]["bad"]["status"], ctx["jobs"]["bad"]["error"]) == ("error", "no luck")
    assert ctx["jobs"]["odd"]["status"] == "error" and "no JSON value" in ctx["jobs"]["odd"]["error"]


def test_a_function_of_ctx_and_params(ctx: Any) -> None:
    def run(ctx: Any, params: dict[str, Any]) -> None:
        ctx["sum"] = params["a"] + params["b"]

    start(ctx, "sum", run, a=1, b=2)
    assert default_pool().wait(30) and ctx["sum"] == 3


@pytest.mark.parametrize(("there", "params", "error"), [
    ({}, {"fn": len}, OctoError),
    ({}, {"job_id": "j", "fn": "no_such_module:f"}, OctoError),
    ({}, {"job_id": "j", "fn": len, "args": [1]}, OctoError),
    ({"jobs": [1]}, {"job_id": "j", "fn": len}, ShapeError),
])
def test_mistakes(there: dict[str, Any], params: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        ctx_bg_job.run(dict(there), params)


def test_in_a_recipe_the_run_waits_for_it(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        import time
        from pathlib import Path
        def work(ctx, n):
            time.sleep(0.1)
            ctx["by_job"] = n
            return n * 2
        def gate(ctx):
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe("""
        steps:
          - {name: start, function: ctx_bg_job, params: {job_id: j, fn: "BODY:work", args: {n: 4}}}
          - {name: gate, module: BODY, function: gate, depends_on: start}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["by_job"] == 4 and project.ctx["jobs"]["j"]["result"] == 8


def test_the_documented_life_cycle(ctx: Any) -> None:
    """The sixth documented example: running with its start, then done with result and end, or error with its text."""
    go, began = threading.Event(), threading.Event()

    def work(fails: bool) -> int:
        began.set()
        assert go.wait(30)
        if fails:
            raise ValueError("no luck")
        return 7

    for fails in (False, True):
        began.clear()
        go.clear()
        start(ctx, "life", work, fails=fails)
        assert began.wait(30)
        now = dict(ctx["jobs"]["life"])
        assert now["status"] == "running" and now["start"] > 0 and now["end"] is None and "result" not in now
        go.set()
        assert default_pool().wait(30)
        then = dict(ctx["jobs"]["life"])
        assert then["end"] >= then["start"] == now["start"]
        assert (then["status"], then.get("result"), then.get("error")) == (
            ("error", None, "no luck") if fails else ("done", 7, None))


def test_tried_again_in_an_order_and_told(ctx: Any) -> None:
    """The wishes: retries, jobs that come after others, a time-out, events, errors and a function that is told."""
    calls: list[str] = []
    told: list[Any] = []

    def flaky() -> int:
        calls.append("flaky")
        if len(calls) < 3:
            raise ValueError("not yet")
        return len(calls)

    def more(**params: Any) -> dict[str, Any]:
        params["on_end"] = lambda job: told.append((job["job_id"], job["status"]))
        return {"emit": True, "errors": True, **params}

    ctx_bg_job.run(ctx, more(job_id="first", fn=flaky, retries=3, delay=0))
    ctx_bg_job.run(ctx, more(job_id="second", fn=lambda: calls.append("second"), after="first"))
    ctx_bg_job.run(ctx, more(job_id="slow", fn=threading.Event().wait, timeout=0.01))
    ctx_bg_job.run(ctx, more(job_id="last", fn=calls.append, args={"object": "last"}, after=["second", "slow"]))
    assert default_pool().wait(30)
    assert calls == ["flaky"] * 3 + ["second"] and ctx["jobs"]["first"]["result"] == 3
    assert {job_id: job["status"] for job_id, job in ctx["jobs"].items()} == {
        "first": "done", "second": "done", "slow": "error", "last": "error"}
    assert "longer than its time-out" in ctx["jobs"]["slow"]["error"]
    assert "after job slow" in ctx["jobs"]["last"]["error"]
    assert sorted(told) == [("first", "done"), ("second", "done"), ("slow", "error")]  # the last has not begun
    assert {entry["payload"]["job_id"] for entry in ctx["events"]} == {"first", "second", "slow"}
    assert [entry["step"] for entry in ctx["errors"]] == ["slow"]


def test_in_a_process(ctx: Any) -> None:
    ctx_bg_job.run(ctx, {"job_id": "p", "fn": "os:getpid", "process": True})
    assert default_pool().wait(60) and ctx["jobs"]["p"]["result"] not in (None, os.getpid())


@pytest.mark.parametrize(("params", "words"), [
    ({"retries": 0}, "retries is 1 or more"), ({"timeout": 0}, "timeout is more than 0"),
    ({"args": {"y": 1}}, "args do not fit"), ({"after": "gone"}, "there is no job 'gone'"), ({"emit": True}, "events")])
def test_wrong_settings_start_nothing(params: dict[str, Any], words: str) -> None:
    ctx = {"events": "text"}
    with pytest.raises(OctoError, match=words):
        ctx_bg_job.run(ctx, {"job_id": "j", "fn": threading.Event, **params})
    assert ctx == {"events": "text"}


def test_the_documented_recipe(tmp_path: Path) -> None:
    """The fourth and fifth documented example: a job, and a step behind it that asks how it is."""
    project = Project(tmp_path / "p")
    project.bodies("""
        def my_python_func(a, b):
            return a + b
    """)
    project.recipe("""
        steps:
          - idx: 3
            name: long_background_task
            type: python
            module: scriptlets.python.steps.ctx_bg_job
            function: run
            params: {job_id: my_task, fn: "BODY:my_python_func", args: {a: 1, b: 10}}
          - idx: 4
            name: check_bg_job_status
            type: python
            module: scriptlets.python.steps.ctx_job_status
            function: run
            params: {job_id: my_task, wait: 30}
          - {idx: 5, name: start_bg_calc, function: ctx_bg_job,
             params: {job_id: fast_sum, fn: "BODY:my_python_func", args: {a: 1, b: 2}}}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.steps["check_bg_job_status"]["result"] == {"status": "done", "result": 11, "error": None}
    assert project.ctx["jobs"]["fast_sum"]["result"] == 3
