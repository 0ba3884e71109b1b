"""`recover` brings the newest whole state back, keeps what is bad, and says what was lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from octo.errors import DamagedJournal, StoreError
from octo.store import JOURNAL_FILE, PARAMETER_FILE, LockedJson, ParameterStore
from tests.store.states import edit, journal_of, other, other_json, records, shown


@pytest.fixture
def written(store: ParameterStore) -> ParameterStore:
    for n in range(1, 9):
        store.set("ctx", "n", n)
    return store


def damage(store: LockedJson, seq: int) -> bytes:
    """Spoil the record `seq`; the journal as it is then."""
    path = journal_of(store)
    lines = path.read_bytes().splitlines(keepends=True)
    mark = b'{"seq":%d,' % seq
    spoilt = [line.replace(b'"who":"', b'"who":"!', 1) if line.startswith(mark) else line for line in lines]
    assert spoilt != lines
    path.write_bytes(b"".join(spoilt))
    return path.read_bytes()


def kept(store: ParameterStore, name: str) -> bytes:
    (path,) = store.directory.glob(name + ".bad-*")
    return path.read_bytes()


def test_nothing_to_do(written: ParameterStore) -> None:
    report = written.recover()
    assert not report.damaged
    assert "nothing to recover" in report.lines[-1]
    assert written.get("ctx", "n") == 8
    assert not list(written.directory.glob("*.bad-*"))


def test_a_damaged_journal_and_a_whole_json_that_is_newer(written: ParameterStore) -> None:
    bad = damage(written, 5)
    report = other(written).recover()
    assert report.damaged
    text = "\n".join(report.lines)
    assert "change 4 is the last whole one" in text
    assert "change 8 is back, from the JSON" in text
    assert JOURNAL_FILE + ".bad-" in text
    assert kept(written, JOURNAL_FILE) == bad
    again = other(written)
    assert again.get("ctx", "n") == 8
    assert again.seq == 8
    assert again.increment("ctx", "n") == 9
    assert records(written.directory)[-1]["seq"] == 9
    assert written.get("ctx", "n") == 9, "a process that had it open goes on with the new journal"


def test_a_damaged_journal_and_no_json(written: ParameterStore) -> None:
    damage(written, 5)
    written.path.write_text("{ torn")
    report = other(written).recover()
    text = "\n".join(report.lines)
    assert "line 1, column 3" in text
    assert "4 lines from the damage on are not used" in text or "lines from the damage on are not used" in text
    assert "change 4 is back, from the journal" in text
    assert kept(written, PARAMETER_FILE) == b"{ torn"
    assert other(written).get("ctx", "n") == 4
    assert shown(written)["ctx"] == {"n": 4}


def test_an_unreadable_json_and_a_whole_journal(written: ParameterStore, no_waiting: None) -> None:
    written.path.write_text("{ torn")
    with pytest.raises(StoreError):
        written.read()
    history = journal_of(written).read_bytes()
    report = written.recover()
    assert "change 8 is back, from the journal" in report.lines[-1]
    assert kept(written, PARAMETER_FILE) == b"{ torn"
    assert journal_of(written).read_bytes().startswith(history), "the history stays"
    assert written.get("ctx", "n") == 8
    assert written.at(3)["ctx"]["n"] == 3
    assert not list(written.directory.glob(JOURNAL_FILE + ".bad-*"))


def test_a_missing_json_and_a_whole_journal(written: ParameterStore) -> None:
    written.path.unlink()
    report = other(written).recover()
    assert f"{PARAMETER_FILE}: there is none" in report.lines
    assert other(written).get("ctx", "n") == 8
    assert other(written).at(3)["ctx"]["n"] == 3


@pytest.mark.parametrize("data", [b"", b"nonsense\n", b'{"octo_journal":1,"id":"ab","seq":0,'])
def test_a_journal_without_a_base(written: ParameterStore, data: bytes) -> None:
    journal_of(written).write_bytes(data)
    report = other(written).recover()
    assert "from the JSON" in report.lines[-1]
    assert other(written).get("ctx", "n") == 8
    assert other(written).seq == 8
    assert kept(written, JOURNAL_FILE) == data


def test_a_base_with_a_wrong_checksum(written: ParameterStore) -> None:
    path = journal_of(written)
    path.write_bytes(path.read_bytes().replace(b"INACTIVE", b"INACTIWE", 1))
    assert "checksum of the base" in "\n".join(other(written).recover().lines)
    assert other(written).get("ctx", "n") == 8


def test_no_journal(written: ParameterStore) -> None:
    journal_of(written).unlink()
    report = other(written).recover()
    assert f"{JOURNAL_FILE}: there is none" in report.lines
    assert other(written).get("ctx", "n") == 8


def test_a_gap(written: ParameterStore) -> None:
    path = journal_of(written)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if not line.startswith(b'{"seq":6,')))
    written.path.unlink()
    with pytest.raises(DamagedJournal):
        other(written).read()
    report = other(written).recover()
    assert "change 5 is the last whole one" in "\n".join(report.lines)
    assert other(written).get("ctx", "n") == 5


def test_an_edit_that_was_not_merged_yet_is_not_taken_for_newer(written: ParameterStore) -> None:
    """The JSON of another journal does not win by its number."""
    damage(written, 5)
    edit(written.path, lambda s: s["global_parameters"].update(checkpoint="feed.99"))
    report = other(written).recover()
    assert "change 4 is back, from the journal" in report.lines[-1]


def test_nothing_whole_is_left(written: ParameterStore) -> None:
    journal_of(written).write_bytes(b"x")
    written.path.write_text("y")
    before = sorted(os.listdir(written.directory))
    with pytest.raises(StoreError, match="neither"):
        other(written).recover()
    assert sorted(os.listdir(written.directory)) == before


def test_any_json(tmp_path: Path) -> None:
    data = LockedJson(tmp_path / "a.json", default={})
    for n in range(5):
        data.set("n", n)
    damage(data, 3)
    assert other_json(tmp_path / "a.json").recover().damaged
    assert other_json(tmp_path / "a.json").increment("n") == 5  # of the whole JSON, not of the damaged journal


def test_open_calls_survive(written: ParameterStore) -> None:
    with written._state_file.transaction("engine") as tx:
        tx.flags["begin"] = True
    call = written.seq
    written.path.write_text("{ torn")
    other(written).recover()
    again = other(written)
    again.read()
    assert list(again._state_file.open_calls) == [call]
