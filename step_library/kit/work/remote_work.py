"""One call of ctx_distributed_job: which jobs are sent, looked at and cancelled, and what is written of them.

Import it where it is used, not at the top of a step: it needs requests.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from octo.errors import MissingKey, OctoError, UsageError, nearest
from octo.executors.jobs import CANCELLED, DONE, ERROR, LIVE, RUNNING
from octo.param import MissingParam
from octo.store import checked
from step_library.kit.records import records
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.work.jobs import KEY, jobs_of, write_entry
from step_library.kit.work.remote_jobs import (
    KIND,
    JobServerCalls,
    JobTimeout,
    address,
    is_live_elsewhere,
    is_same,
    new_entry,
)
from step_library.kit.work.remote_jobs_given import given_jobs

Entry = dict[str, Any]
SENDING = ("submit", "submit_and_poll")
UNDER_WAY = {"status": RUNNING, "end": None, "error": None}
"""Of a job that the server has, also where it was lost sight of before."""


class RemoteWork:
    """One call of the step. `found` has the entries by job id, `failed` what went wrong on the way."""

    def __init__(self, ctx: Ctx, params: Mapping[str, Any], server: JobServerCalls, stop: threading.Event) -> None:
        self.ctx, self.params, self.server, self.stop = ctx, params, server, stop
        self.mode = params["mode"]
        self.failed: list[OctoError] = []
        self.found: dict[str, Entry] = {}
        self.given = given_jobs(params)
        self.to_send: dict[str, Any] = {}
        there = jobs_of(ctx)
        for job_id, one in self.given.items():
            if self.mode in SENDING:
                self._plan(job_id, one, there.get(job_id))
            else:
                self.found[job_id] = self._known(job_id, there)

    def run(self) -> dict[str, Any]:
        for job_id, entry in self.found.items():
            if entry.get("request_key") in self.to_send:
                self._keep(job_id, entry)  # with its key, should the process be killed on the way
                self._try(job_id, entry, self._submit)
            elif self.mode == "cancel" and self.server.is_under_way(entry):
                self._try(job_id, entry, self.server.cancel)
            elif self.mode == "poll" and self.server.is_under_way(entry):
                self._try(job_id, entry, self.server.look)
        if self.mode in ("wait", "submit_and_poll"):
            self._wait()
        for job_id, entry in self.found.items():
            key = self.given[job_id]["result_key"]
            if key is not None and entry["status"] == DONE:
                self.ctx[key] = entry["result"]
        self._drop_old()
        if self.failed:
            raise self.failed[0]
        return self._told()

    # -- before anything is sent -------------------------------------------------------------------

    def _plan(self, job_id: str, one: Mapping[str, Any], there: Any) -> None:
        """A new entry; or the one that is there, where the same work is under way."""
        for name in ("server_url", "payload"):
            if one[name] is None:
                raise MissingParam(f"parameter {name!r} of job {job_id} is missing")
        payload = checked(dict(one["payload"]), ("payload",))
        entry = new_entry(address(one["server_url"]), payload)
        under_way = self.server.is_under_way(there)
        if under_way and is_same(there, entry):
            self.found[job_id] = {**there, **UNDER_WAY}
            return
        if is_live_elsewhere(there) or (under_way and there["status"] in LIVE):
            raise UsageError(f"a job {job_id} is {there['status']} already: give this one another id, or cancel that")
        lost = isinstance(there, Mapping) and there.get("remote_status") is None and is_same(there, entry)
        entry["request_key"] = there["request_key"] if lost else secrets.token_hex(16)
        self.found[job_id], self.to_send[entry["request_key"]] = entry, payload

    def _known(self, job_id: str, there: Mapping[str, Any]) -> Entry:
        entry = there.get(job_id)
        if not isinstance(entry, Mapping) or entry.get("kind") != KIND:
            near = nearest(job_id, there)
            raise MissingKey(f"ctx['jobs'] has no job {job_id!r} that was sent to a server{near}")
        return {**entry, **UNDER_WAY} if self.server.is_under_way(entry) else dict(entry)

    # -- on the way --------------------------------------------------------------------------------

    def _submit(self, entry: Entry) -> None:
        self.server.submit(entry, self.to_send[entry["request_key"]], entry["request_key"])

    def _try(self, job_id: str, entry: Entry, ask: Callable[[Entry], None]) -> bool:
        """Ask the server and keep what came of it; False where that failed."""
        try:
            ask(entry)
        except OctoError as error:
            entry |= {"status": ERROR, "end": time.time(), "error": error.message}
            self.failed.append(error)
        except Exception as error:  # of extract
            entry |= {"status": ERROR, "end": time.time(), "error": f"{type(error).__name__}: {error}"}
            self._keep(job_id, entry)
            raise
        self._keep(job_id, entry)
        return entry["status"] != ERROR

    def _wait(self) -> None:
        give_up = None if self.params["timeout"] is None else time.monotonic() + self.params["timeout"]
        ahead = {id: entry for id, entry in self.found.items() if self.server.is_under_way(entry)}
        while True:
            for job_id, entry in list(ahead.items()):
                if not self._try(job_id, entry, self.server.look) or entry["status"] not in LIVE:
                    del ahead[job_id]
            left = self.params["poll_interval"] if give_up is None else give_up - time.monotonic()
            if not ahead:
                return
            if left <= 0:
                return self._too_late(ahead)
            if self.stop.wait(min(left, self.params["poll_interval"])):
                raise OctoError(f"asked to stop; {', '.join(ahead)} goes on at the server, and when this step is run "
                                "again it goes on waiting")

    def _too_late(self, ahead: Mapping[str, Entry]) -> None:
        said = f"not done within {self.params['timeout']:g} s"
        for job_id, entry in ahead.items():
            self.failed.append(JobTimeout(f"job {job_id}: {said}"))
            if self.params["cancel_on_timeout"]:
                self._try(job_id, entry, self.server.cancel)
            entry |= {"status": ERROR, "end": time.time(), "error": said}
            self._keep(job_id, entry)

    def _keep(self, job_id: str, entry: Entry) -> None:
        """Write the entry where it is new, and tell of a status that is."""
        before = jobs_of(self.ctx).get(job_id)
        known = dict(before) if isinstance(before, Mapping) else {}
        if known == entry:
            return
        write_entry(self.ctx, job_id, dict(entry))
        if (known.get("status"), known.get("start")) == (entry["status"], entry["start"]):
            return
        if self.params["log"]:
            records.append(self.ctx, "jobs_log", {"timestamp": records.now_text(), "job_id": job_id,
                                                  "status": entry["status"]})
        if self.params["emit"] and entry["status"] not in LIVE:
            records.event(self.ctx, f"job_{DONE if entry['status'] == DONE else ERROR}", job_id,
                          {name: entry[name] for name in ("status", "server_id", "error")})

    # -- at the end --------------------------------------------------------------------------------

    def _drop_old(self) -> None:
        if self.params["keep"] is None:
            return
        ended = sorted((entry.get("end") or 0, id) for id, entry in jobs_of(self.ctx).items()
                       if isinstance(entry, Mapping) and entry.get("kind") == KIND and entry["status"] not in LIVE)
        for _, job_id in ended[: max(0, len(ended) - max(0, self.params["keep"]))]:
            del self.ctx[KEY][job_id]

    def _told(self) -> dict[str, Any]:
        done = {"submit": "submitted", "submit_and_poll": "submitted", "poll": "polled", "wait": "polled",
                "cancel": CANCELLED}[self.mode]
        if self.params["jobs"] is None:
            (job_id, entry), = self.found.items()
            return {done: job_id, "status": entry["status"], "server_id": entry["server_id"]}
        states = {job_id: entry["status"] for job_id, entry in self.found.items()}
        self.ctx["jobs_batch"] = states
        return {done: list(states), "status": states}
