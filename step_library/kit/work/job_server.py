"""An HTTP server that runs functions of an allow-list as jobs: the other side of ctx_distributed_job.

    POST   /jobs       {"task": "name", "args": {…}, "ctx": {…}}  ->  202 {"id", "status"}
    GET    /jobs/ID    ->  {"id", "task", "status", "start", "end", "result" or "error"}
    DELETE /jobs/ID    ->  the same, cancelled
    GET    /jobs       ->  {"jobs": {id: status}, "tasks": [names]}
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import socket
import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from octo.errors import UsageError
from step_library.kit.work.served_jobs import ServedJobs

MOST_BYTES = 16 * 2**20
"""Of one request."""
SECONDS = 30.0
"""How long a client may take over one request."""


class JobServer:
    """Listens from the beginning; `serve` answers until `close`. Without a token it is for this machine alone."""

    def __init__(self, tasks: Mapping[str, Callable[..., Any]], host: str = "127.0.0.1", port: int = 0, *,
                 path: str = "/jobs", token: str = "", workers: int = 4) -> None:
        if not is_loopback(host) and not token:
            raise UsageError(f"a server that others reach (host {host}) needs a token, or all could start jobs")
        self.jobs, self.token, self.path = ServedJobs(tasks, workers), token, "/" + path.strip("/")
        try:
            self._http = (_Http6 if ":" in host else _Http)((host, port), _Handler)
        except (OSError, OverflowError) as error:
            said = getattr(error, "strerror", None) or error
            raise UsageError(f"port {port} on {host} cannot be listened on: {said}; port 0 takes a free one") from None
        self._http.owner = self
        self.port = int(self._http.server_address[1])
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.port}{self.path}"

    def serve(self) -> None:
        """Answer until `close`."""
        self._http.serve_forever(0.1)

    def close(self) -> None:
        """Answer no more; what runs is cancelled."""
        self._http.shutdown()
        self._http.server_close()
        self.jobs.close()


def is_loopback(host: str) -> bool:
    """Only programs on this machine reach it."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # there it would let two servers have one port
    owner: JobServer


class _Http6(_Http):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = SECONDS
    server: _Http

    def do_POST(self) -> None:
        if self._is_refused():
            return
        jobs = self.server.owner.jobs
        if self._id() is not None:
            return self._say(404, {"error": f"jobs are posted to {self.server.owner.path}"})
        asked, wrong = self._asked()
        if wrong:
            return self._say(*wrong)
        task = asked.get("task", asked.get("fn", asked.get("script")))
        args, ctx = asked.get("args", asked.get("params", {})), asked.get("ctx")
        if not isinstance(task, str) or not isinstance(args, dict) or not isinstance(ctx, (dict, type(None))):
            return self._say(400, {"error": "a job is {\"task\": name, \"args\": {…}, \"ctx\": {…}}"})
        if task not in jobs.tasks:
            return self._say(403, {"error": f"there is no task {task!r}; there are {', '.join(jobs.tasks)}"})
        id = jobs.start(task, args, ctx, self.headers.get("Idempotency-Key", ""))
        if not id:
            return self._say(503, {"error": "too many jobs wait; try again later"})
        return self._say(202, jobs.told(id) or {"id": id, "status": "queued"})

    def do_GET(self) -> None:
        if self._is_refused():
            return
        id = self._id()
        self._say(200, self.server.owner.jobs.all()) if id is None else self._tell(id)

    def do_DELETE(self) -> None:
        if self._is_refused():
            return
        id = self._id() or ""
        self.server.owner.jobs.cancel(id)
        self._tell(id)

    # -- what came -----------------------------------------------------------------------------------

    def _id(self) -> str | None:
        """The job's id in the path; None where the path is that of all jobs."""
        rest = self.path.partition("?")[0].rstrip("/")[len(self.server.owner.path):]
        return unquote(rest.lstrip("/")) or None

    def _is_refused(self) -> bool:
        """Who may not ask, and what is no place here, is answered."""
        owner = self.server.owner
        place = self.path.partition("?")[0].rstrip("/")
        if owner.token:
            given = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), owner.token.encode()):
                self._say(401, {"error": "Authorization: Bearer TOKEN is needed"}, {"WWW-Authenticate": "Bearer"})
                return True
        # a page in a browser can be led here under another name of this machine
        elif not is_loopback(_host_of(self.headers.get("Host", ""))):
            self._say(403, {"error": "this server answers to the names of its own machine only"})
            return True
        if place != owner.path and not place.startswith(owner.path + "/"):
            self._say(404, {"error": f"there is nothing at {place[:100]}; jobs are at {owner.path}"})
            return True
        return False

    def _asked(self) -> tuple[dict[str, Any], tuple[int, dict[str, Any]] | None]:
        """The JSON object that was sent; or how to answer what is none."""
        # a page in a browser cannot send this kind without asking first
        if self.headers.get_content_type() != "application/json":
            return {}, (415, {"error": "Content-Type is to be application/json"})
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            return {}, (411, {"error": "Content-Length is needed"})
        if int(length) > MOST_BYTES:
            return {}, (413, {"error": f"a job has at most {MOST_BYTES} bytes"})
        try:
            found = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            return {}, (400, {"error": "that is no JSON"})
        return (found, None) if isinstance(found, dict) else ({}, (400, {"error": "a job is a JSON object"}))

    # -- answers -------------------------------------------------------------------------------------

    def _tell(self, id: str) -> None:
        found = self.server.owner.jobs.told(id)
        self._say(404, {"error": f"there is no job {id[:100]!r}"}) if found is None else self._say(200, found)

    def _say(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        data = json.dumps(body, ensure_ascii=False).encode(errors="backslashreplace")
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        if status >= 400:
            self.send_header("Connection", "close")  # what was sent may not have been read
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _host_of(header: str) -> str:
    """`127.0.0.1:5000` and `[::1]:5000` without the port."""
    return header.partition("]")[0].lstrip("[") if header.startswith("[") else header.partition(":")[0]
