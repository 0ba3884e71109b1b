"""Adds a message with time and level to the run's log in ctx["log"]."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

from octo.errors import UsageError, nearest
from octo.scriptlet import Param, scriptlet
from step_library.kit.files import record_files
from step_library.kit.records import records
from step_library.kit.text.placeholders import fill
from step_library.kit.values.ctx_values import Ctx, plain_list

DEBUG, INFO, SUCCESS, WARN, ERROR, CRITICAL = "DEBUG", "INFO", "SUCCESS", "WARN", "ERROR", "CRITICAL"
FIELDS = ("timestamp", "level", "msg")


@scriptlet(
    params=[
        Param("msg", "any", help="what is to be told; kept as it is"),
        Param("level", "str", INFO, "how grave: DEBUG, INFO, SUCCESS, WARN, ERROR, CRITICAL, or a word of your own"),
        Param("strict", "bool", False, "refuse a level that is none of the known ones"),
        Param("step", "str | null", None, "the step that it is about, kept in the entry"),
        Param("tags", "list[str] | null", None, "words kept in the entry"),
        Param("use_template", "bool", False, "put values of ctx where the message has their {key}, also as {key[0]}, "
              "{key:.2f}, {key|if there is none}; other braces stay"),
        Param("iso", "bool", False, "keep the time as ISO 8601 with zone (iso) and in epoch seconds (ts_epoch) too"),
        Param("emit", "bool", False, "from WARN up also add an event named log to ctx['events']"),
        Param("file", "path | null", None, "also add it, as a line, to the end of this file"),
        Param("keep", "int | null", None, "keep only the newest entries, so many"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Append `{timestamp, level, msg}` to `ctx["log"]`, which is made where there is none.

    The time is local, `YYYY-MM-DD HH:MM:SS`. Raises MissingParam (a KeyError) without msg, UsageError for a level
    that strict does not know, ShapeError where `ctx["log"]` is no list, InvalidValue for a message that is no JSON.
    `filter` and `export` in this module read the log.
    """
    level, msg = params["level"], params["msg"]
    if params["strict"] and level.upper() not in records.LEVELS:
        raise UsageError(f"level: there is no {level!r}{nearest(level, records.LEVELS)}")
    if params["use_template"] and isinstance(msg, str):
        msg = fill(msg, ctx, "msg", strict=False)
    more = {name: params[name] for name in ("step", "tags") if params[name] is not None}
    if params["iso"]:
        more |= {"iso": datetime.now().astimezone().isoformat(), "ts_epoch": time.time()}
    emit = params["emit"] and records.grave(level) >= records.LEVELS[WARN]
    if emit:
        records.check_list(ctx, "events")
    count = records.log(ctx, msg, level, keep=params["keep"], **more)
    if emit:
        records.event(ctx, "log", params["step"], {"level": level, "msg": msg})
    if params["file"]:
        entry = {"timestamp": records.now_text(), "level": level, "msg": msg, **more}
        record_files.add_text(params["file"], record_files.line(entry) + "\n")
    return {"log_len": count}


def filter(ctx: Ctx, level: str | list[str] | None = None, since: Any = None, keyword: str | None = None,
           at_least: str | None = None, **fields: Any) -> list[dict[str, Any]]:
    """The entries of `ctx["log"]` of one level (or several), or from one up, not older than `since`, with a text.

    Other fields by name: `filter(ctx, step="load")`. Entries that other writers put there are looked at as well.
    """
    found = records.chosen(_entries(ctx), at_least=at_least, since=since, keyword=keyword, **fields)
    wanted = {level.upper()} if isinstance(level, str) else {str(each).upper() for each in level or ()}
    return [entry for entry in found if level is None or str(entry.get("level", "")).upper() in wanted]


def export(ctx: Ctx, path: str | Path, **which: Any) -> str:
    """Write the entries, or those that `filter` finds, to a file: .csv, .json, .jsonl, else lines of text."""
    return record_files.export(filter(ctx, **which), path, FIELDS)


def _entries(ctx: Ctx) -> list[Any]:
    return plain_list(ctx, "log") if "log" in ctx else []


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_logger")
