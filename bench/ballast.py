"""The weight that a state carries in a benchmark: rows such as a measuring run collects, or one long text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

MIB = 1024 * 1024


def row(index: int) -> dict[str, Any]:
    return {
        "index": index,
        "when": 1738000000.25 + index,
        "probe": f"probe-{index % 50}",
        "value": index * 0.37,
        "ok": True,
    }


def rows(mib: float) -> Iterator[dict[str, Any]]:
    """Rows whose JSON text takes `mib` MiB."""
    size = index = 0
    while size < mib * MIB:
        entry = row(index)
        size += len(orjson.dumps(entry)) + 1
        index += 1
        yield entry


def ballast(mib: float, form: str) -> Any:
    """The weight as a Python value: a list of rows, or one `text`; nothing at 0 MiB."""
    if form == "text":
        return "octo" * int(mib * MIB / 4)
    return list(rows(mib))


def write_state(path: Path, groups: dict[str, Any], ctx: dict[str, Any], mib: float, form: str) -> None:
    """Write a state as JSON, its weight under `ctx.ballast`.

    Piece by piece: the writer's own memory stays small, so that it does not count where memory is measured.
    """
    with path.open("wb") as file:
        file.write(orjson.dumps(groups)[:-1] + b',"ctx":')
        file.write(orjson.dumps({**ctx, "ballast": None})[: -len("null}")])
        if form == "text":
            file.write(orjson.dumps(ballast(mib, form)))
        else:
            file.write(b"[")
            for number, entry in enumerate(rows(mib)):
                file.write((b"," if number else b"") + orjson.dumps(entry))
            file.write(b"]")
        file.write(b"}}")
