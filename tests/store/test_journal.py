"""The journal: torn tails lose nothing but themselves, damage is an error, opening reads only the end."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

import pytest

from octo.errors import DamagedJournal, OctoError, StoreError
from octo.store import LockedJson, ParameterStore
from octo.store import journal as journal_module
from octo.store.values import dumps
from tests.store.states import apart, journal_of, other, other_json, records


def crc_line(body: dict[str, Any]) -> bytes:
    text = dumps(body)[:-1]
    return b'%b,"crc":%d}\n' % (text, zlib.crc32(text))


@pytest.fixture
def written(store: ParameterStore) -> ParameterStore:
    store.set("ctx", "a", 1)
    store.set("ctx", "b", [1, 2])
    store.increment("ctx", "a")
    return store


def last_lines(path: Path) -> tuple[bytes, bytes, bytes]:
    """All before the last record, the last record, the view's line behind it."""
    lines = path.read_bytes().splitlines(keepends=True)
    return b"".join(lines[:-2]), lines[-2], lines[-1]


def test_torn_at_every_byte_of_the_last_record(written: ParameterStore, caplog: pytest.LogCaptureFixture) -> None:
    """A kill in the middle of the append of a record, before the JSON was written."""
    path = journal_of(written)
    before = written.at(written.seq - 1)
    head, record, _ = last_lines(path)
    number = written.seq
    for length in range(len(record)):
        caplog.clear()
        written.path.write_bytes(json.dumps(before).encode())  # without checkpoint: as the last view
        path.write_bytes(head + record[:length])
        again = other(written)
        assert again.read() == before, length
        assert again.seq == number - 1
        assert path.read_bytes().startswith(head)
        if length:
            assert f"{length} bytes of a torn last line" in caplog.text
        assert again.increment("ctx", "a") == 2
        assert records(written.directory)[-1]["seq"] == number
    path.write_bytes(head + record)
    assert other(written).seq == number


def test_torn_at_every_byte_of_the_views_line(written: ParameterStore) -> None:
    path = journal_of(written)
    state, number = written.read(), written.seq
    head, record, shown = last_lines(path)
    for length in range(len(shown)):
        path.write_bytes(head + record + shown[:length])
        again = other(written)
        assert again.read() == state
        assert again.seq == number
        assert records(written.directory)[-1]["seq"] == number


@pytest.mark.parametrize("tail", [b"\0" * 5000, b'{"seq":9' + b"\0" * 100, b'{"seq":9,"crc":1}\n\0\0\0', b"garbage",
                                  b'{"seq":9,"crc":12}\n', b"\n", b"{}\n"])
def test_other_torn_tails(written: ParameterStore, tail: bytes) -> None:
    path = journal_of(written)
    good, state = path.read_bytes(), written.read()
    path.write_bytes(good + tail)
    again = other(written)
    assert again.read() == state
    again.set("ctx", "c", 1)
    assert path.read_bytes().startswith(good)
    records(written.directory)
    assert other(written).get("ctx", "c") == 1


def test_a_torn_tail_is_cut_by_a_process_that_is_open(written: ParameterStore) -> None:
    """Another process was killed while it appended; this one has the journal open."""
    with open(journal_of(written), "ab") as file:
        file.write(b'{"seq":99,"time"')
    written.increment("ctx", "a")
    assert records(written.directory)[-1]["seq"] == written.seq
    assert other(written).get("ctx", "a") == 3


def test_a_bad_checksum_in_the_middle_is_damage(written: ParameterStore) -> None:
    path = journal_of(written)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b'"time":1', b'"time":2')
    path.write_bytes(b"".join(lines))
    again = other(written)
    with pytest.raises(DamagedJournal, match=f"^{path}:4: .*checksum") as caught:
        again.history()
    assert caught.value.hints == [f"octo recover {written.directory}"]
    written.path.write_text("{}")
    with pytest.raises(DamagedJournal, match=":4: "):
        other(written).read()
    with pytest.raises(DamagedJournal, match=":4: "):
        other(written).set("ctx", "a", 1)
    assert b"".join(lines) == path.read_bytes()


@pytest.mark.parametrize(("number", "problem"), [(0, "stands where"), (2, "stands where"), (-3, "stands where")])
def test_a_gap_or_a_repeated_number_is_damage(written: ParameterStore, number: int, problem: str) -> None:
    path = journal_of(written)
    written.path.write_text('{"global_parameters": {}}')
    line = {"seq": written.seq + 1 + number if number else written.seq, "time": 1.0, "who": "x", "ops": []}
    path.write_bytes(path.read_bytes() + crc_line(line) + crc_line({"view": {}}))
    with pytest.raises(DamagedJournal, match=problem):
        other(written).read()
    with pytest.raises(DamagedJournal, match=problem):
        written.read()


def test_a_gap_right_behind_the_base_is_damage(written: ParameterStore) -> None:
    path = journal_of(written)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if not line.startswith(b'{"seq":1,')))
    with pytest.raises(DamagedJournal, match=r":\d+: .*change 2 stands where 1 should"):
        other(written).read()


def test_a_change_that_does_not_fit_is_damage(written: ParameterStore) -> None:
    path = journal_of(written)
    op = {"op": "append", "path": ["ctx", "a"], "values": [1]}
    path.write_bytes(path.read_bytes() + crc_line({"seq": written.seq + 1, "time": 1.0, "who": "x", "ops": [op]}))
    for store in (written, other(written)):
        with pytest.raises(DamagedJournal, match="does not fit"):
            store.read()


@pytest.mark.parametrize("data", [b"", b"{}\n", b"nonsense", b'{"octo_journal":1,"id":"ab","seq":0,"state":'])
def test_a_first_line_that_is_no_base_is_damage(written: ParameterStore, data: bytes) -> None:
    journal_of(written).write_bytes(data)
    with pytest.raises(DamagedJournal, match=":1: "):
        other(written).read()


def test_a_base_with_a_wrong_checksum_is_damage(written: ParameterStore) -> None:
    path = journal_of(written)
    path.write_bytes(path.read_bytes().replace(b"INACTIVE", b"INACTIWE", 1))
    written.path.write_text("{}")
    with pytest.raises(DamagedJournal, match=":1: .*checksum of the base"):
        other(written).read()


def test_a_newer_format_is_refused(written: ParameterStore) -> None:
    path = journal_of(written)
    path.write_bytes(path.read_bytes().replace(b'"octo_journal":1', b'"octo_journal":2', 1))
    with pytest.raises(StoreError, match="newer Octo"):
        other(written).read()


def test_a_journal_that_became_shorter_is_damage(written: ParameterStore) -> None:
    path = journal_of(written)
    os.truncate(path, path.stat().st_size - 10)
    with pytest.raises(DamagedJournal, match="shorter"):
        written.read()
    assert written.get("ctx", "a") == 2, "read anew, it is a torn tail"


def test_a_value_that_looks_like_a_checksum(store: ParameterStore) -> None:
    store.set("ctx", "a", 'x,"crc":12}\n')
    store.set("ctx", ',"crc":5}', {"crc": 7})
    assert other(store).read() == store.read()
    assert len(records(store.directory)) == store.seq


def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the lines of the journal that are parsed from now on."""
    sizes: list[int] = []

    def counting(data: bytes) -> Any:
        sizes.append(len(data))
        return json.loads(data)

    monkeypatch.setattr(journal_module, "loads", counting)
    return sizes


def test_opening_reads_a_long_journal_from_its_end(store: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store._state_file.deferring = True
    for n in range(5000):
        with store._state_file.transaction("engine", later=True) as tx:
            tx.set(("ctx", "n"), f"some text that makes it longer {n}")
    store._state_file.deferring = False
    store._state_file.write_view()
    store.set("ctx", "a", 1)
    sizes = parsed(monkeypatch)
    apart(store.directory)
    assert ParameterStore(store.directory).get("ctx", "a") == 1
    assert sum(sizes) < 200_000 < journal_of(store).stat().st_size


def test_opening_reads_back_to_what_the_json_shows(store: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The JSON of a killed engine is behind: what is newer is read, however much that is."""
    for n in range(300):
        store.set("ctx", f"before {n}", n)
    store._state_file.deferring = True
    for n in range(2000):
        with store._state_file.transaction("engine", later=True) as tx:
            tx.set(("ctx", "n"), f"some text that makes it longer {n}")
            tx.append(("ctx", "rows"), [n])
    state = store._state_file.read()
    sizes = parsed(monkeypatch)
    again = other(store)
    assert again.read() == state
    assert sizes
    store._state_file.deferring = False


def test_opening_when_the_journal_holds_only_a_base(store: ParameterStore) -> None:
    assert other(store).seq == 0
    assert other(store).read() == store.read()


def test_a_journal_of_many_chunks_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    data = LockedJson(path, default={})
    text = "x" * 50_000
    for n in range(120):
        data.set("key", text + str(n))
    data.set("key", "y" * 9_000_000)
    data.set("key", "end")
    assert [c.seq for c in data.history()] == list(range(1, 123))
    assert data.at(60)["key"] == text + "59"
    path.write_text("{}")
    assert other_json(path).seq == 123, "the edit"
    assert other_json(path).at(122) == {"key": "end"}


def test_a_journal_that_cannot_be_opened(store: ParameterStore) -> None:
    journal_of(store).unlink()
    journal_of(store).mkdir()
    with pytest.raises(StoreError, match="directory"):
        other(store).read()


def test_recover_after_each_damage_gives_a_state(written: ParameterStore) -> None:
    """Whatever single line is damaged, a read either works or says `octo recover`, which then works."""
    path = journal_of(written)
    good, view = path.read_bytes(), written.path.read_bytes()
    lines = good.splitlines(keepends=True)
    for index in range(len(lines)):
        damaged = lines.copy()
        damaged[index] = damaged[index].replace(b":", b";", 1)
        path.write_bytes(b"".join(damaged))
        written.path.write_bytes(view)
        store = other(written)
        try:
            store.read()
            store.history()
        except OctoError as error:
            assert error.hints == [f"octo recover {written.directory}"]
            assert store.recover().damaged
        assert store.get("ctx", "a") == 2
        assert store.increment("ctx", "a") == 3
