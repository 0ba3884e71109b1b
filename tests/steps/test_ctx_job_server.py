"""ctx_job_server: functions of an allow-list, run as jobs over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from octo.context import Context
from octo.errors import OctoError, UsageError
from octo.executors.jobs import current_job, default_pool
from octo.param import MissingParam
from step_library.control import ctx_job_server
from step_library.kit.work.job_server import MOST_BYTES, JobServer
from tests.executors.kit import until
from tests.recipe.runs import Project

LONG = 30.0


def wait_for_stop() -> None:
    job = current_job()
    assert job is not None and job.stop.wait(LONG)


TASKS = {"add": lambda a, b: a + b, "bad": lambda: 1 / 0, "wait": wait_for_stop, "odd": lambda: {1}}


@pytest.fixture
def server() -> Iterator[JobServer]:
    with_tasks = JobServer({**TASKS, **ctx_job_server.tasks_of(["ctx_stats"])})
    thread = threading.Thread(target=with_tasks.serve, daemon=True)
    thread.start()
    yield with_tasks
    with_tasks.close()
    thread.join(LONG)


def post(server: JobServer, body: Any, **headers: str) -> requests.Response:
    return requests.post(server.url, json=body, headers=headers, timeout=LONG)


def ended(server: JobServer, id: str) -> Any:
    found: list[Any] = []

    def is_over() -> bool:
        found.append(requests.get(f"{server.url}/{id}", timeout=LONG).json())
        return found[-1]["status"] not in ("queued", "running")

    until(is_over)
    return found[-1]


def test_a_job_from_post_to_its_result(server: JobServer) -> None:
    answer = post(server, {"task": "add", "args": {"a": 1, "b": 2}})
    assert answer.status_code == 202 and set(answer.json()) >= {"id", "status"}
    job = ended(server, answer.json()["id"])
    assert (job["status"], job["result"], job["task"]) == ("done", 3, "add") and job["start"] <= job["end"]
    bad = ended(server, post(server, {"script": "bad", "params": {}}).json()["id"])
    assert (bad["status"], bad["error"]) == ("error", "division by zero") and "result" not in bad
    assert "no JSON value" in ended(server, post(server, {"fn": "odd"}).json()["id"])["error"]
    assert set(requests.get(server.url, timeout=LONG).json()["jobs"].values()) == {"done", "error"}


def test_a_library_step_on_a_ctx_that_is_sent(server: JobServer) -> None:
    answer = post(server, {"task": "ctx_stats", "args": {"key": "rows", "out": "s"}, "ctx": {"rows": [[1], [3]]}})
    job = ended(server, answer.json()["id"])
    assert job["result"]["result"] == {"stats": "s"} and job["result"]["ctx"]["s"]["mean"] == [2.0]
    assert "rows" not in job["result"]["ctx"]


def test_cancel_and_a_request_that_comes_twice(server: JobServer) -> None:
    first, second = (post(server, {"task": "wait"}, **{"Idempotency-Key": "k"}).json()["id"] for _ in range(2))
    assert first == second
    assert requests.delete(f"{server.url}/{first}", timeout=LONG).json()["status"] == "cancelled"
    assert ended(server, first)["status"] == "cancelled"
    assert post(server, {"task": "add", "args": {"a": 1, "b": 1}}).json()["id"] != first


@pytest.mark.parametrize(("body", "status", "said"), [
    ({"task": "rm"}, 403, "no task 'rm'"), ({}, 400, "a job is"), ([1], 400, "JSON object"),
    ({"task": "add", "args": [1]}, 400, "a job is"), ({"task": "add", "ctx": 1}, 400, "a job is"),
    ({"task": "os:system", "args": {"command": "true"}}, 403, "no task"),
])
def test_what_is_no_job(server: JobServer, body: Any, status: int, said: str) -> None:
    answer = post(server, body)
    assert answer.status_code == status and said in answer.json()["error"]
    assert requests.get(server.url, timeout=LONG).json()["jobs"] == {}


def test_other_requests_that_are_refused(server: JobServer) -> None:
    def status(method: str, url: str = server.url, **more: Any) -> int:
        return requests.request(method, url, timeout=LONG, **more).status_code

    as_json = {"Content-Type": "application/json"}
    assert status("POST", data="{", headers=as_json) == 400
    assert status("POST", data="[" * 100_000, headers=as_json) == 400
    assert status("POST", data=json.dumps({"task": "add"}), headers={"Content-Type": "text/plain"}) == 415
    assert status("POST", data=iter([b"{}"]), headers=as_json) == 411
    assert status("POST", headers={**as_json, "Content-Length": str(MOST_BYTES + 1)}) == 413
    assert status("GET", f"{server.url}/none") == status("DELETE", f"{server.url}/none") == 404
    assert status("GET", server.url + "x") == status("GET", server.url.replace("/jobs", "/")) == 404
    assert status("PUT") == 501
    assert status("GET", headers={"Host": "evil.example:80"}) == 403
    assert status("GET", headers={"Host": f"localhost:{server.port}"}) == 200


def test_a_token_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_TEST", "s3cret")
    for ctx in ({}, Context()):
        params = {"tasks": ["math:sqrt"], "port": 0, "token_env": "TOKEN_OF_TEST"}
        url = ctx_job_server.run(ctx, params)["served"]
        try:
            assert requests.get(url, timeout=LONG).status_code == 401
            assert requests.get(url, headers={"Authorization": "Bearer no"}, timeout=LONG).status_code == 401
            answer = requests.get(url, headers={"Authorization": "Bearer s3cret"}, timeout=LONG)
            assert answer.json() == {"jobs": {}, "tasks": ["math:sqrt"]}
            assert "s3cret" not in json.dumps(dict(ctx), default=str)
        finally:
            assert ctx_job_server.stop(ctx)


@pytest.mark.parametrize(("params", "error", "said"), [
    ({}, MissingParam, "tasks"),
    ({"tasks": []}, UsageError, "something that may be run"),
    ({"tasks": ["no_such:f"]}, OctoError, "no_such"),
    ({"tasks": ["ctx_stats"], "host": "0.0.0.0"}, UsageError, "needs a token"),
    ({"tasks": ["ctx_stats"], "workers": 0}, UsageError, "workers is 1 or more"),
    ({"tasks": ["ctx_stats"], "port": 70000}, UsageError, "port 0 to 65535"),
    ({"tasks": ["ctx_stats"], "host": "256.0.0.1", "port": 0, "token_env": "TOKEN_OF_TEST"}, UsageError, "256.0.0.1"),
])
def test_mistakes(params: dict[str, Any], error: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCTO_JOB_TOKEN", raising=False)
    monkeypatch.setenv("TOKEN_OF_TEST", "x")
    with pytest.raises(error, match=said):
        ctx_job_server.run({}, params)


def test_a_port_in_use() -> None:
    ctx: dict[str, Any] = {}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} on 127.0.0.1 cannot be listened on"):
            ctx_job_server.run(ctx, {"tasks": ["ctx_stats"], "port": port})
    assert default_pool().wait(LONG)


def test_in_a_recipe_it_is_up_for_later_steps_and_after_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def double(x):
            return 2 * x
        def gate():
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe("""
        steps:
          - {name: server, function: ctx_job_server, params: {tasks: {double: "BODY:double"}, port: 0}}
          - name: first
            function: ctx_distributed_job
            params: &ask
              job_id: one
              server_url: "{{ ctx.job_server.url }}"
              payload: {task: double, args: {x: 21}}
              result_key: first
              poll_interval: 0.01
              attempts: 10
              delay: 0.1
          - {name: gate, module: BODY, function: gate}
          - {name: second, function: ctx_distributed_job, params: {<<: *ask, job_id: two, result_key: second}}
    """)
    assert project.run().status == "COMPLETE_ERROR" and project.ctx["first"] == 42
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["second"] == 42 and project.ctx["jobs"]["job_server:job_server"]["status"] == "cancelled"


@pytest.mark.skipif(sys.platform == "win32", reason="no signal for Ctrl-C to one process")
def test_as_a_program(tmp_path: Path, checkout: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "step_library.control.ctx_job_server", "--tasks", "math:sqrt", "--port", str(port)]
    env = {**os.environ, "PYTHONPATH": str(checkout)}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as program:
        assert program.stderr is not None and f"http://127.0.0.1:{port}/jobs" in program.stderr.readline()
        assert "until Ctrl-C" in program.stderr.readline()
        assert requests.get(f"http://127.0.0.1:{port}/jobs", timeout=LONG).json()["tasks"] == ["math:sqrt"]
        program.send_signal(signal.SIGINT)
        program.communicate(timeout=LONG)
    assert program.returncode == 0
