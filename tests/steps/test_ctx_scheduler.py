"""ctx_scheduler: functions called every so often, at a time, by cron."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, NameNotFound, OctoError, ShapeError
from octo.executors.jobs import default_pool
from octo.param import MissingParam, ParamError
from step_library.control import ctx_scheduler
from tests.executors.kit import until
from tests.recipe.runs import Project


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Iterator[Any]:
    yield {} if request.param == "dict" else Context(who="load")
    default_pool().cancel_all()


def start(ctx: Any, *jobs: dict[str, Any], **params: Any) -> Any:
    return ctx_scheduler.run(ctx, {"jobs": list(jobs), **params})


def hours_from_now(hours: float) -> str:
    return datetime.fromtimestamp(time.time() + 3600 * hours).isoformat()


def test_three_jobs_in_one_call(ctx: Any) -> None:
    """The documented three: two that repeat, one of them with arguments, and one at a clock time."""
    before = time.time()
    assert start(
        ctx,
        {"job_id": "one", "fn": lambda: 1, "interval": 60},
        {"job_id": "two", "fn": lambda x: x * 2, "interval": 15, "args": {"x": 22}, "run_now": True},
        {"job_id": "once_at", "fn": lambda: 1, "at": "15:30"},
    ) == {"scheduled": ["one", "two", "once_at"]}
    until(lambda: ctx["jobs"]["two"]["status"] == "done")
    two = dict(ctx["jobs"]["two"])
    assert (two["status"], two["result"]) == ("done", 44) and two["runs"] == 1
    assert two["start"] + two["duration"] == pytest.approx(two["end"]) and two["next_run"] > before
    one, at = ctx["jobs"]["one"], ctx["jobs"]["once_at"]
    assert one["status"] == at["status"] == "queued" and one["start"] is None
    assert before + 59 < one["next_run"] < time.time() + 61
    assert time.strftime("%H:%M:%S", time.localtime(at["next_run"])) == "15:30:00"
    assert before < at["next_run"] <= before + 25 * 3600


def test_every_five_seconds(ctx: Any) -> None:
    """The documented `ping`: its progress is seen in ctx["jobs"]["ping"]."""
    start(ctx, {"job_id": "ping", "fn": lambda: "ok", "interval": 5, "run_now": True})
    until(lambda: ctx["jobs"]["ping"]["status"] == "done")
    ping = ctx["jobs"]["ping"]
    assert (ping["result"], ping["runs"]) == ("ok", 1) and 4 < ping["next_run"] - ping["start"] < 6


def test_once_at_midnight(ctx: Any) -> None:
    """The documented `midnight_metrics`: it waits for the next local midnight, and runs once."""
    start(ctx, {"job_id": "midnight_metrics", "fn": lambda: {"summary": "s"}, "at": "00:00"},
          {"job_id": "daily", "fn": lambda: 1, "at": "00:00", "repeat": "daily"},
          {"job_id": "cron", "fn": lambda: 1, "cron": "0 0 * * *"})
    jobs = ctx["jobs"]
    assert jobs["midnight_metrics"]["next_run"] == jobs["daily"]["next_run"] == jobs["cron"]["next_run"]
    assert time.localtime(jobs["cron"]["next_run"])[3:6] == (0, 0, 0)


def test_a_moment_that_comes(ctx: Any) -> None:
    soon = datetime.fromtimestamp(time.time() + 0.2).isoformat()
    start(ctx, {"job_id": "once", "fn": lambda: "here", "at": soon})
    assert default_pool().wait(30)
    once = ctx["jobs"]["once"]
    assert (once["status"], once["result"], once["runs"], once["next_run"]) == ("done", "here", 1, None)
    start(ctx, {"job_id": "once", "fn": lambda: "again", "interval": 60})  # it has ended, so its id is free


def test_a_failed_call_does_not_end_it(ctx: Any) -> None:
    calls: list[int] = []

    def work() -> int:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("no luck")
        return len(calls)

    seen: list[Any] = []
    if isinstance(ctx, Context):
        ctx.subscribe("jobs", lambda change: seen.append(ctx.plain("jobs")["w"]))
    start(ctx, {"job_id": "w", "fn": work, "interval": 0.01})
    until(lambda: ctx["jobs"]["w"].get("result", 0) >= 2)
    assert len(calls) >= 2
    if seen:
        assert "no luck" in [entry.get("error") for entry in seen]


def test_tries_hooks_and_log(ctx: Any) -> None:
    calls: list[int] = []
    told: list[Any] = []

    def work() -> int:
        calls.append(1)
        if len(calls) % 3:
            raise ValueError("not yet")
        return len(calls)

    def on_success(job_id: str, result: int) -> None:
        told.append((job_id, result))
        raise KeyError("hook")

    start(ctx, {"job_id": "good", "fn": work, "at": datetime.fromtimestamp(time.time() + 0.05).isoformat(),
                "attempts": 3, "on_success": on_success, "log": True},
          {"job_id": "bad", "fn": lambda: 1 / 0, "interval": 60, "run_now": True, "log": True,
           "on_failure": lambda job_id, error: told.append((job_id, error))})
    assert default_pool().wait(30)
    until(lambda: ctx["jobs"]["bad"]["status"] == "error" and len(ctx["log"]) == 2)
    assert sorted(told) == [("bad", "division by zero"), ("good", 3)]
    assert ctx["jobs"]["good"]["result"] == 3 and ctx["errors"][0]["step"] == "good: on_success"
    assert sorted(line["msg"] for line in ctx["log"]) == ["job bad failed: division by zero", "job good done"]


def test_a_library_step_with_ctx(ctx: Any) -> None:
    ctx["rows"] = [1]
    start(ctx, {"job_id": "f", "fn": "ctx_filter", "args": {"type": "list"}, "interval": 60, "run_now": True})
    until(lambda: ctx["jobs"]["f"]["status"] == "done")
    assert list(ctx["filtered_keys"]) == ["rows"]


def test_in_a_process(ctx: Any) -> None:
    job = {"job_id": "p", "fn": "os:getpid", "interval": 60, "run_now": True, "process": True}
    ctx_scheduler.run(ctx, {"jobs": [job]})
    until(lambda: ctx["jobs"]["p"]["status"] in ("done", "error"))
    assert ctx["jobs"]["p"]["result"] not in (None, os.getpid())
    assert ctx_scheduler.cancel(ctx, "p")
    with pytest.raises(ParamError, match=r"jobs\[0\] \(p\)"):
        ctx_scheduler.run(ctx, {"jobs": [{**job, "fn": lambda: 1}]})


def test_an_id_in_use_replace_and_cancel(ctx: Any) -> None:
    job = {"job_id": "j", "fn": lambda: 1, "interval": 60}
    start(ctx, {**job, "run_now": True})
    until(lambda: ctx["jobs"]["j"]["status"] == "done")
    with pytest.raises(ValueError, match="a job j has not ended"):
        start(ctx, job)
    start(ctx, job, replace=True)
    assert ctx["jobs"]["j"]["runs"] == 0
    assert start(ctx, {**job, "job_id": "k"}, cancel=["j"]) == {"scheduled": ["k"], "cancelled": ["j"]}
    assert (ctx["jobs"]["j"]["status"], ctx["jobs"]["j"]["next_run"]) == ("cancelled", None)
    assert ctx_scheduler.run(ctx, {"cancel": ["j", "k"]}) == {"scheduled": [], "cancelled": ["k"]}
    assert not ctx_scheduler.cancel(ctx, "k")
    with pytest.raises(MissingKey, match="no job 'kk'; did you mean k"):
        start(ctx, cancel=["kk"])


def test_many_jobs_need_no_thread_each(ctx: Any) -> None:
    import threading

    before = threading.active_count()
    start(ctx, *({"job_id": f"j{n}", "fn": len, "args": {"obj": "x"}, "at": hours_from_now(n + 1)} for n in range(100)))
    assert threading.active_count() <= before + 1 and len(ctx["jobs"]) == 100


J = {"job_id": "j", "fn": "math:sqrt", "args": {"x": 4}, "interval": 60}


@pytest.mark.parametrize(("params", "error", "said"), [
    ({}, MissingParam, "'jobs' is missing"),
    ({"jobs": {}}, ParamError, "list"),
    ({"jobs": ["x"]}, ParamError, "list"),
    ({"jobs": [{"fn": "math:sqrt", "interval": 1}]}, KeyError, r"jobs\[0\]: parameter 'job_id' is missing"),
    ({"jobs": [{"job_id": "j", "interval": 1}]}, KeyError, r"jobs\[0\] \(j\): parameter 'fn' is missing"),
    ({"jobs": [{**J, "at": "15:30"}]}, ValueError, "not interval and at"),
    ({"jobs": [{**J, "interval": None}]}, ValueError, "none of them"),
    ({"jobs": [J, J]}, ValueError, "another one has this job_id"),
    ({"jobs": [J, {**J, "job_id": "k", "intervall": 1}]}, ParamError, r"jobs\[1\] \(k\).*did you mean interval"),
    ({"jobs": [{**J, "interval": -1}]}, ValueError, "more than 0"),
    ({"jobs": [{**J, "fn": "math:sqr"}]}, NameNotFound, r"jobs\[0\] \(j\).*did you mean sqrt"),
    ({"jobs": [{**J, "fn": "ctx_filter", "args": {"typ": 1}}]}, ParamError, "unknown parameter 'typ'"),
    ({"jobs": [{**J, "attempts": 0}]}, ParamError, "attempts is 1 or more"),
    ({"jobs": [{**J, "cron": "* *", "interval": None}]}, ValueError, "cron"),
])
def test_mistakes_start_nothing(ctx: Any, params: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        ctx_scheduler.run(ctx, params)
    assert isinstance(caught.value, OctoError) and dict(ctx) == {}


def test_other_things_in_ctx_jobs() -> None:
    with pytest.raises(ShapeError, match="dict of jobs"):
        start({"jobs": [1]}, J)


def test_in_a_recipe_it_comes_back_with_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        import time
        from pathlib import Path
        def beat(ctx, by):
            ctx.increment("beats", by)
            return by
        def once():
            return "once"
        def gate(ctx):
            first, give_up = ctx.get("beats", 0), time.monotonic() + 30
            while ctx.get("beats", 0) < first + 4 or ctx["jobs"]["once"]["status"] == "running":
                assert time.monotonic() < give_up
                time.sleep(0.01)
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe("""
        steps:
          - name: schedule
            module: scriptlets.python.core.ctx_scheduler
            function: run
            params:
              jobs:
                - {job_id: beat, fn: "BODY:beat", args: {by: 2}, interval: 0.02}
                - {job_id: logged, fn: "BODY:once", interval: 0.02, log: true}
                - {job_id: once, fn: "BODY:once", at: "2098-01-01"}
          - {name: gate, module: BODY, function: gate}
    """)
    result = project.run()
    assert result.status == "COMPLETE_ERROR"
    assert "once: cancelled, it is due later than the run waits" in project.log(result.run_id)
    jobs = project.ctx["jobs"]
    assert {job["status"] for job in jobs.values()} == {"cancelled"} and jobs["beat"]["schedule"] == {"interval": 0.02}
    (project.folder / "go").touch()
    lines = len(project.ctx["log"])
    assert project.run().status == "COMPLETE_SUCCESS"  # the gate waits for four more
    assert project.ctx["jobs"]["beat"]["result"] == 2 and len(project.ctx["log"]) > lines
    assert project.steps["schedule"]["result"] == {"scheduled": ["beat", "logged", "once"]}


def test_mistakes_in_a_recipe_are_found_before_it_runs(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.recipe("""
        steps:
          - {name: s, function: ctx_scheduler, params: {jobs: [{job_id: a, fn: "math:sqrt", args: {x: 4}, at: "noon"}]}}
    """)
    assert "r.yaml:3: " in (said := str(project.refused())) and "jobs[0] (a): at is a time such as 15:30" in said


def test_a_job_that_is_cancelled_before_its_first_call_is_forgotten(ctx: Any) -> None:
    ctx_scheduler.run(ctx, {"jobs": [{"job_id": "never_called", "fn": lambda: 1, "interval": "1d"}]})
    assert any(job.name == "never_called" for job in default_pool().jobs())
    assert ctx_scheduler.cancel(ctx, "never_called")
    assert not any(job.name == "never_called" for job in default_pool().jobs())
