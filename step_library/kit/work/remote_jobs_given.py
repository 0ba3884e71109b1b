"""The remote jobs that a step was given: one by its parameters, or several in a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octo.param import MissingParam, Param, ParamError, Table
from step_library.kit.values.entries import Entries

ONE = (
    Param("job_id", "str | null", None, "name of the job in ctx['jobs']"),
    Param("server_url", "str | null", None, "where jobs are posted; the job is at server_url/ID then"),
    Param("payload", "dict | null", None, "what is sent, such as {task: name, args: {…}}"),
    Param("result_key", "str | null", None, "key of ctx that gets the result too"),
)
"""What is said of each job."""
JOB = Table((Param("job_id", "str", help="name of the job in ctx['jobs']"), *ONE[1:]))
JOBS = Entries(
    "jobs", "list[dict] | null", None, "several jobs at once, each a dict with job_id, payload and, where it differs, "
    "server_url; ctx['jobs_batch'] tells of all", fields=JOB, check=JOB.fill, id="job_id")


def given_jobs(params: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The job, or the jobs, by id."""
    one = {param.name: params[param.name] for param in ONE}
    if params["jobs"] is None:
        if one["job_id"] is None:
            raise MissingParam("parameter 'job_id' is missing: name of the job in ctx['jobs']")
        return {one["job_id"]: one}
    if one["job_id"] is not None or one["payload"] is not None or one["result_key"] is not None:
        raise ParamError("'jobs' is for several jobs: job_id, payload and result_key stand in its entries then")
    return {each["job_id"]: each | {"server_url": each["server_url"] or one["server_url"]}
            for each in JOBS.filled(params["jobs"])}
