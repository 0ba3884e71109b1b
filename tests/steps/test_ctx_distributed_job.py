"""ctx_distributed_job: a job at a server, over real HTTP."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError, UsageError
from octo.executors.jobs import current_job
from octo.param import MissingParam, ParamError
from step_library.control import ctx_distributed_job
from step_library.kit.net.http import HttpFailed, HttpRefused
from step_library.kit.work.job_server import JobServer
from step_library.kit.work.remote_jobs import JobTimeout
from tests.recipe.runs import Project
from tests.steps.local_http import Asked, LocalHttp, local_http

LONG = 30.0
PAYLOAD = {"task": "process_data", "args": {"input_file": "data.csv", "output_file": "result.csv"}}


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="load")


@pytest.fixture
def jobs() -> Iterator[JobServer]:
    def wait() -> None:
        job = current_job()
        assert job is not None and job.stop.wait(LONG)

    server = JobServer({"process_data": lambda input_file, output_file: {"rows": 3}, "run_sim": lambda case: case * 2,
                        "bad": lambda: 1 / 0, "wait": wait}, path="/submit")
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield server
    server.close()
    thread.join(LONG)


def answers(*looks: Any, post: Any = None) -> Callable[[Asked], tuple[int, Any]]:
    """A server that has one job, `7`; each GET has the next of `looks`, the last one for ever."""
    left = list(looks)

    def answer(asked: Asked) -> tuple[int, Any]:
        if asked.method == "POST":
            return post or (200, {"id": 7})
        if asked.method == "DELETE":
            return 200, {}
        found = left.pop(0) if len(left) > 1 else left[0]
        return found if isinstance(found, tuple) else (200, found)

    return answer


def send(ctx: Any, server: LocalHttp | JobServer, **params: Any) -> Any:
    given = {"job_id": "j", "server_url": f"{server.url}{'/jobs' if isinstance(server, LocalHttp) else ''}",
             "payload": PAYLOAD, "poll_interval": 0.01, "timeout": LONG, "attempts": 1, **params}
    return ctx_distributed_job.run(ctx, {name: value for name, value in given.items() if value is not None})


def sent(server: LocalHttp) -> list[str]:
    return [f"{asked.method} {asked.path}" for asked in server.asked]


def test_a_job_at_octos_own_server(ctx: Any, jobs: JobServer) -> None:
    """The documented first job (`myjob1`): the payload names a task and its args."""
    told = send(ctx, jobs, job_id="myjob1")
    entry = ctx["jobs"]["myjob1"]
    assert told == {"submitted": "myjob1", "status": "done", "server_id": entry["server_id"]}
    assert (entry["status"], dict(entry["result"]), entry["error"]) == ("done", {"rows": 3}, None)
    assert entry["start"] <= entry["end"] and entry["kind"] == "distributed"


def test_a_payload_with_script_and_params(ctx: Any, jobs: JobServer) -> None:
    """The documented `job42`: {"script": "run_sim", "params": {"case": 7}}."""
    send(ctx, jobs, job_id="job42", payload={"script": "run_sim", "params": {"case": 7}}, result_key="sim")
    assert ctx["jobs"]["job42"]["result"] == ctx["sim"] == 14


def test_a_job_that_fails_there_is_kept_and_not_raised(ctx: Any, jobs: JobServer) -> None:
    """The documented shape after a failed job."""
    told = send(ctx, jobs, payload={"task": "bad"}, log=True, emit=True)
    entry = ctx["jobs"]["j"]
    assert (entry["status"], entry["error"], entry["result"]) == ("error", "division by zero", None)
    assert told["status"] == "error" and entry["server_id"] == told["server_id"]
    assert [line["status"] for line in ctx["jobs_log"]] == ["running", "error"]
    assert ctx["events"][0]["event"] == "job_error" and ctx["events"][0]["payload"]["error"] == "division by zero"


def test_the_documented_contract(ctx: Any) -> None:
    """POST answers an id, GET server_url/{id} until done; the result is `result`, or else the whole answer."""
    with local_http(answers({"status": "queued"}, {"status": "odd"}, {"status": "done", "result": {}})) as server:
        send(ctx, server, server_url=server.url + "/jobs/")
        assert sent(server) == ["POST /jobs", *["GET /jobs/7"] * 3] and server.asked[0].json == PAYLOAD
    entry = ctx["jobs"]["j"]
    assert (entry["status"], entry["server_id"], dict(entry["result"])) == ("done", 7, {})
    with local_http(answers({"status": "done", "file": "f"}, post=(200, {"id": "a/b"}))) as server:
        send(ctx, server)
        assert sent(server)[1] == "GET /jobs/a%2Fb"
        assert dict(ctx["jobs"]["j"]["result"]) == {"status": "done", "file": "f"}
        send(ctx, server, extract=lambda answer: answer["file"], payload={"other": 1})
        assert ctx["jobs"]["j"]["result"] == "f"


def test_other_words_of_a_server(ctx: Any) -> None:
    with local_http(answers({"status": "SUCCESS", "result": 1})) as server:
        send(ctx, server, done_states=["SUCCESS"])
        assert ctx["jobs"]["j"]["status"] == "done"
    for status in ("failed", "cancelled"):
        with local_http(answers({"status": status})) as server:
            send(ctx, server, payload={"status": status})
            assert ctx["jobs"]["j"]["error"] == f"the job server says {status}"


def test_submit_and_look_later(ctx: Any) -> None:
    """The documented poll-only call, also by `action`."""
    with local_http(answers({"status": "running"}, {"status": "done", "result": 1})) as server:
        assert send(ctx, server, mode="submit")["status"] == "running"
        assert send(ctx, server, mode="submit")["status"] == "running"  # it is under way: not sent again
        assert sent(server) == ["POST /jobs"]
        look = {"job_id": "j", "action": "poll"}
        assert ctx_distributed_job.run(ctx, look) == {"polled": "j", "status": "running", "server_id": 7}
        assert ctx_distributed_job.run(ctx, {**look, "result_key": "r"})["status"] == "done" and ctx["r"] == 1
        assert ctx_distributed_job.run(ctx, look)["status"] == "done"  # known: nothing is asked
        assert sent(server) == ["POST /jobs", "GET /jobs/7", "GET /jobs/7"]


def test_an_id_in_use(ctx: Any) -> None:
    with local_http(answers({"status": "running"})) as server:
        send(ctx, server, mode="submit")
        with pytest.raises(UsageError, match="a job j is running already"):
            send(ctx, server, mode="submit", payload={"other": 1})
    ctx["jobs"] = {"j": {"status": "running", "start": 1}}
    with pytest.raises(UsageError, match="a job j is running already"):
        send(ctx, server)
    with pytest.raises(MissingKey, match="no job 'j' that was sent"):
        ctx_distributed_job.run(ctx, {"job_id": "j", "mode": "poll"})


def test_too_late_and_then_on_with_the_same_job(ctx: Any) -> None:
    with local_http(answers({"status": "running"})) as server:
        with pytest.raises(JobTimeout, match="job j: not done within 0.02 s"):
            send(ctx, server, timeout=0.02)
        assert ctx["jobs"]["j"]["error"] == "not done within 0.02 s" and ctx["jobs"]["j"]["server_id"] == 7
        look = {"job_id": "j", "mode": "poll"}
        assert ctx_distributed_job.run(ctx, look)["status"] == ctx["jobs"]["j"]["status"] == "running"
        with pytest.raises(JobTimeout):
            ctx_distributed_job.run(ctx, {"job_id": "j", "mode": "wait", "timeout": 0.02})
        server.answer = answers({"status": "done", "result": 1})
        send(ctx, server)
        assert ctx["jobs"]["j"]["result"] == 1 and ctx["jobs"]["j"]["error"] is None
        assert [line for line in sent(server) if line.startswith("POST")] == ["POST /jobs"]


def test_cancel(ctx: Any, jobs: JobServer) -> None:
    send(ctx, jobs, payload={"task": "wait"}, mode="submit")
    id = ctx["jobs"]["j"]["server_id"]
    assert ctx_distributed_job.run(ctx, {"job_id": "j", "mode": "cancel"})["status"] == "cancelled"
    assert jobs.jobs.told(id)["status"] == ctx["jobs"]["j"]["status"] == "cancelled"  # type: ignore[index]
    with pytest.raises(JobTimeout):
        send(ctx, jobs, payload={"task": "wait"}, timeout=0.02, cancel_on_timeout=True)
    assert jobs.jobs.told(ctx["jobs"]["j"]["server_id"])["status"] == "cancelled"  # type: ignore[index]


def test_several_jobs(ctx: Any, jobs: JobServer) -> None:
    batch = [{"job_id": f"sim{case}", "payload": {"task": "run_sim", "args": {"case": case}}} for case in range(3)]
    batch.append({"job_id": "bad", "payload": {"task": "bad"}, "result_key": "none"})
    told = send(ctx, jobs, job_id=None, payload=None, jobs=batch)
    states = {"sim0": "done", "sim1": "done", "sim2": "done", "bad": "error"}
    assert told == {"submitted": list(states), "status": states} and dict(ctx["jobs_batch"]) == states
    assert ctx["jobs"]["sim2"]["result"] == 4 and "none" not in ctx
    send(ctx, jobs, keep=2, payload={"task": "run_sim", "args": {"case": 9}})
    assert len(ctx["jobs"]) == 2 and "j" in ctx["jobs"]


def test_what_comes_to_grief_on_the_way_is_kept_and_raised(ctx: Any) -> None:
    with local_http(answers({"status": "running"}, post=(200, {"no": "id"}))) as server:
        with pytest.raises(ShapeError, match="no id but is a dict of 1"):
            send(ctx, server)
        assert "no id" in ctx["jobs"]["j"]["error"] and ctx["jobs"]["j"]["server_id"] is None
        server.answer = lambda asked: (500, {"why": "oops"})
        with pytest.raises(HttpRefused, match=r"POST http://127.0.0.1:\d+/jobs: 500"):
            send(ctx, server)
        keys = {asked.headers["Idempotency-Key"] for asked in server.asked}
        assert len(keys) == 1  # the same request, as far as the server is concerned
        server.answer = answers((404, {}))
        with pytest.raises(HttpRefused, match="404"):
            send(ctx, server)
        assert ctx["jobs"]["j"]["remote_status"] == "gone" and ctx["jobs"]["j"]["server_id"] == 7
        server.answer = answers([1])
        with pytest.raises(ShapeError, match="answer to GET"):
            send(ctx, server)
        assert len({asked.headers.get("Idempotency-Key") for asked in server.asked} - {None}) == 2
        server.answer = answers({"status": "done"})
        with pytest.raises(ZeroDivisionError):
            send(ctx, server, extract=lambda answer: 1 / 0, payload={"e": 1})
        assert ctx["jobs"]["j"]["error"] == "ZeroDivisionError: division by zero"
    with pytest.raises(HttpFailed, match="is a server running there"):
        send(ctx, server, payload={"f": 1})
    assert "is a server running there" in ctx["jobs"]["j"]["error"]


def test_tried_again(ctx: Any) -> None:
    with local_http(answers((503, {}), (500, {}), {"status": "done", "result": 1})) as server:
        send(ctx, server, attempts=3, delay=0.001)
        assert ctx["jobs"]["j"]["status"] == "done"


def test_secrets_are_sent_and_kept_nowhere(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_TEST", "s3cret")
    with local_http(answers({"status": "done"})) as server:
        send(ctx, server, headers={"Authorization": "Bearer ${TOKEN_OF_TEST}"}, payload={"password": "hush"})
        assert {asked.headers["Authorization"] for asked in server.asked} == {"Bearer s3cret"}
    kept = json.dumps(dict(ctx) if isinstance(ctx, dict) and not isinstance(ctx, Context) else ctx.plain())
    assert "s3cret" not in kept and "hush" not in kept and "TOKEN" not in kept
    with pytest.raises(UsageError, match="has a password"):
        send(ctx, server, server_url="http://me:hush@127.0.0.1/jobs")


@pytest.mark.parametrize(("params", "error", "said"), [
    ({}, MissingParam, "'job_id' is missing"),
    ({"job_id": "j"}, KeyError, "'server_url' of job j is missing"),
    ({"job_id": "j", "server_url": "http://h/jobs"}, KeyError, "'payload' of job j is missing"),
    ({"job_id": "j", "server_url": "h/jobs", "payload": {}}, UsageError, "such as http://host:5000/jobs"),
    ({"job_id": "j", "server_url": "ftp://h/jobs", "payload": {}}, UsageError, "such as http"),
    ({"job_id": "j", "server_url": "http://h/jobs?key=1", "payload": {}}, UsageError, "no query"),
    ({"job_id": "j", "server_url": "http://h/jobs", "payload": [1]}, ParamError, "payload"),
    ({"job_id": "j", "server_url": "http://h/jobs", "payload": {"a": {1}}}, ValueError, "payload/a"),
    ({"job_id": "j", "mode": "pol"}, ParamError, "did you mean poll"),
    ({"job_id": "j", "mode": "poll", "action": "poll"}, ParamError, "one parameter"),
    ({"job_id": "j", "mode": "poll"}, KeyError, "no job 'j'"),
    ({"job_id": "j", "timeout": 0}, UsageError, "timeout is more than 0"),
    ({"job_id": "j", "attempts": 0}, UsageError, "attempts is 1 or more"),
    ({"jobs": [{"job_id": "a"}], "job_id": "j"}, ParamError, "for several jobs"),
    ({"jobs": [{"job_id": "a"}, {"job_id": "a"}], "mode": "poll"}, ParamError, r"jobs\[1\].*another one"),
    ({"jobs": [{"id": "a"}]}, ParamError, r"jobs\[0\]: unknown parameter 'id'"),
])
def test_mistakes_send_nothing(ctx: Any, params: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        ctx_distributed_job.run(ctx, params)
    assert isinstance(caught.value, OctoError) and dict(ctx) == {}


def test_other_things_in_ctx_jobs() -> None:
    with pytest.raises(ShapeError, match="dict of jobs"):
        ctx_distributed_job.run({"jobs": []}, {"job_id": "j", "mode": "poll"})


def test_in_the_background_of_a_recipe_with_a_resume(tmp_path: Path) -> None:
    """The documented recipe: `background: true`, later steps look at ctx["jobs"]. A resume goes on with it."""
    project = Project(tmp_path / "p")
    project.bodies("""
        import time
        from pathlib import Path
        def gate(ctx):
            give_up = time.monotonic() + 30
            while not ctx.get("jobs", {}).get("far", {}).get("server_id"):
                assert time.monotonic() < give_up
                time.sleep(0.01)
            if not Path("go").exists():
                raise ValueError("not yet")
            while ctx["jobs"]["far"]["status"] != "done":
                assert time.monotonic() < give_up
                time.sleep(0.01)
    """)
    with local_http(answers({"status": "running"})) as server:
        project.recipe(f"""
            steps:
              - idx: 20
                name: submit_job_background
                type: python
                module: scriptlets.python.core.ctx_distributed_job
                function: run
                background: true
                params: {{job_id: far, server_url: "{server.url}/jobs", payload: {{task: t}}, poll_interval: 0.01}}
              - {{idx: 21, name: gate, module: BODY, function: gate}}
        """)
        assert project.run().status == "COMPLETE_ERROR"
        assert project.ctx["jobs"]["far"]["status"] == "running"
        (project.folder / "go").touch()
        server.answer = answers({"status": "done", "result": [1]})
        assert project.run().status == "COMPLETE_SUCCESS"
        assert project.ctx["jobs"]["far"]["result"] == [1]
        assert len(re.findall("POST", " ".join(sent(server)))) == 1


def test_somebody_is_told_of_a_failed_job(tmp_path: Path) -> None:
    """The sixth documented example: a job, then a message with its error, from ctx["jobs"]."""
    project = Project(tmp_path / "p")
    with local_http(answers({"status": "error", "error": "disk full"})) as server:
        project.recipe(f"""
            steps:
              - idx: 10
                name: launch_analysis_job
                type: python
                module: scriptlets.python.core.ctx_distributed_job
                function: run
                params: {{job_id: analysis1, server_url: "{server.url}/jobs", payload: {{}}, poll_interval: 0.01}}
              - idx: 11
                name: notify_failure
                module: scriptlets.python.core.ctx_notify
                depends_on: [launch_analysis_job]
                when: "ctx.jobs.analysis1.status == 'error'"
                params:
                  type: webhook
                  webhook_url: "{server.url}/hook"
                  use_template: true
                  message: "Job analysis1 failed: {{ctx[jobs][analysis1][error]}}"
        """)
        assert project.run().status == "COMPLETE_SUCCESS"
        assert server.asked[-1].path == "/hook"
        assert server.asked[-1].json["message"] == "Job analysis1 failed: disk full"
