"""Ready-made steps at many rows against the same job written directly with numpy, csv, openpyxl and sqlite3."""

from __future__ import annotations

import csv
import gc
import importlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import memory

FORMS = ("direct", "dict", "Context", "plain")
"""Who does the job: plain code, the step on a dict, the step on a Context; or `ctx.plain(key)` alone."""

CHUNK = 10_000


def cells(number: int) -> list[Any]:
    return [number, number * 0.37, f"probe-{number % 50}"]


def numbers(number: int) -> list[float]:
    return [number * 0.37, number * 0.5, 1738000000.25 + number]


def record(number: int) -> dict[str, Any]:
    return dict(zip(("id", "value", "probe"), cells(number), strict=True))


def doubled(row: dict[str, Any]) -> Any:
    return row["value"] * 2


# --- the same jobs, written directly


def stats(rows: list[Any], where: Path) -> Any:
    import numpy

    table = numpy.array(rows, dtype=float)
    return {name: getattr(table, name)(axis=0).tolist() for name in ("mean", "std", "min", "max")}


def filtered(ctx: dict[str, Any], where: Path) -> Any:
    return [key for key, value in ctx.items() if "7" in key and isinstance(value, str)]


def mapped(rows: list[Any], where: Path) -> Any:
    return [doubled(row) for row in rows]


def indexed(rows: list[Any], where: Path) -> Any:
    return {row["id"]: place for place, row in enumerate(rows)}


def to_csv(rows: list[Any], where: Path) -> Any:
    with open(where / "rows.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def excel(rows: list[Any], where: Path) -> Any:
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Rows")
    for row in rows:
        sheet.append(row)
    book.save(where / "rows.xlsx")


def to_sqlite(rows: list[Any], where: Path) -> Any:
    with closing(sqlite3.connect(where / "rows.db")) as connection, connection:
        connection.execute("CREATE TABLE t (id INTEGER, value REAL, probe TEXT)")
        connection.executemany("INSERT INTO t VALUES (:id, :value, :probe)", rows)


@dataclass(frozen=True)
class Job:
    """A row of the table by its number, the step with its parameters, the same written directly."""

    row: Callable[[int], Any]
    theme: str
    params: dict[str, Any]
    direct: Callable[[Any, Path], Any]
    needs: str = ""


JOBS = {
    "ctx_stats": Job(numbers, "data", {"key": "rows", "out": "stats"}, stats, "numpy"),
    "ctx_filter": Job(str, "data", {"pattern": "7", "type": "str"}, filtered),
    "ctx_map": Job(record, "data", {"key": "rows", "fn": doubled}, mapped),
    "ctx_indexer": Job(record, "data", {"key": "rows", "index_by": "id"}, indexed),
    "ctx_to_csv": Job(cells, "files", {"key": "rows", "out": "rows.csv"}, to_csv),
    "ctx_excel": Job(cells, "files", {"sheets": {"rows": "Rows"}, "out": "rows.xlsx"}, excel, "openpyxl"),
    "ctx_sqlite": Job(record, "files", {"db": "rows.db", "action": "insert", "table": "t", "key": "rows"}, to_sqlite),
}


def _chunks(row: Callable[[int], Any], rows: int) -> Iterator[list[Any]]:
    for start in range(0, rows, CHUNK):
        yield [row(number) for number in range(start, min(start + CHUNK, rows))]


def made(job: str, form: str, rows: int) -> Any:
    """The ctx with its rows; the rows of ctx_filter are the keys themselves."""
    from octo.context import Context

    ctx: Any = Context() if form in ("Context", "plain") else {}
    for number, chunk in enumerate(_chunks(JOBS[job].row, rows)):
        if job == "ctx_filter":
            ctx.update({f"key-{number}-{each}": each for each in chunk})
        elif isinstance(ctx, dict) and not isinstance(ctx, Context):
            ctx.setdefault("rows", []).extend(chunk)
        else:
            ctx.extend("rows", chunk)
    return ctx


def once(where: Path, *, job: str, form: str, rows: int) -> dict[str, Any]:
    """CPU seconds of the job, and the memory that it took beyond the rows. A process does this only once.

    CPU time, because what else the machine does would count too; waiting for the disk is not in it.
    """
    import os

    asked = JOBS[job]
    os.chdir(where)
    if asked.needs:
        importlib.import_module(asked.needs)
    step = importlib.import_module(f"step_library.{asked.theme}.{job}")
    ctx = made(job, form, rows)

    def plain() -> None:
        ctx.plain(None if job == "ctx_filter" else "rows")  # made and given back

    call: dict[str, Callable[[], Any]] = {
        "direct": lambda: asked.direct(ctx if job == "ctx_filter" else ctx["rows"], where),
        "dict": lambda: step.run(ctx, asked.params),
        "Context": lambda: step.run(ctx, asked.params),
        "plain": plain,
    }
    small = made(job, form, 3)  # what is imported or made at the first call is not the job's
    _first_calls(job, form, small, where)
    gc.collect()
    memory.forget_peak()
    before = memory.resident()
    began = time.process_time()
    result = call[form]()
    seconds = time.process_time() - began
    beyond = max(0, memory.peak() - before)
    del result
    return {"seconds": seconds, "bytes": beyond}


def _first_calls(job: str, form: str, small: Any, where: Path) -> None:
    asked = JOBS[job]
    if form == "direct":
        asked.direct(small if job == "ctx_filter" else small["rows"], where)
    elif form != "plain":
        importlib.import_module(f"step_library.{asked.theme}.{job}").run(small, asked.params)
    for path in where.iterdir():
        path.unlink()
