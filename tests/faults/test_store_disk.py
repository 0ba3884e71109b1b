"""Full disks, read-only and vanished directories: an error, and the last good state is still there."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from octo.errors import StoreError
from octo.store import JOURNAL_FILE, LOCK_FILE, LockedJson, ParameterStore, exchange
from tests.store.states import apart, edit, other, other_json, records, shown

pytestmark = pytest.mark.faults

linux_root = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting needs root on Linux")


@contextmanager
def mounted(*arguments: str) -> Iterator[None]:
    made = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"cannot mount here: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", arguments[-1]], check=False)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)):
        yield place


@linux_root
@pytest.mark.parametrize("kind", ["instance", "json"])
def test_a_full_disk(small_disk: Path, kind: str) -> None:
    open_: Callable[[], LockedJson]
    if kind == "instance":
        ParameterStore(small_disk / "i", create=True)

        def open_() -> LockedJson:
            apart(small_disk / "i")
            return ParameterStore(small_disk / "i")
    else:
        def open_() -> LockedJson:
            return other_json(small_disk / "a.json", default={})

    store = open_()
    store.set("ctx", "rows", [])
    failures, n = 0, 0
    while failures < 20:
        before, number = store.read(), store.seq
        try:
            store.append("ctx", "rows", values=[str(n) * 50])
        except StoreError as error:
            assert "No space left" in str(error)
            assert "Traceback" not in str(error)
            failures += 1
            assert store.read() == before, "memory is what the disk holds"
            assert store.seq == number
            again = open_()
            assert again.read() == before
            assert again.seq == number
        else:
            assert len(store.get("ctx", "rows")) == len(before["ctx"]["rows"]) + 1
            n += 1
    assert n > 20
    before = store.read()
    with pytest.raises(StoreError, match="No space left"):
        store.set("ctx", "big", "x" * 300_000)
    assert store.read() == before
    records(store._state_file.layout.journal)


@linux_root
def test_a_disk_that_has_room_again(small_disk: Path) -> None:
    store = ParameterStore(small_disk / "i", create=True)
    store.set("ctx", "n", 1)
    filler = small_disk / "filler"
    with open(filler, "wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x" * 4096)
    failures = 0
    for n in range(300):
        try:
            store.set("ctx", "text", str(n) * 20)
        except StoreError:
            failures += 1
    assert failures
    with pytest.raises(StoreError):
        store.set("ctx", "text", "x" * 10_000)
    filler.unlink()
    assert store.increment("ctx", "n") == 2
    assert shown(store) == store.read() == other(store).read()
    records(store.directory)


@linux_root
def test_compaction_on_a_full_disk_changes_nothing(small_disk: Path) -> None:
    store = ParameterStore(small_disk / "i", create=True)
    store.set("global_parameters", "history_limit", 3)
    store.set("ctx", "text", "x" * 20_000)
    for n in range(10):
        store.set("ctx", "n", n)
    filler = small_disk / "filler"
    with open(filler, "wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x" * 4096)
    before, state = (store.directory / JOURNAL_FILE).read_bytes(), store.read()
    with pytest.raises(StoreError, match="not made shorter: No space left"):
        store.compact()
    assert (store.directory / JOURNAL_FILE).read_bytes() == before
    assert store.read() == other(store).read() == state
    filler.unlink()
    store.compact()
    assert store._state_file.journal.base_seq > 0
    assert store.read() == other(store).read() == state


@linux_root
def test_a_new_instance_on_a_full_disk(small_disk: Path) -> None:
    (small_disk / "i").mkdir()
    with open(small_disk / "filler", "wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x" * 4096)
    with pytest.raises(StoreError, match="No space left"):
        ParameterStore(small_disk / "i", create=True)
    (small_disk / "filler").unlink()
    apart(small_disk / "i")
    assert ParameterStore(small_disk / "i", create=True).seq == 0


@linux_root
def test_an_edit_on_a_full_disk_is_merged_once(small_disk: Path) -> None:
    store = ParameterStore(small_disk / "i", create=True)
    store.set("ctx", "n", 5)
    store._state_file.deferring = True
    with store._state_file.transaction("engine", later=True) as tx:
        tx.increment(("ctx", "n"))
    store._state_file.deferring = False
    edit(store.path, lambda s: s["ctx"].update(n=15))
    with open(small_disk / "filler", "wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x")
    for _ in range(3):
        with pytest.raises(StoreError, match="No space left"):
            store.read()
        with pytest.raises(StoreError, match="No space left"):
            other(store).increment("ctx", "n")
    (small_disk / "filler").unlink()
    assert store.get("ctx", "n") == 16
    assert other(store).get("ctx", "n") == 16


@pytest.fixture
def renaming() -> Iterator[None]:
    """The system cannot exchange two names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange, "_exchange_call", lambda: None)
        yield


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    """`ulimit -f`: writes become short, then fail."""
    pytest.importorskip("resource")
    directory = tmp_path / "i"
    code = """
import resource, sys
from octo.errors import StoreError
from octo.store import ParameterStore
store = ParameterStore(sys.argv[1], create=True)
store.set("ctx", "n", 0)
size = store._state_file.layout.journal.stat().st_size
for extra in (*range(1, 400, 7), 5000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + extra, resource.RLIM_INFINITY))
    before, number = store.read(), store.seq
    try:
        store.increment("ctx", "n")
        print("done", flush=True)
    except StoreError as error:
        assert "File too large" in str(error), error
        assert store.read() == before and store.seq == number
    size = store._state_file.layout.journal.stat().st_size
"""
    ended = subprocess.run([sys.executable, "-c", code, str(directory)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    with ParameterStore(directory) as store:
        assert store.get("ctx", "n") == ended.stdout.count("done") > 10
        records(directory)
        store.increment("ctx", "n")
    assert "failed" not in ended.stdout


@pytest.mark.parametrize("checkpoint", [True, False])
@pytest.mark.usefixtures("renaming")
def test_every_failing_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: bool) -> None:
    """Each system call that changes a file fails in its turn, a write half-way through; then all is well again."""
    store: LockedJson = (ParameterStore(tmp_path / "i", create=True) if checkpoint
                         else LockedJson(tmp_path / "a.json", default={}))
    store.set("ctx", "n", 0)
    expected = 0
    for name in ("write", "open", "replace", "fchmod", "utime"):
        for number in range(1, 6):
            count = 0
            real = getattr(os, name)

            def failing(*args: Any, _name: str = name, _number: int = number,
                        _real: Callable[..., Any] = real, **more: Any) -> Any:
                nonlocal count
                if _name == "open" and not args[1] & os.O_CREAT:
                    return _real(*args, **more)
                count += 1
                if count == _number:
                    if _name == "write":
                        _real(args[0], bytes(args[1])[: len(args[1]) // 2])
                    raise OSError(errno.ENOSPC, "No space left on device")
                return _real(*args, **more)

            monkeypatch.setattr(os, name, failing)
            try:
                value = store.increment("ctx", "n")
            except StoreError:
                monkeypatch.undo()
                value = store.get("ctx", "n")
                assert value in (expected, expected + 1)
            monkeypatch.undo()
            assert store.get("ctx", "n") == value
            if name == "replace":  # the change is in the journal; the JSON shows it with the next one
                value = store.increment("ctx", "n")
            assert shown(store)["ctx"]["n"] == value
            apart(tmp_path / "i" if checkpoint else store.path)
            again = ParameterStore(tmp_path / "i") if checkpoint else LockedJson(store.path)
            assert again.get("ctx", "n") == value
            expected = value
            records(store._state_file.layout.journal)


@linux_root
def test_a_directory_that_can_only_be_read(tmp_path: Path) -> None:
    store = ParameterStore(tmp_path / "i", create=True)
    store.set("ctx", "n", 1)
    place = tmp_path / "readonly"
    place.mkdir()
    with mounted("--bind", str(store.directory), str(place)):
        with mounted("-o", "remount,ro,bind", str(place)):
            reader = ParameterStore(place)
            assert reader.get("ctx", "n") == 1
            assert reader.history()[-1].value == 1
            assert reader.at(0)["global_parameters"]["run_step_count"] == 1
            with pytest.raises(StoreError, match="Read-only|cannot be written"):
                reader.set("ctx", "n", 2)
            assert reader.get("ctx", "n") == 1
            store.increment("ctx", "n")
            assert reader.get("ctx", "n") == 2
            edit(store.path, lambda s: s["ctx"].update(n=12))
            assert reader.get("ctx", "n") == 12, "an edit that it cannot write down is seen"
            assert reader.get("ctx", "n") == 12
            assert store.increment("ctx", "n") == 13
            assert reader.get("ctx", "n") == 13
            with open(store.directory / JOURNAL_FILE, "ab") as file:
                file.write(b'{"seq":')
            assert other(reader).get("ctx", "n") == 13, "a torn tail is passed over"
            (store.directory / LOCK_FILE).unlink()
            assert other(reader).get("ctx", "n") == 13, "nor is a lock file needed"
            assert not (store.directory / LOCK_FILE).exists()
            with pytest.raises(StoreError):
                reader.set("ctx", "a", 1)
            reader.close()
        store.increment("ctx", "n")
    assert store.get("ctx", "n") == 14


@linux_root
def test_a_json_without_journal_in_a_directory_that_can_only_be_read(tmp_path: Path) -> None:
    (tmp_path / "i").mkdir()
    (tmp_path / "i" / "a.json").write_text('{"a": 1}')
    place = tmp_path / "readonly"
    place.mkdir()
    with mounted("--bind", str(tmp_path / "i"), str(place)), mounted("-o", "remount,ro,bind", str(place)):
        data = LockedJson(place / "a.json")
        assert data.read() == {"a": 1}
        with pytest.raises(StoreError, match="Read-only"):
            data.set("a", 2)
        assert data.read() == {"a": 1}
    assert os.listdir(tmp_path / "i") == ["a.json"]


@pytest.mark.parametrize("kind", ["instance", "json"])
def test_a_directory_that_vanishes(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "i"
    place.mkdir()
    store: LockedJson = (ParameterStore(place, create=True) if kind == "instance"
                         else LockedJson(place / "a.json", default={}))
    store.set("ctx", "n", 1)
    away = tmp_path / "away"
    place.rename(away)
    for _ in range(2):
        with pytest.raises(StoreError):
            store.increment("ctx", "n")
        with pytest.raises(StoreError):
            store.read()
    assert not place.exists(), "nothing is made in its place"
    away.rename(place)
    assert store.increment("ctx", "n") == 2
    shutil.rmtree(place)
    place.write_text("a file in its place")
    with pytest.raises(StoreError):
        store.increment("ctx", "n")
    with pytest.raises(StoreError):
        store.read()
    store.close()


def test_a_failed_sync_closes_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LockedJson(tmp_path / "a.json", default={}, durability="step")
    store.set("n", 1)

    def failing(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("octo.store.state_file.sync_data", failing)
    with pytest.raises(StoreError, match="could not be brought to the disk .Input/output error"):
        store.set("n", 2)
    monkeypatch.undo()
    for call in (store.read, lambda: store.set("n", 3), lambda: store.increment("n"), store.flush, store.close):
        with pytest.raises(StoreError, match="nothing more is written"):
            call()
    assert other_json(tmp_path / "a.json").read() in ({"n": 1}, {"n": 2})


def test_a_failed_sync_in_the_background_meets_the_next_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                             caplog: pytest.LogCaptureFixture) -> None:
    import time

    store = LockedJson(tmp_path / "a.json", default={})

    def failing(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("octo.store.state_file.sync_data", failing)
    store.set("n", 1)
    time.sleep(0.1)
    with pytest.raises(StoreError, match="Input/output"):
        store.set("n", 2)
    assert "Input/output" in caplog.text
