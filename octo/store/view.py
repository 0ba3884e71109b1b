"""The JSON file that people see: how it is read, recognised as Octo's own, and written."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from octo.errors import BadJson, InvalidValue, StoreError, quoted

from .background import breathing
from .values import Path as Place
from .values import check_depth, dumps, loads, pieces

_ALONE = "+"
"""Behind a checkpoint whose group is in the file for it alone: the state has no such group."""

PIECEWISE = 1 << 20
"""Bytes from which a view is written in pieces beside the program instead of at once."""


@dataclass(frozen=True)
class Seen:
    """What a view looked like when Octo wrote it: enough to know it again without reading it."""

    seq: int
    ino: int
    size: int
    mtime: int
    crc: int

    def is_file(self, stat: os.stat_result) -> bool:
        return (stat.st_ino, stat.st_size, stat.st_mtime_ns) == (self.ino, self.size, self.mtime)

    @staticmethod
    def of(stat: os.stat_result, seq: int, crc: int) -> Seen:
        return Seen(seq, stat.st_ino, stat.st_size, stat.st_mtime_ns, crc)

    @staticmethod
    def from_line(view: dict[str, Any]) -> Seen:
        return Seen(view["seq"], view["ino"], view["size"], view["mtime"], view["crc"])


def read(path: Path) -> tuple[bytes, os.stat_result] | None:
    """The file's bytes and the stat that belongs to them; None where there is no file."""
    try:
        with open(path, "rb") as file:
            while True:
                before = os.fstat(file.fileno())
                data = file.read()
                if _same_file(before, os.fstat(file.fileno())):
                    return data, before
                file.seek(0)  # it was written while it was read
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error


def _same_file(a: os.stat_result, b: os.stat_result) -> bool:
    return (a.st_size, a.st_mtime_ns) == (b.st_size, b.st_mtime_ns)


def parse(path: Path, data: bytes, checkpoint: Place | None = None) -> Any:
    """The JSON in `data`, which others may have written; BadJson with line and column, or what is wrong with it."""
    try:
        value = loads(data)
        check_depth(value)
    except InvalidValue as error:
        problem = error.message
    except RecursionError:
        problem = "it is nested too deeply"
    except ValueError:
        problem = _syntax_problem(data)
    else:
        if not checkpoint or (type(value) is dict and type(value.get(checkpoint[0], {})) is dict):
            return value
        problem = f"it is no object, or {checkpoint[0]} in it is none"
    raise BadJson(f"{path} cannot be read as JSON: {problem}; mend it, or restore the newest whole state",
                  hints=[f"octo recover {quoted(path.parent)}"])


def _syntax_problem(data: bytes) -> str:
    """Where `data` stops being JSON, as people count."""
    if not data.strip(b"\0 \r\n\t"):
        return "it is empty"
    try:
        json.loads(data.decode())
    except json.JSONDecodeError as error:
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        return f"line {line}, column {column}: not UTF-8"
    except RecursionError:
        return "it is nested too deeply"
    except ValueError as error:
        return str(error)
    return "it holds NaN, Infinity, a number too large or half a character, which JSON does not know"


def take_checkpoint(value: Any, place: Place | None) -> str | None:
    """Take the checkpoint out of what was read; None where there is none."""
    if not place:
        return None
    holder = value.get(place[0], {})
    mark = holder.pop(place[1], None)
    if type(mark) is not str:
        return None
    if mark.endswith(_ALONE) and not holder:
        del value[place[0]]
    return mark.removesuffix(_ALONE)


def with_checkpoint(state: Any, place: Place | None, mark: str) -> Any:
    """The state with the checkpoint in it, sharing all the rest with `state`."""
    if not place:
        return state
    holder = state.get(place[0])
    return {**state, place[0]: {place[1]: mark + _ALONE} if holder is None else {**holder, place[1]: mark}}


def body(value: Any, *, piecewise: bool, gently: bool = False) -> Iterator[bytes]:
    """The bytes of a view; `gently` where a running step should notice nothing of it."""
    if piecewise:
        whole = pieces(value, indent=True)
        yield from breathing(whole) if gently else whole
    else:
        yield dumps(value, indent=True)
    yield b"\n"


class Unsettled:
    """Remembers since when a file has been unreadable or missing: it may be in the middle of being saved."""

    PATIENCE = 1.0
    """Seconds for which it must stay the same before it counts."""

    def __init__(self) -> None:
        self._mark: object = None
        self._since = 0.0

    def is_settled(self, mark: object) -> bool:
        """Whether the file has looked like `mark` (its stat; None: missing) for long enough."""
        now = time.monotonic()
        if self._since == 0.0 or mark != self._mark:
            self._mark, self._since = mark, now
        return now - self._since >= self.PATIENCE

    def clear(self) -> None:
        self._since = 0.0


def crc_of(data: bytes) -> int:
    return crc32(data)
