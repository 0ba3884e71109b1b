"""What a value may be, and how it becomes bytes: the one strict check and the one JSON dialect.

A value is None, bool, int of any size, finite float, text, list, or dict with text keys. Everything
is checked before it is written, so the file can always be read back as it was.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

import orjson

from octo.errors import InvalidValue

Path = tuple[Any, ...]
"""The place of a value: text keys of dicts and whole-number positions of lists, outermost first."""

MAX_DEPTH = 200
"""Levels of nesting; orjson stops at 254, and a value that holds itself is found here."""

MAX_BITS = 13_288
"""Of a whole number: Python reads no more than 4,300 digits."""

MANY = 64
"""Items from which on a list or dict is first looked at as a whole."""

_STRICT = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
_INDENTED = _STRICT | orjson.OPT_INDENT_2
_DIGITS = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))
_PIECE_WEIGHT = 4096
_SCAN = 1 << 20
_PIECE_TEXT = 1 << 20


def spell(path: Path | list[Any]) -> str:
    """Write a place the way people see it everywhere: `rows/3/when`."""
    return "/".join(str(part) for part in path)


def checked(value: Any, path: Path = ()) -> Any:
    """Return a plain copy of `value`; raise `InvalidValue` that names the place of what cannot be kept."""
    kind = type(value)
    if kind is str:
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise InvalidValue(_at(path, "text with a lone surrogate cannot be written as UTF-8")) from None
        return value
    if kind is int:
        if value.bit_length() > MAX_BITS:
            raise InvalidValue(_at(path, "a whole number of more than 4,000 digits could not be read back"))
        return value
    if kind is bool or value is None:
        return value
    if kind is float:
        if not math.isfinite(value):
            raise InvalidValue(_at(path, f"{value} is not a JSON number"))
        return value
    if kind is dict or kind is list or kind is tuple:
        return _checked_container(value, path)
    return _checked_other(value, path)


def _checked_container(value: Any, path: Path) -> Any:
    if len(path) > MAX_DEPTH:
        raise InvalidValue(_at(path[:4] + ("…",), f"nested more than {MAX_DEPTH} levels deep, or it holds itself"))
    if not isinstance(value, dict):
        if len(value) >= MANY and _sure(value):
            return list(value)
        return [checked(item, (*path, index)) for index, item in enumerate(value)]
    if len(value) >= MANY and type(next(iter(value))) is str and _sure(value) and _sure(value.values()):
        return dict(value)
    copy = {}
    for key, item in value.items():
        if type(key) is not str:
            if not isinstance(key, str):
                raise InvalidValue(_at(path, f"the key {key!r} is not text"))
            key = str.__str__(key)
        checked(key, (*path, key))
        copy[key] = checked(item, (*path, key))
    return copy


def _sure(values: Collection[Any]) -> bool:
    """Whether all are of one plain type and fit; False: that takes a look at each. Ten times as fast for long lists."""
    kinds = set(map(type, values))
    if kinds == {float}:
        return math.isfinite(sum(values))
    if kinds == {int}:
        return -(1 << 62) < min(values) and max(values) < 1 << 62
    if kinds == {str}:
        return all(map(str.isascii, values))
    return kinds <= {bool, type(None)}


def _checked_other(value: Any, path: Path) -> Any:
    """Subclasses, numpy scalars and our own live values become the plain type; all else is refused."""
    plain = getattr(type(value), "__octo_plain__", None)
    if plain is not None:
        return plain(value)
    if isinstance(value, (dict, list, tuple)):
        return _checked_container(value, path)
    if type(value).__module__ == "numpy" and hasattr(value, "dtype") and getattr(value, "ndim", 1) == 0:
        return checked(value.item(), path)
    if isinstance(value, str):
        return checked(str.__str__(value), path)
    if isinstance(value, int):
        return checked(int.__int__(value), path)
    if isinstance(value, float):
        return checked(float.__float__(value), path)
    raise InvalidValue(_at(path, f"{type(value).__name__} is not a JSON value"))


def _at(path: Path, problem: str) -> str:
    return f"{spell(path)}: {problem}" if path else problem


def dumps(value: Any, *, indent: bool = False) -> bytes:
    """JSON in UTF-8, compact or with two blanks a level. `value` has passed `checked`."""
    try:
        return orjson.dumps(value, option=_INDENTED if indent else _STRICT)
    except TypeError as error:
        if "64-bit" not in str(error):
            raise InvalidValue(str(error)) from None
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2 if indent else None,
                      separators=(",", ": ") if indent else (",", ":"))
    return text.encode()


def loads(data: bytes) -> Any:
    """Read JSON strictly; ValueError (or RecursionError) where it is none. Big whole numbers stay exact."""
    if _has_long_number(data):  # orjson would make a float of what has more than 64 bits
        return checked(json.loads(data))  # which takes NaN, Infinity and half characters
    return orjson.loads(data)


def _has_long_number(data: bytes) -> bool:
    """Whether 19 digits stand in a row. Ten times as fast as a regular expression; that counts at 100 MiB."""
    return any(b"0" * 19 in data[at : at + _SCAN + 18].translate(_DIGITS) for at in range(0, len(data), _SCAN))


def check_depth(value: Any, levels: int = MAX_DEPTH) -> None:
    """InvalidValue where a value that was read is nested more deeply than one that is written may be."""
    if levels < 0:
        raise InvalidValue(f"nested more than {MAX_DEPTH} levels deep")
    if type(value) is dict or type(value) is list:
        for child in value.values() if type(value) is dict else value:
            if type(child) is dict or type(child) is list:
                check_depth(child, levels - 1)


def copied(value: Any) -> Any:
    """A deep copy of a value that has passed `checked` (several times faster than copy.deepcopy)."""
    if type(value) is dict:
        return {key: copied(item) if type(item) in (dict, list) else item for key, item in value.items()}
    if type(value) is list:
        return [copied(item) if type(item) in (dict, list) else item for item in value]
    return value


def with_crc(body: bytes) -> bytes:
    """Close a JSON object with the CRC-32 of what stands before it, as one line."""
    return b'%b,"crc":%d}\n' % (body[:-1], zlib.crc32(body[:-1]))


def crc_is_right(line: bytes) -> bool:
    """Whether a line made by `with_crc` (without its newline) is whole."""
    body, mark, tail = line.rpartition(b',"crc":')
    return bool(mark) and tail[-1:] == b"}" and tail[:-1].isdigit() and zlib.crc32(body) == int(tail[:-1])


def pieces(value: Any, *, indent: bool, depth: int = 0) -> Iterator[bytes]:
    """The bytes of `dumps`, in pieces that each hold the interpreter for a few milliseconds at most.

    A running engine writes a state of 100 MiB beside its steps; one call of the encoder for all of it
    would stop them for a quarter of a second.
    """
    if type(value) is str and len(value) > _PIECE_TEXT:
        yield b'"'
        for start in range(0, len(value), _PIECE_TEXT):
            yield dumps(value[start : start + _PIECE_TEXT])[1:-1]
        yield b'"'
    elif type(value) in (dict, list) and value and _weight(value, _PIECE_WEIGHT) >= _PIECE_WEIGHT:
        yield from _container_pieces(value, indent, depth)
    else:
        yield _moved(dumps(value, indent=indent), indent, depth)


def _container_pieces(value: Any, indent: bool, depth: int) -> Iterator[bytes]:
    is_dict = type(value) is dict
    opening, closing = (b"{", b"}") if is_dict else (b"[", b"]")
    between = b",\n" + b"  " * (depth + 1) if indent else b","
    yield opening + (between[1:] if indent else b"")
    first = True
    for batch, alone in _batches(value.items() if is_dict else iter(value), is_dict):
        if not first:
            yield between
        first = False
        if alone:  # one child that is large itself
            key, child = batch[0] if is_dict else (None, batch[0])
            if is_dict:
                yield dumps(key) + (b": " if indent else b":")
            yield from pieces(child, indent=indent, depth=depth + 1)
        else:
            inner = _moved(dumps(dict(batch) if is_dict else batch, indent=indent), indent, depth)[1:-1]
            yield inner.strip() if indent else inner
    yield (b"\n" + b"  " * depth if indent else b"") + closing


def _batches(items: Any, is_dict: bool) -> Iterator[tuple[list[Any], bool]]:
    batch: list[Any] = []
    total = 0
    for item in items:
        child = item[1] if is_dict else item
        weight = _weight(child, _PIECE_WEIGHT)
        if weight >= _PIECE_WEIGHT:
            if batch:
                yield batch, False
            yield [item], True
            batch, total = [], 0
            continue
        batch.append(item)
        total += weight
        if total >= _PIECE_WEIGHT:
            yield batch, False
            batch, total = [], 0
    if batch:
        yield batch, False


def _weight(value: Any, limit: int) -> int:
    """Roughly how much there is to encode (values, and text in units of 256), counted up to `limit`."""
    kind = type(value)
    if kind is str:
        return 1 + (len(value) >> 8)
    if kind is not dict and kind is not list:
        return 1
    total = 1 + len(value)
    if total >= limit:
        return limit
    for child in islice(value.values() if kind is dict else value, limit):
        if type(child) in (dict, list, str):
            total += _weight(child, limit - total) if total < limit else 0
            if total >= limit:
                return limit
    return total


def _moved(data: bytes, indent: bool, depth: int) -> bytes:
    """Indent what was dumped at the margin; newlines inside texts are escaped, so every one is layout."""
    return data.replace(b"\n", b"\n" + b"  " * depth) if indent and depth else data
