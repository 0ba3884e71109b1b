"""How background jobs are: status, result and error; also waits for them, cancels them, clears them away."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from octo.context import Context
from octo.errors import UsageError
from octo.executors.jobs import LIVE, is_live
from octo.param import MissingParam, ParamError
from octo.scriptlet import Param, scriptlet
from step_library.kit.records.records import now_text
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.work.job_control import cancel_job, wait_for_jobs
from step_library.kit.work.jobs import KEY, jobs_of

STATUSES = ("queued", "running", "done", "error", "cancelled")
UNKNOWN = "No such job"
CHOOSERS = ("job_ids", "prefix", "suffix", "regex", "status", "newest")


@scriptlet(
    params=[
        Param("job_id", "str | null", None, "the job (this, or a choice of several by job_ids, prefix, suffix, regex, "
              "status or newest, is needed)"),
        Param("job_ids", "list[str] | null", None, "several jobs"),
        Param("prefix", "str | null", None, "the jobs whose ids begin so"),
        Param("suffix", "str | null", None, "the jobs whose ids end so"),
        Param("regex", "str | null", None, "the jobs in whose ids this regular expression is found"),
        Param("status", "str | list[str] | null", None, "the jobs of these statuses: queued, running, done, error, "
              "cancelled"),
        Param("newest", "int | null", None, "of those chosen only so many, the ones that began last"),
        Param("detail", "bool", False, "also exists, start, end, seconds, progress and what else a record has"),
        Param("wait", "number | null", None, "first wait until they have ended, so many seconds at most"),
        Param("cancel", "bool", False, "first cancel those that have not ended"),
        Param("purge", "number | null", None, "then remove from ctx['jobs'] those of them that ended more than so many "
              "seconds ago"),
        Param("out", "str | null", None, "key of ctx for a list of rows: job_id, status, progress, seconds, start, end "
              "(local time), error"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """How a job of `ctx["jobs"]` is: `{"status", "result", "error"}`, null where there is none; ctx stays as it is.

    A job that is not there gives {"error": "No such job"}, without a status. `job_ids`, or a choice by id or status,
    gives {job_id: {status, result, error}}; there one that is not there has exists false, status null. Only `cancel`,
    `purge` and `out` change ctx. A cancelled job counts as such from now on; its function sees `ctx.stop`. It can be
    cancelled where it was started: in a run by any of its steps, else in the same process, or a UsageError says so.
    Waiting ends when the run is asked to stop; who still runs then has that status.
    """
    jobs = jobs_of(ctx)
    ids = _chosen(jobs, params)
    if params["wait"] is not None:
        wait_for_jobs(ctx, ids, params["wait"])
    if params["cancel"]:
        _cancel(ctx, ids)
    jobs = jobs_of(ctx)
    if params["job_id"] is not None:
        found = _one(jobs.get(params["job_id"]), params["detail"])
        if found is None:
            found = {"error": UNKNOWN, **({"exists": False} if params["detail"] else {})}
    else:
        found = {job_id: _one(jobs.get(job_id), params["detail"])
                 or {"status": None, "result": None, "error": UNKNOWN, "exists": False} for job_id in ids}
    rows = [_row(job_id, jobs[job_id]) for job_id in ids if isinstance(jobs.get(job_id), Mapping)]
    if params["purge"] is not None:
        _purge(ctx, ids, params["purge"])
    if params["out"] is not None:
        ctx[params["out"]] = rows
    return found


def _chosen(jobs: Mapping[str, Any], params: Mapping[str, Any]) -> list[str]:
    """The ids that are meant, in the order of `job_ids` or of `ctx["jobs"]`."""
    given = [name for name in CHOOSERS if params[name] is not None]
    if params["job_id"] is not None:
        if given:
            raise ParamError(f"job_id is one job: leave {given[0]} away, or give job_ids")
        ids = [params["job_id"]]
    elif not given:
        raise MissingParam(f"parameter 'job_id' is missing: the job, or {', '.join(CHOOSERS)} for several")
    else:
        ids = _several(jobs, params)
    for name in ("wait", "purge", "newest"):
        if params[name] is not None and params[name] < 0:
            raise ParamError(f"{name} is 0 or more, not {params[name]:g}")
    return ids


def _several(jobs: Mapping[str, Any], params: Mapping[str, Any]) -> list[str]:
    statuses = [params["status"]] if isinstance(params["status"], str) else params["status"]
    for status in statuses or ():
        Param("status", "str", choices=STATUSES).value(status)
    try:
        found = re.compile(params["regex"] or "")
    except re.error as error:
        raise UsageError(f"regex {params['regex']!r}: {error}") from None
    ids = list(jobs) if params["job_ids"] is None else list(dict.fromkeys(params["job_ids"]))
    ids = [each for each in ids if each.startswith(params["prefix"] or "") and each.endswith(params["suffix"] or "")
           and found.search(each) and (statuses is None or _field(jobs.get(each), "status") in statuses)]
    if params["newest"] is not None:
        newest = sorted(ids, key=lambda each: _field(jobs.get(each), "start") or float("inf"), reverse=True)
        kept = set(newest[:params["newest"]])
        ids = [each for each in ids if each in kept]
    return ids


def _field(entry: Any, name: str) -> Any:
    return entry.get(name) if isinstance(entry, Mapping) else None


def _lives(entry: Any) -> bool:
    """Also a scheduled job that waits for its next call."""
    return isinstance(entry, Mapping) and is_live(entry)


def _cancel(ctx: Ctx, ids: list[str]) -> None:
    for job_id in ids:
        if _lives(jobs_of(ctx).get(job_id)):
            cancel_job(ctx, job_id)


def _one(entry: Any, detail: bool) -> dict[str, Any] | None:
    """One job as it is told; None where there is none."""
    if not isinstance(entry, Mapping):
        return None
    fields = entry.plain() if hasattr(entry, "plain") else dict(entry)
    found = {name: fields.get(name) for name in ("status", "result", "error")}
    if detail:
        found |= {"exists": True, "progress": fields.get("progress"), "start": None, "end": None, **fields,
                  "seconds": _seconds(fields)}
    return found


def _seconds(fields: Mapping[str, Any]) -> float | None:
    """How long it took, or has taken up to now."""
    start, end = fields.get("start"), fields.get("end")
    if not isinstance(start, (int, float)):
        return None
    if not isinstance(end, (int, float)):
        end = time.time() if fields.get("status") in LIVE else start
    return max(0.0, end - start)


def _row(job_id: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    at = {name: now_text(entry[name]) if isinstance(entry.get(name), (int, float)) else None
          for name in ("start", "end")}
    return {"job_id": job_id, "status": entry.get("status"), "progress": entry.get("progress"),
            "seconds": _seconds(entry), **at, "error": entry.get("error")}


def _purge(ctx: Ctx, ids: list[str], seconds: float) -> None:
    before = time.time() - seconds
    jobs = jobs_of(ctx)
    old = [job_id for job_id in ids if _field(jobs.get(job_id), "status") is not None and not _lives(jobs[job_id])
           and (_field(jobs[job_id], "end") or 0) <= before]
    if isinstance(ctx, Context):
        with ctx.transaction():
            for job_id in old:
                del ctx[KEY][job_id]
    else:
        for job_id in old:
            del ctx[KEY][job_id]


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_job_status")
