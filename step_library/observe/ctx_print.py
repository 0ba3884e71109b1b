"""Prints ctx as indented JSON with sorted keys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from octo.context import Context
from octo.scriptlet import Param, scriptlet
from step_library.kit.files.record_files import add_text, write_text
from step_library.kit.records.records import now_text
from step_library.kit.records.showing import file_name, json_text, picked, secret_words
from step_library.kit.values.ctx_values import Ctx

LOG = "Logs/ctx_print.log"
LOG_SIZE = 5 << 20
"""Bytes from which the log file gets the name of its predecessor, .1."""


@scriptlet(
    params=[
        Param("out", "path | null", None, "also write the same text to this file; {datetime}, {step} and {runid} in "
              "its name are filled in, auto is a new file in Logs/"),
        Param("keys", "list[str] | null", None, "only these keys"),
        Param("exclude", "list[str] | null", None, "without these keys"),
        Param("mask", "bool | list[str]", False, "**** in place of the values of keys such as password, at any depth; "
              "or a list of words in the names of such keys"),
        Param("log", "bool", False, f"also add it, with the time, to {LOG}, which is begun anew at 5 MiB"),
        Param("max_items", "int | null", None, "of lists and dicts inside ctx show only so many elements"),
        Param("history", "bool", False, "on a Context also print who changed each key last, and when"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Print ctx to standard output: two blanks a level, keys sorted. ctx stays as it is.

    Returns `{"printed": True}`, with `file` where `out` is given. Raises ShapeError (a TypeError) that names the
    place of what is no JSON, MissingKey for one of `keys` that is not there.
    """
    keys = params["keys"]
    shown = picked(ctx, keys, params["exclude"])
    text = json_text(shown, words=secret_words(params["mask"]), most=params["max_items"])
    if params["history"]:
        text += "".join(f"\n{line}" for line in _history(ctx, sorted(shown)))
    result: dict[str, Any] = {"printed": True}
    if params["out"]:
        result["file"] = write_text(file_name(params["out"], "ctx_print"), text + "\n")
    if params["log"]:
        _add(Path(LOG), f"--- {now_text()}\n{text}\n")
    print(text)
    return result


def _history(ctx: Ctx, keys: list[str]) -> list[str]:
    if not isinstance(ctx, Context):
        return []
    found = []
    for key in keys:
        changes = ctx.get_history(key)
        if changes:
            last = changes[-1]
            found.append(f"{key}: {now_text(last['timestamp'])} by {last['who']}, change {len(changes)}")
    return found


def _add(path: Path, text: str) -> None:
    if path.exists() and path.stat().st_size > LOG_SIZE:
        os.replace(path, f"{path}.1")
    add_text(path, text)


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_print")
