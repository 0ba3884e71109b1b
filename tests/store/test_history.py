"""The history of files that are no instances, over edits, compactions and forks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from octo.errors import UsageError
from octo.store import PARAMETER_FILE, LockedJson, ParameterStore
from tests.store.states import edit, other_json, save


def test_a_list_at_the_top(tmp_path: Path) -> None:
    data = LockedJson(tmp_path / "a.json", default=[1])
    data.append(values=[2, {"x": 1}])
    data.increment(2, "x")
    data.set(0, "first")
    data.delete(-1)
    edit(data.path, lambda rows: rows + ["edited"])
    assert data.read() == ["first", 2, "edited"]
    assert [data.at(seq) for seq in range(data.seq + 1)] == [
        [1], [1, 2, {"x": 1}], [1, 2, {"x": 2}], ["first", 2, {"x": 2}], ["first", 2], ["first", 2, "edited"]]
    assert [change.op for change in data.history()] == ["append", "increment", "set", "splice", "set"]
    assert other_json(data.path).read() == json.loads(data.path.read_text()) == ["first", 2, "edited"]


@pytest.mark.parametrize("whole", [5, "text", None, True, [], {}])
def test_the_whole_is_one_value(tmp_path: Path, whole: object) -> None:
    data = LockedJson(tmp_path / "a.json", default={"a": 1})
    data.set(whole)
    assert data.read() == data.get() == whole
    assert data.at(0) == {"a": 1}
    save(data.path, '{"b": 1}')
    assert data.read() == {"b": 1}
    assert [data.at(seq) for seq in (0, 1, 2)] == [{"a": 1}, whole, {"b": 1}]


def test_the_parameter_file_of_an_instance_is_the_instances(store: ParameterStore) -> None:
    store.set("ctx", "n", 1)
    data = LockedJson(store.directory / PARAMETER_FILE, who="by file")
    assert data._state_file is store._state_file
    assert data.increment("ctx", "n") == 2
    assert "checkpoint" not in data.get("global_parameters")
    assert [change.who for change in store.history(("ctx", "n"))][-2:] == ["test", "by file"]


def test_what_was_dropped_is_named(tmp_path: Path) -> None:
    data = LockedJson(tmp_path / "a.json", default={})
    data._state_file.history_limit = 3
    for n in range(1, 11):
        data.set("n", n)
    data.compact()
    assert [change.seq for change in data.history()] == [8, 9, 10]
    assert [data.at(seq) for seq in range(7, 11)] == [{"n": n} for n in range(7, 11)]
    for again in (data, other_json(data.path)):
        with pytest.raises(UsageError, match="no change 6; the oldest is 7, the newest 10"):
            again.at(6)
    with pytest.raises(UsageError, match="oldest is 7"):
        data.fork(tmp_path / "b.json", 6)
    new = data.fork(tmp_path / "b.json", 8)
    assert (new.read(), new.seq, new.at(7)) == ({"n": 8}, 8, {"n": 7})
    assert new.increment("n") == 9
    assert (new.seq, data.seq) == (9, 10)


def test_the_number_counts_changes_of_all(tmp_path: Path) -> None:
    data = LockedJson(tmp_path / "a.json", default={})
    assert data.seq == 0
    data.set("n", 1)
    rival = other_json(data.path)
    rival.set("n", 2)
    assert data.seq == rival.seq == 2
    edit(data.path, lambda state: {**state, "m": 1})
    assert data.seq == rival.seq == 3
    assert data.history()[-1].who == "edit"
    seen = list(rival.watch(since=1, stop=lambda: True))
    assert [[change.path for change in record.changes] for record in seen] == [[("n",)], [("m",)]]
