"""The class that the documents describe: every method, alone and from many threads and processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy
import pytest
from octo_step_engine_parameters import octo_step_engine_parameters
from octolockjson import LockedJson, octolockjson

from octo.documented import typed
from octo.errors import InvalidValue, StoreError
from octo.store import Author, ParameterStore, writing_as

PARAMETERS = ".octo_step_engine_parameters.json"
LOCK = ".octo_step_engine_parameters.lock"

NINE_KEYS = {
    "step_engine_library_path": "",
    "step_engine_instance_path": "",
    "step_engine_state": "INACTIVE",
    "current_step_module": "",
    "current_step_node": "",
    "current_step_state": "INACTIVE",
    "first_step_module": "",
    "first_step_node": "",
    "run_step_count": 1,
}


@pytest.fixture
def parameters() -> octo_step_engine_parameters:
    return octo_step_engine_parameters()


@pytest.fixture
def names(parameters: octo_step_engine_parameters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The three arguments that every method begins with; the current directory is empty."""
    monkeypatch.chdir(tmp_path)
    return (
        parameters.get_default_param_dict(),
        parameters.get_default_param_file_name(),
        parameters.get_default_param_lock_file_name(),
    )


def on_disk(directory: Path, name: str = PARAMETERS) -> dict[str, Any]:
    return json.loads((directory / name).read_text(encoding="utf-8"))


def without_checkpoint(state: dict[str, Any]) -> dict[str, Any]:
    """`global_parameters` also holds the number of the last change, which is the store's own matter."""
    return {
        **state,
        "global_parameters": {k: v for k, v in state["global_parameters"].items() if k != "checkpoint"},
    }


def test_the_defaults_are_the_documented_ones(parameters: octo_step_engine_parameters) -> None:
    assert parameters.get_default_param_dict() == {"global_parameters": NINE_KEYS}
    assert list(parameters.get_default_param_dict()["global_parameters"]) == list(NINE_KEYS)
    assert parameters.get_default_param_file_name() == PARAMETERS
    assert parameters.get_default_param_lock_file_name() == LOCK


def test_each_default_dict_is_a_new_one(parameters: octo_step_engine_parameters) -> None:
    parameters.get_default_param_dict()["global_parameters"]["run_step_count"] = 99
    assert parameters.get_default_param_dict()["global_parameters"]["run_step_count"] == 1


def test_read_makes_a_missing_file(
    parameters: octo_step_engine_parameters, names: Any, tmp_path: Path
) -> None:
    state = parameters.read_json_dict(*names)
    assert without_checkpoint(state) == {"global_parameters": NINE_KEYS}
    assert without_checkpoint(on_disk(tmp_path)) == {"global_parameters": NINE_KEYS}


def test_read_fills_what_is_missing_in_the_copy_only(
    parameters: octo_step_engine_parameters, names: Any, tmp_path: Path
) -> None:
    (tmp_path / PARAMETERS).write_text('{"global_parameters": {"run_step_count": 7}, "mine": {"a": [1]}}')
    state = parameters.read_json_dict(*names)
    assert state["global_parameters"]["run_step_count"] == 7
    assert state["global_parameters"]["step_engine_state"] == "INACTIVE"
    assert state["mine"] == {"a": [1]}
    assert "step_engine_state" not in on_disk(tmp_path)["global_parameters"]


def test_what_read_returns_is_a_copy(parameters: octo_step_engine_parameters, names: Any) -> None:
    parameters.read_json_dict(*names)["global_parameters"]["run_step_count"] = 99
    assert parameters.read_json_dict(*names)["global_parameters"]["run_step_count"] == 1
    assert names[0] == {"global_parameters": NINE_KEYS}


def test_update_sets_and_returns_the_whole_dict(
    parameters: octo_step_engine_parameters, names: Any, tmp_path: Path
) -> None:
    state = parameters.update_json_dict(*names, "global_parameters", "current_step_state", "EXECUTE")
    expected = {"global_parameters": {**NINE_KEYS, "current_step_state": "EXECUTE"}}
    assert without_checkpoint(state) == expected
    assert without_checkpoint(on_disk(tmp_path)) == expected


def test_update_makes_a_missing_group(
    parameters: octo_step_engine_parameters, names: Any, tmp_path: Path
) -> None:
    parameters.update_json_dict(*names, "key001", "limits", {"low": [1, 2.5, None, True, "ä"]})
    assert on_disk(tmp_path)["key001"] == {"limits": {"low": [1, 2.5, None, True, "ä"]}}
    assert parameters.read_json_dict(*names)["key001"]["limits"]["low"][4] == "ä"


def test_update_takes_numpy_numbers(
    parameters: octo_step_engine_parameters, names: Any, tmp_path: Path
) -> None:
    parameters.update_json_dict(*names, "key001", "n", numpy.int64(3))
    assert on_disk(tmp_path)["key001"] == {"n": 3}


@pytest.mark.parametrize("value", [object(), float("nan"), {1: 2}, {"deep": [b"bytes"]}])
def test_update_refuses_what_json_cannot_hold(
    parameters: octo_step_engine_parameters, names: Any, tmp_path: Path, value: Any
) -> None:
    parameters.read_json_dict(*names)
    with pytest.raises(InvalidValue, match="key001/x"):
        parameters.update_json_dict(*names, "key001", "x", value)
    assert without_checkpoint(on_disk(tmp_path)) == {"global_parameters": NINE_KEYS}


def test_a_group_that_is_a_single_value_stays(
    parameters: octo_step_engine_parameters, names: Any, tmp_path: Path
) -> None:
    (tmp_path / PARAMETERS).write_text('{"version": 3}')
    with pytest.raises(InvalidValue, match="'version' is a single value, not a group of keys"):
        parameters.update_json_dict(*names, "version", "x", 1)
    with pytest.raises(InvalidValue, match="'version' is a single value, not a group of keys"):
        parameters.increment_json_dict(*names, "version", "x", True)
    assert on_disk(tmp_path)["version"] == 3


def test_increment_goes_up_and_down(
    parameters: octo_step_engine_parameters, names: Any, tmp_path: Path
) -> None:
    up = parameters.increment_json_dict(*names, "global_parameters", "run_step_count", True)
    assert up["global_parameters"]["run_step_count"] == 2
    for _ in range(3):
        down = parameters.increment_json_dict(*names, "global_parameters", "run_step_count", False)
    assert down["global_parameters"]["run_step_count"] == -1
    assert on_disk(tmp_path)["global_parameters"]["run_step_count"] == -1


def test_increment_counts_a_missing_key_from_zero(
    parameters: octo_step_engine_parameters, names: Any, tmp_path: Path
) -> None:
    assert parameters.increment_json_dict(*names, "seen", "files", True)["seen"] == {"files": 1}
    assert parameters.increment_json_dict(*names, "seen", "lost", False)["seen"] == {"files": 1, "lost": -1}
    assert on_disk(tmp_path)["seen"] == {"files": 1, "lost": -1}


def test_increment_counts_beyond_64_bits(parameters: octo_step_engine_parameters, names: Any) -> None:
    parameters.update_json_dict(*names, "big", "n", 2**64 - 1)
    assert parameters.increment_json_dict(*names, "big", "n", True)["big"]["n"] == 2**64


@pytest.mark.parametrize("value", [True, 1.0, "1", None, [1]])
def test_increment_refuses_what_is_no_whole_number(
    parameters: octo_step_engine_parameters, names: Any, tmp_path: Path, value: Any
) -> None:
    parameters.update_json_dict(*names, "key001", "x", value)
    with pytest.raises(InvalidValue, match="key001/x cannot count: .* is not a whole number"):
        parameters.increment_json_dict(*names, "key001", "x", True)
    assert on_disk(tmp_path)["key001"]["x"] == value


def test_dictionary_display_prints_json(
    parameters: octo_step_engine_parameters, capsys: pytest.CaptureFixture[str]
) -> None:
    parameters.dictionary_display({"a": {"b": ["ä", 1]}})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"a": {"b": ["ä", 1]}}
    assert printed.startswith('{\n    "a": {\n        "b"') and "ä" in printed


def test_any_file_with_its_own_lock(parameters: octo_step_engine_parameters, tmp_path: Path) -> None:
    file, lock = tmp_path / "settings.json", tmp_path / "settings.guard"
    parameters.update_json_dict({"window": {"width": 80}}, str(file), str(lock), "window", "height", 25)
    assert on_disk(tmp_path, "settings.json")["window"] == {"width": 80, "height": 25}
    assert lock.exists()
    assert not (tmp_path / PARAMETERS).exists()


def test_the_default_names_mean_the_instance_of_the_running_step(
    parameters: octo_step_engine_parameters, names: Any, tmp_path: Path
) -> None:
    instance = tmp_path / "instance"
    instance.mkdir()
    with writing_as(Author("load:EXECUTE", visit=1, call=1, instance=instance)):
        parameters.update_json_dict(*names, "key001", "x", 1)
        parameters.update_json_dict(names[0], "other.json", "other.lock", "key001", "x", 2)
    assert on_disk(instance)["key001"] == {"x": 1}
    assert on_disk(tmp_path, "other.json")["key001"] == {"x": 2}
    assert not (tmp_path / PARAMETERS).exists()


def test_the_class_and_the_store_see_one_state(
    parameters: octo_step_engine_parameters, names: Any, tmp_path: Path
) -> None:
    parameters.increment_json_dict(*names, "seen", "n", True)
    store = ParameterStore(tmp_path)
    store.set("seen", "m", 5)
    assert parameters.increment_json_dict(*names, "seen", "n", True)["seen"] == {"n": 2, "m": 5}
    assert store.history(("seen", "n"))[-1].op == "increment"
    assert on_disk(tmp_path)["global_parameters"]["checkpoint"].endswith(f".{store.seq}")


def test_an_edit_by_hand_is_taken_over(
    parameters: octo_step_engine_parameters, names: Any, tmp_path: Path
) -> None:
    state = parameters.update_json_dict(*names, "seen", "n", 1)
    edited = on_disk(tmp_path)
    edited["seen"]["by"] = "hand"
    (tmp_path / PARAMETERS).write_text(json.dumps(edited))
    state = parameters.increment_json_dict(*names, "seen", "n", True)
    assert state["seen"] == {"n": 2, "by": "hand"}


@pytest.mark.slow
def test_a_removed_file_starts_anew(
    parameters: octo_step_engine_parameters, names: Any, tmp_path: Path
) -> None:
    parameters.update_json_dict(*names, "seen", "n", 1)
    (tmp_path / PARAMETERS).unlink()
    assert without_checkpoint(parameters.read_json_dict(*names)) == {"global_parameters": NINE_KEYS}


def test_a_directory_that_is_not_there_is_not_made(
    parameters: octo_step_engine_parameters, names: Any, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    for name in [PARAMETERS, "other.json"]:
        with pytest.raises(StoreError, match="gone is not a directory"):
            parameters.read_json_dict(names[0], gone / name, gone / LOCK)
    assert not gone.exists()


def test_threads_lose_no_count(parameters: octo_step_engine_parameters, names: Any, tmp_path: Path) -> None:
    returned: list[int] = []

    def count() -> None:
        own = octo_step_engine_parameters()
        for _ in range(25):
            returned.append(own.increment_json_dict(*names, "seen", "n", True)["seen"]["n"])

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert on_disk(tmp_path)["seen"]["n"] == 200
    assert sorted(returned) == list(range(1, 201)), "each call returns the state of its own increment"


def test_processes_lose_no_count(names: Any, tmp_path: Path, checkout: Path) -> None:
    program = (
        "from octo_step_engine_parameters import octo_step_engine_parameters as cls\n"
        "p = cls(); names = p.get_default_param_dict(), p.get_default_param_file_name(), "
        "p.get_default_param_lock_file_name()\n"
        "for _ in range(50): p.increment_json_dict(*names, 'seen', 'n', True)\n"
    )
    path = os.pathsep.join([str(checkout), str(checkout / "modules")])
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}
        )
        for _ in range(4)
    ]
    assert [child.wait(timeout=120) for child in children] == [0, 0, 0, 0]
    assert on_disk(tmp_path)["seen"]["n"] == 200


def test_octolockjson_is_the_lock_mechanism(tmp_path: Path) -> None:
    assert octolockjson is LockedJson
    with octolockjson(tmp_path / "any.json", default={"n": 0}) as file:
        assert file.increment("n") == 1
    assert on_disk(tmp_path, "any.json")["n"] == 1


@pytest.mark.parametrize(
    ("text", "old", "value"),
    [
        ("RUNNING", "INACTIVE", "RUNNING"),
        ("5", "INACTIVE", "5"),
        ("true", "", "true"),
        ("5", 1, 5),
        ("-5", 1, -5),
        ("007", 1, 7),
        ("5.5", 1, 5.5),
        ("1_000", 1, "1_000"),
        ("many", 1, "many"),
        ("yes", True, True),
        ("0", True, False),
        ("Off", True, False),
        ("5", True, 5),
        ("5", 1.5, 5.0),
        ("-1e3", 1.5, -1000.0),
        (".5", 1.5, 0.5),
        ("nan", 1.5, "nan"),
        ("1e999", 1.5, "1e999"),
        ("[1, 2]", [], [1, 2]),
        ('{"a": 1}', {}, {"a": 1}),
        ("a, b", [], "a, b"),
        ("5", None, 5),
        ("true", None, True),
        ("null", None, None),
        ('"quoted"', None, "quoted"),
        ("plain", None, "plain"),
        ("", None, ""),
        ("", 1, ""),
        ("NaN", None, "NaN"),
        ("-Infinity", None, "-Infinity"),
        ("9" * 30, 1, int("9" * 30)),
        ("9" * 5000, 1, "9" * 5000),
        ("[" * 100_000, None, "[" * 100_000),
    ],
)
def test_a_typed_word_becomes_a_value(text: str, old: Any, value: Any) -> None:
    found = typed(text, old)
    assert found == value
    assert type(found) is type(value)
