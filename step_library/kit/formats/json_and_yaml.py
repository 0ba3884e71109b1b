"""JSON and YAML files as values, read as ctx and recipes hold them: no NaN, no tags, `on` is text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from octo.errors import InvalidValue, OctoError, ShapeError
from octo.store.values import check_depth
from step_library.kit.files.file_io import BadFile, reading
from step_library.kit.values.ctx_values import described


class BadJsonFile(BadFile, json.JSONDecodeError):
    """A file that is no JSON, with its place."""

    def __init__(self, name: str, error: json.JSONDecodeError) -> None:
        json.JSONDecodeError.__init__(self, error.msg, error.doc, error.pos)
        self.message = f"{name}:{error.lineno}: no JSON: {error.msg} (column {error.colno})"
        self.hints = []


def read_value(path: Path, kind: str) -> Any:
    """What a json, jsonl or yaml file holds, unpacked where its name says so; BadFile (a ValueError) with the line."""
    with reading(path) as stream:
        data = stream.read().removeprefix(b"\xef\xbb\xbf")
    try:
        if kind == "json":
            found = _json(data, str(path))
        elif kind == "yaml":
            found = _yaml(data, path)
        else:
            found = [_json(line, str(path), number) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()]
        check_depth(found)
    except InvalidValue as error:
        raise BadFile(f"{path}: {error}") from None
    return found


def _json(data: bytes, name: str, line: int = 1) -> Any:
    """What Python writes as NaN or Infinity is null."""
    from octo.store.values import checked, loads

    try:
        return loads(data)
    except (ValueError, RecursionError):
        try:
            return checked(json.loads(data.decode(), parse_constant=lambda word: None))
        except json.JSONDecodeError as error:
            raise BadJsonFile(name if line == 1 else f"{name} (line {line})", error) from None
        except UnicodeDecodeError as error:
            raise BadFile(f"{name} is not UTF-8 text (byte {error.start})") from None
        except RecursionError:
            raise BadFile(f"{name} is nested too deeply") from None


def _yaml(data: bytes, path: Path) -> Any:
    """As recipes are read: only true, false, null and JSON's numbers are not text; no tags."""
    from octo.recipe.nodes import Source, plain
    from octo.recipe.reader import read

    try:
        return plain(read(Source(data.decode(), None, path)))
    except UnicodeDecodeError as error:
        raise BadFile(f"{path} is not UTF-8 text (byte {error.start})") from None
    except OctoError as error:
        raise BadFile(error.message) from None


def read_mapping(path: str, what: str) -> dict[str, Any]:
    """A dict from a .json file, else YAML, that the parameter `what` names."""
    try:
        found = read_value(Path(path), "json" if path.endswith(".json") else "yaml")
    except OctoError as error:
        error.message = f"{what}: {error.message}"
        raise
    if not isinstance(found, Mapping):
        raise ShapeError(f"{what}: {path} is to hold a dict, not {described(found)}")
    return dict(found)
