"""A job at a job server: sent over HTTP, looked at until it ends, its state mirrored in ctx["jobs"]."""

from __future__ import annotations

import threading
from typing import Any

from octo.context import Context
from octo.engine.retry import Retry
from octo.errors import UsageError
from octo.scriptlet import Param, scriptlet
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.work.remote_jobs_given import JOBS, ONE


@scriptlet(
    params=[
        *ONE,
        JOBS,
        Param("mode", "str", "submit_and_poll", "submit: send and go on; poll: look once; wait: look until it ends; "
              "submit_and_poll: send and wait; cancel: end it at the server", ("action",),
              choices=("submit", "poll", "wait", "submit_and_poll", "cancel")),
        Param("poll_interval", "number", 2, "seconds between looks"),
        Param("timeout", "number | null", 3600, "seconds to wait for the end; null: for ever"),
        Param("cancel_on_timeout", "bool", False, "end a job at the server that was not done in time"),
        Param("headers", "dict[str]", {}, "HTTP headers, such as Authorization: Bearer ${NAME of the environment}"),
        Param("request_timeout", "number", 30, "seconds for one HTTP call"),
        Param("attempts", "int", 3, "how often an HTTP call is tried where there is no answer, or 429 or 5xx"),
        Param("delay", "number", 1, "seconds before the second try"),
        Param("backoff", "number", 2, "factor by which the delay grows"),
        Param("done_states", "list[str]", ["done"], "words of the server for a job that ended well"),
        Param("error_states", "list[str]", ["error", "failed", "cancelled"], "words for one that did not"),
        Param("extract", "callable | null", None, "function of the server's answer that gives the result"),
        Param("keep", "int | null", None, "keep only so many ended jobs of this kind in ctx['jobs'], the newest"),
        Param("log", "bool", False, "also add {timestamp, job_id, status} to ctx['jobs_log'] as it changes"),
        Param("emit", "bool", False, "also add an event job_done or job_error to ctx['events']"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Send the payload, wait for the end and mirror it in `ctx["jobs"][job_id]`.

    `{status: running, done, error or cancelled, server_id, result, error, start, end, server_url, …}`. A job that
    fails at the server is kept so and not raised; no connection, an answer without id and the end of `timeout` are
    kept and then raised (HttpFailed, ShapeError, JobTimeout). After those, and after a kill, the step run again with
    the same payload goes on with the job that the server has. `poll`, `wait` and `cancel` need the job_id alone.
    """
    from step_library.kit.work.remote_jobs import JobServerCalls
    from step_library.kit.work.remote_work import RemoteWork

    for name in ("poll_interval", "timeout", "request_timeout"):
        if params[name] is not None and params[name] <= 0:
            raise UsageError(f"{name} is more than 0 seconds, not {params[name]:g}")
    if params["attempts"] < 1 or params["delay"] < 0 or params["backoff"] <= 0:
        raise UsageError("attempts is 1 or more, delay 0 or more, backoff more than 0")
    stop = ctx.stop if isinstance(ctx, Context) else threading.Event()
    server = JobServerCalls(
        headers=params["headers"], timeout=params["request_timeout"], stop=stop, extract=params["extract"],
        retry=Retry(attempts=params["attempts"], delay=params["delay"], backoff=params["backoff"]),
        done=params["done_states"], failed=params["error_states"])
    return RemoteWork(ctx, params, server, stop).run()



if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_distributed_job")
