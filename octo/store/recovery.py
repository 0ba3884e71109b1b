"""Recovery: the newest whole state from a damaged journal or an unreadable JSON. Bad files are kept."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octo.errors import BadJson, DamagedJournal, InvalidValue, StoreError

from . import view
from .changes import Tree
from .files import free_name, time_name
from .journal import Journal, number_of, raw_lines
from .values import crc_is_right, loads

if TYPE_CHECKING:
    from .state_file import StateFile


@dataclass
class Recovery:
    """What `recover` found and did, for people."""

    lines: list[str] = field(default_factory=list)
    damaged: bool = False

    def say(self, line: str) -> None:
        self.lines.append(line)


@dataclass
class _Found:
    """A whole state that could be read, and how new it is."""

    state: Any
    seq: int
    identity: str


def recover(file: StateFile) -> Recovery:
    """Bring the newest whole state back; the caller has made sure that no engine runs."""
    report = Recovery()
    with file._piecewise, file._mutex:
        file.tree = None
        file.lock.acquire()
        try:
            _recover(file, report)
        finally:
            file.tree = None
            file.journal.close()
            file.lock.release()
    return report


def _recover(file: StateFile, report: Recovery) -> None:
    layout = file.layout
    journal, journal_is_whole = _from_journal(layout.journal, report)
    shown, view_is_whole = _from_view(file, report)
    if journal is None and shown is None:
        raise StoreError(f"neither {layout.view} nor {layout.journal} holds a whole state; nothing was changed")
    if journal_is_whole and view_is_whole:
        report.say("nothing to recover: the journal and the JSON are whole")
        return
    report.damaged = True
    best = journal
    if shown is not None and (journal is None or _is_newer(shown, journal, has_checkpoint=bool(layout.checkpoint))):
        best = _Found(shown.state, max(shown.seq, journal.seq if journal else 0), shown.identity)
    assert best is not None
    if not view_is_whole and layout.view.exists():
        _set_aside(layout.view, "bad", report)
    if not journal_is_whole and layout.journal.exists():
        _set_aside(layout.journal, "bad", report)
    if not journal_is_whole or best is not journal:
        file.open_calls, file.fenced = {}, []
        file.journal.close()
        file.journal.create(best.seq, best.state)
    else:
        file.journal.open()
        base = file.journal.base()
        file.open_calls = {int(call): visit for call, visit in base["open"].items()}
        for line in file.journal.news():
            file._note_calls(line.get("seq", 0), line.get("visit", 0), line)
    file.tree = Tree(best.state)
    file.journal.seq = best.seq
    file._seen = []
    file._write_view()
    report.say(f"the state of change {best.seq} is back, from the {'journal' if best is journal else 'JSON'}")


def _is_newer(shown: _Found, journal: _Found, *, has_checkpoint: bool) -> bool:
    """Whether the JSON is newer than what is left of a damaged journal. One without a checkpoint always is:
    every change is in it when the call that made it returns."""
    if not has_checkpoint:
        return True
    return shown.identity == journal.identity and shown.seq > journal.seq


def _from_journal(path: Path, report: Recovery) -> tuple[_Found | None, bool]:
    """The state up to the damage, and whether there was none."""
    journal = Journal(path)
    try:
        if not journal.open():
            report.say(f"{path.name}: there is none")
            return None, False
        base = journal.base()
    except (DamagedJournal, StoreError) as error:
        report.say(error.message)
        return None, False
    try:
        tree, seq, whole = Tree(base["state"]), journal.base_seq, True
        lost = 0
        size = journal.size()
        for offset, raw in raw_lines(journal.fd, journal.end, size):
            line = loads(raw) if whole and crc_is_right(raw) else None
            number = line.get("seq") if line else number_of(raw)
            if line is None or not _fits(tree, line, seq):
                if whole:
                    report.say(f"{path.name}: damaged {offset} bytes in; "
                               f"change {seq} is the last whole one before that")
                whole = False
                lost += number is not None or line is None
                continue
            seq = line.get("seq", seq)
        if lost:
            report.say(f"{path.name}: {lost} line{'s' * (lost != 1)} from the damage on are not used; the file is kept")
        return _Found(tree.root, seq, journal.id), whole
    finally:
        journal.close()


def _fits(tree: Tree, line: dict[str, Any], seq: int) -> bool:
    """Make the changes of a whole line that follows on number `seq`; False, and none, where it does not."""
    if "seq" not in line:
        return True
    if line["seq"] != seq + 1 and not line.get("recovered"):
        return False
    done: list[Any] = []
    try:
        for op in line["ops"]:
            tree.apply(op)
            done.append(op)
    except (InvalidValue, KeyError):
        for op in reversed(done):
            tree.revert(op)
        return False
    return True


def _from_view(file: StateFile, report: Recovery) -> tuple[_Found | None, bool]:
    found = view.read(file.layout.view)
    if found is None:
        report.say(f"{file.layout.view.name}: there is none")
        return None, False
    try:
        value = view.parse(file.layout.view, found[0])
    except BadJson as error:
        report.say(error.message.partition(";")[0])
        return None, False
    mark = view.take_checkpoint(value, file.layout.checkpoint) or ""
    identity, _, number = mark.rpartition(".")
    return _Found(value, int(number) if number.isdigit() else 0, identity), True


def _set_aside(path: Path, word: str, report: Recovery) -> None:
    kept = free_name(path.with_name(f"{path.name}.{word}-{time_name()}"))
    os.replace(path, kept)
    report.say(f"kept as {kept.name}")
