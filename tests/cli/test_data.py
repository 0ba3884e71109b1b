"""`params`, `ctx`, `history`, `at`, `fork`: reading and changing an instance's data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from octo.store import ParameterStore


@pytest.fixture
def data(it: str) -> str:
    with ParameterStore(it) as store:
        store.set("limits", {"cpu": 95, "ratio": 0.5, "name": "bench", "on": True, "list": [1]})
        store.set("ctx", {"rows": [{"n": 1}, {"n": 2}], "a/b": {"c": "é"}})
    return it


# --- params


def test_params_shows_everything_a_group_and_a_value(octo: Any, data: str) -> None:
    everything = octo("params", data)
    assert everything.json["limits"]["cpu"] == 95 and everything.json["ctx"]["rows"] == [{"n": 1}, {"n": 2}]
    assert octo("params", data, "limits").out == json.dumps(everything.json["limits"], indent=4) + "\n"
    assert octo("params", data, "limits", "cpu").out == "95\n"
    assert octo("params", data, "limits", "name").out == "bench\n"
    assert octo("params", data, "limits", "name", "--json").out == '"bench"\n'


@pytest.mark.parametrize(
    ("key", "typed", "value"),
    [
        ("cpu", "-5", -5),
        ("cpu", "-0.5", -0.5),
        ("cpu", "high", "high"),
        ("ratio", "-1e-3", -0.001),
        ("ratio", "2", 2.0),
        ("name", "007", "007"),
        ("name", "-7", "-7"),
        ("name", "true", "true"),
        ("on", "no", False),
        ("list", "[1, {}]", [1, {}]),
        ("new", "-.5e", "-.5e"),
        ("new", '{"a": null}', {"a": None}),
        ("new", "plain text", "plain text"),
    ],
)
def test_an_update_keeps_the_type_and_prints_the_new_value(
    octo: Any, data: str, key: str, typed: str, value: Any
) -> None:
    shown = octo("params", data, "limits", key, typed, "--json").json
    assert shown == value and type(shown) is type(value)
    assert octo("params", data, "limits", key, "--json").json == value


def test_counting_text_and_values_with_a_dash(octo: Any, data: str) -> None:
    assert octo("params", data, "limits", "cpu", "-i").out == "96\n"
    assert octo("params", data, "limits", "cpu", "-d").out == "95\n"
    assert octo("params", data, "limits", "tries", "--increment").out == "1\n"
    assert octo("params", data, "limits", "serial", "007", "--string", "--json").out == '"007"\n'
    assert octo("params", data, "limits", "name", "--", "-x").out == "-x\n"
    assert octo("params", data, "limits", "name", "-i", code=2).err.startswith("octo: limits/name")


def test_a_new_group_or_key_is_told_because_it_may_be_a_slip(octo: Any, data: str) -> None:
    assert "'limts' is a new group; did you mean limits?" in octo("params", data, "limts", "cpu", 1).err
    assert (
        "'cpus' is a new key of 'limits'; did you mean cpu?"
        in octo("params", data, "limits", "cpus", 1).err
    )
    assert octo("params", data, "limits", "cpu", 1).err == ""
    assert octo("params", data, "limts").json == {"cpu": 1}


# --- ctx


def test_ctx_get(octo: Any, data: str) -> None:
    assert octo("ctx", data).out == octo("ctx", data, "get").out
    assert octo("ctx", data, "get").json["rows"] == [{"n": 1}, {"n": 2}]
    assert octo("ctx", data, "get", "rows/1/n").out == "2\n"
    assert octo("ctx", data, "get", "rows/-1").json == {"n": 2}
    assert octo("ctx", data, "get", "a/b/c").out == "é\n"


def test_ctx_set_and_delete(octo: Any, data: str) -> None:
    assert octo("ctx", data, "set", "rows/0/n", "-1.5").out == "-1.5\n"
    assert octo("ctx", data, "set", "verdict", "good").out == "good\n"
    assert octo("ctx", data, "set", "a/b/c", "5").out == "5\n"  # it was text and stays text
    assert octo("ctx", data, "set", "a/b/d", "5", "--string", "--json").out == '"5"\n'
    assert octo("ctx", data, "delete", "rows/1").out == 'deleted rows/1 (was {"n": 2})\n'
    assert octo("ctx", data, "get").json == {
        "rows": [{"n": -1.5}],
        "a/b": {"c": "5", "d": "5"},
        "verdict": "good",
    }


def test_ctx_history_and_diff(octo: Any, data: str) -> None:
    before = ParameterStore(data).seq
    octo("ctx", data, "set", "rows/0/n", 7)
    octo("ctx", data, "delete", "a/b")
    octo("ctx", data, "set", "verdict", "good")
    shown = octo("ctx", data, "history", "rows/0/n").out.splitlines()
    assert shown[-1].split()[-4:] == ["ctx/rows/0/n", "1", "->", "7"]
    changes = octo("ctx", data, "history", "--json").json
    assert [change["op"] for change in changes[-3:]] == ["set", "delete", "set"]
    assert "ctx/a/b  deleted" in octo("ctx", data, "history", "a/b").out  # also of what is gone
    diff = octo("ctx", data, "diff", before).out.splitlines()
    assert sorted(line[:12].rstrip() for line in diff)[0] == '+ verdict: "'
    assert any(line.startswith("- a/b: ") for line in diff) and any(
        line.startswith("~ rows: ") for line in diff
    )
    assert octo("ctx", data, "diff", before, before + 1, "--json").json[0]["op"] == "set"
    assert octo("ctx", data, "diff", before, before).out == "no difference\n"


@pytest.mark.parametrize("path", ["2024", "years/2024", "a/b/c", "years", "last/0"])
def test_ctx_history_of_what_is_gone_is_whole(octo: Any, data: str, path: str) -> None:
    octo("ctx", data, "set", "2024", "1")
    octo("ctx", data, "set", "years", '{"2024": {"x": 1}}')
    octo("ctx", data, "set", "last", "[5]")
    kinds = [change["op"] for change in octo("ctx", data, "history", path, "--json").json]
    octo("ctx", data, "delete", path)
    changes = octo("ctx", data, "history", path, "--json").json
    assert [change["op"] for change in changes] == [*kinds, "splice" if path == "last/0" else "delete"]
    octo("ctx", data, "delete", "a/b")
    assert octo("ctx", data, "history", "a/b/c", "--json").json[-1]["op"] == "delete"  # it went with what held it


def test_ctx_history_shows_only_what_the_place_was_in(octo: Any, data: str) -> None:
    assert octo("ctx", data, "history", "never").out == "no changes of ctx/never\n"
    octo("ctx", data, "set", "rows", "[]")
    assert octo("ctx", data, "history", "never").out == "no changes of ctx/never\n"
    assert octo("ctx", data, "history", "rows/0/n").out.count("ctx") == 2  # made with all of ctx, gone with its list


def test_ctx_takes_a_place_as_the_history_spells_it(octo: Any, data: str) -> None:
    assert octo("ctx", data, "get", "ctx/rows/0/n").out == "1\n"
    assert octo("ctx", data, "set", "ctx/rows/0/n", "5").out == "5\n"
    assert octo("ctx", data, "history", "ctx/rows/0/n").out.splitlines()[-1].endswith("1 -> 5")
    assert octo("ctx", data, "delete", "ctx/rows/0/n").code == 0
    octo("ctx", data, "set", "ctx", '{"rows": "mine"}')
    assert octo("ctx", data, "get", "ctx/rows").out == "mine\n"


@pytest.mark.parametrize("words", [("delete", ""), ("set", "", "5")])
def test_ctx_does_not_lose_all_for_an_empty_path(octo: Any, data: str, words: tuple[str, ...]) -> None:
    assert "which place in ctx?" in octo("ctx", data, *words, code=2).err
    assert "rows" in octo("ctx", data, "get").json


def test_ctx_prints_text_as_it_is(octo: Any, data: str) -> None:
    with ParameterStore(data) as store:
        store.set("ctx", "text", "a \x1b[31mred\x1b[0m")
    assert octo("ctx", data, "get", "text").out == "a \x1b[31mred\x1b[0m\n"


# --- history, at, fork


def test_history_says_who_when_and_from_what_to_what(octo: Any, data: str) -> None:
    octo("params", data, "limits", "cpu", 90)
    octo("params", data, "limits", "cpu", "-i")
    header, *lines = octo("history", data, "limits/cpu").out.splitlines()
    assert header.split() == ["seq", "time", "who", "what", "change"]
    assert lines[-2].endswith("limits/cpu  95 -> 90") and lines[-1].endswith("limits/cpu  +1")
    number = int(lines[-2].split()[0])
    assert octo("at", data, number - 1, "limits/cpu").out == "95\n"
    assert octo("at", data, number, "limits/cpu").out == "90\n"
    assert octo("at", data, number).json["limits"]["cpu"] == 90
    newest = octo("history", data, "limits", "--since", number, "--json").json
    assert [(change["op"], change["value"]) for change in newest] == [("increment", 1)]


def test_history_is_limited_and_says_so(octo: Any, data: str) -> None:
    for n in range(40):
        ParameterStore(data).set("limits", "cpu", n)
    assert "older changes are not shown; --limit 0 shows all)" in octo("history", data).out.splitlines()[0]
    assert len(octo("history", data).out.splitlines()) == 32
    assert len(octo("history", data, "--limit", 3).out.splitlines()) == 5
    assert len(octo("history", data, "--limit", 0).out.splitlines()) > 40


def test_long_values_are_shortened(octo: Any, data: str) -> None:
    octo("params", data, "limits", "name", "x" * 5000)
    octo("ctx", data, "set", "many", json.dumps(list(range(1000))))
    lines = octo("history", data).out.splitlines()
    assert max(map(len, lines)) < 160
    assert "1000 items" in lines[-1]


def test_fork(octo: Any, data: str, tmp_path: Path) -> None:
    before = ParameterStore(data).seq
    octo("params", data, "limits", "cpu", 1)
    assert octo("fork", data, "old", "--at", before).next == ["octo status old", "octo run old"]
    assert octo("params", "old", "limits", "cpu").out == "95\n"
    assert octo("fork", data, "new", "--json").json["directory"] == "new"
    assert octo("params", "new", "limits", "cpu").out == "1\n"
    octo("run", "old", "--quiet")
    assert octo("status", data, "--json").json["state"] == "INACTIVE"


def test_text_that_the_terminal_cannot_show_is_escaped(data: str, start: Any) -> None:
    process = start("ctx", data, "get", env={"PYTHONIOENCODING": "ascii"})
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and json.loads(out)["a/b"]["c"] == "é" and out.isascii()
