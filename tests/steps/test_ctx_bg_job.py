"""ctx_bg_job: work that goes on behind the steps."""

from __future__ import annotations

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
