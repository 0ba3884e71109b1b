"""Work that is done a little later, and files that are replaced: order, one call for each key, failures, forks."""

from __future__ import annotations

import errno
import os
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from octo.store import LockedJson, ParameterStore, exchange, files
from octo.store.background import Later
from tests.store.states import journal_of, other, other_json, shown


@pytest.fixture
def later() -> Later:
    return Later("test-later")


def wait_for(condition: Any) -> None:
    give_up = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def test_what_is_due_first_is_done_first(later: Later) -> None:
    done: list[str] = []
    now = time.monotonic()
    for name, delay in (("c", 0.15), ("a", 0.05), ("b", 0.1)):
        later.schedule(name, now + delay, lambda name=name: done.append(name))  # type: ignore[misc]
    wait_for(lambda: len(done) == 3)
    assert done == ["a", "b", "c"]
    assert 0.15 <= time.monotonic() - now < 2


def test_a_key_waits_once_and_can_be_scheduled_again_from_its_call_on(later: Later) -> None:
    done: list[int] = []
    soon = time.monotonic() + 0.05
    for n in range(5):
        later.schedule("key", soon, lambda n=n: done.append(n))  # type: ignore[misc]
    wait_for(lambda: done)
    later.schedule("key", 0.0, lambda: done.append(9))
    wait_for(lambda: len(done) == 2)
    time.sleep(0.06)
    assert done == [0, 9]


def test_what_was_cancelled_is_not_done(later: Later) -> None:
    done: list[int] = []
    later.schedule("a", time.monotonic() + 0.05, lambda: done.append(1))
    later.cancel("a")
    later.cancel("never scheduled")
    later.schedule("b", time.monotonic() + 0.1, lambda: done.append(2))
    wait_for(lambda: done)
    assert done == [2]


def test_a_failure_is_a_warning_and_the_next_is_done(later: Later, caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    def fail() -> None:
        raise OSError("the disk is gone")

    later.schedule("a", 0.0, fail)
    later.schedule("b", 0.0, lambda: done.append(1))
    wait_for(lambda: done)
    assert "the disk is gone" in caplog.text


def test_finish_does_all_at_once_and_here(later: Later, caplog: pytest.LogCaptureFixture) -> None:
    threads: list[threading.Thread] = []
    later.schedule("a", time.monotonic() + 60, lambda: threads.append(threading.current_thread()))
    later.schedule("b", time.monotonic() + 60, lambda: {}[0])
    later.schedule("c", time.monotonic() + 60, lambda: threads.append(threading.current_thread()))
    later.finish()
    assert threads == [threading.current_thread()] * 2
    assert caplog.records
    later.finish()
    assert len(threads) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_after_a_fork_the_child_has_a_thread_of_its_own(later: Later) -> None:
    """What waits is the parent's to do; what the child schedules is done in the child."""
    done: list[str] = []
    later.schedule("parent", time.monotonic() + 0.3, lambda: done.append("parent"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there are threads
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            later.schedule("child", 0.0, lambda: done.append("child"))
            time.sleep(0.5)
            code = 0 if done == ["child"] else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    wait_for(lambda: done)
    assert done == ["parent"]


# -- files -----------------------------------------------------------------------------------------


def changes_and_edits(store: LockedJson) -> None:
    for n in range(3):
        store.set("ctx", "n", n)
        state = store.path.read_text().replace(f'"n": {n}', f'"n": {n + 10}')
        store.path.write_text(state)
        assert store.increment("ctx", "n") == n + 11
    assert shown(store) == store.read() == other(store).read()  # type: ignore[arg-type]


@pytest.mark.parametrize("why", ["another system", "an old C library", "a file system that cannot"])
def test_where_names_cannot_be_exchanged(store: ParameterStore, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    import ctypes

    exchange._exchange_call.cache_clear()
    with monkeypatch.context() as patch:
        if why == "another system":
            patch.setattr(exchange.sys, "platform", "darwin")
        elif why == "an old C library":
            patch.setattr(ctypes, "CDLL", lambda *a, **k: object())
        if why == "a file system that cannot":
            patch.setattr(exchange, "_exchange_call", lambda: lambda one, two: False)
        else:
            assert exchange._exchange_call() is None
        changes_and_edits(store)
        store.path.unlink()
        (store.directory / "x").write_text("new")
        assert exchange.put_in_place(store.directory / "x", store.path) == -1
        assert store.path.read_text() == "new"
    exchange._exchange_call.cache_clear()


def test_a_refused_rename_leaves_no_descriptor_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / "new").write_text("1")
    (tmp_path / "old").write_text("2")
    monkeypatch.setattr(exchange, "_exchange_call", lambda: None)
    monkeypatch.setattr(files.os, "replace", refuse)
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    with pytest.raises(PermissionError):
        exchange.put_in_place(tmp_path / "new", tmp_path / "old")
    if before is not None:
        assert set(os.listdir("/proc/self/fd")) == before


def test_a_rename_that_a_reader_on_windows_refuses_is_tried_again(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new").write_text("1")
    real, tried = os.replace, [0]

    def sometimes(one: Any, two: Any) -> None:
        tried[0] += 1
        if tried[0] < 3:
            raise PermissionError(errno.EACCES, "in use")
        real(one, two)

    monkeypatch.setattr(files.sys, "platform", "win32")
    monkeypatch.setattr(files.os, "replace", sometimes)
    assert exchange.put_in_place(tmp_path / "new", tmp_path / "old") == -1
    assert (tmp_path / "old").read_text() == "1"
    files.sync_directory(tmp_path / "is not looked at")
    tried[0] = -10**9
    monkeypatch.setattr(files, "PATIENCE", 0.1)
    (tmp_path / "new").write_text("3")
    with pytest.raises(PermissionError):
        files.replace(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_text() == "1"


def test_leftovers_of_dead_processes_only_are_removed(tmp_path: Path) -> None:
    data = LockedJson(tmp_path / "a[1].json", default={})
    data.set("n", 1)
    dead = 2**22 + 7  # above the largest number of a process
    gone = [tmp_path / f"a[1].json.{dead}-1.tmp", tmp_path / f"a[1].journal.{dead}.tmp"]
    stay = [tmp_path / f"a[1].json.{os.getppid()}-1.tmp", tmp_path / f"a[1].json.{os.getpid()}-99.tmp",
            tmp_path / "a[1].json.mine.tmp", tmp_path / f"b.json.{dead}-1.tmp"]
    for path in gone + stay:
        path.write_text("x")
    data.compact()
    assert [path.exists() for path in gone + stay] == [False] * len(gone) + [True] * len(stay)


def test_free_names(tmp_path: Path) -> None:
    for name in ("a", "a-2", "a-3"):
        assert files.free_name(tmp_path / "a") == tmp_path / name
        (tmp_path / name).touch()


@pytest.mark.skipif(os.name == "nt", reason="modes")
def test_a_mode_is_kept_and_a_new_file_follows_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        data = LockedJson(tmp_path / "a.json", default={})
        data.set("n", 1)
        assert data.path.stat().st_mode & 0o777 == 0o640
        data.path.chmod(0o604)
        data.set("n", 2)
        assert data.path.stat().st_mode & 0o777 == 0o604
    finally:
        os.umask(old)


# -- damage that meets compaction ------------------------------------------------------------------


def spoil(store: LockedJson, number: int, offset: int) -> bytes:
    """Flip a byte at `offset` of the record `number`."""
    lines = journal_of(store).read_bytes().splitlines(keepends=True)
    index = next(i for i, line in enumerate(lines) if line.startswith(b'{"seq":%d,' % number))
    line = bytearray(lines[index])
    line[offset] ^= 1
    lines[index] = bytes(line)
    journal_of(store).write_bytes(b"".join(lines))
    return journal_of(store).read_bytes()


@pytest.mark.parametrize("number", [12, 25, 26, 27, 39])
@pytest.mark.parametrize("offset", [1, 7, 8, 60])
def test_a_journal_with_a_damaged_line_is_not_made_shorter(tmp_path: Path, number: int, offset: int) -> None:
    """Else the damage would go unseen, with a base that never was."""
    data = LockedJson(tmp_path / "a.json", default={})
    data._state_file.history_limit = 15
    for n in range(40):
        data.append("rows", values=[n])
    bad = spoil(data, number, offset)
    if number <= 25 and offset == 60:
        data.compact()  # it is among what is dropped
        assert data.at(25) == {"rows": list(range(25))}
        return
    with pytest.raises(Exception, match="damaged") as caught:
        data.compact()
    assert "octo recover" in caught.value.hints[0]  # type: ignore[attr-defined]
    assert journal_of(data).read_bytes() == bad
    assert not list(tmp_path.glob("*.tmp"))
    report = data.recover()
    assert report.damaged
    assert data.read() == {"rows": list(range(40))}  # the JSON is whole, and newer than what is left
    assert other_json(data.path).read() == data.read()


def test_a_change_that_does_not_fit_is_damage_for_recovery_too(store: ParameterStore) -> None:
    from octo.store.journal import record

    store.set("ctx", "a", 1)
    ops = [{"op": "set", "path": ["ctx", "a"], "value": 5, "old": 1},
           {"op": "append", "path": ["ctx", "a"], "values": [1]}]
    journal = journal_of(store)
    journal.write_bytes(journal.read_bytes() + record(2, "x", ops))
    report = other(store).recover()
    assert report.damaged
    assert other(store).get("ctx", "a") == 1
