"""A file as a value of ctx: JSON, CSV, TSV, YAML, a JSON value a line, Parquet, or a sheet of Excel."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from octo.errors import MissingKey, ShapeError, UsageError, nearest
from octo.scriptlet import Param, scriptlet
from step_library.kit.files.file_io import allowed, format_of, reading
from step_library.kit.formats import csv_text
from step_library.kit.formats.json_and_yaml import read_value
from step_library.kit.formats.typed_rows import cast_rows, check_dict, number_or_text
from step_library.kit.records.logged import LOG, logged
from step_library.kit.values.ctx_values import Ctx, described

FORMATS = ("json", "csv", "tsv", "jsonl", "yaml", "xlsx", "parquet")
TABLES = ("csv", "tsv", "xlsx")
BREAK = re.compile(r"\r\n?|\n")


@scriptlet(
    params=[
        Param("path", "path", help="the file; one that ends in .gz or .bz2 is unpacked"),
        Param("key", "str | null", None, "key of ctx for what it holds", required_when={"merge": [False]}),
        Param("format", "str | null", None, "what it is; without it the file's name tells", choices=FORMATS),
        Param("sheet", "str | int | null", None, "xlsx: the sheet's name or number from 0; the first"),
        Param("use_header", "bool", False, "csv, tsv, xlsx: the first row names the columns, the others become dicts"),
        Param("delimiter", "str | null", None, "csv: what stands between cells; a comma (in tsv a tab)"),
        Param("encoding", "str", "utf-8", "csv, tsv: the text's encoding"),
        Param("rename", "dict", {}, "new names of columns, or of keys of a dict: {old: new}"),
        Param("schema", "dict", {}, "columns (or keys of a dict) that have to be there and their types: {volt: float}; "
              "text from csv becomes one. Types: str, int, float, number, bool, list, dict, any"),
        Param("numbers", "bool", False, "csv, tsv: text that is a JSON number becomes one"),
        Param("merge", "bool", False, "put the keys of the dict in the file into ctx one by one"),
        Param("guard", "list[str]", [], "keys of ctx that merge does not touch"),
        Param("within", "str | list[str] | null", None, "folders that the file has to be in"),
        LOG,
    ]
)
@logged(lambda ctx, params, result: f"{params['path']} in {result['loaded']}")
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Put what the file holds into `ctx[key]`; of a list, how many items it has is in the result, as `rows`.

    CSV becomes a list of lists of text, names included, unless use_header, schema or numbers say otherwise; Parquet
    becomes a list of dicts. Raises NoSuchFile (a FileNotFoundError), BadFile (a ValueError; of JSON a JSONDecodeError
    too) with the line, and ShapeError for what does not fit the schema. ctx is changed only when all of it fits.
    """
    path, key, merge = params["path"], params["key"], params["merge"]
    target = allowed(path, params["within"])
    kind = params["format"] or format_of(path)
    if kind is None:
        raise ShapeError(f"path: the name {path} does not tell the format; give format: {', '.join(FORMATS)}")
    if kind not in TABLES:
        wrong = [name for name in ("use_header", "numbers", "delimiter", "sheet") if params[name] not in (None, False)]
        if wrong:
            raise UsageError(f"{wrong[0]} is for {', '.join(TABLES)}, not for {kind}")
    value = _rows(target, kind, params) if kind in TABLES else _value(target, kind)
    value = _fitted(value, params, str(path), kind)
    rows = {"rows": len(value)} if isinstance(value, list) else {}
    if not merge:
        ctx[key] = value
        return {"loaded": key, **rows}
    if not isinstance(value, dict):
        raise ShapeError(f"{path}: to be merged it has to hold a dict, not {described(value)}")
    taken = {name: each for name, each in value.items() if name not in params["guard"]}
    if "" in taken:
        raise ShapeError(f"{path}: a key of ctx cannot be empty")
    ctx.update({key: taken} if key is not None else taken)
    return {"loaded": key if key is not None else list(taken)}


def _value(path: Path, kind: str) -> Any:
    if kind != "parquet":
        return read_value(path, kind)
    from step_library.kit.formats.parquet_source import ParquetSource

    with reading(path) as stream:
        return list(ParquetSource(stream, str(path), {}).rows(None, {}, 0))


def _rows(path: Path, kind: str, params: Mapping[str, Any]) -> list[list[Any]]:
    if kind == "xlsx":
        from step_library.kit.formats.workbook_rows import read_sheet

        with reading(path) as stream:
            return read_sheet(stream, str(path), params["sheet"])
    delimiter = params["delimiter"] or ("\t" if kind == "tsv" else ",")
    style = csv_text.Style(delimiter=delimiter, encoding=params["encoding"])
    with reading(path) as stream:
        rows: list[list[Any]] = csv_text.read_rows(stream, str(path), style)
    return rows


def _fitted(value: Any, params: Mapping[str, Any], name: str, kind: str) -> Any:
    """With names, types and so on as they are asked for."""
    rename, schema = params["rename"], params["schema"]
    if kind not in TABLES:
        if isinstance(value, dict):
            found = _renamed_keys(value, rename, name)
            check_dict(found, schema, name)
            return found
        if rename or schema:
            if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
                raise ShapeError(f"{name} is to be a dict or a list of dicts, not {described(value)}")
            value = [_renamed_keys(row, rename, name) for row in value] if rename else value
            cast_rows(value, schema, name, convert=False)
        return value
    names: list[str] | None = None
    read = value
    if params["use_header"] or rename or schema:
        value = [row for row in value if row]  # an empty line
        if not value:
            raise ShapeError(f"{name} is empty; its first row is to name the columns")
        names = _unique([str(cell) if cell is not None else "" for cell in value[0]], rename, name)
    body = value if names is None else value[1:]
    if params["numbers"]:
        body = [[number_or_text(cell) for cell in row] for row in body]
    if names is None:
        return body

    def place(number: int) -> str:
        return f"{name}:{_line_of(read, number, kind)}"

    for number, row in enumerate(body):
        if len(row) != len(names):
            raise ShapeError(f"{place(number)}: row {number} has {len(row)} columns, the first row names {len(names)}")
    if not params["use_header"] and not schema:
        return [names, *body]
    dicts = [dict(zip(names, row, strict=True)) for row in body]
    if schema and not dicts:
        cast_rows([dict.fromkeys(names)], dict.fromkeys(schema, "any"), name)
    cast_rows(dicts, schema, place)
    return dicts if params["use_header"] else [names, *(list(row.values()) for row in dicts)]


def _line_of(read: Sequence[Sequence[Any]], number: int, kind: str) -> int:
    """The line of the file (of a sheet: the row) where a row begins, counted from 1, as editors do."""
    found = [index for index, row in enumerate(read) if row][number + 1]  # the names are the first
    breaks = 0 if kind == "xlsx" else sum(len(BREAK.findall(cell)) for row in read[:found] for cell in row)
    return found + 1 + breaks


def _renamed_keys(value: dict[str, Any], rename: Mapping[str, str], name: str) -> dict[str, Any]:
    names = _unique(list(value), rename, name) if rename else list(value)
    return dict(zip(names, value.values(), strict=True))


def _unique(names: Sequence[str], rename: Mapping[str, str], where: str) -> list[str]:
    for old in rename:
        if old not in names:
            raise MissingKey(f"rename: {where} has no {old!r}{nearest(str(old), names)}")
    found = [str(rename.get(name, name)) for name in names]
    twice = [name for name in found if found.count(name) > 1]
    if twice:
        raise ShapeError(f"{where}: two columns are called {twice[0]!r}")
    return found


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("file_to_ctx")
