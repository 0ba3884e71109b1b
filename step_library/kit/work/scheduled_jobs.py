"""The jobs that a scheduler is given: what each may say, checked before a recipe runs and when they are started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octo.errors import NameNotFound
from octo.executors.timing import Timing
from octo.param import MissingParam, Param, ParamError, Table
from octo.scriptlet import mistakes

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
))
"""What stands in one entry of `jobs`."""


class ScheduledJobs(Param):
    """A parameter with such jobs. Its value stays as it was given."""

    def value(self, given: Any) -> Any:
        """The list; ParamError where it does not fit, in any of the jobs."""
        jobs = super().value(given)
        ids = [checked_entry(entry, place)["job_id"] for place, entry in enumerate(jobs or ())]
        twice = next((id for id in ids if ids.count(id) > 1), None)
        if twice is not None:
            raise ParamError(f"jobs: {twice!r} stands there twice; each job has an id of its own")
        return jobs


def checked_entry(given: Mapping[str, Any], place: int) -> dict[str, Any]:
    """One entry, complete, with its `schedule`; ParamError names the job."""
    where = f"jobs[{place}]" + (f" ({given['job_id']})" if "job_id" in given else "")
    try:
        entry = JOB.fill(given)
        wrong = mistakes(entry["fn"], params=entry["args"])
        if wrong:
            raise ParamError(wrong[0])
        schedule = {"interval": entry["interval"], "at": entry["at"], "cron": entry["cron"], "repeat": entry["repeat"],
                    "run_now": entry["run_now"]}
        entry["schedule"] = {name: value for name, value in schedule.items() if value not in (None, False)}
        Timing.of(entry["schedule"])
    except (MissingParam, NameNotFound) as error:
        raise type(error)(f"{where}: {error.message}") from None
    except ValueError as error:
        raise ParamError(f"{where}: {error}") from None
    if entry["attempts"] < 1 or entry["delay"] < 0 or entry["backoff"] <= 0:
        raise ParamError(f"{where}: attempts is 1 or more, delay 0 or more, backoff more than 0")
    return entry
