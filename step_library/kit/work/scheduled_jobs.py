"""The jobs that a scheduler is given: what each may say, checked before a recipe runs and when they are started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octo.executors.timing import Timing
from octo.param import Param, ParamError, Table
from step_library.kit.values.entries import Entries
from step_library.kit.work.calls import check_args

JOB = Table((
    Param("job_id", "str", help="name of the job in ctx['jobs']"),
    Param("fn", "callable", help="the function: a library step's name or module:function"),
    Param("args", "dict", {}, "its arguments, by name"),
    Param("interval", "number | str | null", None, "seconds, or text such as 5m", ("every",)),
    Param("at", "str | null", None, "local time such as 15:30, or a moment such as 2031-01-31 15:30"),
    Param("cron", "str | null", None, "cron expression"),
    Param("repeat", "str | null", None, "at once or daily", choices=("once", "daily")),
    Param("run_now", "bool", False, "the first call at once"),
    Param("attempts", "int", 1, "how often a call is tried"),
    Param("delay", "number", 0, "seconds between tries"),
    Param("backoff", "number", 1, "factor by which delay grows"),
    Param("on_success", "callable | null", None, "function of job_id and result"),
    Param("on_failure", "callable | null", None, "function of job_id and error"),
    Param("log", "bool", False, "a line in ctx['log'] for each call"),
    Param("process", "bool", False, "each call in a process of its own"),
))
"""What stands in one entry of `jobs`."""


def checked_job(given: Mapping[str, Any]) -> dict[str, Any]:
    """One entry, complete, with its `schedule`; an OctoError where it does not fit."""
    entry = JOB.fill(given)
    check_args(entry["fn"], entry["args"])
    if entry["process"]:
        from step_library.kit.work.processes import in_a_process

        in_a_process(entry["fn"])  # tells of one that is not found there
    schedule = {name: entry[name] for name in ("interval", "at", "cron", "repeat", "run_now")}
    entry["schedule"] = {name: value for name, value in schedule.items() if value not in (None, False)}
    Timing.of(entry["schedule"])
    if entry["attempts"] < 1 or entry["delay"] < 0 or entry["backoff"] <= 0:
        raise ParamError("attempts is 1 or more, delay 0 or more, backoff more than 0")
    return entry


JOBS = Entries(
    "jobs", "list[dict] | null", None,
    "one dict a job: job_id, fn, args, and one of interval (seconds, 5m, PT5M), at (15:30; repeat: daily) and cron; "
    "also run_now, attempts, delay, backoff, on_success, on_failure, log, process (each call in a process of its own)",
    fields=JOB, check=checked_job, id="job_id")
