"""The journal: one line that holds the whole state (the base), then one line for each change since.

Lines are JSON with a CRC-32 at the end. Three kinds:

    {"octo_journal": 1, "id": …, "seq": n, "time": …, "open": {…}, "fenced": […], "state": …}    the base
    {"seq": n, "time": …, "who": …, "ops": […]}                                                   a record
    {"view": {"seq": n, "ino": …, "size": …, "mtime": …, "crc": …, "open": …, "fenced": …}}       the JSON was written

A record may also say `visit` and `call` (a step wrote it), `begin` (a call opens: its number is this
`seq`), `end` (that call is committed or undone), `fence` (that call may write no more), `recovered`.
A line without an end, or a last line whose CRC is wrong, was torn by a crash and is cut off; a bad
line before that, or a gap in the numbers, is damage and is reported.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from octo.errors import DamagedJournal, StoreError, quoted

from .background import breathing
from .files import replace, sync_directory, temporary_for, write_all
from .values import crc_is_right, dumps, loads, pieces, with_crc

VERSION = 1
_HEADER = re.compile(rb'\{"octo_journal":(\d+),"id":"([0-9a-f]+)","seq":(\d+),')
_NUMBER = re.compile(rb'\{"seq":(\d+),')
_CHUNK = 1 << 16
_HEAD = 32

Line = dict[str, Any]


class Journal:
    """One journal file, open at its end. The caller holds the parameter lock for all but `follow`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._name = str(path)
        self.fd = -1
        self.id = ""
        self.base_seq = 0
        self.seq = 0
        self.end = 0
        """Bytes that are known to be whole lines; what stands behind them was written by others since."""
        self.cut_off = 0
        """Bytes of torn lines cut off so far."""
        self.is_writable = True
        self._identity: tuple[int, int] = (0, 0)
        self._size_seen = 0
        self._base_size = 0

    # -- files -----------------------------------------------------------------------------------

    def create(self, seq: int, state: Any, tail: Iterable[bytes] = (), *, identity: str = "",
               calls: tuple[dict[int, int], list[int]] = ({}, [])) -> None:
        """Make the journal anew with `state` as its base and the lines `tail` behind it; synced, then renamed."""
        temporary = temporary_for(self.path)
        try:
            fd = self.write_base(temporary, identity or os.urandom(8).hex(), seq, state, calls)
            try:
                for data in tail:
                    write_all(fd, data)
                self.adopt(temporary, fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written: {error.strerror}; nothing was changed") from error
        finally:
            with suppress(OSError):
                temporary.unlink()
        self.open()

    def write_base(self, path: Path, identity: str, seq: int, state: Any,
                   calls: tuple[dict[int, int], list[int]], *, gently: bool = False) -> int:
        """Write a new journal's first line to `path` (`gently`: beside running steps); returns the open descriptor."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0)
                     | getattr(os, "O_BINARY", 0), 0o666)
        try:
            open_calls = {str(call): visit for call, visit in calls[0].items()}
            head = dumps({"octo_journal": VERSION, "id": identity, "seq": seq, "time": time.time(),
                          "open": open_calls, "fenced": calls[1]})
            whole = pieces(state, indent=False)
            for data in _checksummed(head[:-1] + b',"state":', breathing(whole) if gently else whole):
                write_all(fd, data)
        except BaseException:
            os.close(fd)
            with suppress(OSError):
                os.unlink(path)
            raise
        return fd

    def adopt(self, temporary: Path, fd: int) -> None:
        """Put a finished new journal in the place of this one, durably."""
        os.fsync(fd)
        replace(temporary, self.path)
        sync_directory(self.path.parent)

    def open(self) -> bool:
        """Open the file and read its header; False where there is none (or only a part of its first line)."""
        self.close()
        flags = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        try:
            self.fd = os.open(self.path, os.O_RDWR | os.O_APPEND | flags)
            self.is_writable = True
        except FileNotFoundError:
            return False
        except OSError as error:
            try:
                self.fd = os.open(self.path, os.O_RDONLY | flags)
                self.is_writable = False
            except OSError:
                raise StoreError(f"{self.path} cannot be opened: {error.strerror}") from error
        stat = os.fstat(self.fd)
        self._identity = (stat.st_ino, stat.st_dev)
        header = _HEADER.match(self._at(0, 200))
        if header is None:
            raise self.damaged(1, "its first line is not a journal's")
        if int(header[1]) > VERSION:
            raise StoreError(f"{self.path} was written by a newer Octo (format {int(header[1])}); update this one")
        self.id, self.base_seq = header[2].decode(), int(header[3])
        self.seq = self.base_seq
        self.end = self._base_size = 0
        return True

    def close(self) -> None:
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    def __del__(self) -> None:
        with suppress(Exception):
            self.close()

    def in_place(self) -> bool:
        """Whether the open file is still the one of that name (it is replaced by compaction and recovery)."""
        if self.fd < 0:
            return False
        try:
            stat = os.stat(self._name)
        except FileNotFoundError:
            return False
        self._size_seen = stat.st_size
        return (stat.st_ino, stat.st_dev) == self._identity

    def has_news(self) -> bool:
        """Whether others added lines since the last look, or put another file in the place of this one."""
        return not self.in_place() or self._size_seen != self.end

    # -- reading ---------------------------------------------------------------------------------

    def _at(self, start: int, size: int) -> bytes:
        return read_at(self.fd, start, size)

    def size(self) -> int:
        return os.fstat(self.fd).st_size

    def news(self) -> list[Line]:
        """The lines that others added since the last look (`in_place` or `base`); a torn tail is cut off."""
        size = self._size_seen
        if size == self.end:
            return []
        if size < self.end:
            raise self.damaged(0, f"it is shorter ({size} bytes) than it was ({self.end})")
        data = self._at(self.end, size - self.end)
        lines, whole = self._parse(data, self.end, self.seq)
        if whole < len(data):
            self._cut(self.end + whole, len(data) - whole)
        self.end += whole
        for line in lines:
            self.seq = line.get("seq", self.seq)
        return lines

    def base(self) -> Line:
        """The first line, parsed. Sets the place from which `news` reads on."""
        self._size_seen = self.size()
        line = self._at(0, self.base_size() - 1)
        if not crc_is_right(line):
            raise self.damaged(1, "the checksum of the base is wrong")
        self.end, self.seq = len(line) + 1, self.base_seq
        return loads(line)

    def base_size(self) -> int:
        """Bytes of the first line."""
        start = 0
        while not self._base_size:
            data = self._at(start, 1 << 20)
            if not data:
                raise self.damaged(1, "its first line, the base, is cut off")
            if (found := data.find(b"\n")) >= 0:
                self._base_size = start + found + 1
            start += len(data)
        return self._base_size

    def back_to(self, enough: Callable[[list[Line], bool], bool | None]) -> list[Line] | None:
        """The newest lines, oldest first, as many as `enough(lines, complete)` wants (complete: it has all).

        Reads from the end, so that opening a long journal costs only what is newer than the JSON. None
        where `enough` gives up (returns None), or is not content with all lines.
        """
        size, first, chunk = self.size(), self.base_size(), _CHUNK
        while True:
            start = max(first, size - chunk)
            data = self._at(start, size - start)
            skip = 0 if start == first else data.find(b"\n") + 1  # begin at a whole line
            if skip or start == first:
                lines, whole = self._parse(data[skip:], start + skip, self.base_seq if start == first else None)
                verdict = enough(lines, start == first)
                if verdict is None or (start == first and not verdict):
                    return None
                if verdict:
                    self.end = start + skip + whole
                    if self.end < size:
                        self._cut(self.end, size - self.end)
                    self.seq = next((line["seq"] for line in reversed(lines) if "seq" in line), self.base_seq)
                    return lines
            chunk *= 4

    def lines(self) -> Iterator[Line]:
        """All lines behind the base, oldest first, as they stand in the file now."""
        start, seq = self.base_size(), self.base_seq
        size, rest = self.size(), b""
        while start + len(rest) < size:
            data = rest + self._at(start + len(rest), min(1 << 22, size - start - len(rest)))
            cut = data.rfind(b"\n") + 1
            last = start + len(data) >= size
            if cut == 0 and not last:
                rest = data
                continue
            lines, whole = self._parse(data if last else data[:cut], start, seq)
            yield from lines
            seq = next((line["seq"] for line in reversed(lines) if "seq" in line), seq)
            start, rest = start + (len(data) if last else cut), b"" if last else data[cut:]
            if last and whole < len(data):
                return

    def _parse(self, data: bytes, offset: int, seq: int | None) -> tuple[list[Line], int]:
        """Whole lines in `data` and the bytes they take; what is behind them is a torn tail."""
        lines: list[Line] = []
        start = 0
        while (stop := data.find(b"\n", start)) >= 0:
            raw = data[start:stop]
            if not crc_is_right(raw):
                if stop + 1 < len(data.rstrip(b"\0")):
                    raise self.damaged(self._number(offset + start), "the checksum is wrong")
                break
            line = loads(raw)
            if "seq" in line:
                if seq is not None and line["seq"] != seq + 1 and not (line.get("recovered") and line["seq"] > seq):
                    raise self.damaged(self._number(offset + start),
                                       f"change {line['seq']} stands where {seq + 1} should")
                seq = line["seq"]
            lines.append(line)
            start = stop + 1
        return lines, start

    def _number(self, offset: int) -> int:
        """The line number (from 1) of what begins at `offset`."""
        number, start = 1, 0
        while start < offset:
            data = self._at(start, min(1 << 20, offset - start))
            number, start = number + data.count(b"\n"), start + len(data)
        return number

    def damaged(self, line: int, problem: str) -> DamagedJournal:
        where = f"{self.path}:{line}" if line else str(self.path)
        return DamagedJournal(f"{where}: the journal is damaged: {problem}",
                              hints=[f"octo recover {quoted(self.path.parent)}"])

    # -- writing ---------------------------------------------------------------------------------

    def append(self, data: bytes) -> None:
        """Add whole lines; after a short or failed write the file is as it was, and StoreError is raised."""
        try:
            write_all(self.fd, data)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self.fd, self.end)
            raise StoreError(f"{self.path} cannot be written: {error.strerror}; the last good state is kept") from error
        self.end += len(data)

    def _cut(self, size: int, torn: int) -> None:
        self.cut_off += torn
        if self.is_writable:  # else the torn part is passed over each time
            os.ftruncate(self.fd, size)


def read_at(fd: int, start: int, size: int) -> bytes:
    """Read `size` bytes from `start`, fewer only at the end of the file."""
    data = bytearray()
    while len(data) < size:
        if hasattr(os, "pread"):
            part = os.pread(fd, size - len(data), start + len(data))
        else:  # Windows
            os.lseek(fd, start + len(data), os.SEEK_SET)
            part = os.read(fd, size - len(data))
        if not part:
            break
        data += part
    return bytes(data)


def spans(fd: int, start: int, stop: int) -> Iterator[tuple[int, int, bytes]]:
    """Place, length and the first bytes of each whole line between two places of a journal.

    A line can be as long as the largest value that was ever set, so none is read whole here.
    """
    at, offset, length, head = start, start, 0, b""
    while at < stop:
        data = read_at(fd, at, min(1 << 18, stop - at))
        if not data:
            return
        begin = 0
        while (end := data.find(b"\n", begin)) >= 0:
            if len(head) < _HEAD:
                head += data[begin : min(end, begin + _HEAD)]
            yield offset, length + end - begin, head
            begin = end + 1
            offset, length, head = at + begin, 0, b""
        if len(head) < _HEAD:
            head += data[begin : begin + _HEAD]
        length += len(data) - begin
        at += len(data)


def raw_lines(fd: int, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
    """Each whole line between two places in a journal, with its place and without its newline."""
    for offset, length, _ in spans(fd, start, stop):
        yield offset, read_at(fd, offset, length)


def number_of(raw: bytes) -> int | None:
    """The number of a record, from (the beginning of) its line; None for a view's line."""
    match = _NUMBER.match(raw)
    return int(match[1]) if match else None


def record(seq: int, who: str, ops: list[Any], visit: int = 0, call: int = 0, **more: Any) -> bytes:
    """The bytes of one record's line. `more`: begin, end, fence, recovered."""
    line: Line = {"seq": seq, "time": time.time(), "who": who}
    if visit:
        line["visit"] = visit
    if call:
        line["call"] = call
    line.update(more)
    line["ops"] = ops
    return with_crc(dumps(line))


def _checksummed(head: bytes, parts: Iterable[bytes]) -> Iterator[bytes]:
    from zlib import crc32

    checksum = crc32(head)
    yield head
    for part in parts:
        checksum = crc32(part, checksum)
        yield part
    yield b',"crc":%d}\n' % checksum


def follow(path: Path, *, seq: int, poll: float = 0.1, stop: Callable[[], bool] = lambda: False) -> Iterator[Line]:
    """The records above number `seq` as they come, without a lock: whole lines only, and nothing is ever cut.

    Ends when `stop()` is true and nothing is left. A journal that began anew is followed from its base.
    """
    journal, identity = Journal(path), ""
    try:
        while True:
            stopping = stop()  # asked before the look, so that what was written until then is not missed
            if journal.in_place() or _opened(journal):
                if identity not in ("", journal.id):
                    seq = journal.base_seq
                identity = journal.id
                journal.end = journal.end or journal.base_size()
                data = journal._at(journal.end, max(0, journal.size() - journal.end))
                whole = data.rfind(b"\n") + 1
                for raw in data[:whole].split(b"\n")[:-1]:
                    line = loads(raw) if crc_is_right(raw) else {}
                    if line.get("seq", 0) > seq:
                        seq = line["seq"]
                        yield line
                journal.end += whole
                if whole:
                    continue
            if stopping:
                return
            time.sleep(poll)
    finally:
        journal.close()


def _opened(journal: Journal) -> bool:
    try:
        return journal.open()
    except DamagedJournal:
        return False
