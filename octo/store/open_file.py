"""What a process knows of one JSON file that it has open: the newest state, the open calls, the last views.

Nothing here takes a lock or writes: that is done by what stands on it (`kept_view`, `loaded_file`, `state_file`).
"""

from __future__ import annotations

import os
import time
import weakref
from typing import Any

from octo.errors import InvalidValue, StoreError

from . import view
from .changes import Tree, Watcher
from .exchange import Displaced
from .journal import Journal
from .layout import Layout
from .listeners import Listener
from .lock import ParameterLock
from .merge import Merged, state_before
from .touched import Touched
from .transaction import Transaction
from .values import dumps, with_crc

DURABILITIES = ("step", "group", "os")
HISTORY_LIMIT = 10_000
FENCES = 1000


class OpenFile:
    """The memory of one JSON file. The caller holds its lock."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.journal = Journal(layout.journal)
        self.lock = ParameterLock(layout.lock)
        self.durability = "group"
        self.history_limit = HISTORY_LIMIT
        self.history_from = 0
        """The number of the oldest change that compaction must keep; 0: none in particular."""
        self.deferring = False
        self.open_calls: dict[int, int] = {}
        self.fenced: list[int] = []
        self.view_seq = 0
        self.watchers: weakref.WeakSet[Watcher] = weakref.WeakSet()
        self.listeners: list[Listener] = []
        self._view_name = str(layout.view)
        self._forget()

    def _forget(self) -> None:
        """As new: nothing loaded (also the state of things in the child of a fork)."""
        self.tree: Tree | None = None
        self._seen: list[view.Seen] = []
        self._merged: list[int] = []
        self.touched = Touched()
        self._last_edit: Merged | None = None
        self._displaced = Displaced(-1, [], 0)
        self._has_unwritten_edit = False
        self._unsettled = view.Unsettled()
        self._active: Transaction | None = None
        self._size_guess = 0
        self._rewrite_took = 0.0
        self._rewritten = 0.0
        self._failed: StoreError | None = None

    def _new_tree(self, root: Any) -> Tree:
        return Tree(root, self.watchers)

    def _take_calls(self, line: dict[str, Any]) -> None:
        self.open_calls = {int(call): visit for call, visit in line["open"].items()}
        self.fenced = list(line["fenced"])

    def _note_calls(self, seq: int, visit: int, flags: dict[str, Any]) -> None:
        """Keep the open and the fenced calls as the flags of a record say."""
        if flags.get("begin"):
            self.open_calls[seq] = visit
        for call in _calls(flags.get("end")):
            self.open_calls.pop(call, None)
        for call in _calls(flags.get("fence")):
            if call not in self.fenced:
                self.fenced.append(call)
                del self.fenced[:-FENCES]

    def _absorb(self, lines: list[dict[str, Any]], *, after: int = -1) -> None:
        """Take over lines that others wrote (records up to number `after` are known already)."""
        assert self.tree is not None
        for line in lines:
            if "view" in line:
                self._see(view.Seen.from_line(line["view"]))
            elif line["seq"] > after:
                try:
                    for op in line["ops"]:
                        self.tree.apply(op, foreign=True)
                except (InvalidValue, KeyError) as error:
                    raise self.journal.damaged(0, f"change {line['seq']} does not fit: {error}") from error
                self._note_calls(line["seq"], line.get("visit", 0), line)
                self.touched.note_line(line)
                if "merged" in line:
                    self._merged = line["merged"]

    def _see(self, seen: view.Seen) -> None:
        self.view_seq = seen.seq
        self._merged, self._last_edit = [], None
        # Without a checkpoint in it the JSON is announced before it is renamed, so the one before it counts too.
        self._seen = [seen] if self.layout.checkpoint else [*self._seen[-1:], seen]
        self._size_guess = seen.size

    def _settings(self) -> None:
        """The settings that the state itself holds."""
        assert self.tree is not None
        if self.layout.checkpoint:
            settings = self.tree.find(self.layout.checkpoint[:1]) or {}
            durability, limit = settings.get("durability"), settings.get("history_limit")
            self.durability = durability if durability in DURABILITIES else "group"
            self.history_limit = limit if type(limit) is int and limit >= 0 else HISTORY_LIMIT
            needed = settings.get("history_from")
            self.history_from = needed if type(needed) is int and needed > 0 else 0

    def _check_shape(self) -> None:
        """The dict that the checkpoint stands in must stay one."""
        place = self.layout.checkpoint
        if place and self.tree is not None:
            root = self.tree.root
            if type(root) is not dict or type(root.get(place[0], {})) is not dict:
                raise InvalidValue(f"{place[0]} must stay a dict, and so must the whole")

    def _is_running(self) -> bool:
        return self.deferring or self.layout.is_running()

    def _is_unsettled(self) -> bool:
        return self._unsettled._since > 0.0

    def _can_write(self) -> bool:
        return self.journal.is_writable and os.access(self.layout.view.parent, os.W_OK)

    def _view_is_own(self) -> bool:
        try:
            stat = os.stat(self._view_name)
        except FileNotFoundError:
            return True
        return any(seen.is_file(stat) for seen in self._seen)

    def _view_line(self, seen: view.Seen) -> bytes:
        shown = {"seq": seen.seq, "ino": seen.ino, "size": seen.size, "mtime": seen.mtime, "crc": seen.crc,
                 "open": {str(call): visit for call, visit in self.open_calls.items()}, "fenced": self.fenced}
        return with_crc(dumps({"view": shown, "time": time.time()}))

    def lines_since(self, seq: int) -> list[dict[str, Any]]:
        """The journal's lines with numbers above `seq`; the caller is inside `locked` or `reading`."""
        if self.journal.fd < 0:
            return []
        lines = self.journal.back_to(lambda some, complete: complete or any(
            line["seq"] <= seq + 1 for line in some if "seq" in line))
        return [line for line in lines or [] if line.get("seq", 0) > seq]

    def state_at(self, seq: int) -> Any:
        """The state at number `seq`, sharing what has not changed since with the newest (do not change it)."""
        assert self.tree is not None
        return state_before(self.tree.root, self.lines_since(seq), seq)


def _calls(value: Any) -> list[int]:
    return value if isinstance(value, list) else [] if value is None else [value]
