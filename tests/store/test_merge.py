"""What people and other programs write into the JSON is merged, at any time, once, and under the lock."""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from octo.errors import BadJson, InvalidValue, StoreError
from octo.store import JOURNAL_FILE, PARAMETER_FILE, LockedJson, ParameterStore, default_state
from tests.store.states import apart, edit, other, other_json, records, save, shown

WAYS = ("rename", "in place")


def put(group: str, key: str, value: Any) -> Any:
    def change(state: dict[str, Any]) -> None:
        state.setdefault(group, {})[key] = value

    return change


@pytest.mark.parametrize("how", WAYS)
def test_an_edit_is_a_change_by_edit(store: ParameterStore, how: str) -> None:
    store.set("limits", "low", 1)
    edit(store.path, put("limits", "high", 2), how=how)
    assert store.get("limits") == {"low": 1, "high": 2}
    change = store.history(("limits", "high"))[-1]
    assert (change.who, change.op, change.value) == ("edit", "set", 2)
    assert shown(store) == store.read(), "the JSON is written anew with the edit in it"


def test_a_key_that_the_file_lacks_is_deleted(store: ParameterStore) -> None:
    store.set("limits", "low", 1)

    def change(state: dict[str, Any]) -> None:
        del state["limits"]["low"]

    edit(store.path, change)
    assert store.get("limits") == {}
    assert store.history()[-1].op == "delete"


def test_an_edit_is_merged_once_and_a_second_edit_of_the_same_file_too(store: ParameterStore) -> None:
    store.set("ctx", "n", 5)
    edit(store.path, put("ctx", "n", 7))
    assert store.get("ctx", "n") == 7
    store.increment("ctx", "n")
    edit(store.path, put("ctx", "other", 1))
    assert store.get("ctx", "n") == 8
    assert [c.value for c in store.history(("ctx",)) if c.who == "edit"] == [7, 1]


def test_an_edit_from_a_number_before_the_last_views(store: ParameterStore) -> None:
    """An editor had the file open while others wrote: only what it changed counts."""
    store.set("ctx", "a", 1)
    store.set("ctx", "b", 1)
    old = json.loads(store.path.read_text())
    store.set("ctx", "a", 2)
    store.increment("ctx", "b")
    old["ctx"]["c"] = 3
    save(store.path, json.dumps(old))
    assert store.get("ctx") == {"a": 2, "b": 2, "c": 3}


def test_an_older_edit_wins_over_what_was_changed_since(store: ParameterStore) -> None:
    store.set("ctx", "n", 5)
    old = json.loads(store.path.read_text())
    store.increment("ctx", "n", by=10)
    old["ctx"]["n"] = 7
    save(store.path, json.dumps(old))
    assert store.get("ctx", "n") == 7, "not the last view's number: the file's value stands"


def test_integers_that_both_sides_counted_add(store: ParameterStore) -> None:
    store.set("ctx", "n", 5)
    file = store._state_file
    file.deferring = True
    with file.transaction("engine", later=True) as tx:
        tx.increment(("ctx", "n"), 3)
        tx.set(("ctx", "text"), "ours")
    edit(store.path, lambda s: s["ctx"].update(n=15, text="theirs"))
    assert store.get("ctx") == {"n": 18, "text": "theirs"}
    file.deferring = False


@pytest.mark.parametrize(("ours", "theirs", "both"), [
    (True, 6, 6), (2.5, 6, 6), (7, 6.5, 6.5), (7, True, True), (5, 6, 6)])
def test_only_integers_add(store: ParameterStore, ours: Any, theirs: Any, both: Any) -> None:
    store.set("ctx", "n", 5)
    file = store._state_file
    file.deferring = True
    with file.transaction("engine", later=True) as tx:
        tx.set(("ctx", "n"), ours)
    edit(store.path, put("ctx", "n", theirs))
    assert repr(store.get("ctx", "n")) == repr(both)
    file.deferring = False


def test_both_counted_to_the_same_integer(store: ParameterStore) -> None:
    store.set("ctx", "n", 5)
    file = store._state_file
    file.deferring = True
    with file.transaction("engine", later=True) as tx:
        tx.set(("ctx", "n"), 9)
    edit(store.path, put("ctx", "n", 9))
    assert store.get("ctx", "n") == 13
    file.deferring = False


def test_without_a_checkpoint_the_last_view_is_the_base(store: ParameterStore) -> None:
    store.set("ctx", "n", 5)
    store.increment("ctx", "n")

    def change(state: dict[str, Any]) -> None:
        del state["global_parameters"]["checkpoint"]
        state["ctx"]["n"] = 16

    edit(store.path, change)
    assert store.get("ctx", "n") == 16
    assert "checkpoint" in json.loads(store.path.read_text())["global_parameters"]


def test_the_checkpoint_is_not_part_of_the_state(store: ParameterStore) -> None:
    assert "checkpoint" not in store.get("global_parameters")
    edit(store.path, put("ctx", "n", 1))
    assert "checkpoint" not in store.get("global_parameters")


def test_another_journals_file_stands_whole(store: ParameterStore, tmp_path: Path,
                                            caplog: pytest.LogCaptureFixture) -> None:
    stranger = ParameterStore(tmp_path / "stranger", create=True)
    stranger.set("ctx", "theirs", 1)
    store.set("ctx", "ours", 1)
    shutil.copy(stranger.path, store.path)
    assert store.get("ctx") == {"theirs": 1}
    assert "another journal" in caplog.text


@pytest.mark.parametrize("mark", ["", "nonsense", "{id}.x", "{id}.-1", "{id}"])
def test_a_checkpoint_that_is_none(store: ParameterStore, mark: str) -> None:
    store.set("ctx", "a", 1)
    identity = store._state_file.journal.id

    def change(state: dict[str, Any]) -> None:
        state["global_parameters"]["checkpoint"] = mark.format(id=identity)
        state["ctx"] = {"b": 2}

    edit(store.path, change)
    assert store.get("ctx") == {"b": 2}


def test_a_number_before_the_base_stands_whole(store: ParameterStore, caplog: pytest.LogCaptureFixture) -> None:
    store.set("ctx", "a", 1)
    old = json.loads(store.path.read_text())
    store.set("global_parameters", "history_limit", 2)
    for n in range(10):
        store.set("ctx", "n", n)
    store.compact()
    old["ctx"]["b"] = 1
    save(store.path, json.dumps(old))
    assert store.get("ctx") == {"a": 1, "b": 1}
    assert "older than the history" in caplog.text


def test_a_file_ahead_of_the_journal_is_adopted(store: ParameterStore, caplog: pytest.LogCaptureFixture) -> None:
    """A power failure took the journal's end, but not the JSON."""
    journal = store.directory / JOURNAL_FILE
    store.set("ctx", "a", 1)
    before = journal.read_bytes()
    store.set("ctx", "a", 2)
    store.set("ctx", "b", 2)
    number = store.seq
    journal.write_bytes(before)
    again = other(store)
    assert again.get("ctx") == {"a": 2, "b": 2}
    assert again.seq == number + 1
    assert again.history()[-1].who == "recovered"
    assert "ahead of the journal" in caplog.text
    assert other(store).increment("ctx", "a") == 3
    assert other(store).seq == number + 2


def test_a_restored_backup_at_rest_stands_whole(store: ParameterStore, caplog: pytest.LogCaptureFixture) -> None:
    store.set("ctx", "a", 1)
    backup = store.path.read_bytes()
    store.set("ctx", "a", 2)
    store.set("ctx", "b", 2)
    store.path.write_bytes(backup)
    assert store.get("ctx") == {"a": 1}
    assert "restored backup" in caplog.text
    assert store.at(store.seq - 1)["ctx"] == {"a": 2, "b": 2}


@pytest.mark.usefixtures("running")
def test_a_restored_backup_during_a_run_changes_nothing(store: ParameterStore) -> None:
    store.set("ctx", "a", 1)
    backup = store.path.read_bytes()
    store.set("ctx", "a", 2)
    number = store.seq
    store.path.write_bytes(backup)
    assert store.get("ctx") == {"a": 2}
    assert store.seq == number
    assert shown(store)["ctx"] == {"a": 2}


def test_a_list_is_one_value(store: ParameterStore) -> None:
    store.set("ctx", "rows", [1, 2, 3])
    old = json.loads(store.path.read_text())
    store.append("ctx", "rows", values=[4])
    old["ctx"]["rows"][0] = 9
    save(store.path, json.dumps(old))
    assert store.get("ctx", "rows") == [9, 2, 3]


def test_where_the_way_is_no_dict_any_more_the_files_value_stands(store: ParameterStore) -> None:
    store.set("ctx", "a", {"b": {"c": 1}})
    old = json.loads(store.path.read_text())
    store.set("ctx", "a", 5)
    old["ctx"]["a"]["b"]["c"] = 2
    save(store.path, json.dumps(old))
    assert store.get("ctx", "a") == {"b": {"c": 2}}


def test_deleted_on_both_sides(store: ParameterStore) -> None:
    store.set("ctx", "a", 1)
    old = json.loads(store.path.read_text())
    store.delete("ctx", "a")
    del old["ctx"]["a"]
    save(store.path, json.dumps(old))
    assert store.get("ctx") == {}


def test_an_edit_in_place_of_the_same_size_in_one_clock_tick(store: ParameterStore) -> None:
    for n in range(10, 60):
        store.set("ctx", "n", n)
        text = store.path.read_text()
        with open(store.path, "r+") as file:
            file.write(text.replace(f'"n": {n}', f'"n": {n + 30}'))
        assert store.get("ctx", "n") == n + 30


def test_touched_or_copied_is_not_changed(store: ParameterStore) -> None:
    store.set("ctx", "a", 1)
    number = store.seq
    copy = store.path.with_name("copy")
    shutil.copy(store.path, copy)
    os.replace(copy, store.path)
    assert store.get("ctx", "a") == 1
    store.path.touch()
    assert store.get("ctx", "a") == 1
    assert other(store).seq == store.seq == number


def test_a_number_is_told_from_its_likes(store: ParameterStore) -> None:
    store.set("ctx", "values", {"int": 1, "float": 1.0, "bool": True})
    edit(store.path, lambda s: s["ctx"].update(values={"int": 1.0, "float": True, "bool": 1}))
    assert repr(store.get("ctx", "values")) == "{'int': 1.0, 'float': True, 'bool': 1}"


def test_an_edit_is_merged_before_a_change(store: ParameterStore) -> None:
    store.set("ctx", "n", 5)
    edit(store.path, put("ctx", "n", 10))
    assert store.increment("ctx", "n") == 11
    assert [c.who for c in store.history(("ctx", "n"))][-3:] == ["test", "edit", "test"]


def test_a_view_that_lost_its_bytes_in_a_power_failure_is_written_anew(
    store: ParameterStore, no_waiting: None, caplog: pytest.LogCaptureFixture
) -> None:
    store.set("ctx", "a", 1)
    save(store.path, "\0" * 300)
    assert store.get("ctx", "a") == 1
    assert json.loads(store.path.read_text())["ctx"] == {"a": 1}
    assert "could not be read; it is kept as" in caplog.text


@pytest.mark.parametrize("text", ["{", "", '{"global_parameters": {"a": NaN}}', "[1]", "5",
                                  '{"global_parameters": 5}', '{"a": 1e999, "b": 12345678901234567890123}',
                                  '{"a": "\\ud800", "b": 12345678901234567890123}',
                                  '{"ctx": ' + "[" * 300 + "]" * 300 + "}", "[" * 100_000])
def test_unreadable_at_rest_is_an_error_after_a_second(store: ParameterStore, no_waiting: None, text: str) -> None:
    store.set("ctx", "a", 1)
    good = store.path.read_bytes()
    save(store.path, text)
    for _ in range(2):
        with pytest.raises(BadJson, match="mend it") as caught:
            store.get("ctx")
        assert caught.value.hints == [f"octo recover {store.directory}"]
        with pytest.raises(BadJson):
            store.set("ctx", "b", 1)
    assert store.path.read_text() == text, "it is not touched"
    store.path.write_bytes(good)
    store.set("ctx", "b", 1)
    assert store.get("ctx") == {"a": 1, "b": 1}


def test_the_error_has_line_and_column(store: ParameterStore, no_waiting: None) -> None:
    save(store.path, '{\n  "a": 1,\n  "b" 2\n}')
    with pytest.raises(BadJson, match="line 3, column 7"):
        store.read()
    store.path.write_bytes(b'{\n  "a": "\xff"\n}')
    with pytest.raises(BadJson, match="line 2, column 9: not UTF-8"):
        store.read()


@pytest.mark.parametrize("how", ["read", "change"])
def test_unreadable_for_less_than_a_second_is_a_save_under_way(store: ParameterStore, how: str) -> None:
    state = json.loads(store.path.read_text())
    state["ctx"] = {"a": 1}
    text = json.dumps(state)
    save(store.path, text[:20], how="in place")
    timer = threading.Timer(0.3, lambda: save(store.path, text, how="in place"))
    timer.start()
    began = time.monotonic()
    if how == "read":
        assert store.get("ctx") == {"a": 1}
    else:
        assert store.increment("ctx", "a") == 2
    assert time.monotonic() - began > 0.25
    timer.join()


@pytest.mark.usefixtures("running", "no_waiting")
def test_unreadable_during_a_run_is_set_aside(store: ParameterStore, caplog: pytest.LogCaptureFixture) -> None:
    store.set("ctx", "a", 1)
    save(store.path, "{ not yet")
    assert store.get("ctx") == {"a": 1}
    assert store.path.read_text() == "{ not yet", "not before a second has gone"
    time.sleep(0.06)
    assert store.get("ctx") == {"a": 1}
    (bad,) = store.directory.glob(PARAMETER_FILE + ".bad-*")
    assert bad.read_text() == "{ not yet"
    assert time.strptime(bad.name.rpartition("-")[2], "%Y%m%dT%H%M%S")
    assert shown(store)["ctx"] == {"a": 1}
    assert bad.name in caplog.text


@pytest.mark.usefixtures("running", "no_waiting")
def test_changes_during_a_run_go_on_while_the_json_is_unreadable(store: ParameterStore) -> None:
    save(store.path, "{ not yet")
    store.set("ctx", "a", 1)
    store.increment("ctx", "a")
    assert shown(store)["ctx"] == {"a": 2}, "a change is in the JSON when the call returns"
    assert len(list(store.directory.glob("*.bad-*"))) + len(list(store.directory.glob(".*.bad-*"))) >= 1


@pytest.mark.usefixtures("running")
def test_an_edit_under_way_during_a_run_is_merged_when_it_is_whole(store: ParameterStore) -> None:
    state = json.loads(store.path.read_text())
    state["mine"] = {"a": 1}
    text = json.dumps(state)
    save(store.path, text[:20], how="in place")
    assert "mine" not in store.read()
    save(store.path, text, how="in place")
    assert store.get("mine") == {"a": 1}


def test_missing_at_rest_reads_say_so_and_touch_nothing(store: ParameterStore, no_waiting: None) -> None:
    store.path.unlink()
    time.sleep(0.06)
    before = sorted(os.listdir(store.directory))
    with pytest.raises(StoreError, match="gone"):
        store.read()
    with pytest.raises(StoreError, match="gone"):
        ParameterStore(store.directory).get("global_parameters")
    assert sorted(os.listdir(store.directory)) == before


@pytest.mark.slow
def test_missing_at_rest_for_a_second_is_a_reset(store: ParameterStore) -> None:
    store.set("ctx", "a", 1)
    store.path.unlink()
    began = time.monotonic()
    store.set("ctx", "b", 1)
    assert time.monotonic() - began > 0.9
    assert store.read() == {**default_state(), "ctx": {"b": 1}}
    (old,) = store.directory.glob(JOURNAL_FILE + ".old-*")
    assert time.strptime(old.name.rpartition("-")[2], "%Y%m%dT%H%M%S")
    assert records(old)[-1]["ops"][-1]["value"] in ({}, 1)


def test_missing_for_less_than_a_second_is_a_save_under_way(store: ParameterStore) -> None:
    store.set("ctx", "a", 1)
    text = store.path.read_text()
    store.path.unlink()
    timer = threading.Timer(0.3, lambda: store.path.write_text(text.replace('"a": 1', '"a": 5')))
    timer.start()
    assert store.increment("ctx", "a") == 6
    assert not list(store.directory.glob("*.old-*"))
    timer.join()


@pytest.mark.usefixtures("running")
def test_missing_during_a_run_is_written_again(store: ParameterStore) -> None:
    store.set("ctx", "a", 1)
    store.path.unlink()
    assert store.get("ctx") == {"a": 1}
    assert shown(store)["ctx"] == {"a": 1}


def test_a_kill_between_merge_and_rewrite_does_not_merge_twice(store: ParameterStore,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    """The edit's record is written, the JSON not yet: the next process must not add the integers again."""
    store.set("ctx", "n", 5)
    file = store._state_file
    file.deferring = True
    with file.transaction("engine", later=True) as tx:
        tx.increment(("ctx", "n"), 1)
    edit(store.path, put("ctx", "n", 15))
    victim = other(store)
    monkeypatch.setattr(victim._state_file, "_show", _killed)
    monkeypatch.setattr(victim._state_file, "_write_view", _killed)
    with pytest.raises(KeyboardInterrupt):
        victim.get("ctx", "n")
    monkeypatch.undo()
    again = other(store)
    assert again.get("ctx", "n") == 16
    assert shown(again)["ctx"]["n"] == 16
    assert other(store).get("ctx", "n") == 16
    file.deferring = False
    assert store.get("ctx", "n") == 16


def _killed(*_: Any) -> None:
    raise KeyboardInterrupt


def test_the_group_of_the_checkpoint_may_go(store: ParameterStore) -> None:
    store.set("ctx", "n", 1)

    def change(state: dict[str, Any]) -> None:
        del state["global_parameters"]

    edit(store.path, change)
    assert store.get("ctx") == {"n": 1}
    store.increment("ctx", "n")
    assert other(store).get("ctx", "n") == 2
    edit(store.path, put("ctx", "n", 12))
    assert other(store).increment("ctx", "n") == 13
    with pytest.raises(KeyError):
        store.get("global_parameters", "step_engine_state")


def test_the_group_of_the_checkpoint_stays_a_dict(store: ParameterStore) -> None:
    with pytest.raises(InvalidValue, match="global_parameters"):
        store.set("global_parameters", 5)
    with pytest.raises(InvalidValue, match="dict"):
        store.set([])
    store.delete("global_parameters")
    assert store.read() == other(store).read() == {}
    edit(store.path, put("ctx", "n", 1))
    assert store.read() == other(store).read() == {"ctx": {"n": 1}}
    store.delete("ctx")
    store.set("global_parameters", "a", 1)
    assert other(store).read() == {"global_parameters": {"a": 1}}


# -- any JSON file, without a checkpoint ---------------------------------------------------------


@pytest.mark.parametrize("how", WAYS)
def test_edits_of_a_plain_json(tmp_path: Path, how: str) -> None:
    path = tmp_path / "limits.json"
    limits = LockedJson(path, default={"n": 5})
    limits.increment("n")
    edit(path, lambda s: {**s, "n": s["n"] + 10}, how=how)
    assert limits.increment("n") == 17
    again = other_json(path)
    assert again.read() == {"n": 17}
    edit(path, lambda s: [s], how=how)
    assert again.read() == limits.read() == [{"n": 17}]
    assert json.loads(path.read_text()) == [{"n": 17}]


def test_a_program_that_knows_only_the_lock_and_the_json(tmp_path: Path) -> None:
    from filelock import FileLock

    path = tmp_path / "counts.json"
    ours = LockedJson(path, default={"n": 0, "ours": 0})
    for n in range(30):
        ours.increment("n")
        ours.increment("ours")
        with FileLock(tmp_path / "counts.lock"):
            edit(path, lambda s: {**s, "n": s["n"] + 1}, how=WAYS[n % 2])
    assert ours.read() == {"n": 60, "ours": 30}
    apart(path)
    assert LockedJson(path).read() == {"n": 60, "ours": 30}


def test_an_edit_seen_where_nothing_can_be_written_is_not_counted_twice(
        store: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader without the right to write sees the edit; when a writer merges it, the reader sees it once."""
    store.set("ctx", "n", 5)
    file = store._state_file
    file.deferring = True
    with file.transaction("engine", later=True) as tx:
        tx.increment(("ctx", "n"), 1)
    reader = other(store)
    monkeypatch.setattr(reader._state_file, "_can_write", lambda: False)
    assert reader.get("ctx", "n") == 6
    edit(store.path, put("ctx", "n", 15))
    assert reader.get("ctx", "n") == 16
    assert store.get("ctx", "n") == 16
    assert reader.get("ctx", "n") == 16
    store.increment("ctx", "n")
    assert reader.get("ctx", "n") == 17
    file.deferring = False


def test_warnings_go_to_the_log_of_the_store(store: ParameterStore, caplog: pytest.LogCaptureFixture) -> None:
    backup = store.path.read_bytes()
    store.set("ctx", "a", 1)
    store.path.write_bytes(backup)
    with caplog.at_level(logging.WARNING, logger="octo.store"):
        store.read()
    assert [record.name for record in caplog.records] == ["octo.store"]
