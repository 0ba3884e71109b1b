"""Writes ctx, or some of it, to a JSON file for inspection."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from octo.context import Context
from octo.errors import ShapeError, UsageError
from octo.executors.usage import memory
from octo.scriptlet import Param, scriptlet
from octo.store import diff, running_step, spell
from step_library.kit.files.record_files import read_text, write_text
from step_library.kit.records.records import now_text
from step_library.kit.records.showing import as_shown, fast_json, file_name, picked, run_id, secret_words
from step_library.kit.values.ctx_values import Ctx

STEM = "ctx_dump"
META = "_meta"


@scriptlet(
    params=[
        Param("out", "path", "auto", "the file; {datetime}, {timestamp}, {step} and {runid} in it are filled in, auto "
              "is a new file in Logs/; packed where it ends in .gz"),
        Param("keys", "list[str] | null", None, "only these keys"),
        Param("exclude_keys", "list[str] | null", None, "without these keys"),
        Param("mask", "bool | list[str]", False, "**** in place of the values of keys such as password, at any depth; "
              "or a list of words in the names of such keys"),
        Param("strict", "bool", False, "refuse a key whose value is no JSON, instead of leaving it out"),
        Param("meta", "bool", False, "in an envelope that says when and in which step and run: {_meta, ctx_data}"),
        Param("compare", "path | null", None, "an earlier dump; the result has what is different since"),
        Param("keep_days", "number | null", None, f"afterwards remove dumps named {STEM}_* beside it that are older"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Write ctx to a file as JSON, two blanks a level, keys sorted; ctx stays as it is.

    The file is written whole or not at all; one of that name is overwritten. Returns `{"dumped": path}`, with
    `skipped` (keys whose values are no JSON), `diff` (`{op, path, value, old}`) and `removed` where there are any
    or it was asked for. Raises MissingKey for one of `keys` that is not there; UsageError for an earlier dump that
    cannot be read, before anything is written.
    """
    _check_days(params["keep_days"] or 0)
    words = secret_words(params["mask"])
    earlier = _read(params["compare"]) if params["compare"] else None
    data = picked(ctx, params["keys"], params["exclude_keys"])
    skipped: list[str] = []
    if words or not isinstance(ctx, Context):  # what a Context holds is JSON
        data, skipped = _dumped(data, words, params["strict"])
    path = file_name(params["out"], STEM)
    whole = {META: _meta(), "ctx_data": data} if params["meta"] else data
    result: dict[str, Any] = {"dumped": write_text(path, fast_json(whole) + "\n")}
    if skipped:
        result["skipped"] = skipped
    if earlier is not None:
        result["diff"] = [{**op, "path": spell(op["path"])} for op in diff(earlier, json.loads(json.dumps(data)))]
    if params["keep_days"] is not None:
        result["removed"] = prune(path.parent, params["keep_days"], but=path)
    return result


def prune(folder: str | Path, days: float, but: Path | None = None) -> list[str]:
    """Remove the dumps named automatically in a folder that are older than so many days; which they were."""
    _check_days(days)
    old = time.time() - days * 86400
    gone = [path for path in sorted(Path(folder).glob(f"{STEM}_*.json*"))
            if path.suffix in (".json", ".gz") and path != but and path.stat().st_mtime < old]
    for path in gone:
        path.unlink(missing_ok=True)
    return [str(path) for path in gone]


def _check_days(days: float) -> None:
    if days < 0:
        raise UsageError(f"keep_days is 0 or more, not {days:g}")


def _dumped(found: dict[str, Any], words: tuple[str, ...], strict: bool) -> tuple[dict[str, Any], list[str]]:
    """What can be written, masked, and the keys that cannot."""
    data: dict[str, Any] = {}
    skipped = []
    for key in found:
        try:
            data |= as_shown({key: found[key]}, words)
        except ShapeError:
            if strict:
                raise
            skipped.append(str(key))
    return data, skipped


def _meta() -> dict[str, Any]:
    step = running_step()
    return {"created": now_text(), "step": step.who if step else None, "run_id": run_id() or None,
            "cpu": round(time.process_time(), 3), "rss": memory.now()}


def _read(path: str) -> dict[str, Any]:
    try:
        found = json.loads(read_text(path))
    except OSError as error:
        raise UsageError(f"compare: {error}") from None
    except ValueError as error:
        raise UsageError(f"compare: {path} is no JSON: {error}") from None
    if isinstance(found, Mapping) and set(found) == {META, "ctx_data"}:
        found = found["ctx_data"]
    if not isinstance(found, dict):
        raise UsageError(f"compare: {path} holds no ctx but {type(found).__name__}")
    return found


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_debug_dump")
