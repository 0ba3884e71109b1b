"""How a file's state comes into memory: from its JSON and the journal's end, or from the journal; and stays new."""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from typing import Any

from octo.errors import BadJson, StoreError

from . import view
from .changes import MISSING
from .kept_view import KeptView, look
from .values import checked, loads

log = logging.getLogger("octo.store")

LARGE = 16 << 20
"""Bytes of a JSON from which memory counts more than time: orjson is twice as fast as json, and takes as much
again as the values while it reads."""


class LoadedFile(KeptView):
    """An open file that can be loaded and brought up to date. The caller holds the lock."""

    def _refresh(self, writing: bool) -> None:
        is_opened = self.tree is None
        try:
            if self.tree is None or self._has_unwritten_edit:
                self._load(writing)
            elif not self.journal.in_place():
                self._reopen(writing)
            else:
                news = self.journal.news()
                if news:
                    self._absorb(news)
                    self._settings()
            if self.journal.fd >= 0:
                self._look_at_view(writing)
                if is_opened and self.view_seq < self.journal.seq:
                    self._bring_view_up_to_date()
        except BaseException as error:
            self.tree = None
            if isinstance(error, OSError):
                raise StoreError(f"{error.filename or self.layout.journal}: {error.strerror}") from error
            raise

    def _bring_view_up_to_date(self) -> None:
        """An engine that was killed has left a JSON behind that is not the newest; a running one sees to it itself."""
        if not self._is_running() and self._can_write():
            with suppress(StoreError):  # a full disk: reading goes on
                self._write_view()

    def _load(self, writing: bool) -> None:
        self.touched.lost_track()
        self._seen, self.open_calls, self.fenced, self.view_seq = [], {}, [], 0
        self._merged, self._last_edit, self._has_unwritten_edit = [], None, False
        if not self.lock.held or not self.journal.open():
            self._adopt(writing)
            return
        torn = self.journal.cut_off
        if not self._load_from_view():
            base = self.journal.base()
            self.tree = self._new_tree(base["state"])
            self._take_calls(base)
            self.view_seq = self.journal.base_seq
            self._absorb(self.journal.news())
        if self.journal.cut_off > torn:
            log.warning("%s: %d bytes of a torn last line were cut off",
                        self.layout.journal, self.journal.cut_off - torn)
        self._settings()

    def _load_from_view(self) -> bool:
        """Begin with the JSON where it is Octo's own, and read only what is newer from the journal's end."""
        found = view.read(self.layout.view)
        if found is None:
            return False
        (data, stat), found = found, None
        match: list[dict[str, Any]] = []
        count = 1 if self.layout.checkpoint else 2

        def enough(lines: list[dict[str, Any]], complete: bool) -> bool | None:
            shown = [line["view"] for line in lines if "view" in line][-count:]
            for seen in reversed(shown):
                own = view.Seen.from_line(seen)
                same = seen is shown[-1] and own.size == len(data) and own.crc == view.crc_of(data)
                if same or own.is_file(stat):
                    match[:] = [seen]
                    first = next((line["seq"] for line in lines if "seq" in line), None)
                    return complete or (first is not None and first <= own.seq + 1)
            return None if len(shown) == count else False

        lines = self.journal.back_to(enough)
        if lines is None or not match:
            return False
        try:
            if len(data) < LARGE:
                state = loads(data)
            else:
                text, data = data.decode(), b""
                state = json.loads(text)
                del text
        except ValueError:
            return False
        view.take_checkpoint(state, self.layout.checkpoint)
        self.tree = self._new_tree(state)
        self._take_calls(match[0])
        self._absorb(lines, after=match[0]["seq"])
        own = view.Seen.from_line(match[0])
        self._seen = [view.Seen.of(stat, own.seq, own.crc)]
        self.view_seq = own.seq
        self._size_guess = own.size
        return True

    def _reopen(self, writing: bool) -> None:
        """The journal was replaced (compacted, recovered, removed) while this process had it open."""
        assert self.tree is not None
        identity, known = self.journal.id, self.journal.seq
        if not self.journal.open():
            if identity and self._is_running():
                log.warning("%s was gone and is made anew from memory; earlier history is lost", self.layout.journal)
                self._start_journal(known, self.tree.root)
            else:
                self._load(writing)
            return
        if self.journal.id != identity or not self.journal.base_seq <= known:
            self._load(writing)
            return
        lines = self.journal.back_to(lambda some, complete: complete or any(
            line["seq"] <= known + 1 for line in some if "seq" in line))
        self._absorb(lines or [], after=known)

    def _adopt(self, writing: bool) -> None:
        """No journal: the JSON is the state, or there is nothing yet."""
        found = view.read(self.layout.view)
        if found is None:
            if self.layout.default is MISSING:
                raise StoreError(f"{self.layout.view} is not there")
            state, seq = checked(self.layout.default), 0
        else:
            while True:
                try:
                    state = view.parse(self.layout.view, found[0], self.layout.checkpoint)
                    break
                except BadJson:
                    if self._unsettled.is_settled(look(found[1])):
                        raise
                time.sleep(0.05)
                found = view.read(self.layout.view) or found
            mark = view.take_checkpoint(state, self.layout.checkpoint) or ""
            number = mark.rpartition(".")[2]
            seq = int(number) if number.isdigit() else 0
        self._unsettled.clear()
        self.tree = self._new_tree(state)
        if writing:
            self._start_journal(seq, state, found and found[1])
        self._settings()
