"""Keeps inputs, time and outcome of a block of code, or of a function as a step of its own, in ctx["audit"]."""

from __future__ import annotations

import getpass
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from octo.scriptlet import Param, scriptlet
from step_library.kit.files import record_files
from step_library.kit.measures.blocks import RUN_PARAMS, Block, run_measured
from step_library.kit.measures.measuring import measure
from step_library.kit.records import records
from step_library.kit.records.showing import as_shown, run_id, secret_words
from step_library.kit.values.ctx_values import Ctx, plain, plain_list

KEY = "audit"
FIELDS = ("step", "status", "start", "end", "duration", "error", "params")


def step_audit(
    ctx: Ctx | str | None = None,
    step_name: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    outputs: Sequence[str] = (),
    result: bool = False,
    who: bool = False,
    mask: bool | Sequence[str] = False,
    details: bool = False,
    log: bool = False,
    keep: int | None = None,
    file: str | Path | None = None,
    then: Callable[[dict[str, Any]], object] | None = None,
) -> Block:
    """`with step_audit(ctx, "load", params):` appends `{step, params, status, start, end, duration}` at its end.

    `status` is success or error, with the message as `error`; the exception goes on. `params` are copied when the
    block begins; what is no JSON is kept as its text. `outputs` are keys of ctx whose values are kept too, `result`
    keeps what a decorated function returns, `who` adds id, run_id and user, `mask` hides the values of params such
    as password, `details` adds the traceback, parent and more, `log` a line in `ctx["log"]`. Each record is also
    added to `file` as a line of JSON, and given to `then`, at once. What is put into the dict that `as` gives is
    added to the record.
    """

    def written(record: dict[str, Any]) -> None:
        if file is not None:
            record_files.add_text(file, json.dumps(record, ensure_ascii=False) + "\n")
        if then is not None:
            then(record)

    @contextmanager
    def opened(ctx: Ctx, step: str, called: Any) -> Iterator[dict[str, Any]]:
        given = records.safe(params if params is not None else called or {})
        fields: dict[str, Any] = {"params": as_shown(given, secret_words(mask)) if mask else given}
        if who:
            fields |= {"id": uuid.uuid4().hex, "run_id": run_id() or None, "user": _user()}
        with measure(ctx, KEY, step, fields=fields, status=("success", "error"), details=details, to_log=log, keep=keep,
                     then=written) as more:
            try:
                yield more
            finally:
                if outputs:
                    more["outputs"] = {key: plain(ctx, key) for key in outputs if key in ctx}

    return Block("step_audit", ctx, step_name, opened, result=result)


def audit_step(ctx: Ctx | str | None = None, step_name: str | None = None, **options: Any) -> Block:
    """`@audit_step("load")` in front of a function that is called with ctx; its params are kept. Or with ctx first."""
    return step_audit(ctx, step_name, **options)


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name
        return None


@scriptlet(params=[
    *RUN_PARAMS,
    Param("outputs", "list[str]", [], "keys of ctx whose values are kept in the record too"),
    Param("result", "bool", False, "keep what the function returns in the record too"),
    Param("who", "bool", False, "also an id of the record, the run's id and the user"),
    Param("mask", "bool | list[str]", False, "**** in place of params such as password; or a list of words in the "
          "names of such params"),
    Param("details", "bool", False, "also parent, path, depth, thread, CPU time and the traceback"),
    Param("log", "bool", False, "also add a line to ctx['log']"),
    Param("keep", "int | null", None, "keep only the newest records, so many"),
    Param("file", "path | null", None, "also add each record to this file at once, as a line of JSON"),
])
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Call `fn(**args)` and append `{step, params, status, start, end, duration}` to `ctx["audit"]`.

    `status` is success or error, with the message as `error`; what it raises goes on. Returns `{"step": …, "result":
    what it returned}`. In Python: `with step_audit(ctx, "load", params):`, and `@audit_step("load")`. `entries`,
    `summary` and `export` in this module read the list.
    """
    options = {name: params[name] for name in ("outputs", "who", "mask", "details", "log", "keep", "file")}
    return dict(run_measured(ctx, params, lambda ctx, step: step_audit(ctx, step, params["args"], **options)))


def entries(ctx: Ctx, status: str | None = None, min_duration: float = 0.0, since: Any = None,
            **fields: Any) -> list[dict[str, Any]]:
    """The records of a status, of so many seconds at least, begun since; other fields by name: `step="load"`."""
    wanted = fields if status is None else {**fields, "status": status}
    found = records.chosen(plain_list(ctx, KEY) if KEY in ctx else [], since=since, **wanted)
    return [entry for entry in found if entry.get("duration", 0.0) >= min_duration]


def summary(ctx: Ctx, **which: Any) -> list[dict[str, Any]]:
    """One row a step, the slowest first: `{step, count, total, mean, min, max, errors}`."""
    return records.sums(entries(ctx, **which))


def export(ctx: Ctx, path: str | Path, **which: Any) -> str:
    """Write what `entries` finds to a file: .csv, .json, .jsonl, else lines of text."""
    return record_files.export(entries(ctx, **which), path, FIELDS)


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_step_audit")
