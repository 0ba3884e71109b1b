"""ctx_async: a function's result that comes later."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError, UsageError
from octo.executors.jobs import current_job, default_pool
from step_library.control import ctx_async
from step_library.control.ctx_async import run
from step_library.kit.work.job_control import cancel_job
from step_library.kit.work.jobs import JobInUse
from tests.recipe.runs import Project

LONG = 30.0


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="later")


def wait() -> None:
    assert default_pool().wait(LONG)


def fail() -> None:
    raise ValueError("no luck")


def test_a_result_comes_later(ctx: Any) -> None:
    go = threading.Event()

    def work(x: int) -> int:
        assert go.wait(LONG)
        return x + 1

    assert run(ctx, {"key": "r", "fn": work, "args": {"x": 1}}) == {"started": True}
    assert "r" not in ctx and ctx["jobs"]["async:r"]["status"] in ("queued", "running")
    with pytest.raises(JobInUse, match="a job async:r is"):
        run(ctx, {"key": "r", "fn": work, "args": {"x": 2}})
    go.set()
    wait()
    assert ctx["r"] == 2 and ctx["jobs"]["async:r"]["status"] == "done" and "errors" not in ctx
    assert ctx["jobs"]["async:r"]["result"] is None  # it is in ctx["r"], not twice
    run(ctx, {"key": "r", "fn": lambda: None})
    wait()
    assert ctx["r"] is None


def test_a_file_is_loaded(ctx: Any, tmp_path: Path) -> None:
    """The second documented example: rows of a file, read by pandas, with a gap."""
    pandas = pytest.importorskip("pandas")
    (tmp_path / "big.csv").write_text("a,b\n1,x\n,y\n")

    def load_large_data(filepath: str) -> Any:
        return pandas.read_csv(filepath).to_dict(orient="records")

    run(ctx, {"key": "data", "fn": load_large_data, "args": {"filepath": str(tmp_path / "big.csv")}})
    wait()
    assert ctx["data"] == [{"a": 1.0, "b": "x"}, {"a": None, "b": "y"}]


def test_a_failure_is_kept(ctx: Any) -> None:
    ctx["r"] = "old"
    for fn in (fail, lambda: {1}):
        run(ctx, {"key": "r", "fn": fn})
        wait()
    assert ctx["r"] == "old" and ctx["jobs"]["async:r"]["status"] == "error"
    assert [entry["error"] for entry in ctx["errors"]] == ["no luck", "the result is no JSON value but set"]
    assert ctx["errors"][0]["step"] == "ctx_async r" and "in fail" in ctx["errors"][0]["traceback"]
    run(ctx, {"key": "r", "fn": fail, "errors": False})
    wait()
    assert len(ctx["errors"]) == 2


def test_somebody_is_told(ctx: Any) -> None:
    run(ctx, {"key": "a", "fn": lambda: 1, "emit": True, "log": True, "on_complete": lambda key, result: fail()})
    run(ctx, {"key": "b", "fn": fail, "emit": True, "log": True})
    wait()
    events = {entry["payload"]["key"]: entry for entry in ctx["events"]}
    assert (events["a"]["event"], events["b"]["event"]) == ("job_done", "job_error")
    assert events["b"]["payload"] == {"key": "b", "job_id": "async:b", "error": "no luck"}
    assert sorted(entry["msg"] for entry in ctx["log"]) == ["a is there", "b is not to come: no luck"]
    assert sorted(entry["step"] for entry in ctx["errors"]) == ["async:a", "ctx_async b"] and ctx["a"] == 1


def test_one_after_the_other(ctx: Any) -> None:
    go = threading.Event()
    run(ctx, {"key": "one", "fn": lambda: go.wait(LONG)})
    run(ctx, {"key": "two", "fn": lambda ctx: [ctx["one"]], "after": "async:one", "job_id": "second"})
    run(ctx, {"key": "bad", "fn": fail})
    run(ctx, {"key": "three", "fn": lambda: 1, "after": ["second"]})
    assert ctx["jobs"]["second"]["status"] == "queued" == ctx["jobs"]["async:three"]["status"]
    go.set()
    wait()
    assert (ctx["two"], ctx["three"]) == ([True], 1)
    run(ctx, {"key": "four", "fn": lambda: 1, "after": "second"})
    for after, error in (("async:bad", UsageError), ("gone", MissingKey)):
        with pytest.raises(error, match="after: "):
            run(ctx, {"key": "five", "fn": lambda: 1, "after": after})
    wait()


def test_cancelled_work_counts_for_nothing(ctx: Any) -> None:
    began, ended = threading.Event(), threading.Event()

    def work(ctx: Any) -> int:
        job = current_job()
        began.set()
        assert job is not None and job.stop.wait(LONG)
        try:
            if isinstance(ctx, Context):
                assert ctx.stop.is_set()
                ctx["late"] = 1
        finally:
            ended.set()
        return 1

    run(ctx, {"key": "r", "fn": work, "emit": True})
    assert began.wait(LONG) and cancel_job(ctx, "async:r") and not cancel_job(ctx, "async:r")
    assert ended.wait(LONG)
    wait()
    assert ctx["jobs"]["async:r"]["status"] == "cancelled" and not {"r", "late", "errors", "events"} & ctx.keys()
    with pytest.raises(MissingKey, match="no job 'async:s' in ctx"):
        cancel_job(ctx, "async:s")
    ctx["jobs"]["other"] = {"status": "running"}
    with pytest.raises(UsageError, match="runs in another process"):
        cancel_job(ctx, "other")


def test_a_time_out_progress_and_a_process(ctx: Any) -> None:
    seen = threading.Event()

    def hangs() -> None:
        job = current_job()
        assert job is not None
        job.stop.wait(LONG)
        seen.set()

    def reports() -> int:
        job = current_job()
        assert job is not None
        job.report(40)
        return 1

    run(ctx, {"key": "a", "fn": hangs, "timeout": 0.05})
    run(ctx, {"key": "b", "fn": reports})
    run(ctx, {"key": "d", "fn": reports, "timeout": LONG})
    run(ctx, {"key": "c", "fn": os.getpid, "process": True})
    wait()
    assert seen.wait(LONG) and "took longer than its time-out" in ctx["jobs"]["async:a"]["error"]
    assert ctx["jobs"]["async:b"]["progress"] == 40 == ctx["jobs"]["async:d"]["progress"] and ctx["c"] != os.getpid()


def test_many(ctx: Any) -> None:
    for number in range(200):
        run(ctx, {"key": f"r{number}", "fn": lambda x: x * x, "args": {"x": number}})
    wait()
    assert [ctx[f"r{number}"] for number in range(200)] == [number * number for number in range(200)]


@pytest.mark.parametrize(("there", "params", "error"), [
    ({}, {"fn": len}, KeyError),
    ({}, {"key": "a"}, KeyError),
    ({}, {"key": "a", "fn": "my_sum_func"}, UsageError),
    ({}, {"key": "a", "fn": fail, "args": {"x": 1}}, ValueError),
    ({}, {"key": "a", "fn": fail, "timeout": 0}, ValueError),
    ({}, {"key": "a", "fn": lambda: 1, "process": True}, ValueError),
    ({"jobs": [1]}, {"key": "a", "fn": fail}, ShapeError),
    ({"errors": {}}, {"key": "a", "fn": fail}, ShapeError),
])
def test_mistakes(there: dict[str, Any], params: dict[str, Any], error: type[Exception]) -> None:
    ctx = dict(there)
    with pytest.raises(error) as caught:
        ctx_async.run(ctx, params)
    assert isinstance(caught.value, OctoError) and ctx == there


def test_in_a_recipe_the_run_waits_for_it(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def work(ctx, n):
            ctx["by_job"] = n
            return n * 2
        def check():
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe("""
        steps:
          - {name: start, function: ctx_async, params: {key: r, fn: "BODY:work", args: {n: 4}}}
          - {name: again, function: ctx_async, params: {key: s, fn: "BODY:work", args: {n: 5}, after: "async:r",
                                                        process: false, timeout: 30}}
          - {name: gate, module: BODY, function: check, depends_on: start}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert (project.ctx["r"], project.ctx["s"], project.ctx["by_job"]) == (8, 10, 5)
    assert project.ctx["jobs"]["async:r"]["step"] == "start"
