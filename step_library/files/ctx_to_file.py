"""A value of ctx as a file: JSON, CSV, TSV, YAML or a JSON value a line, packed where its name says so."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from octo.errors import InvalidValue, ShapeError, UsageError, nearest
from octo.scriptlet import Param, scriptlet
from step_library.files.ctx_file_lock import TIMEOUT, file_lock
from step_library.kit.files.file_io import allowed, append_whole, compression_of, format_of, reading, write_whole
from step_library.kit.files.sidecars import write_sidecar
from step_library.kit.formats import csv_text
from step_library.kit.records.logged import LOG, logged
from step_library.kit.values.ctx_values import Ctx, described, plain

APPENDABLE = ("csv", "tsv", "jsonl")


@scriptlet(
    params=[
        Param("key", "str", help="key of ctx with the value"),
        Param("path", "path | null", None, "the file; without one it is Data/KEY_DATE and the format's ending",
              ("out",)),
        Param("format", "str", "json", "how it is written; auto: as the file's name tells",
              choices=("json", "csv", "tsv", "yaml", "jsonl", "auto")),
        Param("append", "bool", False, "add to the file instead of replacing it (csv, tsv, jsonl)"),
        Param("lock", "bool | null", None, "hold the lock PATH.lock meanwhile, as ctx_file_lock does; append does so "
              "unless this is false"),
        Param("lock_timeout", "number", TIMEOUT, "seconds to wait for the lock"),
        Param("header", "bool | list[str] | null", None, "tables: names to put before the rows (of dicts: the columns "
              "to take); false for none (of lists: their first row is left out)"),
        Param("required", "list[str]", [], "columns, or keys of a dict, that have to be there"),
        Param("compression", "str | null", None, "pack the file; without it its ending .gz or .bz2 decides",
              choices=("gzip", "bz2", "none")),
        Param("within", "str | list[str] | null", None, "folders that the file has to be in"),
        Param("sidecar", "bool", False, "write PATH.meta.json too: key, format, rows, columns, time, process and step"),
        LOG,
    ]
)
@logged(lambda ctx, params, result: f"{params['key']} in {result['written']}")
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Write `ctx[key]` to the file, whole or not at all; its folder is made.

    csv and tsv need a list of lists (names first, if wanted) or of dicts. null and NaN become an empty cell, in JSON
    null. What is added to a file that has rows goes under the names that stand there: they are not written again, and
    the cells of dicts are in their order. Raises MissingKey, ShapeError (a ValueError and a TypeError) for what the
    format cannot hold, and FileFailed (an OSError) for a file that cannot be written. Of several that append to a file
    at once, none loses anything.
    """
    key, kind = params["key"], params["format"]
    path = params["path"]
    if kind == "auto":
        kind = format_of(path or "") or "json"
        if kind == "xlsx":
            raise UsageError(f"path: {path} is an Excel file; ctx_excel writes these")
    path = path if path is not None else _free_name(key, kind)
    target = allowed(path, params["within"])
    if params["append"] and kind not in APPENDABLE:
        raise UsageError(f"append: a {kind} file cannot be added to; {', '.join(APPENDABLE)} can")
    if params["header"] is not None and kind not in ("csv", "tsv"):
        raise UsageError(f"header is for csv and tsv, not for {kind}")
    value, where = plain(ctx, key), f"ctx[{key!r}]"
    names = _names(value)
    lacking = [name for name in params["required"] if name not in names]
    if lacking:
        raise ShapeError(f"{where} has no {', '.join(map(repr, lacking))}; it has {', '.join(names) or 'no names'}")
    given = params["compression"]
    packing = compression_of(path) if given is None else None if given == "none" else given
    locked = params["append"] if params["lock"] is None else params["lock"]
    with file_lock(path, params["lock_timeout"]) if locked else nullcontext():
        if params["append"] and target.exists() and target.stat().st_size:
            made: Iterable[bytes] = _added(kind, value, where, params["header"], target, packing)
        else:
            made = _pieces(kind, value, where, params["header"])
        (append_whole if params["append"] else write_whole)(target, made, packing)
    if params["sidecar"]:
        write_sidecar(target, key=key, path=path, format=kind, rows=len(value) if isinstance(value, list) else None,
                      columns=names)
    return {"written": path}


def _added(kind: str, value: Any, where: str, header: Any, target: Path, packing: str | None) -> Iterator[bytes]:
    """The bytes to add to a file that has some."""
    if packing is None and not _ends_in_newline(target):
        yield b"\n"
    are_dicts = isinstance(value, (list, tuple)) and bool(value) and isinstance(value[0], Mapping)
    if kind == "jsonl" or header is False or not (are_dicts or header):
        yield from _pieces(kind, value, where, header)
        return
    style = _style(kind)
    with reading(target, packing or "none") as stream:
        names = csv_text.first_row(stream, str(target), style)
    if header and list(map(str, header)) != names:
        raise ShapeError(f"header: {target} has the columns {', '.join(names)}")
    table = csv_text.table_of(value, where)
    odd = next((name for name in table.fields or () if name not in names), None)
    if odd is not None and not header:
        raise ShapeError(f"{where} has a column {odd!r}, {target} has none{nearest(str(odd), names)}; it has "
                         f"{', '.join(names)} (header names those to take, false: its first row is no names)")
    yield from csv_text.pieces(csv_text.Table(table.rows, None, names if are_dicts else None), where, style)


def _ends_in_newline(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _style(kind: str) -> csv_text.Style:
    return csv_text.Style(delimiter="\t" if kind == "tsv" else ",")


def _pieces(kind: str, value: Any, where: str, header: Any) -> Iterable[bytes]:
    """The file's bytes."""
    if kind in ("csv", "tsv"):
        if not isinstance(value, (list, tuple)):
            raise ShapeError(f"{where} is to be a list of rows for {kind}, not {described(value)}")
        return csv_text.pieces(csv_text.table_of(value, where, header=header), where, _style(kind))
    if kind == "jsonl" and not isinstance(value, (list, tuple)):
        raise ShapeError(f"{where} is to be a list for jsonl, not {described(value)}")
    return _checked(kind, value, where)


def _checked(kind: str, value: Any, where: str) -> Iterator[bytes]:
    from octo.store import values

    try:
        if kind == "jsonl":
            for item in value:
                yield values.dumps(item) + b"\n"
        elif kind == "json":
            yield from values.pieces(value, indent=True)
            yield b"\n"
        else:
            yield _yaml(values.loads(values.dumps(value)))
    except (InvalidValue, ValueError) as error:
        why = str(error)
        try:
            values.checked(value)
        except InvalidValue as exact:  # which knows the place
            why = str(exact)
        raise ShapeError(f"{where} cannot be written as {kind}: {why}") from None


def _yaml(value: Any) -> bytes:
    """As `file_to_ctx` and recipes read it: text that they would take for a number is quoted."""
    import yaml

    from octo.recipe.build import is_special

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="'" if is_special(value) else None)

    Dumper.add_representer(str, text)
    return yaml.dump(value, Dumper=Dumper, allow_unicode=True, sort_keys=False, encoding="utf-8")


def _names(value: Any) -> list[str]:
    """The names of the keys of a dict, or of a table's columns."""
    if isinstance(value, Mapping):
        return list(map(str, value))
    first = value[0] if isinstance(value, (list, tuple)) and value else None
    return list(map(str, first)) if isinstance(first, (list, tuple, Mapping)) else []


def _free_name(key: str, kind: str) -> str:
    safe = "".join(char if char.isalnum() or char in "-_." else "_" for char in key)
    return f"Data/{safe}_{time.strftime('%Y%m%dT%H%M%S')}.{kind}"


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_to_file")
