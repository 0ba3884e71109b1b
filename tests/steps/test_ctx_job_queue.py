"""ctx_job_queue: a list of background jobs."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError, StepFailed, StepTimeout, UsageError
from octo.executors.jobs import default_pool
from step_library.control import ctx_job_queue
from step_library.control.ctx_job_queue import run
from step_library.kit.work.job_control import cancel_job
from tests.executors.kit import until
from tests.recipe.runs import Project

LONG = 30.0


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="queue")


def job(job_id: str, fn: Any, more: dict[str, Any] | None = None, **args: Any) -> dict[str, Any]:
    return {"job_id": job_id, "fn": fn, "args": args, **(more or {})}


def wait() -> None:
    assert default_pool().wait(LONG)


def statuses(ctx: Any) -> dict[str, str]:
    return {job_id: entry["status"] for job_id, entry in ctx["jobs"].items()}


def bad_job() -> None:
    raise RuntimeError("Oops!")


def test_the_documented_jobs(ctx: Any) -> None:
    """The first documented example."""
    jobs = [job("double", lambda x: x * 2, x=21), job("shout", lambda text: text.upper(), text="hello")]
    assert run(ctx, {"jobs": jobs}) == {"queued": ["double", "shout"]}
    assert list(ctx["jobs"]) == ["double", "shout"]  # their records are there when it returns
    wait()
    double, shout = ctx["jobs"]["double"], ctx["jobs"]["shout"]
    assert set(double) == {"status", "start", "end", "result"} and double["end"] >= double["start"] > 1e9
    assert (double["status"], double["result"], shout["result"]) == ("done", 42, "HELLO")


def test_one_that_fails(ctx: Any) -> None:
    """The second documented example; the others go on."""
    run(ctx, {"jobs": [{"job_id": "bad", "fn": bad_job}, job("good", lambda: (1, 2))], "errors": True})
    wait()
    bad = ctx["jobs"]["bad"]
    assert set(bad) == {"status", "start", "end", "error"} and (bad["status"], bad["error"]) == ("error", "Oops!")
    assert ctx["jobs"]["good"]["result"] == [1, 2] and [entry["step"] for entry in ctx["errors"]] == ["bad"]


def test_all_run_at_once(ctx: Any) -> None:
    """The third documented example, with more jobs than the pool has threads; none ends before all have begun."""
    together = threading.Barrier(40, timeout=LONG)

    def wait_and_return(v: int) -> int:
        together.wait()
        return v * 10

    run(ctx, {"jobs": [job(f"j{v}", wait_and_return, v=v) for v in range(40)], "wait": True})
    assert [ctx["jobs"][f"j{v}"]["result"] for v in range(40)] == [v * 10 for v in range(40)]


def test_so_many_at_once(ctx: Any) -> None:
    go = threading.Event()
    run(ctx, {"jobs": [job(f"j{n}", go.wait, timeout=LONG) for n in range(5)], "max_workers": 2})
    until(lambda: list(statuses(ctx).values()).count("running") == 2)
    assert list(statuses(ctx).values()).count("queued") == 3
    assert cancel_job(ctx, "j4")
    go.set()
    wait()
    assert statuses(ctx) == {"j0": "done", "j1": "done", "j2": "done", "j3": "done", "j4": "cancelled"}


def test_one_after_the_other(ctx: Any) -> None:
    order: list[str] = []
    add = order.append
    jobs = [job("load", lambda: add("load")), job("bad", bad_job),
            job("sum", lambda: add("sum"), {"after": "load"}), job("never", lambda: add("never"), {"after": ["bad"]}),
            job("last", lambda: add("last"), {"after": ["load", "sum"]})]
    run(ctx, {"jobs": jobs, "wait": True})
    assert order == ["load", "sum", "last"]
    assert ctx["jobs"]["never"]["status"] == "error"
    assert ctx["jobs"]["never"]["error"] == "it was to come after job bad, which ended as error"
    run(ctx, {"jobs": [job("more", lambda: add("more"), {"after": "last"})], "wait": True})
    assert order[-1] == "more"


def test_again_when_it_fails(ctx: Any) -> None:
    fails = iter([1, 1])

    def flaky() -> str:
        if next(fails, None):
            raise ConnectionError("down")
        return "OK"

    run(ctx, {"jobs": [job("flaky", flaky, {"retries": 3, "delay": 0}), job("bad", bad_job, {"retries": 2, "delay": 0}),
                       job("slow", threading.Event().wait, {"timeout": 0.05})], "wait": True})
    assert ctx["jobs"]["flaky"]["result"] == "OK" and ctx["jobs"]["bad"]["error"] == "Oops!"
    assert "time-out of 0.05 s" in ctx["jobs"]["slow"]["error"]


def test_somebody_is_told(ctx: Any) -> None:
    told: list[Any] = []
    run(ctx, {"jobs": [job("a", lambda: 1), job("b", bad_job)], "wait": True, "emit": True,
              "on_end": lambda job: told.append((job["job_id"], job["status"]))})
    assert sorted(told) == [("a", "done"), ("b", "error")]
    assert sorted(entry["event"] for entry in ctx["events"]) == ["job_done", "job_error"]


def test_waiting(ctx: Any) -> None:
    go = threading.Event()
    with pytest.raises(StepTimeout, match=r"not ended after 0.05 s: slow$"):
        run(ctx, {"jobs": [job("slow", go.wait, timeout=LONG), job("quick", lambda: 1)], "wait": True, "timeout": 0.05})
    go.set()
    wait()
    assert statuses(ctx) == {"slow": "done", "quick": "done"}
    with pytest.raises(StepFailed, match=r"1 of the jobs failed \(bad\); bad: Oops!"):
        run(ctx, {"jobs": [job("bad", bad_job), job("quick", lambda: 1)], "wait": True, "raise_errors": True})


def test_a_stopped_run_does_not_wait() -> None:
    ctx, go = Context(), threading.Event()
    ctx.stop.set()
    with pytest.raises(StepFailed, match="asked to stop before these jobs had ended: slow"):
        run(ctx, {"jobs": [job("slow", go.wait, timeout=LONG)], "wait": True})
    go.set()
    wait()


def test_in_a_process(ctx: Any) -> None:
    run(ctx, {"jobs": [job("pid", os.getpid, {"process": True})], "wait": True})
    assert ctx["jobs"]["pid"]["result"] != os.getpid()


def test_many_and_none(ctx: Any) -> None:
    assert run(ctx, {"jobs": []}) == {"queued": []} and dict(ctx) == {}
    run(ctx, {"jobs": [job(f"j{n}", abs, x=-n) for n in range(300)], "max_workers": 4, "wait": True})
    assert [ctx["jobs"][f"j{n}"]["result"] for n in range(300)] == list(range(300))


@pytest.mark.parametrize(("params", "error", "words"), [
    ({}, KeyError, "parameter 'jobs' is missing"),
    ({"jobs": {"a": 1}}, ValueError, "parameter 'jobs'"),
    ({"jobs": [{"fn": bad_job}]}, ValueError, "jobs[0]: parameter 'job_id' is missing"),
    ({"jobs": [{"job_id": "a"}]}, ValueError, "jobs[0] (a): parameter 'fn' is missing"),
    ({"jobs": [job("a", "no_such.module.f")]}, ValueError, "jobs[0] (a): there is no module"),
    ({"jobs": [job("a", bad_job, x=1)]}, ValueError, "jobs[0] (a): args do not fit: unknown parameter 'x'"),
    ({"jobs": [job("a", bad_job, {"retry": 1})]}, ValueError, "unknown parameter 'retry'; did you mean retries?"),
    ({"jobs": [job("a", bad_job, {"retries": 0})]}, ValueError, "retries is 1 or more"),
    ({"jobs": [job("a", bad_job, {"timeout": 0})]}, ValueError, "timeout is more than 0"),
    ({"jobs": [job("a", bad_job), job("a", bad_job)]}, ValueError, "jobs[1] (a): another one has this job_id already"),
    ({"jobs": [job("a", bad_job), job("b", lambda: 1, {"process": True})]}, ValueError, "jobs[1] (b): "),
    ({"jobs": [job("old", bad_job)]}, ValueError, "a job old is running already"),
    ({"jobs": [job("a", bad_job, {"after": "b"}), job("b", bad_job)]}, ValueError, "b stands behind it in the list"),
    ({"jobs": [job("a", bad_job, {"after": "gone"})]}, MissingKey, "after: there is no job 'gone'"),
    ({"jobs": [job("a", bad_job, {"after": "failed"})]}, UsageError, "after: job failed is error"),
    ({"jobs": [], "max_workers": 0}, ValueError, "max_workers is 1 or more"),
    ({"jobs": [], "timeout": 0}, ValueError, "timeout is more than 0"),
    ({"jobs": [], "emit": True}, ShapeError, "ctx['events'] is to be a list"),
])
def test_mistakes(params: dict[str, Any], error: type[Exception], words: str) -> None:
    there = {"events": "text", "jobs": {"old": {"status": "running"}, "failed": {"status": "error"}}}
    ctx = dict(there)
    with pytest.raises(error) as caught:
        ctx_job_queue.run(ctx, params)
    assert words in str(caught.value) and isinstance(caught.value, OctoError) and ctx == there


def test_in_a_recipe(tmp_path: Path) -> None:
    """The documented recipe step, its functions in modules; a resume starts the jobs of a failed step again."""
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def query_sensor(ctx, sensor_id):
            ctx[sensor_id] = 1
            return sensor_id
        def run_stats(data_key):
            if not Path("go").exists():
                raise ValueError("not yet")
            return data_key
        def pid():
            import os
            return os.getpid()
    """)
    project.recipe("""
        steps:
          - name: launch_jobs
            type: python
            module: scriptlets.python.core.ctx_job_queue
            function: run
            params:
              max_workers: 1
              wait: true
              raise_errors: true
              jobs:
                - {job_id: query_temp, fn: BODY.query_sensor, args: {sensor_id: abc}}
                - {job_id: summary_stats, fn: "BODY:run_stats", args: {data_key: raw_table}, after: query_temp}
                - {job_id: pid, fn: "BODY:pid", process: true}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert "summary_stats: not yet" in project.steps["launch_jobs"]["error"]["message"]
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    jobs = project.ctx["jobs"]
    assert {job_id: entry["status"] for job_id, entry in jobs.items()} == dict.fromkeys(
        ("query_temp", "summary_stats", "pid"), "done")
    assert jobs["query_temp"]["step"] == "launch_jobs" and project.ctx["abc"] == 1
    assert jobs["pid"]["result"] != os.getpid() and jobs["summary_stats"]["start"] >= jobs["query_temp"]["end"]
