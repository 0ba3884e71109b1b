"""ctx_history: values with their times, kept on request."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError
from step_library.state import ctx_history
from tests.recipe.runs import Project


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context()


def history(ctx: Any, action: str = "get", key: str = "t", **more: Any) -> Any:
    return ctx_history.run(ctx, {"key": key, "action": action, **more})


def values(entries: Any) -> list[Any]:
    return [entry["value"] for entry in entries]


def test_appends_in_order(ctx: Any) -> None:
    """The second and fourth documented examples."""
    before = time.time()
    for value in (34.21, 34.55, 34.1):
        found = history(ctx, "append", value=value)
    assert list(found) == ["history"] and values(found["history"]) == [34.21, 34.55, 34.1] and ctx["t"] == 34.1
    assert ctx["_history"]["t"] == found["history"] == ctx_history.run(ctx, {"key": "t"})
    assert all(before <= entry["timestamp"] <= time.time() and len(entry) == 2 for entry in found["history"])
    assert history(ctx, key="other") == [] and list(ctx["_history"]) == ["t"]


def test_later_changes_do_not_rewrite_it(ctx: Any) -> None:
    value = [1]
    found = history(ctx, "append", value=value)
    value.append(2)
    ctx["t"].append(3)
    found["history"][0]["value"].append(4)
    history(ctx)[0]["value"].append(5)
    assert values(history(ctx)) == [[1]] and ctx["t"] == [1, 3]


def test_a_value_of_ctx(ctx: Any) -> None:
    ctx["raw"] = {"a": [1]}
    history(ctx, "append", "raw", from_key="raw")
    history(ctx, "append", "copy", from_key="raw")
    ctx["raw"]["a"].append(2)
    assert values(history(ctx, key="raw")) == [{"a": [1]}] and ctx["copy"] == {"a": [1]}
    ctx["none"] = None
    history(ctx, "append", from_key="none")
    assert values(history(ctx)) == [None]


def test_which_entries(ctx: Any) -> None:
    """The sixth documented example."""
    ctx["_history"] = {"t": [{"timestamp": float(n), "value": n, "tag": "odd" if n % 2 else "even"} for n in range(6)]}
    assert values(history(ctx, start_time=2, end_time=4)) == [2, 3, 4]
    assert values(history(ctx, last=2)) == [4, 5] and history(ctx, last=0) == []
    assert history(ctx, tag="odd", format="columns") == {"timestamps": [1.0, 3.0, 5.0], "values": [1, 3, 5]}
    history(ctx, "append", value=6, who="me", tag="even", comment="by hand")
    last = history(ctx)[-1]
    assert (last["who"], last["tag"], last["comment"]) == ("me", "even", "by hand")


def test_prune_restore_clear(ctx: Any) -> None:
    """The seventh and eighth documented examples."""
    for value in range(5):
        history(ctx, "append", value=[value])
    assert history(ctx, "restore", index=-2) == {"restored": "t", "index": 3, "value": [3]} and ctx["t"] == [3]
    ctx["t"].append("later")
    assert history(ctx, "prune", maxlen=3) == {"pruned": 2} and values(history(ctx)) == [[2], [3], [4]]
    history(ctx, "append", value=[9], maxlen=2)
    assert values(history(ctx)) == [[4], [9]]
    for index in (2, -3):
        with pytest.raises(KeyError, match=f"has 2 entries, no {index}"):
            history(ctx, "restore", index=index)
    assert history(ctx, "clear") == {"cleared": 2} and history(ctx, "clear") == {"cleared": 0}
    assert history(ctx) == [] and ctx["t"] == [9]
    with pytest.raises(KeyError, match="'maxlen' is missing"):
        history(ctx, "prune")


@pytest.mark.parametrize(("there", "params", "error", "words"), [
    ({}, {}, KeyError, "'key' is missing"),
    ({}, {"key": "t", "action": "append"}, KeyError, "'value' is missing"),
    ({}, {"key": "t", "action": "append", "from_key": "no"}, KeyError, "ctx has no key 'no'"),
    ({"a": 1}, {"key": "t", "action": "append", "from_key": "a", "value": 1}, OctoError, "one of them"),
    ({}, {"key": "t", "action": "add"}, ValueError, "one of 'append', 'get', 'prune'"),
    ({}, {"key": 1}, ValueError, "'key' is to be str"),
    ({}, {"key": ""}, ValueError, "not empty"),
    ({}, {"key": "t", "maxlen": -1}, OctoError, "maxlen is to be 0 or more"),
    ({"_history": [1]}, {"key": "t"}, ValueError, "ctx['_history'] is to be a dict, not a list of 1"),
    ({"_history": {"t": 5}}, {"key": "t"}, ValueError, "is to be a list of entries, not int 5"),
    ({"_history": {"t": [5]}}, {"key": "t"}, ValueError, "entry 0 is no {timestamp: seconds since 1970, value}"),
    ({"_history": {"t": [{"timestamp": "2025", "value": 1}]}}, {"key": "t", "start_time": 1}, ValueError, "entry 0 is"),
    ({}, {"key": "_history", "action": "append", "value": 1}, OctoError, "where the values of the others are kept"),
])
def test_mistakes(there: dict[str, Any], params: dict[str, Any], error: type[Exception], words: str) -> None:
    for ctx in (dict(there), Context(there)):
        with pytest.raises(error) as caught:
            ctx_history.run(ctx, params)
        assert words in str(caught.value) and isinstance(caught.value, OctoError) and ctx == there


def test_what_is_no_json_is_refused_whole() -> None:
    ctx = Context(t=1)
    with pytest.raises(ValueError, match="t"):
        history(ctx, "append", value=[{1, 2}])
    assert ctx == {"t": 1}


def test_threads(ctx: Any) -> None:
    def work(number: int) -> None:
        for _ in range(20):
            history(ctx, "append", value=number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(values(history(ctx))) == sorted([*range(4)] * 20)


def test_in_a_recipe_over_a_resume(tmp_path: Path) -> None:
    """The fifth documented example."""
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def gate(ctx):
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe("""
        ctx: {raw: [1, 2]}
        steps:
          - {name: keep, function: ctx_history, params: {key: raw, action: append, value: "{{ ctx['raw'] }}"}}
          - {name: gate, module: BODY, function: gate, depends_on: keep}
          - {name: set, function: ctx_history, params: {key: raw, action: append, value: []}, depends_on: gate}
          - {name: back, function: ctx_history, params: {key: raw, action: restore, index: -2}, depends_on: set}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["raw"] == [1, 2] and values(project.ctx["_history"]["raw"]) == [[1, 2], []]
