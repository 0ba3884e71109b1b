"""Snapshots in files: how all of ctx is written and read, by all steps that keep a copy of it.

A file is one JSON object, or the envelope {"_meta": {...}, "ctx_data": {...}}; both are read, and both may be gzipped.
Where it holds only some keys of ctx, and is to be put back as such, they are the envelope's `keys`.
What the round trip through JSON changes: a tuple becomes a list. `ctx_copies` has what happens in ctx.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from octo.errors import InvalidValue, OctoError, ShapeError, StoreError, UsageError
from octo.store import checked, dumps
from octo.store.files import write_whole
from step_library.kit.values.ctx_values import described


class NoSnapshot(OctoError, FileNotFoundError):
    """The file with a snapshot is not there."""

    def __str__(self) -> str:
        return self.message


class NoJson(OctoError, json.JSONDecodeError):
    """A file that should hold a snapshot is no JSON."""

    def __init__(self, msg: str, doc: str = "", pos: int = 0) -> None:
        json.JSONDecodeError.__init__(self, msg, doc, pos)
        self.message, self.hints = str(self), []


def in_json(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A plain copy; ShapeError (a TypeError and a ValueError) with the place of what is no JSON."""
    try:
        return dict(checked(dict(data)))
    except InvalidValue as error:
        raise ShapeError(f"{where}: {error.message}") from None


def load(path: str) -> dict[str, Any]:
    """The ctx that a snapshot file holds, checked whole."""
    return load_part(path)[0]


def load_part(path: str) -> tuple[dict[str, Any], list[str] | None]:
    """The same, and the keys that it was made of; None where that was all of ctx, or is not known."""
    keys = None
    try:
        raw = Path(path).read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
    except FileNotFoundError:
        raise NoSnapshot(f"there is no snapshot {path}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise StoreError(f"the snapshot {path} cannot be read: {error}") from None
    try:
        found = json.loads(raw.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise NoJson(f"the snapshot {path} is no JSON: {error.msg}", error.doc, error.pos) from None
    except UnicodeDecodeError as error:
        raise ShapeError(f"the snapshot {path} is no JSON, which is UTF-8: {error}") from None
    if isinstance(found, dict) and found.keys() == {"_meta", "ctx_data"}:
        meta, found = found["_meta"], found["ctx_data"]
        keys = meta.get("keys") if isinstance(meta, dict) else None
        if keys is not None and not (isinstance(keys, list) and all(isinstance(key, str) for key in keys)):
            raise ShapeError(f"the snapshot {path}: keys of _meta is to be a list of keys, not {described(keys)}")
    if not isinstance(found, dict):
        raise ShapeError(f"the snapshot {path} is to be a JSON object, not {described(found)}")
    if "" in found:
        raise ShapeError(f"the snapshot {path} has an empty key")
    return in_json(found, f"the snapshot {path}"), keys


def encoded(data: Mapping[str, Any], meta: Mapping[str, Any] | None = None, *, keys: Sequence[str] | None = None,
            packed: bool = False) -> bytes:
    """A copy of ctx as it stands in a file, in the envelope where there is `meta`, or where it is of some keys only."""
    if keys is not None:
        meta = {**(meta or {}), "keys": list(keys)}
    plain = in_json(data, "ctx")
    text = dumps(plain if meta is None else {"_meta": dict(meta), "ctx_data": plain}, indent=True)
    return gzip.compress(text, mtime=0) if packed else text


def write(path: str | Path, content: bytes) -> None:
    """Write the file whole: under another name first, then renamed. Folders are made."""
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, [content])
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from None


def check_backup(backup: str | None, file: str) -> None:
    """What is written before a restore is not to take the place of what is restored."""
    if backup and Path(backup).resolve() == Path(file).resolve():
        raise UsageError(f"backup is to be another file than the snapshot {file}")


def write_new(folder: str, stem: str, end: str, content: bytes) -> str:
    """Write a file of a name that is not taken: `stem`, or with a counter behind it, by this or another process."""
    number = 1
    with suppress(OSError):
        Path(folder).mkdir(parents=True, exist_ok=True)
    while True:
        path = Path(folder) / (f"{stem}{end}" if number == 1 else f"{stem}_{number}{end}")
        try:
            path.open("xb").close()
        except FileExistsError:
            number += 1
            continue
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error.strerror or error}") from None
        try:
            write(path, content)
        except BaseException:
            with suppress(OSError):
                path.unlink()
            raise
        return path.as_posix()


def automatic(folder: str) -> list[Path]:
    """The snapshots of automatic names in a folder, oldest first."""
    found = []
    for path in Path(folder).glob("ctx_snapshot_*.json*"):
        numbers = path.name[len("ctx_snapshot_"):].partition(".json")[0].split("_")
        if path.suffix in (".json", ".gz") and all(map(str.isdecimal, numbers)) and len(numbers) <= 2:
            found.append((int(numbers[0]), int(numbers[1]) if numbers[1:] else 1, path))
    return [path for *_, path in sorted(found)]


def newest(folder: str, back: int) -> str:
    """The automatic snapshot that was written `back` before the newest."""
    found = automatic(folder)
    if not 0 <= back < len(found):
        raise NoSnapshot(f"there is no snapshot {back} before the newest: {folder} has {len(found)}")
    return found[-1 - back].as_posix()


def checked_name(name: str) -> str:
    """A name that becomes part of a file's name."""
    if not name or any(char in name for char in "/\\\0") or name in (".", ".."):
        raise UsageError(f"{name!r} cannot be part of a file's name: give file")
    return name
