"""Messages between the engine and its workers: JSON objects over pipes, each behind its length."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from octo.store import dumps, loads
from octo.store.files import write_all

GREETING = b"\0octo worker 1\n"
"""What a worker writes first: whatever stands before it was printed while Python started."""

_LENGTH = 8
_READ = 1 << 16

Message = dict[str, Any]


def send(fd: int, message: Message) -> None:
    """Write one message; OSError where nobody reads it any more."""
    body = dumps(message)
    write_all(fd, len(body).to_bytes(_LENGTH, "big") + body)


def messages(fd: int, *, greeting: bytes = b"") -> Iterator[Message]:
    """The messages as they come, until the other side is gone. What comes before the greeting is dropped."""
    data = bytearray()
    if greeting:
        while greeting not in data:
            if not _more(fd, data):
                return
        del data[: data.index(greeting) + len(greeting)]
    while True:
        while len(data) < _LENGTH:
            if not _more(fd, data):
                return
        end = _LENGTH + int.from_bytes(data[:_LENGTH], "big")
        while len(data) < end:
            if not _more(fd, data, max(_READ, min(end - len(data), 1 << 20))):
                return
        body = bytes(data[_LENGTH:end])
        del data[:end]
        yield loads(body)


def _more(fd: int, data: bytearray, most: int = _READ) -> bool:
    try:
        news = os.read(fd, most)
    except OSError:
        return False
    data += news
    return bool(news)
