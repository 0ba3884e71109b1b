"""Work that steps leave behind: the run's one pool of jobs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from octo.errors import NotAvailable

from .runs import Project

BODIES = """
    import time
    from pathlib import Path
    def add(ctx, name="x"):
        ctx.append("ran", name)
    def start(ctx, n=1):
        ctx.jobs.submit(later, params={"n": n}, job_id=f"job{n}")
    def later(ctx, n):
        time.sleep(0.05)
        ctx.increment("done", n)
        return n * 10
    def plain(a, b):
        return a + b
    def start_plain(ctx):
        return ctx.jobs.submit(plain, 1, 2, job_id="sum").result(20)
    def bad(ctx):
        raise ValueError("no")
    def start_bad(ctx):
        ctx.jobs.submit(bad, job_id="bad")
    def wait(ctx):
        ctx.stop.wait(60)
        ctx["too late"] = True
    def start_wait(ctx):
        ctx.jobs.submit("BODY:wait", job_id="long")
    def beat(ctx, name):
        with open("beats.txt", "a") as file:
            print(name, file=file)
        ctx.increment("beats")
    def start_beat(ctx, name="b"):
        ctx.jobs.submit("BODY:beat", params={"name": name}, periodic=True, interval=0.02, job_id="beat")
    def start_scheduled(ctx):
        ctx.jobs.submit("BODY:beat", params={"name": "s"}, schedule={"interval": 0.02}, job_id="beat")
        ctx.jobs.submit("BODY:plain", params={"a": 1, "b": 2}, schedule={"at": "2098-01-01"}, job_id="later")
        ctx.jobs.submit(lambda: 1, schedule={"cron": "0 0 1 1 *"}, job_id="nameless")
        ctx.jobs.submit("BODY:plain", params={"a": 1, "b": 2}, schedule={"at": SOON()}, job_id="soon").result(20)
    def SOON():
        from datetime import datetime
        return datetime.fromtimestamp(time.time() + 0.1).isoformat()
    def beats(ctx, more=3):
        first = ctx.get("beats", 0)
        give_up = time.monotonic() + 30
        while ctx.get("beats", 0) < first + more:
            assert time.monotonic() < give_up, "the job does not run"
            time.sleep(0.01)
        return True
    def gate(ctx):
        beats(ctx)
        if not Path("go").exists():
            raise RuntimeError("not yet")
    def hang(ctx):
        beats(ctx)
        Path("hanging").touch()
        if not Path("go").exists():
            time.sleep(60)
    def start_and_fail(ctx):
        ctx.jobs.submit("BODY:beat", params={"name": "f"}, periodic=True, interval=0.02, job_id="beat")
        with open("tries.txt", "a") as file:
            print("try", file=file)
        if len(open("tries.txt").readlines()) < 2:
            raise ValueError("again")
    def elsewhere(ctx):
        ctx.jobs.submit(plain, 1, 2)
    def hand_on(ctx):
        ctx.jobs.submit(later, ctx, 1)
    def held(ctx, began, go, key):
        began.set()
        assert go.wait(30)
        try:
            ctx[key] = "too late"
        finally:
            began.clear()
    def one_id_after_another(ctx):
        import threading
        from octo.executors.jobs import Limit
        events = [{"began": threading.Event(), "go": threading.Event(), "key": str(n)} for n in range(2)]
        limit = Limit(1)
        for each in events:
            ctx.jobs.submit(held, params=each, job_id="same", limit=limit if each is events[0] else None)
            assert each["began"].wait(30)
            if each is events[0]:
                ctx.jobs.cancel("same")
        last = ctx.jobs.submit(plain, 1, 2, limit=limit)
        events[0]["go"].set()
        last.result(30)  # the first one has returned
        ctx.jobs.cancel("same")
        events[1]["go"].set()
        while events[1]["began"].is_set():
            time.sleep(0.01)
    def at_once(ctx):
        import threading
        from octo.errors import UsageError
        taken = []
        def submit(n):
            try:
                ctx.jobs.submit("BODY:beat", params={"name": n}, periodic=True, interval=0.02,
                                job_id="beat")
            except UsageError:
                return
            taken.append(n)
        threads = [threading.Thread(target=submit, args=(str(n),)) for n in range(20)]
        for thread in threads: thread.start()
        for thread in threads: thread.join(30)
        beats(ctx)
        return taken
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "p")
    made.bodies(BODIES)
    return made


def test_finite_jobs_are_waited_for_at_the_end(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: start, params: {n: 1}}
          - {name: b, module: BODY, function: start, params: {n: 2}, parallel: true}
          - {name: c, module: BODY, function: start_plain}
    """)
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS", result.error
    ctx = project.ctx
    assert ctx["done"] == 3
    assert {id: (job["status"], job["result"], job["step"]) for id, job in ctx["jobs"].items()} == {
        "job1": ("done", 10, "a"), "job2": ("done", 20, "b"), "sum": ("done", 3, "c")}
    assert project.steps["c"]["result"] == 3
    assert {entry["who"] for entry in project.edit().get_history("done")} == {"a:job1", "b:job2"}


def test_what_fails_is_kept_and_told(project: Project) -> None:
    project.recipe("steps:\n  - {name: a, module: BODY, function: start_bad}\n")
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS"
    assert (project.ctx["jobs"]["bad"]["status"], project.ctx["jobs"]["bad"]["error"]) == ("error", "no")
    assert "job bad failed: no" in project.log(result.run_id)


def test_a_job_is_not_given_the_ctx_that_ends_with_its_step(project: Project) -> None:
    project.recipe("steps:\n  - {name: a, module: BODY, function: hand_on}\n")
    result = project.run()
    assert "in params" in str(result.error) and "jobs" not in project.ctx


def test_the_next_job_of_an_id_is_not_taken_for_a_cancelled_one_that_still_runs(project: Project) -> None:
    project.recipe("steps:\n  - {name: a, module: BODY, function: one_id_after_another}\n")
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["jobs"]["same"]["status"] == "cancelled" and not {"0", "1"} & set(project.ctx)


def test_one_of_many_gets_an_id(project: Project) -> None:
    """And what comes back when the run goes on is that one."""
    project.recipe("steps:\n  - {name: a, module: BODY, function: at_once}\n")
    assert project.run().status == "COMPLETE_SUCCESS"
    taken = project.steps["a"]["result"]
    kept = project.edit()._access.file.read(("engine", "jobs", "beat", "params", "name"))
    assert taken == [kept] and (project.folder / "beats.txt").read_text().split()[0] == kept


def test_after_jobs_timeout_they_are_cancelled(project: Project) -> None:
    project.recipe("jobs_timeout: 0.2\nsteps:\n  - {name: a, module: BODY, function: start_wait}\n")
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS" and project.ctx["jobs"]["long"]["status"] == "cancelled"
    assert "long" in project.log(result.run_id) and "too late" not in project.ctx


def test_periodic_jobs_live_as_long_as_the_run(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: start_beat}
          - {name: b, module: BODY, function: beats}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["jobs"]["beat"]["status"] == "cancelled"
    number = len(project.lines("beats.txt"))
    time.sleep(0.1)
    assert len(project.lines("beats.txt")) == number


def test_and_come_back_when_the_run_goes_on(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: start_beat, params: {name: mine}}
          - {name: b, module: BODY, function: gate}
          - {name: c, module: BODY, function: beats}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS", result.error
    assert set(project.lines("beats.txt")) == {"mine"}


def test_a_new_run_begins_without_them(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: start_beat, when: "not ctx.get('no')"}
          - {name: b, module: BODY, function: add}
    """)
    project.run()
    project.run(values={"no": True})
    assert "jobs" not in project.ctx


def test_a_failed_attempt_takes_its_jobs_with_it(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: start_and_fail, retry: 2}
          - {name: b, module: BODY, function: beats}
    """)
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS", result.error


def test_a_step_in_a_process_is_told_that_there_are_none(project: Project) -> None:
    project.recipe("steps:\n  - {name: a, module: BODY, function: elsewhere, executor: process}\n")
    assert project.run().status == "COMPLETE_ERROR"
    assert project.steps["a"]["error"]["type"] == "NotAvailable"
    with pytest.raises(NotAvailable, match="recipe"):
        project.edit().jobs  # noqa: B018


def test_scheduled_jobs_come_back_after_a_kill_those_that_had_their_time_do_not(project: Project) -> None:
    project.recipe("""
        jobs_timeout: 0
        steps:
          - {name: a, module: BODY, function: start_scheduled}
          - {name: b, module: BODY, function: hang}
    """)
    kill_when_it_hangs(project)
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS", result.error
    jobs = project.ctx["jobs"]
    assert {id: job["status"] for id, job in jobs.items()} == {
        "beat": "cancelled", "later": "cancelled", "nameless": "error", "soon": "done"}
    assert jobs["beat"]["runs"] >= 3 and jobs["soon"]["result"] == 3 and jobs["nameless"]["error"] == "cut off"
    assert {job["next_run"] for job in jobs.values()} == {None}


def kill_when_it_hangs(project: Project) -> None:
    """Run it in another process, which is killed in the step `hang`; that goes on the next time."""
    code = "from octo.recipe.run import run_recipe; run_recipe('r.yaml', draw=False)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    running = subprocess.Popen([sys.executable, "-c", code], cwd=project.folder, env=environment)
    give_up = time.monotonic() + 60
    while not (project.folder / "hanging").exists():
        assert time.monotonic() < give_up and running.poll() is None
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
    running.wait()
    (project.folder / "go").touch()


def test_a_job_that_a_kill_cut_off(project: Project) -> None:
    project.recipe("""
        steps:
          - {name: a, module: BODY, function: start_wait}
          - {name: b, module: BODY, function: start_beat, params: {name: mine}}
          - {name: c, module: BODY, function: hang}
    """)
    kill_when_it_hangs(project)
    result = project.run()
    assert result.status == "COMPLETE_SUCCESS", result.error
    assert project.ctx["jobs"]["long"]["status"] == "error" and project.ctx["jobs"]["long"]["error"] == "cut off"
    assert project.ctx["jobs"]["beat"]["status"] == "cancelled", "it came back"
    assert "not begun again but by their step (--resume-from): long" in project.log(result.run_id)
