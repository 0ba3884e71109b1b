"""A state over 1 MiB: written in pieces beside the program; and saves that meet a view at the moment of its rename."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from octo.errors import BadJson, StoreError
from octo.store import PARAMETER_FILE, LockedJson, ParameterStore, kept_view, view
from octo.store import state_file as state_module
from octo.store.exchange import Displaced
from tests.store.states import journal_of, other, other_json, records, shown

ROW = "some text of a row that takes its room " * 5


@pytest.fixture
def large(store: ParameterStore) -> ParameterStore:
    store.set("ctx", "rows", [{"n": n, "text": ROW} for n in range(8000)])
    assert store.path.stat().st_size > view.PIECEWISE
    return store


def test_a_change_is_in_the_json_when_the_call_returns(large: ParameterStore) -> None:
    for n in range(3):
        large.set("ctx", "n", n)
        assert json.loads(large.path.read_text())["ctx"]["n"] == n
    assert shown(large) == large.read() == other(large).read()


def test_a_deferred_view_is_one_state_while_threads_change_it(large: ParameterStore) -> None:
    """Whatever the file shows is the state at the number that stands in it."""
    file = large._state_file
    file.deferring = True
    stop = threading.Event()

    def work(name: str) -> None:
        while not stop.is_set():
            with file.transaction(name, later=True) as tx:
                tx.increment(("ctx", name))
                tx.set(("ctx", "rows", tx.get(("ctx", name)) * 7 % 8000, "n"), name)
            time.sleep(0.002)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    seen: dict[int, Any] = {}
    try:
        give_up = time.monotonic() + 20
        while len(seen) < 3 and time.monotonic() < give_up:
            state = json.loads(large.path.read_text())
            seen[int(state["global_parameters"].pop("checkpoint").rpartition(".")[2])] = state
            time.sleep(0.02)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        file.deferring = False
    assert len(seen) == 3
    for number, state in seen.items():
        assert large.at(number) == state, number
    large.flush()
    assert shown(large) == large.read()


def test_a_deferred_view_waits_longer_where_writing_takes_long(large: ParameterStore) -> None:
    file = large._state_file
    file.deferring = True
    file._rewritten, file._rewrite_took = time.monotonic(), 0.5
    with file.transaction("engine", later=True) as tx:
        tx.set(("ctx", "n"), 1)
    time.sleep(0.3)
    assert "n" not in json.loads(large.path.read_text())["ctx"]
    large.flush()
    assert json.loads(large.path.read_text())["ctx"]["n"] == 1
    file.deferring = False


def test_opening_reads_only_the_end_of_the_journal(large: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from octo.store import journal as journal_module

    large.set("ctx", "n", 1)
    sizes: list[int] = []
    real = journal_module.loads
    monkeypatch.setattr(journal_module, "loads", lambda data: (sizes.append(len(data)), real(data))[1])
    again = other(large)
    assert again.get("ctx", "n") == 1
    assert sum(sizes) < 10_000 < journal_of(large).stat().st_size


# -- saves at the moment of a rename -----------------------------------------------------------------


def saved_at_the_rename(monkeypatch: pytest.MonkeyPatch, text: Any) -> None:
    """Somebody saves by rename between the look at the JSON and its replacement, once."""
    real, todo = kept_view.put_in_place, [1]

    def put(temporary: Path, target: Path) -> int:
        if todo and target.name == PARAMETER_FILE:
            todo.clear()
            new = target.with_name("edited")
            new.write_text(text(target.read_text()))
            os.replace(new, target)
        return real(temporary, target)

    monkeypatch.setattr(kept_view, "put_in_place", put)


def test_a_save_at_that_moment_is_merged(store: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.set("ctx", {"a": 1, "b": 1})
    saved_at_the_rename(monkeypatch, lambda text: text.replace('"a": 1', '"a": 7'))
    store.set("ctx", "b", 2)
    assert store.get("ctx") == {"a": 7, "b": 2} == shown(store)["ctx"]
    assert [r["who"] for r in records(store.directory)] == ["test", "test", "edit"]


def test_what_cannot_be_read_at_that_moment_is_kept(store: ParameterStore, monkeypatch: pytest.MonkeyPatch,
                                                    caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(Displaced, "PATIENCE", 0.05)
    store.set("ctx", {"a": 1, "b": 1})
    saved_at_the_rename(monkeypatch, lambda text: text[:-5])
    store.set("ctx", "b", 2)
    assert store.get("ctx") == {"a": 1, "b": 2} == shown(store)["ctx"]
    (bad,) = store.directory.glob("*.bad-*")
    assert bad.name in caplog.text
    assert '"a": 1' in bad.read_text()


@pytest.mark.parametrize("found_by", ["the next change", "the look behind it"])
def test_a_save_in_place_into_the_replaced_file(store: ParameterStore, found_by: str,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "LATE", 0.1 if found_by == "the look behind it" else 60)
    store.set("ctx", {"a": 1, "b": 1})
    state_module.views.cancel((id(store._state_file), "late"))
    with open(store.path, "r+") as editor:
        text = editor.read()
        store.set("ctx", "b", 2)
        editor.seek(0)
        editor.write(text.replace('"a": 1', '"a": 7'))
    if found_by == "the next change":
        store.set("ctx", "c", 3)
        assert store.get("ctx") == {"a": 7, "b": 2, "c": 3} == shown(store)["ctx"]
    else:
        time.sleep(0.4)
        assert shown(store)["ctx"] == {"a": 7, "b": 2}


def test_a_refused_rename_keeps_the_change_in_the_journal(store: ParameterStore,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: Path) -> int:
        raise PermissionError(13, "in use")

    with monkeypatch.context() as patch:
        patch.setattr(kept_view, "put_in_place", refuse)
        with pytest.raises(StoreError, match="the change is in the journal"):
            store.set("ctx", "a", 1)
    assert not list(store.directory.glob("*.tmp"))
    assert store.get("ctx", "a") == 1
    store.set("ctx", "b", 2)
    assert shown(store)["ctx"] == {"a": 1, "b": 2}


# -- what cannot be read -------------------------------------------------------------------------------


def test_a_json_nested_too_deeply(store: ParameterStore, no_waiting: None) -> None:
    store.path.write_text('{"a":' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(BadJson, match="nested too deeply|recursion"):
        other(store).read()


def test_a_directory_in_the_jsons_place(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(StoreError, match="cannot be read: Is a directory"):
        LockedJson(tmp_path / "a.json", default={}).read()


def test_a_json_written_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_text('{"n": 1}')
    real, times = view._same_file, [0]

    def same(one: os.stat_result, two: os.stat_result) -> bool:
        times[0] += 1
        if times[0] == 1:
            (tmp_path / "a.json").write_text('{"n": 22}')
            return False
        return real(one, two)

    monkeypatch.setattr(view, "_same_file", same)
    found = view.read(tmp_path / "a.json")
    assert found is not None
    assert (found[0], found[1].st_size) == (b'{"n": 22}', 9)


def test_an_instances_json_opened_by_its_path_is_the_instance(store: ParameterStore) -> None:
    store.set("ctx", "a", 1)
    by_path = other_json(store.path)
    by_path.increment("ctx", "a")
    assert journal_of(by_path) == journal_of(store)
    assert store.get("ctx", "a") == 2


def test_a_removed_json_without_a_default_is_an_error_and_its_journal_is_kept(tmp_path: Path, no_waiting: None) -> None:
    data = LockedJson(tmp_path / "a.json", default={})
    data.set("n", 1)
    data.path.unlink()
    with pytest.raises(StoreError, match="is not there"):
        other_json(data.path).set("n", 2)
    assert len(list(tmp_path.glob("a.journal.old-*"))) == 1


def test_a_fork_finds_the_relative_library(store: ParameterStore, tmp_path: Path) -> None:
    store.set("global_parameters", "step_engine_library_path", "../lib")
    fork = store.fork(tmp_path / "deep" / "er" / "fork")
    assert fork.get("global_parameters", "step_engine_library_path") == "../../../lib"


def test_an_instance_begins_anew_if_its_json_was_removed(store: ParameterStore, no_waiting: None) -> None:
    store.set("ctx", "a", 1)
    store.begin_anew_if_removed()
    assert store.get("ctx", "a") == 1
    store.path.unlink()
    store.begin_anew_if_removed()
    assert store.get("ctx", default=None) is None
    assert len(list(store.directory.glob("*.old-*"))) == 1
