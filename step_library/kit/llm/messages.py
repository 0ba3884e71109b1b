"""What is sent to a model: the instruction, filled in where it is a template, and the data as text, in pieces."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from octo.errors import MissingKey, ShapeError, UsageError, nearest
from step_library.kit.files.file_io import BadFile, reading
from step_library.kit.text.placeholders import fill, places
from step_library.kit.values.ctx_values import Ctx, described, plain

ENDS = ("\n\n", "\n", ". ", " ")
"""Where a long text is best cut, the best first."""


def data_of(ctx: Ctx, key: str | Sequence[str], where: str) -> Any:
    """The value at a key; of several keys {key: value}. MissingKey and ShapeError name `where`."""
    try:
        if isinstance(key, str):
            return plain(ctx, key)
        if not key:
            raise ShapeError("no key is given")
        return {each: plain(ctx, each) for each in key}
    except MissingKey as error:
        raise MissingKey(f"{where}: {error.message}") from None
    except ShapeError as error:
        raise ShapeError(f"{where}: {error.message}") from None


def text_of(data: Any, data_format: str) -> str:
    """Data as it is sent: text as it is, else by str() or as JSON."""
    if isinstance(data, str):
        return data
    if data_format == "str":
        return str(data)
    try:
        return json.dumps(data, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ShapeError(f"the data cannot be sent as JSON: {error}; data_format: str sends it by str()") from None


def pieces_of(data: Any, data_format: str, chunk_chars: int | None) -> list[str]:
    """The data as texts of at most `chunk_chars` characters: a list by its elements, else cut where it reads best."""
    whole = text_of(data, data_format)
    if chunk_chars is None or len(whole) <= chunk_chars or data in ([], {}):
        return [whole]
    if chunk_chars < 1:
        raise UsageError(f"chunk_chars: a piece has 1 character or more, not {chunk_chars}")
    if isinstance(data, list):
        return [text for group in _groups(data, data_format, chunk_chars)
                for text in _cut(text_of(group, data_format), chunk_chars)]
    return _cut(whole, chunk_chars)


def _groups(data: list[Any], data_format: str, most: int) -> list[list[Any]]:
    """Elements that fit together; one that is too long by itself stands alone."""
    groups: list[list[Any]] = []
    length = 0
    for each in data:
        size = len(text_of([each], data_format))  # with its brackets, which stand for the comma and blank
        if groups and length + size <= most:
            groups[-1].append(each)
            length += size
        else:
            groups.append([each])
            length = size
    return groups


def _cut(text: str, most: int) -> list[str]:
    found = []
    while len(text) > most:
        at = _place_to_cut(text, most)
        found.append(text[:at])
        text = text[at:]
    return [*found, text] if text else found


def _place_to_cut(text: str, most: int) -> int:
    for end in ENDS:
        at = text.rfind(end, most // 2, most)  # not in the first half: that would give many small pieces
        if at >= 0:
            return at + len(end)
    return most


def messages_of(prompt: str, text: str, layout: str) -> list[dict[str, str]]:
    """The messages of a call: `system`, the prompt apart from the data; or `user`, both in one. A prompt that holds
    the data already stands alone: text is "" then."""
    if layout == "alone":
        return [{"role": "user", "content": prompt}]
    if layout == "user":
        return [{"role": "user", "content": f"{prompt}\n\n{text}"}]
    return [{"role": "system", "content": prompt}, {"role": "user", "content": text}]


def filled(ctx: Ctx, prompt: str, text: str, key_name: str) -> tuple[str, bool]:
    """A prompt with its places filled: {data}, {key_name}, {ctx[key]}. And whether the data is in it."""
    asked = places(prompt, "prompt")
    names: dict[str, Any] = {"data": text, "key_name": key_name}
    if "ctx" in asked:
        names["ctx"] = {key: plain(ctx, key) for key in ctx}
    return fill(prompt, names, "prompt"), "data" in asked


# --- named prompts


def library_of(given: Any) -> Mapping[str, Any] | None:
    """Named prompts: {name: text, or {version: text}}, as they are or from a YAML or JSON file."""
    if given is None or isinstance(given, Mapping):
        return given
    import yaml

    with reading(Path(given)) as file:
        try:
            found = yaml.safe_load(file.read().decode())  # JSON is YAML too
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise BadFile(f"{given} cannot be read as YAML: {error}") from None
    if not isinstance(found, Mapping):
        raise BadFile(f"{given} is to be a mapping of prompts, not {described(found)}")
    return found


def named(prompt: str, library: Mapping[str, Any] | None) -> str:
    """The prompt of that name; `name@v1` is one version, else the last counts. Without a library: the text itself."""
    if library is None:
        return prompt
    name, _, version = prompt.partition("@")
    if name not in library:
        raise MissingKey(f"prompt: prompt_library has no {name!r}{nearest(name, map(str, library))}")
    found = library[name]
    if isinstance(found, Mapping) and found:
        version = version or list(found)[-1]
        if version not in found:
            raise MissingKey(f"prompt: {name!r} has no version {version!r}, it has {', '.join(map(str, found))}")
        found = found[version]
    elif version:
        raise MissingKey(f"prompt: {name!r} in prompt_library has no versions")
    if not isinstance(found, str):
        raise ShapeError(f"prompt: {prompt!r} in prompt_library is to be text, not {described(found)}")
    return found
