"""Compaction keeps what undo, history and edits need, and whoever has the journal open goes on."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from octo.errors import UsageError
from octo.store import Author, LockedJson, ParameterStore, compaction, view, writing_as
from octo.store.undo import undo_call
from tests.store.states import journal_of, other, other_json, records, save, shown


def numbers(store: LockedJson) -> list[int]:
    return [line["seq"] for line in records(journal_of(store))]


@pytest.fixture
def limited(store: ParameterStore) -> ParameterStore:
    store.set("global_parameters", "history_limit", 5)
    for n in range(20):
        store.set("ctx", "n", n)
    return store


def test_the_newest_changes_are_kept(limited: ParameterStore) -> None:
    state, size = limited.read(), journal_of(limited).stat().st_size
    limited.compact()
    assert numbers(limited) == [17, 18, 19, 20, 21]
    assert limited.read() == other(limited).read() == state
    assert limited.at(16)["ctx"]["n"] == 14
    with pytest.raises(UsageError, match="oldest is 16"):
        limited.at(15)
    assert [c.value for c in limited.history(("ctx", "n"))][-5:] == [15, 16, 17, 18, 19]
    assert limited.increment("ctx", "n") == 20
    assert numbers(limited)[-1] == 22
    assert journal_of(limited).stat().st_size < size


def test_nothing_to_drop(store: ParameterStore) -> None:
    store.set("ctx", "n", 1)
    before = journal_of(store).read_bytes()
    store.compact()
    assert journal_of(store).read_bytes() == before


def test_a_process_that_has_it_open_goes_on(limited: ParameterStore) -> None:
    second = other(limited)
    assert second.get("ctx", "n") == 19
    limited.compact()
    limited.increment("ctx", "n")
    assert second.increment("ctx", "n") == 21
    assert limited.get("ctx", "n") == 21
    third = other(limited)
    third.read()
    for n in range(30):
        limited.set("ctx", "n", n)
    limited.compact()
    assert third.get("ctx", "n") == 29, "it was behind the new base"


def test_an_open_calls_changes_stay(limited: ParameterStore) -> None:
    file = limited._state_file
    with file.transaction("engine") as tx:
        tx.flags["begin"] = True
    call = limited.seq
    author = Author("load", 1, call, limited.directory)
    with writing_as(author):
        limited.set("ctx", "mine", 1)
    for n in range(30):
        limited.set("ctx", "n", n)
    limited.compact()
    assert numbers(limited)[0] == call
    for store in (limited, other(limited)):
        store.read()
        assert store._state_file.open_calls == {call: 0}
    with file.transaction("engine") as tx:
        undo_call(tx, file.lines_since, call, "ctx")
        tx.flags["end"] = call
    assert limited.get("ctx") == {"n": 29}
    limited.compact()
    assert len(numbers(limited)) == 5
    assert other(limited).read() == limited.read()


def test_what_the_json_shows_stays(limited: ParameterStore) -> None:
    """An edit is compared with the state that its number names."""
    file = limited._state_file
    file.deferring = True
    old = json.loads(limited.path.read_text())
    for _ in range(30):
        with file.transaction("engine", later=True) as tx:
            tx.increment(("ctx", "n"))
    if file.view_seq == 21:  # else the JSON was written in the background already, and may go
        limited.compact()
        assert numbers(limited)[0] <= 22
        old["ctx"]["n"] += 100
        save(limited.path, json.dumps(old))
        assert limited.get("ctx", "n") == 149
    file.deferring = False


def test_when_it_is_due(store: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    file = store._state_file

    def due() -> bool:
        with file.locked():
            return compaction.is_due(file)

    store.set("global_parameters", "history_limit", 10)
    assert not due()
    for n in range(8):
        store.set("ctx", "n", n)
    assert not due(), "all is within the limit"
    for n in range(9):
        store.set("ctx", "n", n)
    assert not due(), "not yet more than the limit to drop"
    for n in range(40):
        store.set("ctx", "n", n)
    assert due()
    store.set("ctx", "large", "x" * 100_000)
    assert not due(), "it would have to write more than it drops"
    store.compact()
    assert not due()
    monkeypatch.setattr(compaction, "KEEP_BYTES", 150_000)
    for n in range(5):
        store.set("ctx", "large", str(n) * 100_000)
    assert due(), "few changes, but many bytes"
    before = store.seq
    store.compact()
    assert store._state_file.journal.base_seq > before - 5
    assert store.get("ctx", "large") == "4" * 100_000
    assert other(store).read() == store.read()


def test_a_call_that_stays_open_does_not_make_it_due(store: ParameterStore) -> None:
    file = store._state_file
    store.set("global_parameters", "history_limit", 5)
    with file.transaction("engine") as tx:
        tx.flags["begin"] = True
    for n in range(100):
        store.set("ctx", "n", n)
    with file.locked():
        assert not compaction.is_due(file)


def test_it_happens_by_itself(store: ParameterStore) -> None:
    store.set("global_parameters", "history_limit", 20)
    for n in range(520):
        store.set("ctx", "n", n)
    for thread in threading.enumerate():
        if thread.name == "octo-view":
            store._state_file.flush()
    for _ in range(200):
        with store._state_file.reading():
            base = store._state_file.journal.base_seq
        if base:
            break
        threading.Event().wait(0.02)
    assert base >= 200
    assert store.get("ctx", "n") == 519


def test_the_line_of_the_last_view_is_kept_where_it_stands_before_what_is_kept(limited: ParameterStore) -> None:
    """After a full disk the view's line can be missing behind the last records."""
    path = journal_of(limited)
    lines = path.read_bytes().splitlines(keepends=True)
    views = [index for index, line in enumerate(lines) if line.startswith(b'{"view"')]
    path.write_bytes(b"".join(line for index, line in enumerate(lines) if index not in views[-8:]))
    again = other(limited)
    again.read()
    again.compact()
    assert other(limited).read() == limited.read()
    assert numbers(limited)[-1] == 21
    assert other(limited).increment("ctx", "n") == 20


def test_somebody_else_was_quicker(limited: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    second = other(limited)
    second.read()
    real = compaction._state_at

    def slow(*args: Any, **more: Any) -> Any:
        monkeypatch.setattr(compaction, "_state_at", real)
        limited.compact()
        return real(*args, **more)

    monkeypatch.setattr(compaction, "_state_at", slow)
    second.compact()
    assert numbers(limited) == [17, 18, 19, 20, 21]
    assert second.read() == limited.read()
    assert not list(limited.directory.glob("*.tmp")) + list(limited.directory.glob(".*.tmp"))


def test_changes_during_compaction_are_kept(limited: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = compaction._state_at

    def slow(*args: Any, **more: Any) -> Any:
        other(limited).increment("ctx", "n")
        state = real(*args, **more)
        limited.increment("ctx", "n")
        return state

    monkeypatch.setattr(compaction, "_state_at", slow)
    limited.compact()
    assert limited.get("ctx", "n") == 21
    assert limited.at(16)["ctx"]["n"] == 14
    assert numbers(limited) == [17, 18, 19, 20, 21, 22, 23]
    assert other(limited).read() == limited.read()


def test_any_json(tmp_path: Path) -> None:
    data = LockedJson(tmp_path / "a.json", default={"n": 0})
    data._state_file.history_limit = 3
    for _ in range(10):
        data.increment("n")
    data.compact()
    assert other_json(tmp_path / "a.json").increment("n") == 11
    assert data.get("n") == 11


# -- large states, in pieces ---------------------------------------------------------------------


@pytest.fixture
def in_pieces(store: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> ParameterStore:
    monkeypatch.setattr(view, "PIECEWISE", 50_000)
    store.set("ctx", "rows", [{"n": n, "text": "x" * 40} for n in range(3000)])
    return store


def test_a_large_json_shows_each_change_when_the_call_returns(in_pieces: ParameterStore) -> None:
    for n in range(5):
        in_pieces.append("ctx", "rows", values=[n])
        assert shown(in_pieces) == in_pieces.read()
    assert other(in_pieces).read() == in_pieces.read()


def test_threads_change_what_is_being_written(in_pieces: ParameterStore) -> None:
    """What is written is one state, never a mixture; what comes meanwhile shows with the next."""
    wrong: list[Any] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            ctx = json.loads(in_pieces.path.read_text())["ctx"]
            if ctx.get("first", 0) != ctx.get("last", 0) or len(ctx["rows"]) != 3000 + ctx.get("first", 0):
                wrong.append(ctx.get("first"))

    def work() -> None:
        own = ParameterStore(in_pieces.directory)
        for _ in range(15):
            with own.transaction() as tx:
                tx.increment(("ctx", "first"))
                tx.append(("ctx", "rows"), [0])
                tx.set(("ctx", "rows", 5, "n"), 7)
                tx.increment(("ctx", "last"))

    watching = threading.Thread(target=look)
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in [watching, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    watching.join()
    assert not wrong
    assert shown(in_pieces) == in_pieces.read()
    assert in_pieces.get("ctx", "first") == 45


def test_an_edit_while_a_large_json_is_being_written(
    in_pieces: ParameterStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = in_pieces._state_file
    real = file._prepare

    def slow(*args: Any, **more: Any) -> Any:
        prepared = real(*args, **more)
        if more["piecewise"]:
            state = json.loads(in_pieces.path.read_text())
            state["note"] = 1
            save(in_pieces.path, json.dumps(state))
        return prepared

    monkeypatch.setattr(file, "_prepare", slow)
    in_pieces.set("ctx", "a", 1)
    monkeypatch.undo()
    assert in_pieces.get("note") == 1
    assert in_pieces.get("ctx", "a") == 1
    assert shown(in_pieces) == in_pieces.read()


def test_a_newer_json_is_not_replaced_by_an_older(in_pieces: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    file = in_pieces._state_file
    real = file._prepare
    second = other(in_pieces)

    def slow(*args: Any, **more: Any) -> Any:
        prepared = real(*args, **more)
        second.set("ctx", "b", 2)
        return prepared

    monkeypatch.setattr(file, "_prepare", slow)
    in_pieces.set("ctx", "a", 1)
    assert shown(in_pieces)["ctx"]["b"] == 2
    assert shown(in_pieces) == in_pieces.read() == second.read()
    assert not list(in_pieces.directory.glob(".*.tmp"))


def test_a_large_edit_is_merged_whole(in_pieces: ParameterStore) -> None:
    state = json.loads(in_pieces.path.read_text())
    state["ctx"]["rows"][1500]["n"] = "changed"
    save(in_pieces.path, json.dumps(state, indent=4))
    assert in_pieces.get("ctx", "rows", 1500, "n") == "changed"
    assert shown(in_pieces) == in_pieces.read()
