"""ctx_job_status: how jobs are, and what can be done with them."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from octo.cli.main import cli
from octo.context import Context
from octo.errors import OctoError, ShapeError, UsageError
from octo.executors.jobs import current_job, default_pool
from step_library.control import ctx_bg_job, ctx_job_queue, ctx_job_status
from step_library.control.ctx_job_status import run
from tests.recipe.runs import Project

LONG = 30.0
JOBS = {
    "job1": {"status": "running", "start": 1000.0},
    "job2": {"status": "done", "start": 1001.0, "end": 1003.5, "result": {"output": 123}},
    "job3": {"status": "error", "error": "FileNotFoundError", "start": 1002.0, "end": 1002.5},
    "load": {"status": "done", "result": 1, "meta": {"kind": "file"}},
}


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {"jobs": json.loads(json.dumps(JOBS))} if request.param == "dict" else Context({"jobs": JOBS})


@pytest.fixture(params=["dict", "Context"])
def empty(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context()


def test_one_job(ctx: Any) -> None:
    """The documented examples, and the sixth: a loop over two of them."""
    assert run(ctx, {"job_id": "job1"}) == {"status": "running", "result": None, "error": None}
    assert run(ctx, {"job_id": "job2"}) == {"status": "done", "result": {"output": 123}, "error": None}
    assert run(ctx, {"job_id": "job3"}) == {"status": "error", "result": None, "error": "FileNotFoundError"}
    assert run(ctx, {"job_id": "gone"}) == {"error": "No such job"}
    assert [run(ctx, {"job_id": each})["status"] for each in ("job1", "job2")] == ["running", "done"]
    assert ctx["jobs"] == JOBS and list(ctx) == ["jobs"]


def test_all_that_is_known(ctx: Any) -> None:
    assert run(ctx, {"job_id": "job2", "detail": True}) == {
        "status": "done", "result": {"output": 123}, "error": None, "exists": True, "progress": None, "start": 1001.0,
        "end": 1003.5, "seconds": 2.5}
    assert run(ctx, {"job_id": "load", "detail": True})["meta"] == {"kind": "file"}
    assert run(ctx, {"job_id": "job1", "detail": True})["seconds"] > 1e9
    assert run(ctx, {"job_id": "gone", "detail": True}) == {"error": "No such job", "exists": False}


def test_several(ctx: Any) -> None:
    """The fourth documented example, the proposed batch form."""
    found = run(ctx, {"job_ids": ["job3", "gone", "job1"]})
    assert list(found) == ["job3", "gone", "job1"] and found["job1"]["status"] == "running"
    assert found["gone"] == {"status": None, "result": None, "error": "No such job", "exists": False}
    for choice, ids in (
        ({"prefix": "job"}, ["job1", "job2", "job3"]),
        ({"suffix": "2"}, ["job2"]),
        ({"regex": "^job[13]$"}, ["job1", "job3"]),
        ({"status": "done"}, ["job2", "load"]),
        ({"status": ["done", "error"], "prefix": "job"}, ["job2", "job3"]),
        ({"newest": 2, "prefix": "job"}, ["job2", "job3"]),
        ({"newest": 0}, []),
        ({"prefix": "x"}, []),
        ({"job_ids": []}, []),
    ):
        assert list(run(ctx, choice)) == ids, choice


def test_as_a_table(ctx: Any) -> None:
    run(ctx, {"prefix": "job", "out": "table"})
    assert [(row["job_id"], row["status"], row["error"]) for row in ctx["table"]] == [
        ("job1", "running", None), ("job2", "done", None), ("job3", "error", "FileNotFoundError")]
    assert ctx["table"][1]["seconds"] == 2.5 and len(ctx["table"][1]["start"]) == len("2025-01-31 23:59:59")


def test_old_ones_are_removed(ctx: Any) -> None:
    ctx["jobs"]["new"] = {"status": "done", "end": time.time()}
    run(ctx, {"prefix": "job", "purge": 3600})
    assert list(ctx["jobs"]) == ["job1", "load", "new"]
    run(ctx, {"status": "done", "purge": 3600})
    assert list(ctx["jobs"]) == ["job1", "new"]


def test_waiting_and_cancelling(empty: Any) -> None:
    go, began, stopped = threading.Event(), threading.Event(), threading.Event()

    def stops() -> None:
        began.set()
        job = current_job()
        assert job is not None and job.stop.wait(LONG)
        stopped.set()

    ctx_job_queue.run(empty, {"jobs": [{"job_id": "a", "fn": go.wait, "args": {"timeout": LONG}},
                                       {"job_id": "b", "fn": stops}, {"job_id": "c", "fn": stops, "after": "a"}]})
    assert run(empty, {"job_id": "a", "wait": 0.02})["status"] in ("queued", "running") and began.wait(LONG)
    assert run(empty, {"job_id": "b", "cancel": True}) == {"status": "cancelled", "result": None, "error": None}
    assert stopped.wait(LONG)
    assert run(empty, {"job_ids": ["b", "c", "gone"], "cancel": True})["c"]["status"] == "cancelled"
    go.set()
    assert run(empty, {"job_id": "a", "wait": LONG}) == {"status": "done", "result": True, "error": None}
    assert run(empty, {"job_id": "a", "cancel": True})["status"] == "done"  # it had ended
    assert run(empty, {"job_id": "gone", "cancel": True, "wait": 5}) == {"error": "No such job"}
    assert default_pool().wait(LONG)


def test_a_job_of_another_process_cannot_be_cancelled(ctx: Any) -> None:
    with pytest.raises(UsageError, match="job job1 runs in another process"):
        run(ctx, {"job_id": "job1", "cancel": True})


def test_a_stopped_run_does_not_wait() -> None:
    ctx = Context({"jobs": JOBS})
    ctx.stop.set()
    assert run(ctx, {"job_id": "job1", "wait": 3000})["status"] == "running"


def test_many(empty: Any) -> None:
    empty["jobs"] = {f"j{n}": {"status": "done", "result": n, "start": n, "end": n + 1} for n in range(2000)}
    assert len(run(empty, {"status": "done"})) == 2000 and run(empty, {"job_id": "j1999"})["result"] == 1999


@pytest.mark.parametrize(("there", "params", "error", "words"), [
    ({}, {}, KeyError, "parameter 'job_id' is missing"),
    ({}, {"job_id": 3}, ValueError, "parameter 'job_id' is to be str"),
    ({}, {"job_id": "a", "prefix": "b"}, ValueError, "job_id is one job: leave prefix away"),
    ({}, {"status": "dnoe"}, ValueError, "did you mean done?"),
    ({}, {"regex": "("}, UsageError, "regex '('"),
    ({}, {"job_id": "a", "wait": -1}, ValueError, "wait is 0 or more"),
    ({"jobs": [1]}, {"job_id": "a"}, ShapeError, "ctx['jobs'] is to be a dict of jobs, not a list of 1"),
])
def test_mistakes(there: dict[str, Any], params: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        ctx_job_status.run(there, params)
    assert words in str(caught.value) and isinstance(caught.value, OctoError)


def test_no_jobs_at_all(empty: Any) -> None:
    assert run(empty, {"job_id": "a"}) == {"error": "No such job"} and "jobs" not in empty
    assert run(empty, {"prefix": ""}) == {}
    ctx_bg_job.run(empty, {"job_id": "a", "fn": lambda: 1})
    assert run(empty, {"job_id": "a", "wait": LONG})["result"] == 1


def test_in_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fifth documented example. A later step waits for a job, another cancels one; octo status lists them."""
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def quick(x):
            return x
        def endless(ctx):
            while not ctx.stop.wait(30):
                pass
            Path("stopped").touch()
            ctx["late"] = 1
        def gate(ctx):
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe("""
        steps:
          - name: start
            module: scriptlets.python.core.ctx_job_queue
            params:
              jobs: [{job_id: quick, fn: "BODY:quick", args: {x: 7}}, {job_id: endless, fn: "BODY:endless"}]
          - {name: check_my_job_status, type: python, module: scriptlets.python.core.ctx_job_status, function: run,
             params: {job_id: quick, wait: 30}}
          - {name: enough, function: ctx_job_status, params: {job_id: endless, cancel: true}}
          - {name: gate, module: BODY, function: gate}
          - {name: after, function: ctx_job_status, params: {prefix: "", out: table, purge: 0}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert project.steps["check_my_job_status"]["result"] == {"status": "done", "result": 7, "error": None}
    assert project.steps["enough"]["result"]["status"] == "cancelled" and "late" not in project.ctx
    monkeypatch.chdir(project.folder)
    shown = CliRunner().invoke(cli, ["status", "r.octo"]).output
    assert "quick: done" in shown and "endless: cancelled" in shown
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert [row["job_id"] for row in project.ctx["table"]] == ["quick", "endless"] and project.ctx["jobs"] == {}
