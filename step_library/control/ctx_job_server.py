"""A server that runs functions of an allow-list as jobs for ctx_distributed_job on this or other machines."""

from __future__ import annotations

import os
import queue
import secrets
import threading
from typing import Any

from octo.errors import OctoError, UsageError
from octo.executors.jobs import current_job
from octo.scriptlet import Param, resolve, scriptlet
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.work.job_server import JobServer, is_loopback
from step_library.kit.work.lasting_jobs import start_lasting, stop_lasting

UP_SECONDS = 30.0
_coming_up: dict[str, queue.Queue[str | BaseException]] = {}
"""What the step waits for until its server listens: the URL, or why it does not."""


class Tasks(Param):
    """A parameter with functions; its value stays as it was given."""

    def value(self, given: Any) -> Any:
        """The list or dict; NameNotFound for a function that is not there, also before a recipe runs."""
        found = super().value(given)
        tasks_of(found)
        return found


@scriptlet(
    params=[
        Tasks("tasks", "list[str] | dict", help="what may be run: library steps and functions (module:function); as a "
              "dict the name that is asked for and the function"),
        Param("host", "str", "127.0.0.1", "address to listen on; any other than this machine's own needs a token"),
        Param("port", "int", 5000, "port; 0 takes a free one"),
        Param("path", "str", "/jobs", "where jobs are in the URL"),
        Param("token_env", "str", "OCTO_JOB_TOKEN", "name of the environment variable with the token that clients send "
              "as Authorization: Bearer …; where it is set, it is asked for"),
        Param("workers", "int", 4, "how many jobs run at once"),
        Param("out", "str", "job_server", "key of ctx for the server's {url, host, port}"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Start the server and go on: POST /jobs starts {"task": name, "args": {…}}, GET and DELETE /jobs/ID follow.

    It listens when the step has ended; `ctx[out]` has its URL. It is the job `job_server:<out>` in `ctx["jobs"]` and
    ends with the run, or by `stop(ctx, out)`; with a resume it comes back, a moment after the run has gone on.
    `octo exec` keeps it until Ctrl-C. Only what stands in `tasks` is run,
    each job on a ctx of its own. Raises UsageError for a port in use and for a token that is not set.
    """
    if params["workers"] < 1 or not 0 <= params["port"] <= 65535:
        raise UsageError(f"workers is 1 or more and port 0 to 65535, not {params['workers']} and {params['port']}")
    tasks = tasks_of(params["tasks"])
    if not tasks:
        raise UsageError("tasks: a server needs something that may be run")
    if not is_loopback(params["host"]) and not os.environ.get(params["token_env"]):
        raise UsageError(f"host {params['host']}: a server that others reach needs a token in the environment",
                         hints=[f"export {params['token_env']}=$(openssl rand -hex 32)"])
    mark = secrets.token_hex(8)
    waiting = _coming_up[mark] = queue.Queue(1)
    try:
        start_lasting(ctx, f"job_server:{params['out']}", serve, {**params, "mark": mark})
        found = waiting.get(timeout=UP_SECONDS)
    except queue.Empty:
        stop_lasting(ctx, f"job_server:{params['out']}")
        raise OctoError(f"the server was not up after {UP_SECONDS:g} s: no thread is free for it") from None
    finally:
        _coming_up.pop(mark, None)
    if isinstance(found, BaseException):
        raise found
    return {"served": found}


def stop(ctx: Ctx, out: str = "job_server") -> bool:
    """End the server; False where there is none."""
    return stop_lasting(ctx, f"job_server:{out}")


def tasks_of(given: Any) -> dict[str, Any]:
    """The functions by the name that clients ask for."""
    names = dict(given) if isinstance(given, dict) else {name: name for name in given}
    return {name: resolve(target) for name, target in names.items()}


def serve(ctx: Ctx, params: dict[str, Any]) -> None:
    """The job: listen, say so, and answer until it is to stop."""
    job, waiting = current_job(), _coming_up.get(params["mark"])
    stopped = threading.Event() if job is None else job.stop
    try:
        server = _listening(params, params["port"] if waiting is not None else _port_before(ctx, params))
    except BaseException as error:
        if waiting is not None:
            waiting.put(error)
        raise
    threading.Thread(target=server.serve, name="octo-job-server", daemon=True).start()
    try:
        ctx[params["out"]] = {"url": server.url, "host": params["host"], "port": server.port}
        if waiting is not None:
            waiting.put(server.url)
        stopped.wait()
    finally:
        server.close()


def _listening(params: dict[str, Any], port: int) -> JobServer:
    try:
        return JobServer(tasks_of(params["tasks"]), params["host"], port, path=params["path"],
                         token=os.environ.get(params["token_env"], ""), workers=params["workers"])
    except UsageError:
        if port == params["port"]:
            raise
        return _listening(params, params["port"])


def _port_before(ctx: Ctx, params: dict[str, Any]) -> int:
    """When a run goes on: the free port that was taken then, as steps and clients know that URL."""
    before = ctx.get(params["out"])
    return int(before["port"]) if params["port"] == 0 and before else int(params["port"])


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_job_server")
