"""Keeps the JSON and the state in step: merges what others saved, writes what changed."""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from octo.errors import BadJson, StoreError, quoted

from . import view
from .changes import MISSING
from .exchange import Displaced, put_in_place
from .files import free_name, time_name, write_temporary
from .journal import record
from .merge import Merged, Position, carry_over, examine
from .open_file import OpenFile
from .transaction import Transaction
from .values import checked

log = logging.getLogger("octo.store")


class KeptView(OpenFile):
    """An open file and its JSON. The caller holds the lock."""

    # -- what others saved -----------------------------------------------------------------------

    def _look_at_view(self, writing: bool) -> None:
        """Merge the JSON where it is not what Octo wrote last."""
        try:
            stat = os.stat(self._view_name)
        except FileNotFoundError:
            self._missing_view(writing)
            return
        for seen in self._seen:
            if seen.is_file(stat):
                self._unsettled.clear()
                return
        self._merge_view(writing)

    def _missing_view(self, writing: bool) -> None:
        assert self.tree is not None
        never_written = not self._seen  # killed while it made the files
        if self._is_running() or (never_written and writing):
            self._write_view()
        if self._is_running() or never_written:
            return
        if not writing:
            raise StoreError(f"{self.layout.view} is gone, but its journal is there: "
                             "the next run or change starts anew",
                             hints=[f"octo recover {quoted(self.layout.view.parent)}"])
        while not self._unsettled.is_settled(None):
            time.sleep(0.05)
            if self.layout.view.exists():
                self._look_at_view(writing)
                return
        self._unsettled.clear()
        aside = free_name(self.layout.journal.with_name(f"{self.layout.journal.name}.old-{time_name()}"))
        log.warning("%s was removed: the state starts anew, the journal is kept as %s", self.layout.view, aside.name)
        self.journal.close()
        os.replace(self.layout.journal, aside)
        self.open_calls, self.fenced = {}, []
        if self.layout.default is MISSING:
            raise StoreError(f"{self.layout.view} is not there")
        self.tree = self._new_tree(checked(self.layout.default))
        self._start_journal(0, self.tree.root)

    def _merge_view(self, writing: bool) -> None:
        assert self.tree is not None
        found = view.read(self.layout.view)
        if found is None:
            self._missing_view(writing)
            return
        data, stat = found
        for seen in self._seen[-1:]:  # the one before it, saved anew, is a person's way back
            if seen.size == len(data) and seen.crc == view.crc_of(data):  # copied or touched, not changed
                self._seen = [view.Seen.of(stat, seen.seq, seen.crc)]
                self._unsettled.clear()
                return
        running = self._is_running()
        try:
            value = view.parse(self.layout.view, data, self.layout.checkpoint)
        except BadJson:
            self._unreadable(stat, running, writing)
            return
        self._unsettled.clear()
        mark = [len(data), view.crc_of(data)]
        before = self.journal.seq
        if mark != self._merged:
            self._merge(value, running, mark, self.view_seq, self._last_edit)
        self._seen = [view.Seen.of(stat, self.view_seq, mark[1])]
        self._settings()
        if self._has_unwritten_edit:
            return
        try:
            self._write_view()
        except StoreError:  # a full disk: where there was nothing to merge, reading goes on
            if writing or self.journal.seq > before or mark == self._merged:
                raise

    def _merge(self, value: Any, running: bool, file_mark: list[int], view_seq: int, last: Merged | None) -> None:
        """Take over what is different in `value`, in one record that says which file (size, CRC) it came from.

        A process that finds that record and still the same file knows that only the JSON is to be written.
        """
        assert self.tree is not None
        mark = view.take_checkpoint(value, self.layout.checkpoint)
        position = Position(self.journal.id, self.journal.base_seq, self.journal.seq, view_seq)
        edit = examine(value, mark, self.tree.root, position, running=running, state_at=self.state_at, last=last)
        self._last_edit = Merged(mark, value)
        if edit.warning:
            log.warning("%s: %s", self.layout.view, edit.warning)
        tx = Transaction(self.tree)
        carry_over(edit, tx)
        if not self._can_write():  # then it is seen, but not written down
            self._has_unwritten_edit = True
        elif edit.ahead:
            self.journal.append(record(edit.ahead + 1, edit.who, tx.ops, recovered=True, merged=file_mark))
            self.journal.seq = edit.ahead + 1
        elif tx.ops:
            self.journal.append(record(self.journal.seq + 1, edit.who, tx.ops, merged=file_mark))
            self.journal.seq += 1

    def _unreadable(self, stat: os.stat_result, running: bool, writing: bool) -> None:
        """It may be in the middle of being saved: it counts when it has stayed so for a second."""
        if not self._unsettled.is_settled(look(stat)):
            if running:
                return  # the next look will tell
            time.sleep(0.05)
            self._look_at_view(writing)
            return
        found = view.read(self.layout.view)
        data = found[0] if found else b""
        lost_power = data and not data.strip(b"\0")  # the file had its room, but not yet its bytes
        if not running and not lost_power:
            view.parse(self.layout.view, data, self.layout.checkpoint)
            return
        self._unsettled.clear()
        bad = free_name(self.layout.view.with_name(f"{self.layout.view.name}.bad-{time_name()}"))
        os.replace(self.layout.view, bad)
        log.warning("%s could not be read; it is kept as %s and was written anew", self.layout.view, bad.name)
        self._write_view()

    def _merge_displaced(self, data: bytes, view_seq: int, last: Merged | None) -> None:
        """Somebody saved into the JSON at the moment when it was replaced."""
        try:
            value = view.parse(self.layout.view, data, self.layout.checkpoint)
        except BadJson:
            bad = free_name(self.layout.view.with_name(f"{self.layout.view.name}.bad-{time_name()}"))
            bad.write_bytes(data)
            log.warning("%s: what somebody saved cannot be read; it is kept as %s", self.layout.view, bad.name)
            return
        self._merge(value, True, [len(data), view.crc_of(data)], view_seq, last)
        self._write_view()

    # -- writing ---------------------------------------------------------------------------------

    def _start_journal(self, seq: int, state: Any, shown: os.stat_result | None = None) -> None:
        self.journal.create(seq, state, calls=(self.open_calls, self.fenced))
        self.journal.end = self.journal.base_size()
        self.view_seq = seq
        self._seen = [view.Seen.of(shown, seq, 0)] if shown else []
        self._write_view()

    def _prepare(self, seq: int, *, piecewise: bool, gently: bool = False, root: Any = None,
                 identity: str = "") -> tuple[Path, view.Seen]:
        """Write the JSON that shows number `seq` under a temporary name."""
        if root is None:
            assert self.tree is not None
            root = self.tree.root
        shown = view.with_checkpoint(root, self.layout.checkpoint, f"{identity or self.journal.id}.{seq}")
        try:
            body = view.body(shown, piecewise=piecewise, gently=gently)
            path, stat, crc = write_temporary(self.layout.view, body, sync=piecewise)
        except OSError as error:
            raise StoreError(f"{self.layout.view} cannot be written: {error.strerror}; "
                             "the last good state is kept") from error
        return path, view.Seen.of(stat, seq, crc)

    def _show(self, temporary: Path, seen: view.Seen, *, announced: bool = False) -> bool:
        """Put a prepared JSON in place; False where somebody saved an edit in the meantime.

        A JSON that has no checkpoint in it must be `announced` in the journal before it is seen.
        """
        if self._seen and not self._view_is_own():
            with suppress(OSError):
                temporary.unlink()
            return False
        if not (announced or self.layout.checkpoint):
            self.journal.append(self._view_line(seen))
        before, before_seq, last_edit = self._seen, self.view_seq, self._last_edit
        try:
            old = put_in_place(temporary, self.layout.view)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise StoreError(f"{self.layout.view} cannot be replaced: {error.strerror}; "
                             "the change is in the journal and shows when the file is free") from error
        self._see(seen)
        if self.layout.checkpoint:
            with suppress(StoreError):  # without this line the file is compared at the next opening, that is all
                self.journal.append(self._view_line(seen))
        self._rewritten = time.monotonic()
        late = self._displaced.take_edit()
        self._displaced.close()
        self._displaced = Displaced(old, before, before_seq)
        at_once = self._displaced.take_edit()
        if late is not None:
            self._merge_displaced(*late, None)
        if at_once is not None:
            self._merge_displaced(*at_once, last_edit)
        if seen.size > view.PIECEWISE:
            self._displaced.close()  # it would hold its room on the disk
        return True

    def _write_view(self) -> None:
        """Write the whole JSON now, inside the lock."""
        started = time.monotonic()
        if not self._show(*self._prepare(self.journal.seq, piecewise=False)):
            self._look_at_view(writing=True)
        self._rewrite_took = time.monotonic() - started


def look(stat: os.stat_result) -> tuple[int, int, int]:
    """What tells whether a file has changed."""
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
