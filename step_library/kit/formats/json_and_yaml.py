"""JSON and YAML files as values, read as ctx and recipes hold them: no NaN, no tags, `on` is text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from octo.errors import InvalidValue, OctoError, ShapeError
from octo.store.values import check_depth
from step_library.kit.files.file_io import BadFile, reading
from step_library.kit.formats.json_text import json_lines, json_value
from step_library.kit.values.ctx_values import described


def read_value(path: Path, kind: str) -> Any:
    """What a json, jsonl or yaml file holds, unpacked where its name says so; BadFile (a ValueError) with the line."""
    with reading(path) as stream:
        data = stream.read().removeprefix(b"\xef\xbb\xbf")
    try:
        if kind == "json":
            found = json_value(data, str(path))
        elif kind == "yaml":
            found = _yaml(data, path)
        else:
            found = list(json_lines(data.split(b"\n"), str(path)))
        check_depth(found)
    except InvalidValue as error:
        raise BadFile(f"{path}: {error}") from None
    return found


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
