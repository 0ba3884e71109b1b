"""JSON in files: one value, or the items of a long list one after another, strictly read and errors with their line."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from octo.errors import InvalidValue
from octo.store.values import checked, loads
from step_library.kit.files.file_io import BadFile

PIECE = 1 << 18
"""Characters that are read at a time."""

CUT = 20
"""A mistake so near to the end of what was read until now may be no mistake: a number or word may go on."""


class BadJsonFile(BadFile, json.JSONDecodeError):
    """A file that is no JSON, with its place."""

    def __init__(self, name: str, error: json.JSONDecodeError) -> None:
        json.JSONDecodeError.__init__(self, error.msg, error.doc, error.pos)
        self.message = f"{name}:{error.lineno}: no JSON: {error.msg} (column {error.colno})"
        self.hints = []

    def __str__(self) -> str:
        return self.message


def json_value(data: bytes, name: str, line: int = 1) -> Any:
    """What the bytes of a file (or of one of its lines) hold. What Python writes as NaN or Infinity is null."""
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


def json_lines(stream: Any, name: str) -> Iterator[Any]:
    """The values of a file that has one a line; empty lines are left out."""
    for number, line in enumerate(stream, 1):
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip():
            yield json_value(line, name, number)


def json_items(stream: Any, name: str) -> Iterator[Any]:
    """The items of a file that is a JSON list of dicts or lists, without the whole of it in memory."""
    text = _Text(stream, name)
    try:
        yield from _items(text)
    finally:
        text.leave()


def _items(text: _Text) -> Iterator[Any]:
    if text.next_char() != "[":
        raise BadFile(f"{text.name} is to be a JSON list of rows; to read it as a whole: file_to_ctx")
    text.skip(1)
    following = text.next_char()
    while following != "]":
        if following not in ("{", "["):
            raise text.wrong("a row that is a dict is expected")
        yield text.item()
        following = text.next_char()
        if following == ",":
            text.skip(1)
            following = text.next_char()
            if following == "]":
                raise text.wrong("after a comma another row is expected")
        elif following != "]":
            raise text.wrong("a comma or ] is expected")
    text.skip(1)
    if text.next_char():
        raise text.wrong("nothing is expected behind the list")


class _Text:
    """The text of a file of which a piece is in memory: from `place` on it is still to be read."""

    def __init__(self, stream: Any, name: str) -> None:
        self.name, self.line = name, 1
        self.buffer, self.place = "", 0
        self._stream = io.TextIOWrapper(stream, encoding="utf-8-sig")
        self._decoder = json.JSONDecoder(parse_float=_finite, parse_constant=lambda word: None)

    def next_char(self) -> str:
        """The next character that is no blank; "" at the end."""
        while True:
            while self.place < len(self.buffer) and self.buffer[self.place] in " \t\r\n":
                self.place += 1
            if self.place < len(self.buffer):
                return self.buffer[self.place]
            if not self._more(PIECE):
                return ""

    def leave(self) -> None:
        """The file itself is closed by who opened it."""
        with suppress(ValueError):  # it is closed already
            self._stream.detach()

    def skip(self, count: int) -> None:
        self.place += count

    def item(self) -> Any:
        """The value that begins here; more of the file is read until it is whole."""
        size = PIECE
        while True:
            try:
                found, self.place = self._decoder.raw_decode(self.buffer, self.place)
                return checked(found)
            except json.JSONDecodeError as error:
                may_go_on = error.msg.startswith("Unterminated string") or error.pos >= len(self.buffer) - CUT
                if not may_go_on or not self._more(size):
                    line = self.line + self.buffer.count("\n", 0, error.pos)
                    raise BadFile(f"{self.name}:{line}: no JSON: {error.msg}") from None
                size *= 2  # a long item is not looked through again and again
            except RecursionError:
                raise BadFile(f"{self.name} is nested too deeply") from None
            except (InvalidValue, ValueError) as error:
                raise self.wrong(str(error)) from None

    def wrong(self, what: str) -> BadFile:
        line = self.line + self.buffer.count("\n", 0, self.place)
        return BadFile(f"{self.name}:{line}: no JSON list of rows: {what}")

    def _more(self, size: int) -> bool:
        try:
            piece = self._stream.read(size)
        except UnicodeDecodeError as error:
            raise BadFile(f"{self.name} is not UTF-8 text: {error.reason}") from None
        self.line += self.buffer.count("\n", 0, self.place)
        self.buffer, self.place = self.buffer[self.place:] + piece, 0
        return bool(piece)


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None
