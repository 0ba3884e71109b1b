"""Jobs at a job server: how they are started, looked at and cancelled over HTTP, and what is kept of them.

    POST server_url  payload  ->  {"id": …}        GET, DELETE server_url/ID  ->  {"status": …, "result" or "error": …}

Import it where it is used, not at the top of a step: it needs requests.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from octo.engine.retry import Retry
from octo.errors import OctoError, ShapeError, UsageError
from octo.executors.jobs import CANCELLED, DONE, ERROR, LIVE, RUNNING
from step_library.kit.net.http import HttpRefused, call, checked, json_of
from step_library.kit.records.records import safe
from step_library.kit.values.ctx_values import described
from step_library.kit.values.json_values import canonical

KIND = "distributed"
GONE = "gone"
"""The remote status of a job that its server knows no more."""


class JobTimeout(OctoError, TimeoutError):
    """A remote job has not ended in time."""


@dataclass
class JobServerCalls:
    """How a server is called. `done` and `failed` are the states with which its jobs end."""

    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 30.0
    retry: Retry = field(default_factory=Retry)
    stop: threading.Event | None = None
    done: Collection[str] = ("done",)
    failed: Collection[str] = ("error", "failed", "cancelled")
    extract: Callable[[Any], Any] | None = None

    def submit(self, entry: dict[str, Any], payload: Mapping[str, Any], key: str) -> None:
        """Start a job; its id at the server goes into the entry. A try that is made again has the same key."""
        answer = self._ask("POST", entry["server_url"], json=payload, headers={"Idempotency-Key": key})
        id = answer.get("id") if isinstance(answer, Mapping) else None
        if isinstance(id, bool) or not isinstance(id, (str, int)) or id == "":
            raise ShapeError(f"the job server's answer to POST has no id but is {described(answer)}")
        entry["server_id"] = id
        entry["remote_status"] = str(answer.get("status", RUNNING))

    def look(self, entry: dict[str, Any]) -> None:
        """Bring the entry up to date."""
        try:
            answer = self._ask("GET", self._place(entry))
        except HttpRefused as error:
            if error.status in (404, 410):
                entry["remote_status"] = GONE
            raise
        if not isinstance(answer, Mapping):
            raise ShapeError(f"the job server's answer to GET is to be an object, not {described(answer)}")
        status = str(answer.get("status", RUNNING))
        entry["remote_status"] = status
        if status in self.done:
            found = answer["result"] if "result" in answer else dict(answer)
            entry["result"] = safe(found if self.extract is None else self.extract(answer))
            entry |= {"status": DONE, "end": time.time(), "error": None}
        elif status in self.failed:
            said = answer.get("error") or f"the job server says {status}"
            entry |= {"status": CANCELLED if status == CANCELLED else ERROR, "end": time.time(),
                      "error": said if isinstance(said, str) else canonical(said)}

    def cancel(self, entry: dict[str, Any]) -> None:
        """End the job at the server. One that has ended by then keeps what came of it."""
        self._ask("DELETE", self._place(entry))
        entry |= {"status": CANCELLED, "remote_status": CANCELLED, "end": time.time()}

    def is_under_way(self, entry: Any) -> bool:
        """The server may still be at it, as far as is known: also one that was lost sight of."""
        return (isinstance(entry, Mapping) and entry.get("kind") == KIND and entry.get("server_id") is not None
                and entry.get("remote_status") not in {*self.done, *self.failed, GONE})

    def _ask(self, method: str, url: str, headers: Mapping[str, str] | None = None, **more: Any) -> Any:
        answer = checked(call(method, url, headers={**self.headers, **(headers or {})}, timeout=self.timeout,
                              retry=self.retry, stop=self.stop, allow_redirects=False, **more))
        return json_of(answer) if answer.content else {}

    def _place(self, entry: Mapping[str, Any]) -> str:
        return f"{entry['server_url']}/{quote(str(entry['server_id']), safe='')}"


def new_entry(server_url: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in ctx["jobs"] from the beginning. Of the payload only a digest: it may hold what is private."""
    digest = hashlib.sha256(canonical(payload).encode(errors="backslashreplace")).hexdigest()
    return {"kind": KIND, "status": RUNNING, "start": time.time(), "end": None, "server_url": server_url,
            "server_id": None, "remote_status": None, "payload_sha256": digest, "result": None, "error": None}


def is_same(entry: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """The same work at the same server."""
    return all(entry.get(name) == other.get(name) for name in ("server_url", "payload_sha256"))


def address(given: str) -> str:
    """A server's URL without a slash at its end; UsageError where it cannot be one, or has a secret in it."""
    url = given.strip().rstrip("/")
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if not url.startswith("${") and (parts.scheme not in ("http", "https") or not parts.netloc):
        raise UsageError(f"server_url is such as http://host:5000/jobs, not {given!r}")
    if parts.query or parts.fragment:
        raise UsageError("server_url has no query: what a server needs goes into headers")
    if parts.password and not parts.password.startswith("${"):
        raise UsageError("server_url has a password in it, which would stand in ctx; write ${NAME} of the environment")
    return url


def is_live_elsewhere(entry: Any) -> bool:
    """The id belongs to a live job of another kind."""
    return isinstance(entry, Mapping) and entry.get("kind") != KIND and entry.get("status") in LIVE
