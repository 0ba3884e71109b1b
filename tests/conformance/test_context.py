"""The documents' own examples of `context`: the pages of context.py, test_ctx.py and the later ones that use it.

Not run: the wish for a Python 3.6 floor; `key` mangled as `.setitem__`; pickled run states (Octo writes JSON).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conformance.layout import DATA

MODULES = Path(__file__).resolve().parents[2] / "modules"
CATALOGUE: dict[str, Any] = yaml.safe_load((DATA / "core.yaml").read_text(encoding="utf-8"))


@pytest.fixture(params=["context", "orchestrator.context"])
def context(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Both names under which the documents import it."""
    import importlib

    monkeypatch.syspath_prepend(str(MODULES))
    return importlib.import_module(request.param)


# -- context.py, "Usage Examples"


def test_basic_creation_and_use(context: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ctx = context.Context()
    ctx["foo"] = 123
    ctx["bar"] = {"a": [1, 2, 3]}
    print(ctx)
    assert capsys.readouterr().out == "{'foo': 123, 'bar': {'a': [1, 2, 3]}}\n"


def test_it_is_a_subclass_of_dict(context: Any) -> None:
    assert issubclass(context.Context, dict) and isinstance(context.Context(), dict)


def test_accessing_key_history(context: Any) -> None:
    ctx = context.Context()
    started = time.time()
    ctx["foo"] = 123
    (entry,) = ctx.get_history("foo")
    assert set(entry) == {"timestamp", "value", "who"} and (entry["value"], entry["who"]) == (123, "step_name")
    assert started <= entry["timestamp"] == ctx.last_modified("foo") <= time.time()
    assert ctx.last_modified("never") is None and ctx.get_history("never") == []


def test_serializability_is_enforced(context: Any, tmp_path: Path) -> None:
    (tmp_path / "file.txt").touch()
    ctx = context.Context()
    with open(tmp_path / "file.txt") as file, pytest.raises(ValueError, match="baz"):
        ctx["baz"] = file


def test_update_of_several_keys(context: Any) -> None:
    ctx = context.Context()
    ctx["foo"] = 123
    ctx.update({"x": 10, "y": 20, "foo": 999})
    assert ctx["foo"] == 999 and ctx == {"foo": 999, "x": 10, "y": 20}
    assert [entry["value"] for entry in ctx.get_history("foo")] == [123, 999]
    assert len(ctx.get_history("x")) == len(ctx.get_history("y")) == 1
    with pytest.raises(ValueError):
        ctx.update({"x": 11, "bad": object()})
    assert ctx["x"] == 10


def test_export_for_a_shell_script(context: Any) -> None:
    ctx = context.Context()
    ctx.update({"foo": 999})
    ctx["LIST"] = [1, 2, 3]
    env = context.expose_for_shell(ctx, ["foo", "LIST"])
    assert env == {"foo": "999", "LIST": "[1, 2, 3]"}
    assert context.expose_for_shell({"foo": 999, "LIST": [1, 2, 3]}, ["foo", "LIST"]) == env
    code = "import os; print(os.environ['foo'], os.environ['LIST'])"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "999 [1, 2, 3]\n"


def test_values_of_a_saved_state_come_back_by_update(context: Any) -> None:
    ctx = context.Context()
    ctx["a"] = {"b": [1]}
    saved = json.loads(json.dumps({"ctx": ctx, "files": []}))
    later = context.Context()
    later["more"] = 1
    later.update(saved["ctx"])
    assert later == {"more": 1, "a": {"b": [1]}}


# -- the catalogue's examples of both pages; those in words alone are above and below


def catalogued() -> list[dict[str, Any]]:
    examples = [example for page in ("context", "test_ctx") for example in CATALOGUE[page]["examples"]]
    found = [example for example in examples if {"params", "ctx_after", "raises"} & example.keys()]
    assert len(found) == 10
    return found


@pytest.mark.parametrize("example", catalogued(), ids=lambda example: str(example.get("note", example.get("params"))))
def test_as_catalogued(context: Any, example: dict[str, Any]) -> None:
    ctx = context.Context(example["ctx"])
    asked = example.get("params", {})
    if "raises" in example:
        assert example["raises"] == "ValueError"
        with pytest.raises(ValueError):
            ctx["bad"] = object()
    elif "get_history" in asked:
        (entry,), (expected,) = ctx.get_history(asked["get_history"]), example["returns"]
        assert {**entry, "timestamp": 0} == {**expected, "timestamp": 0} and entry["timestamp"] > 1.7e9
    elif "expose_for_shell" in asked:
        assert context.expose_for_shell(ctx, asked["expose_for_shell"]) == example["returns"]
    else:
        ctx.update(asked.get("update", {}))
        for key, value in {} if asked else example["ctx_after"].items():
            ctx[key] = value
        assert ctx == example["ctx_after"]


# -- tests/test_ctx.py, as printed


def test_ctx_set_get(context: Any) -> None:
    ctx = context.Context()
    ctx["foo"] = 123
    assert ctx["foo"] == 123


def test_ctx_json_serializable(context: Any) -> None:
    ctx = context.Context()
    ctx["bar"] = {"a": [1, 2, 3]}
    assert ctx["bar"]["a"] == [1, 2, 3]


def test_ctx_non_serializable(context: Any) -> None:
    class NotSerializable:
        pass

    ctx = context.Context()
    with pytest.raises(ValueError):
        ctx["bad"] = NotSerializable()


def test_ctx_accepts_tuple(context: Any) -> None:
    ctx = context.Context()
    ctx["tup"] = (1, 2, 3)
    assert list(ctx["tup"]) == [1, 2, 3]


def test_history_tracking(context: Any) -> None:
    ctx = context.Context()
    ctx["foo"] = 1
    ctx["foo"] = 2
    hist = ctx.get_history("foo")
    assert hist[0]["value"] == 1
    assert hist[1]["value"] == 2


def test_expose_for_shell(context: Any) -> None:
    ctx = context.Context()
    ctx["bar"] = ["a", "b", "c"]
    env = context.expose_for_shell(ctx, ["bar"])
    assert '"a", "b", "c"' in env["bar"] and env["bar"] == '["a", "b", "c"]'


@pytest.mark.parametrize(
    ("v", "should_pass"),
    [(123, True), ([1, 2, 3], True), ({"a": 1}, True), (object(), False), (lambda x: x, False)],
)
def test_various_serializability(context: Any, v: Any, should_pass: bool) -> None:
    ctx = context.Context()
    if should_pass:
        ctx["a"] = v
    else:
        with pytest.raises(ValueError):
            ctx["a"] = v


def test_env_export(context: Any) -> None:
    ctx = context.Context()
    ctx["key"] = {"foo": "bar"}
    env = context.expose_for_shell(ctx, ["key"])
    assert isinstance(env["key"], str) and env["key"] == '{"foo": "bar"}'


# -- the later pages


def test_the_short_page_of_context(context: Any) -> None:
    ctx = context.Context()
    ctx["foo"] = 123
    assert context.expose_for_shell(ctx, ["foo"]) == {"foo": "123"}


def test_a_step_in_the_manner_of_the_framework_page(context: Any) -> None:
    ctx = context.Context({"input_data": [1, -2, 3]})
    input_data = ctx.get("input_data", [])
    ctx.set("processed_data", [item * 2 for item in input_data if item > 0])
    ctx.set("custom_processor.completed", True)
    assert ctx["processed_data"] == [2, 6] and ctx.scope("custom_processor")["completed"] is True
    assert ctx.get("nothing", []) == []


def test_a_key_with_a_dot_and_who(context: Any) -> None:
    ctx = context.Context()
    ctx.set("hello_world.output", "Hello, World!", who="hello_world")
    assert "hello_world.output" in ctx
    assert [entry["who"] for entry in ctx.get_history("hello_world.output")] == ["hello_world"]


def test_real_time_operations(context: Any) -> None:
    ctx = context.Context()
    seen: list[Any] = []

    def handle_metrics_update(change: Any) -> None:
        seen.append(change.value)

    ctx.set("global_config", {"timeout": 30, "retries": 3})
    ctx.subscribe("performance_metrics", callback=handle_metrics_update)
    ctx.set("performance_metrics", {"cpu": 0.5})
    assert seen == [{"cpu": 0.5}]
    from octo.errors import NotAvailable

    with pytest.raises(NotAvailable, match="no context server in this version"):
        ctx.connect_to_server("ws://localhost:8765")


@pytest.mark.parametrize("name", ["context", "orchestrator.context"])
def test_it_is_imported_from_the_root_of_the_documents(name: str) -> None:
    code = f"from {name} import Context, expose_for_shell; ctx = Context(); ctx['a'] = 1; print(ctx)"
    done = subprocess.run([sys.executable, "-c", code], cwd=MODULES, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("{'a': 1}\n", "")
