"""Compaction: make the journal short again by writing a newer base and keeping the newest records.

The new file is written beside other work, from a frozen tree and the old file, which only grows; what
came meanwhile is copied, and the rename done, inside the lock. Cut off at any point, it changes nothing.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from octo.errors import StoreError

from .background import rest
from .changes import Tree
from .files import remove_leftovers, temporary_for, write_all
from .journal import Journal, number_of, read_at, spans
from .values import crc_is_right, loads

if TYPE_CHECKING:
    from .state_file import StateFile

KEEP_BYTES = 64 << 20
_BATCH = 100
"""Lines looked at between two rests: about half a millisecond of work."""


def is_due(file: StateFile) -> bool:
    """Whether what would be dropped exceeds the limit (of changes or of bytes), and what must be written."""
    journal, most = file.journal, max(KEEP_BYTES, file._size_guess)
    records, size = journal.seq - journal.base_seq, journal.end - journal.base_size()
    if records <= file.history_limit and size <= most:
        return False
    kept = max(min(file.history_limit, most * records // size), journal.seq - _needed_from(file))
    dropped = records - kept
    dropped_bytes = size * dropped // records
    if dropped <= file.history_limit and dropped_bytes <= most:
        return False
    return dropped_bytes > file._size_guess + size - dropped_bytes


def _needed_from(file: StateFile) -> int:
    """The highest number that the base may have.

    An open call's changes must stay to be undone, as must those from the number on that the state itself names
    (`global_parameters.history_from`), and the state that the JSON shows must stay to be compared with an edit.
    """
    named = [file.history_from - 1] if file.history_from else []
    return min([file.journal.seq, file.view_seq, *named, *(call - 1 for call in file.open_calls)])


def compact_if_due(file: StateFile) -> None:
    """Compact where it pays."""
    with file._mutex:
        due = file.tree is not None and file.journal.fd >= 0 and is_due(file)
    if due:
        compact(file)


def compact(file: StateFile) -> None:
    """Drop what is older than the newest `history_limit` changes (within 64 MiB, or the state's size)."""
    with file._piecewise:
        with file.locked():
            assert file.tree is not None
            remove_leftovers(file.layout.journal)
            remove_leftovers(file.layout.view)
            journal, tree = file.journal, file.tree
            source = os.dup(journal.fd)
            start, stop = journal.base_size(), journal.end
            newest, needed, base_seq = journal.seq, _needed_from(file), journal.base_seq
            calls, fenced = dict(file.open_calls), list(file.fenced)
            limit = max(KEEP_BYTES, file._size_guess)
            root = tree.freeze()
        temporary = temporary_for(file.layout.journal)
        fd = -1
        try:
            cut = min(newest - file.history_limit, needed)
            cut, kept_from, shown = _cut(journal, source, (start, stop), cut, needed, limit)
            if cut <= base_seq:
                return
            state = _state_at(journal, root, source, kept_from, stop, cut)
            older = {call: visit for call, visit in calls.items() if call <= cut}
            fd = journal.write_base(temporary, journal.id, cut, state, (older, fenced), gently=True)
            if shown[1] <= kept_from:
                _copy(source, fd, *shown)
            _copy(source, fd, kept_from, stop)
            os.fsync(fd)  # the large part, before anybody waits for the lock
            with file.locked():
                if file.journal.fd < 0 or not os.path.sameopenfile(source, file.journal.fd):
                    return  # somebody else was quicker
                _copy(source, fd, stop, file.journal.end)
                file.journal.adopt(temporary, fd)
                file._reopen(writing=True)
        except OSError as error:
            raise StoreError(f"{journal.path} was not made shorter: {error.strerror}; nothing was changed") from error
        finally:
            os.close(source)
            if fd >= 0:
                os.close(fd)
            with suppress(FileNotFoundError):
                temporary.unlink()
            with file._mutex:
                tree.thaw()


def _cut(journal: Journal, fd: int, span: tuple[int, int], cut: int, needed: int,
         limit: int) -> tuple[int, int, tuple[int, int]]:
    """The number for the new base, the place from which lines are kept, and where the last view's line lies."""
    start, stop = span
    last_view, first_kept, before = (stop, stop), stop, journal.base_seq
    for index, (offset, length, head) in enumerate(spans(fd, start, stop)):
        if index % _BATCH == 0:
            rest()
        number = number_of(head)
        if number != before + 1 and not head.startswith(b'{"view":'):
            _check(journal, read_at(fd, offset, length), offset)  # only a recovered change may leave numbers out
        before = number or before
        if number is None:
            last_view = offset, offset + length + 1
            continue
        if number <= needed and stop - offset > limit:
            cut = max(cut, number)
        if number > cut:
            first_kept = min(first_kept, offset)
        else:
            first_kept = stop
    return cut, first_kept, last_view


def _check(journal: Journal, raw: bytes, offset: int) -> None:
    """A damaged line must not be left out silently, nor make a wrong base."""
    if not crc_is_right(raw):
        raise journal.damaged(0, f"the checksum is wrong {offset} bytes in; it was not made shorter")


def _state_at(journal: Journal, root: Any, fd: int, start: int, stop: int, cut: int) -> Any:
    tree = Tree(root)
    tree.freeze()
    for index, (offset, length, head) in enumerate(reversed(list(spans(fd, start, stop)))):
        if index % _BATCH == 0:
            rest()
        if (number_of(head) or 0) > cut:
            raw = read_at(fd, offset, length)
            _check(journal, raw, offset)
            for op in reversed(loads(raw)["ops"]):
                tree.revert(op)
    return tree.root


def _copy(source: int, target: int, start: int, stop: int) -> None:
    while start < stop:
        data = read_at(source, start, min(1 << 20, stop - start))
        write_all(target, data)
        start += len(data)
