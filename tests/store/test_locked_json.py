"""`LockedJson` and `ParameterStore` as programs use them: reading, changing, transactions, history, forks."""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from octo.errors import AttemptEnded, InstanceBusy, InvalidValue, StoreError, UsageError
from octo.store import (
    JOURNAL_FILE,
    LOCK_FILE,
    MISSING,
    PARAMETER_FILE,
    Author,
    LockedJson,
    ParameterStore,
    RunLock,
    default_state,
    writing_as,
)
from tests.store.states import apart, edit, journal_of, other, other_json, records, shown


@pytest.fixture
def data(tmp_path: Path) -> LockedJson:
    return LockedJson(tmp_path / "a.json", default={}, who="test")


# -- files ---------------------------------------------------------------------------------------


def test_a_new_instance_has_the_documented_state(store: ParameterStore) -> None:
    assert sorted(os.listdir(store.directory)) == sorted([PARAMETER_FILE, LOCK_FILE, JOURNAL_FILE])
    assert list(shown(store)) == ["global_parameters"]
    assert list(shown(store)["global_parameters"]) == [
        "step_engine_library_path", "step_engine_instance_path", "step_engine_state", "current_step_module",
        "current_step_node", "current_step_state", "first_step_module", "first_step_node", "run_step_count"]
    assert shown(store) == default_state() == store.read()
    text = store.path.read_text()
    assert text.startswith('{\n  "global_parameters": {\n    "step_engine_library_path": "",\n')
    assert text.endswith("}\n")


def test_key_order_and_what_is_not_ours_are_kept(tmp_path: Path) -> None:
    (tmp_path / "i").mkdir()
    state = {"zebra": {"b": 1, "a": [1, {"y": 1, "x": 2}]}, "global_parameters": {"mine": 1, "run_step_count": 4},
             "äpfel": "über", "list": [], "ctx": {"z": 1, "y": 2}}
    (tmp_path / "i" / PARAMETER_FILE).write_text(json.dumps(state))
    store = ParameterStore(tmp_path / "i")
    assert json.dumps(store.read()) == json.dumps(state)
    assert os.listdir(tmp_path / "i") == [PARAMETER_FILE], "reading makes no file"
    store.set("ctx", "a", 0)
    store.set("zebra", "b", 2)
    state["ctx"]["a"], state["zebra"]["b"] = 0, 2  # type: ignore[index]
    assert json.dumps(shown(store)) == json.dumps(other(store).read()) == json.dumps(state)
    assert '"äpfel": "über"' in store.path.read_text(encoding="utf-8")


@pytest.mark.parametrize("what", ["missing", "empty", "file"])
def test_what_is_no_instance(tmp_path: Path, what: str) -> None:
    place = tmp_path / "i"
    if what == "empty":
        place.mkdir()
    if what == "file":
        place.write_text("")
    with pytest.raises(UsageError, match="is not a" if what != "empty" else "is not an instance") as caught:
        ParameterStore(place)
    assert caught.value.hints == [f"octo init {place} --library LIB"]
    assert what == "missing" or not place.is_dir() or not os.listdir(place)


def test_a_json_that_is_not_there(tmp_path: Path) -> None:
    data = LockedJson(tmp_path / "a.json")
    with pytest.raises(StoreError, match="is not there"):
        data.read()
    with pytest.raises(StoreError, match="is not there"):
        data.set("a", 1)
    with_default = other_json(tmp_path / "a.json", default={"a": [1]})
    assert with_default.read() == {"a": [1]}
    assert with_default.seq == 0
    assert with_default.at(0) == {"a": [1]}
    assert with_default.history() == []
    with pytest.raises(UsageError):
        with_default.at(1)
    assert [name for name in os.listdir(tmp_path) if name.endswith(".json")] == []


def test_names_of_lock_and_journal(tmp_path: Path) -> None:
    LockedJson(tmp_path / "limits.json", default={}).set("a", 1)
    LockedJson(tmp_path / "config", default={}).set("a", 1)
    LockedJson(tmp_path / "own.json", default={}, lock_path=tmp_path / "other.lock").set("a", 1)
    assert {"limits.lock", "limits.journal", "config.lock", "config.journal", "other.lock"} <= set(os.listdir(tmp_path))
    assert "own.lock" not in os.listdir(tmp_path)


def test_the_journal_begins_where_the_checkpoint_of_a_json_alone_stood(store: ParameterStore) -> None:
    for n in range(5):
        store.set("ctx", "n", n)
    journal_of(store).unlink()
    again = other(store)
    assert again.get("ctx", "n") == 4
    again.set("ctx", "n", 9)
    assert again.seq == 6, "numbers go on"
    assert again.at(5)["ctx"] == {"n": 4}
    with pytest.raises(UsageError, match="oldest is 5"):
        again.at(4)


def test_a_journal_that_vanishes_during_a_run_is_made_anew(store: ParameterStore) -> None:
    with RunLockHeld(store):
        store.set("ctx", "n", 1)
        journal_of(store).unlink()
        assert store.increment("ctx", "n") == 2
        assert other(store).get("ctx", "n") == 2


class RunLockHeld:
    def __init__(self, store: ParameterStore) -> None:
        self.lock = RunLock(store.directory)

    def __enter__(self) -> None:
        self.lock.acquire("run 1")

    def __exit__(self, *_: Any) -> None:
        self.lock.release()


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes and links")
def test_mode_and_owner_are_kept_and_a_link_is_followed(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "there.json").write_text('{"global_parameters": {}}')
    (real / "there.json").chmod(0o640)
    if os.geteuid() == 0:
        os.chown(real / "there.json", 1234, 2345)
    (tmp_path / "i").mkdir()
    link = tmp_path / "i" / PARAMETER_FILE
    link.symlink_to(real / "there.json")
    store = ParameterStore(tmp_path / "i")
    store.set("ctx", "n", 1)
    edit(real / "there.json", lambda s: s["ctx"].update(n=5), how="in place")
    store.increment("ctx", "n")
    assert link.is_symlink()
    there = (real / "there.json").stat()
    assert stat.S_IMODE(there.st_mode) == 0o640
    if os.geteuid() == 0:
        assert (there.st_uid, there.st_gid) == (1234, 2345)
    assert json.loads(link.read_text())["ctx"] == {"n": 6}
    assert sorted(os.listdir(tmp_path / "i")) == sorted([PARAMETER_FILE, LOCK_FILE, JOURNAL_FILE])
    assert os.listdir(real) == ["there.json"]


@pytest.mark.skipif(os.name == "nt", reason="links")
def test_by_whatever_name_it_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    first = LockedJson(tmp_path / "real" / "a.json", default={})
    first.set("n", 1)
    (tmp_path / "link.json").symlink_to(tmp_path / "real" / "a.json")
    (tmp_path / "dir").symlink_to(tmp_path / "real")
    second = other_json(tmp_path / "link.json")
    third = LockedJson(tmp_path / "dir" / ".." / "real" / "a.json")
    second.increment("n")
    third.increment("n")
    assert first.increment("n") == 4
    assert (tmp_path / "link.json").is_symlink()
    assert sorted(os.listdir(tmp_path / "real")) == ["a.journal", "a.json", "a.lock"]
    assert third._state_file is second._state_file


def test_one_object_for_each_file_in_a_process(store: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ParameterStore(store.directory)._state_file is store._state_file
    monkeypatch.chdir(store.directory.parent)
    relative = ParameterStore("instance")
    assert relative._state_file is store._state_file
    monkeypatch.chdir("/")
    relative.set("ctx", "a", 1)
    assert store.get("ctx", "a") == 1


def test_closed(store: ParameterStore) -> None:
    second = ParameterStore(store.directory)
    second.close()
    second.close()
    with pytest.raises(StoreError, match="was closed"):
        second.read()
    assert store.read()
    with ParameterStore(store.directory) as third:
        third.set("ctx", "a", 1)
    with pytest.raises(StoreError, match="was closed"):
        third.set("ctx", "a", 1)


def test_closing_all_gives_the_descriptors_back(tmp_path: Path) -> None:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc")
    time.sleep(0.3)
    before = len(os.listdir("/proc/self/fd"))
    for n in range(5):
        with LockedJson(tmp_path / f"{n}.json", default={}) as data:
            data.set("a", 1)
            data.set("a", 2)
    time.sleep(0.3)  # what looks for late saves
    assert len(os.listdir("/proc/self/fd")) <= before


# -- reading and changing ------------------------------------------------------------------------


def test_what_is_returned_is_a_copy(data: LockedJson) -> None:
    mine = {"b": [1]}
    data.set("a", mine)
    mine["b"].append(2)
    data.get("a")["b"].append(3)
    data.read()["a"]["b"].append(4)
    with data.transaction() as tx:
        tx.get(("a", "b")).append(5)
    data.at(data.seq)["a"]["b"].append(6)
    data.history()[-1].value["b"].append(7)
    assert data.read() == {"a": {"b": [1]}}


def test_get(data: LockedJson) -> None:
    data.set("a", {"rows": [1, {"x": None}]})
    assert data.get("a", "rows", 1, "x") is None
    assert data.get("a", "rows", -2) == 1
    assert data.get("a", "rows", 2, default=5) == 5
    assert data.get("a", "b", "c", default=None) is None
    for place in (("b",), ("a", "rows", 2), ("a", "rows", "x"), ("a", 0), ("a", "rows", 0, "x")):
        with pytest.raises(KeyError, match="/".join(map(str, place))):
            data.get(*place)


def test_set_makes_what_is_missing_on_the_way(data: LockedJson) -> None:
    data.set("a", "b", "c", 1)
    assert data.read() == {"a": {"b": {"c": 1}}}
    data.set("a", "list", [1, 2])
    data.set("a", "list", 0, 5)
    data.set("a", "list", -1, 6)
    assert data.get("a", "list") == [5, 6]
    for place in (("a", "list", 2), ("a", "list", -3), ("a", "list", "x"), ("a", "b", "c", "d"), ("x", 0), ("a", 1)):
        with pytest.raises(InvalidValue, match=place[0]):
            data.set(*place, 1)
    assert data.read() == {"a": {"b": {"c": 1}, "list": [5, 6]}}


def test_delete(data: LockedJson) -> None:
    data.set("a", {"b": 1, "rows": [1, 2, 3]})
    data.delete("a", "b")
    data.delete("a", "rows", -1)
    data.delete("a", "rows", 0)
    assert data.read() == {"a": {"rows": [2]}}
    assert data.history()[-1].op == "splice"
    for place in (("a", "b"), ("x",), (), ("a", "rows", 1), ("a", "b", "c")):
        with pytest.raises(KeyError):
            data.delete(*place)


def test_increment(data: LockedJson) -> None:
    assert data.increment("n") == 1
    assert data.increment("n", by=5) == 6
    assert data.increment("n", by=-6) == 0
    assert data.increment("group", "x", by=0.5) == 0.5
    assert data.increment("group", "x") == 1.5
    assert data.increment("big", by=10**30) == 10**30
    assert data.increment("big") == 10**30 + 1
    data.set("text", "1")
    data.set("flag", True)
    data.set("none", None)
    for key in ("text", "flag", "none", "group"):
        with pytest.raises(InvalidValue, match=key):
            data.increment(key)
    for by in ("1", True, None, float("nan")):
        with pytest.raises(InvalidValue, match="n"):
            data.increment("n", by=by)
    with pytest.raises(InvalidValue):
        data.increment("big", by=float("inf"))
    data.set("large", 1.7e308)
    with pytest.raises(InvalidValue, match="large"):
        data.increment("large", by=1.7e308)
    data.set("huge", 10**400)
    with pytest.raises(InvalidValue, match="huge"):
        data.increment("huge", by=0.5)
    assert data.get("n") == 0
    assert other_json(data.path).read() == data.read()


def test_append_and_splice(data: LockedJson) -> None:
    data.append("rows", values=[1, 2])
    data.append("rows", values=(3,))  # type: ignore[arg-type]
    data.append("rows", values=[])
    data.splice("rows", start=1, count=1, items=["a", "b"])
    data.splice("rows", start=4, count=0, items=["end"])
    assert data.get("rows") == [1, "a", "b", 3, "end"]
    data.set("text", "x")
    with pytest.raises(InvalidValue, match="text is not a list"):
        data.append("text", values=[1])
    with pytest.raises(InvalidValue, match="text is not a list"):
        data.splice("text", start=0, count=0, items=[])
    for start, count in ((6, 0), (0, 6), (-1, 1), (4, 2), (0, -1)):
        with pytest.raises(InvalidValue, match="has 5 items"):
            data.splice("rows", start=start, count=count, items=[])
    data.append("deep", "er", values=[1])
    assert data.get("deep") == {"er": [1]}


def test_an_appended_list_can_be_changed_without_touching_what_was_recorded(data: LockedJson) -> None:
    with data.transaction() as tx:
        tx.append(("rows",), [[1]])
        tx.append(("rows", 0), [2])
        tx.set(("a",), {"b": 1})
        tx.set(("a", "b"), 2)
    assert data.history(("a",))[0].value == {"b": 1}
    assert other_json(data.path).read() == {"rows": [[1, 2]], "a": {"b": 2}}
    assert data.at(0) == {}


# -- transactions --------------------------------------------------------------------------------


def test_several_changes_are_one_record(data: LockedJson) -> None:
    with data.transaction(who="me") as tx:
        tx.set(("a",), 1)
        assert tx.increment(("a",)) == 2
        assert tx.get(("a",)) == 2
        assert tx.peek(("a",)) == 2
        assert tx.get(("b",), None) is None
        with pytest.raises(KeyError, match="b"):
            tx.get(("b",))
        tx.delete(("a",))
    assert data.seq == 1
    assert {change.seq for change in data.history()} == {1}
    assert {change.who for change in data.history()} == {"me"}
    assert data.read() == {}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, InvalidValue])
def test_an_exception_drops_all(data: LockedJson, error: type[BaseException]) -> None:
    data.set("a", 1)
    with pytest.raises(error), data.transaction() as tx:
        tx.set(("a",), 2)
        tx.set(("b",), 2)
        raise error("no")
    assert data.read() == {"a": 1}
    assert data.seq == 1
    assert json.loads(data.path.read_text()) == {"a": 1}
    data.increment("a")
    assert other_json(data.path).read() == {"a": 2}


def test_a_failed_change_in_a_transaction_changes_nothing_else(data: LockedJson) -> None:
    data.set("text", "x")
    with data.transaction() as tx:
        tx.set(("a",), 1)
        with pytest.raises(InvalidValue):
            tx.increment(("text",))
        with pytest.raises(InvalidValue):
            tx.set(("b",), object())
        with pytest.raises(KeyError):
            tx.delete(("c",))
        tx.set(("d",), 1)
    assert data.read() == {"text": "x", "a": 1, "d": 1}


def test_a_transaction_in_a_transaction_is_a_part_of_it(data: LockedJson) -> None:
    with data.transaction(), data.transaction() as inner:
        inner.set(("a",), 1)
        data.set("b", 1)
        assert data.read() == {"a": 1, "b": 1}, "reads see it"
        assert data.get("b") == 1
    assert data.seq == 1
    with pytest.raises(ValueError), data.transaction():
        with data.transaction() as tx:
            tx.set(("a",), 2)
        raise ValueError
    assert data.read() == {"a": 1, "b": 1}


def test_a_read_inside_a_transaction_keeps_the_lock(data: LockedJson) -> None:
    data.set("n", 0)
    apart(data.path)
    rival = LockedJson(data.path, timeout=0.05)
    with data.transaction() as tx:
        data.read()
        data.history()
        assert data.seq == 1
        data.at(1)
        with pytest.raises(StoreError, match="held by"):
            rival.increment("n")
        tx.increment(("n",))
    assert rival.increment("n") == 2
    assert data.get("n") == 2


def test_an_empty_transaction_writes_nothing(data: LockedJson) -> None:
    data.set("a", 1)
    before = journal_of(data).read_bytes()
    with data.transaction():
        pass
    assert journal_of(data).read_bytes() == before


def test_threads_lose_nothing(store: ParameterStore) -> None:
    def work() -> None:
        own = ParameterStore(store.directory)
        for _ in range(50):
            own.increment("ctx", "n")
            with own.transaction() as tx:
                tx.increment(("ctx", "a"))
                tx.increment(("ctx", "b"), -1)

    def look() -> None:
        while any(thread.is_alive() for thread in threads):
            ctx = store.get("ctx", default={})
            if ctx.get("a", 0) != -ctx.get("b", 0):
                wrong.append(ctx)

    wrong: list[Any] = []
    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    look()
    assert store.get("ctx") == {"n": 300, "a": 300, "b": -300}
    assert not wrong, "no half state is seen"
    assert other(store).get("ctx") == store.get("ctx")


# -- who -----------------------------------------------------------------------------------------


def test_who_writes(store: ParameterStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def newest() -> tuple[str, int, int]:
        store.increment("ctx", "n")
        change = store.history(("ctx", "n"))[-1]
        return change.who, change.visit, change.call

    assert newest() == ("test", 0, 0)
    store.who = None
    monkeypatch.setattr(sys, "argv", ["/usr/bin/report.py"])
    assert newest() == (f"report.py[{os.getpid()}]", 0, 0)
    monkeypatch.setattr(sys, "argv", ["/lib/site-packages/octo/__main__.py"])
    assert newest() == (f"octo[{os.getpid()}]", 0, 0)
    for empty in ([], [""], ["-c"]):
        monkeypatch.setattr(sys, "argv", empty)
        assert newest()[0] == ("-c" if empty == ["-c"] else "python") + f"[{os.getpid()}]"
    monkeypatch.setenv("OCTO_CALL", Author("load", 3, 7, store.directory).to_environment())
    assert newest() == ("load", 3, 7)
    monkeypatch.setenv("OCTO_CALL", Author("load", 3, 7, tmp_path).to_environment())
    assert newest() == ("load", 0, 0), "a call of another instance"
    for wrong in ("nonsense", "a:b:c|d", "1:2:x"):
        monkeypatch.setenv("OCTO_CALL", wrong)
        assert newest()[0].endswith(f"[{os.getpid()}]")
    monkeypatch.delenv("OCTO_CALL")
    with writing_as(Author("check", 4, 9, store.directory)):
        assert newest() == ("check", 4, 9)
        seen: list[Any] = []
        thread = threading.Thread(target=lambda: seen.append(newest()))
        thread.start()
        thread.join()
        assert seen == [("check", 4, 9)], "the only running step of this process"
        with writing_as(Author("second", 5, 10, store.directory)):
            assert newest() == ("second", 5, 10)
            thread = threading.Thread(target=lambda: seen.append(newest()))
            thread.start()
            thread.join()
            assert seen[-1][0].endswith(f"[{os.getpid()}]"), "two run: it may be either"
        with store.transaction(who="named") as tx:
            tx.set(("ctx", "x"), 1)
        change = store.history(("ctx", "x"))[-1]
        assert (change.who, change.call) == ("named", 9)


@pytest.mark.skipif(os.name == "nt", reason="links")
def test_a_call_is_known_by_any_name_of_its_instance(store: ParameterStore, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(store.directory)
    with writing_as(Author("check", 4, 9, tmp_path / "link")):
        ParameterStore(tmp_path / "link").set("ctx", "a", 1)
    assert store.history(("ctx", "a"))[-1].call == 9


def test_a_fenced_call_may_write_no_more(store: ParameterStore) -> None:
    file = store._state_file
    with file.transaction("engine") as tx:
        tx.flags["begin"] = True
    call = store.seq
    author = Author("load", 1, call, store.directory)
    with writing_as(author):
        store.set("ctx", "a", 1)
    with file.transaction("engine") as tx:
        tx.flags.update(end=call, fence=call)
    for again in (store, other(store)):
        with writing_as(author), pytest.raises(AttemptEnded, match="load"):
            again.set("ctx", "a", 2)
        assert again.get("ctx", "a") == 1
        assert again._state_file.open_calls == {}
    store.set("ctx", "a", 3)
    store.compact()
    with writing_as(author), pytest.raises(AttemptEnded):
        other(store).set("ctx", "a", 2)


# -- history -------------------------------------------------------------------------------------


def test_history(store: ParameterStore) -> None:
    store.set("ctx", "rows", [1])
    store.append("ctx", "rows", values=[2])
    store.splice("ctx", "rows", start=0, count=1, items=[])
    store.increment("ctx", "n", by=2)
    store.increment("ctx", "n", by=0.5)
    store.set("ctx", "rows", 5)
    store.delete("ctx", "rows")
    store.set("limits", "max", 1)
    found = [(c.op, c.path, c.value, c.old) for c in store.history(("ctx", "rows"))]
    assert found == [
        ("set", ("ctx",), {}, MISSING),
        ("set", ("ctx", "rows"), [1], MISSING),
        ("append", ("ctx", "rows"), [2], MISSING),
        ("splice", ("ctx", "rows"), [], [1]),
        ("set", ("ctx", "rows"), 5, [2]),
        ("delete", ("ctx", "rows"), MISSING, 5),
    ]
    assert [(c.value, c.old) for c in store.history(("ctx", "n")) if c.op == "increment"] == [(2, MISSING), (0.5, 2)]
    assert len(store.history()) == 10
    assert [c.seq for c in store.history(limit=2)] == [8, 8]
    assert store.history(limit=0) == []
    assert {c.seq for c in store.history(since=6)} == {7, 8}
    assert all(abs(c.time - time.time()) < 60 for c in store.history())
    assert repr(MISSING) == "MISSING" and not MISSING


def test_at_every_number(store: ParameterStore) -> None:
    snapshots = [store.read()]
    for n in range(20):
        if n % 4 == 0:
            store.set("ctx", "a", {"n": n})
        elif n % 4 == 1:
            store.append("ctx", "rows", values=[n, n])
        elif n % 4 == 2:
            store.increment("ctx", "sum", by=n)
        else:
            store.delete("ctx", "a", "n")
        snapshots.append(store.read())
    for again in (store, other(store)):
        assert [again.at(seq) for seq in range(21)] == snapshots
    for wrong in (-1, 21):
        with pytest.raises(UsageError, match="oldest is 0, the newest 20"):
            store.at(wrong)


def test_fork(store: ParameterStore, tmp_path: Path) -> None:
    store.set("global_parameters", "step_engine_library_path", "../library")
    for n in range(5):
        store.set("ctx", "n", n)
    new = store.fork(tmp_path / "other" / "fork", 4)
    assert new.get("ctx", "n") == 2
    assert new.at(3)["ctx"]["n"] == 1, "with its history"
    assert new.get("global_parameters", "step_engine_library_path") == "../../library"
    assert new.get("global_parameters", "step_engine_instance_path") == str(tmp_path / "other" / "fork")
    new.set("ctx", "n", 100)
    assert store.get("ctx", "n") == 4
    assert new._state_file.journal.id != store._state_file.journal.id
    assert shown(new) == new.read() == other(new).read()
    assert store.fork(tmp_path / "all").get("ctx", "n") == 4
    with pytest.raises(UsageError, match="there already"):
        store.fork(tmp_path / "all")
    with pytest.raises(UsageError, match="oldest is 0"):
        store.fork(tmp_path / "none", 99)
    assert not (tmp_path / "none").exists()


def test_fork_of_any_json(data: LockedJson, tmp_path: Path) -> None:
    for n in range(5):
        data.set("n", n)
    new = data.fork(tmp_path / "b.json", 3)
    assert new.read() == {"n": 2}
    assert [c.value for c in new.history()] == [0, 1, 2]
    assert other_json(tmp_path / "b.json").read() == {"n": 2}
    (tmp_path / "plain.json").write_text('{"a": 1}')
    assert LockedJson(tmp_path / "plain.json").fork(tmp_path / "c.json").read() == {"a": 1}


# -- watching ------------------------------------------------------------------------------------


def follow(store: LockedJson, since: int | None, wanted: int, seen: list[Any]) -> threading.Thread:
    def work() -> None:
        for record in store.watch(since=since, poll=0.005, stop=lambda: len(seen) >= wanted):
            seen.append(record)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_watch(store: ParameterStore) -> None:
    seen: list[Any] = []
    thread = follow(store, 0, 4, seen)
    store.set("ctx", "a", 1)
    with store.transaction(who="me") as tx:
        tx.set(("ctx", "a"), 2)
        tx.delete(("ctx", "a"))
    edit(store.path, lambda s: s["ctx"].update(b=1))
    store.read()
    store.set("ctx", "c", 1)
    thread.join(10)
    assert [record.seq for record in seen] == [1, 2, 3, 4]
    assert [record.who for record in seen] == ["test", "me", "edit", "test"]
    assert [change.op for change in seen[1].changes] == ["set", "delete"]


def test_watch_begins_with_the_next_record(store: ParameterStore) -> None:
    store.set("ctx", "a", 1)
    watcher = store.watch(poll=0.001, stop=lambda: True)
    assert list(watcher) == []
    watcher = store.watch(poll=0.001, since=0, stop=lambda: True)
    assert [record.seq for record in watcher] == [1]


def test_watch_takes_no_lock_and_cuts_nothing(store: ParameterStore) -> None:
    store.set("ctx", "a", 1)
    with open(journal_of(store), "ab") as file:
        file.write(b'{"seq":2,')
    size = journal_of(store).stat().st_size
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        from filelock import FileLock

        with FileLock(store.directory / LOCK_FILE):
            inside.set()
            go_on.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(10)
    assert [record.seq for record in store.watch(since=0, stop=lambda: True)] == [1]
    assert journal_of(store).stat().st_size == size
    go_on.set()
    thread.join()


def test_watch_goes_on_over_compaction_and_a_new_beginning(store: ParameterStore, no_waiting: None) -> None:
    store.set("global_parameters", "history_limit", 2)
    seen: list[Any] = []
    thread = follow(store, 0, 23, seen)
    for n in range(20):
        store.set("ctx", "n", n)
        if n % 5 == 0:
            while len(seen) < n + 2:
                time.sleep(0.002)
            store.compact()
    while len(seen) < 21:
        time.sleep(0.002)
    store.path.unlink()
    store.set("ctx", "anew", 1)
    store.set("ctx", "anew", 2)
    thread.join(10)
    assert [record.seq for record in seen] == [*range(1, 22), 1, 2]


def test_watch_waits_for_a_journal(tmp_path: Path) -> None:
    from octo.store.journal import follow as follow_journal

    path = tmp_path / "a.journal"
    assert list(follow_journal(path, seq=0, stop=lambda: True)) == []
    path.write_text("nonsense")
    assert list(follow_journal(path, seq=0, stop=lambda: True)) == []


# -- running -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_running(store: ParameterStore) -> None:
    assert store.running() is None
    lock = RunLock(store.directory)
    lock.acquire("run 7")
    owner = store.running()
    assert owner is not None
    assert (owner.pid, owner.run_id) == (os.getpid(), "run 7")
    assert "run 7" in str(owner) and str(os.getpid()) in str(owner)
    with pytest.raises(InstanceBusy, match=f"process {os.getpid()}"):
        RunLock(store.directory).acquire("run 8")
    with pytest.raises(InstanceBusy):
        store.recover()
    (store.directory / ".octo_step_engine_run.json").write_text("torn {")
    assert str(store.running()) == "another process"
    lock.release()
    lock.release()
    assert store.running() is None
    assert not (store.directory / ".octo_step_engine_run.json").exists()
    (store.directory / ".octo_step_engine_run.json").write_text('{"pid": 1}')
    assert store.running() is None, "believed only while the lock is held"


def test_looking_without_flock(store: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("octo.store.run_lock.fcntl", None)
    assert store.running() is None
    lock = RunLock(store.directory)
    lock.acquire("run 7")
    assert store.running() is not None
    lock.release()
    assert store.running() is None


# -- durability ----------------------------------------------------------------------------------


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Descriptors in the order in which they were brought to the disk."""
    from octo.store.files import sync_data as real

    done: list[int] = []

    def counting(fd: int) -> None:
        done.append(fd)
        real(fd)

    monkeypatch.setattr("octo.store.state_file.sync_data", counting)
    return done


def test_step_syncs_before_a_call_returns(tmp_path: Path, synced: list[int]) -> None:
    data = LockedJson(tmp_path / "a.json", default={}, durability="step")
    for n in range(1, 4):
        data.set("n", n)
        assert len(synced) == n
    data.read()
    assert len(synced) == 3
    file = data._state_file
    with file.transaction("engine", later=True) as tx:
        tx.set(("n",), 5)
    assert len(synced) == 3, "the engine says itself when"


def test_group_syncs_within_5_ms_and_at_close(tmp_path: Path, synced: list[int]) -> None:
    data = LockedJson(tmp_path / "a.json", default={})
    for n in range(20):
        data.set("n", n)
    assert len(synced) < 20
    time.sleep(0.1)
    assert synced
    data.set("n", 0)
    count = len(synced)
    data.close()
    assert len(synced) > count


def test_os_leaves_it_to_the_system(tmp_path: Path, synced: list[int]) -> None:
    data = LockedJson(tmp_path / "a.json", default={}, durability="os")
    for n in range(20):
        data.set("n", n)
    fd = data._state_file.journal.fd
    time.sleep(0.05)
    data.close()
    assert fd not in synced


def test_durability_is_one_of_three(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="step, group, os"):
        LockedJson(tmp_path / "a.json", default={}, durability="never")


def test_a_second_handle_does_not_change_the_durability(tmp_path: Path) -> None:
    first = LockedJson(tmp_path / "a.json", default={}, durability="step")
    LockedJson(tmp_path / "a.json")
    assert first._state_file.durability == "step"


def test_settings_of_an_instance_count_at_once(store: ParameterStore, synced: list[int]) -> None:
    second = other(store)
    second.read()
    store.set("global_parameters", "durability", "step")
    count = len(synced)
    store.set("ctx", "a", 1)
    assert len(synced) == count + 1
    second.read()
    assert second._state_file.durability == "step", "told by another process"
    store.set("global_parameters", "durability", "nonsense")
    assert store._state_file.durability == "group"
    edit(store.path, lambda s: s["global_parameters"].update(durability="os", history_limit=7))
    store.read()
    assert (store._state_file.durability, store._state_file.history_limit) == ("os", 7)
    store.delete("global_parameters", "history_limit")
    assert store._state_file.history_limit == 10_000


def test_flush_brings_the_json_up_to_date_and_to_the_disk(store: ParameterStore) -> None:
    file = store._state_file
    file.deferring = True
    with file.transaction("engine", later=True) as tx:
        tx.set(("ctx", "a"), 1)
    store.flush()
    assert shown(store)["ctx"] == {"a": 1}
    file.deferring = False


def test_an_engines_json_lags_50_ms_at_most(store: ParameterStore) -> None:
    file = store._state_file
    file.deferring = True
    with file.transaction("engine", later=True) as tx:
        tx.set(("ctx", "a"), 1)
    assert "ctx" not in shown(store)
    give_up = time.monotonic() + 5
    while "ctx" not in shown(store) and time.monotonic() < give_up:
        time.sleep(0.005)
    assert shown(store)["ctx"] == {"a": 1}
    store.set("ctx", "b", 1)
    assert shown(store)["ctx"] == {"a": 1, "b": 1}, "what a person's command writes shows at once"
    file.deferring = False


def test_records_hold_what_a_step_did(store: ParameterStore) -> None:
    with writing_as(Author("load", 2, 5, store.directory)):
        store.set("ctx", "a", 1)
    assert [(line["who"], line["visit"], line["call"]) for line in records(store.directory)] == [("load", 2, 5)]
