"""ctx_llm_batch: one prompt for several keys, in parallel; against a real local server, and offline."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError, UsageError
from octo.param import params_of
from step_library.kit.llm.failures import BudgetExceeded, LlmFailed, LlmStopped
from step_library.llm import ctx_llm_batch
from tests.recipe.runs import Project
from tests.steps.llm_server import chat, llm_server, refused, repeated, said
from tests.steps.local_http import Asked

PARAMS = {"keys": ["a", "b", "c"], "out": "o", "prompt": "p", "delay": 0}


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    there = {"a": "one", "b": [["x", 1.5], ["y", 2]], "c": "three"}
    return dict(there) if request.param == "dict" else Context(there)


def batch(ctx: Any, **more: Any) -> Any:
    return ctx_llm_batch.run(ctx, {**PARAMS, **more})


def test_the_documented_calls(ctx: Any) -> None:
    """Examples 0, 3 and 4 of the catalogue: exactly the keys, each a text; values by str(); what is returned."""
    with llm_server() as server:
        assert batch(ctx) == {"summarized": ["a", "b", "c"]}
    assert ctx["o"] == {"a": "re: one", "b": "re: [['x', 1.5], ['y', 2]]", "c": "re: three"}
    assert sorted(said(server)) == [[("system", "p"), ("user", "[['x', 1.5], ['y', 2]]")],
                                    [("system", "p"), ("user", "one")], [("system", "p"), ("user", "three")]]
    assert "o_errors" not in ctx


def test_the_replies_stand_in_the_order_of_the_keys(ctx: Any) -> None:
    """The first reply comes only after the others: all are on their way at once."""
    others = threading.Semaphore(0)

    def answer(asked: Asked) -> Any:
        text = asked.json["messages"][-1]["content"]
        if text == "one":
            assert others.acquire(timeout=30) and others.acquire(timeout=30)
        else:
            others.release()
        return 200, chat(text.upper() if text.isalpha() else "B")

    with llm_server(answer):
        batch(ctx, workers=3)
    assert list(ctx["o"].items()) == [("a", "ONE"), ("b", "B"), ("c", "THREE")]


def test_no_more_at_once_than_workers(ctx: Any) -> None:
    running, most, lock, two = 0, 0, threading.Lock(), threading.Barrier(2)

    def answer(messages: Any, model: str, options: Any) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        two.wait(30)  # and no fewer
        with lock:
            running -= 1
        return "x"

    ctx.update({f"k{number}": number for number in range(20)})
    batch(ctx, keys=[f"k{number}" for number in range(20)], backend_fn=answer, workers=2)
    assert most == 2 and len(ctx["o"]) == 20


def only_b_fails(asked: Asked) -> Any:
    return refused(400, "too odd") if "1.5" in asked.json["messages"][-1]["content"] else repeated(asked)


def test_one_failure_writes_nothing(ctx: Any) -> None:
    ctx["o"] = "before"
    with llm_server(only_b_fails) as server, pytest.raises(LlmFailed, match="key 'b': .*400 Bad Request: too odd"):
        batch(ctx, workers=1)
    assert ctx["o"] == "before" and len(server.asked) == 2  # the third was not sent
    assert len(ctx["llm_usage"]) == 1


def test_the_others_are_kept_where_that_is_asked_for(ctx: Any) -> None:
    with llm_server(only_b_fails):
        assert batch(ctx, on_error="keep") == {"summarized": ["a", "c"], "failed": ["b"]}
        assert ctx["o"] == {"a": "re: one", "c": "re: three"} and list(ctx["o_errors"]) == ["b"]
        assert "too odd" in ctx["o_errors"]["b"] and "errors" not in ctx
        batch(ctx, keys=["a"], on_error="keep")
        assert ctx["o_errors"] == {}  # none that is old
        batch(ctx, error_to_ctx=True, progress=True)
    assert [entry["step"] for entry in ctx["errors"]] == ["ctx_llm_batch"] and list(ctx["o"]) == ["a", "c"]
    assert ctx["progress"]["o"] == {"done": 3, "total": 3, "failed": 1}


@pytest.mark.parametrize(("more", "error", "text"), [
    ({"keys": ["a", "nope"]}, MissingKey, "keys: ctx has no key 'nope'"),
    ({"keys": 3}, OctoError, "parameter 'keys'"),
    ({"out": ""}, ShapeError, "out: a key of ctx is not empty"),
    ({"prompts": {"d": "x"}}, UsageError, "prompts: 'd' is not one of keys"),
    ({"on_error": "skip"}, OctoError, "is to be one of 'raise', 'keep'"),
    ({"workers": 0}, UsageError, "workers: it is 1 or more"),
    ({"post_fn": "no.such:thing"}, OctoError, "no"),
])
def test_mistakes_send_nothing(ctx: Any, more: dict[str, Any], error: type[Exception], text: str) -> None:
    with llm_server() as server, pytest.raises(error, match=text):
        batch(ctx, **more)
    assert not server.asked and list(ctx) == ["a", "b", "c"]


def test_no_keys_and_one_key(ctx: Any) -> None:
    assert batch(ctx, keys=[], backend="echo") == {"summarized": []} and ctx["o"] == {}
    assert batch(ctx, keys="a", backend="echo") == {"summarized": ["a"]} and ctx["o"] == {"a": "one"}
    assert batch(ctx, keys=["a", "a"], backend="echo") == {"summarized": ["a"]}


def test_prompts_of_their_own_and_templates(ctx: Any) -> None:
    with llm_server() as server:
        batch(ctx, prompts={"b": "other"})
        batch(ctx, keys=["a"], prompt="Column {key_name}: {data}", template=True)
    assert sorted(messages[0][1] for messages in said(server)) == ["Column a: one", "other", "p", "p"]
    assert said(server)[-1] == [("user", "Column a: one")]


def test_many_keys_and_long_values(ctx: Any) -> None:
    ctx.update({f"k{number}": f"value {number} " * 30 for number in range(300)})
    keys = [f"k{number}" for number in range(300)]
    batch(ctx, keys=keys, backend="echo", workers=16, chunk_chars=200, progress=True, post_fn=len)
    assert list(ctx["o"]) == keys and all(value > 200 for value in ctx["o"].values())
    assert ctx["progress"]["o"]["done"] == ctx["progress"]["o"]["total"] == len(ctx["llm_usage"]) == 600


def test_the_budget_ends_a_batch(ctx: Any) -> None:
    """What is left over fails; what was answered is kept where that is asked for."""
    with llm_server() as server:
        batch(ctx, workers=1, budget_tokens=16, on_error="keep")
        assert list(ctx["o"]) == ["a"] and list(ctx["o_errors"]) == ["b", "c"] and len(server.asked) == 1
        with pytest.raises(BudgetExceeded, match="key 'a': budget_tokens"):
            batch(ctx, budget_tokens=16)
    assert len(server.asked) == 1


def test_parsed_replies(ctx: Any) -> None:
    batch(ctx, keys=["b"], backend="echo", data_format="json", parse_output="json")
    assert ctx["o"] == {"b": [["x", 1.5], ["y", 2]]} and ctx["o_raw"] == {"b": '[["x", 1.5], ["y", 2]]'}


def test_a_run_that_is_to_stop_does_not_wait() -> None:
    ctx, asked, done = Context(a="one"), threading.Event(), threading.Event()

    def answer(messages: Any, model: str, options: Any) -> str:
        asked.set()
        done.wait(30)
        return "late"

    def stop() -> None:
        assert asked.wait(30)
        ctx.stop.set()

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        with pytest.raises(LlmStopped):
            batch(ctx, keys=["a"], backend_fn=answer)
    finally:
        done.set()
        thread.join()
    assert list(ctx) == ["a"]


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    """Replies that came before one failed are in the cache; the resume asks for the rest only."""
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def answer(messages, model, options):
            text = messages[-1]["content"]
            with Path("calls").open("a") as file:
                file.write(text + "\\n")
            if text == "two" and not Path("go").exists():
                raise ValueError("not yet")
            return text.upper()
    """)
    project.recipe("""
        ctx: {a: one, b: two}
        steps:
          - name: batch
            function: ctx_llm_batch
            params: {keys: [a, b], out: o, prompt: p, backend_fn: "BODY:answer", attempts: 1, cache: replies,
                     workers: 1}
    """)
    assert project.run().status == "COMPLETE_ERROR" and "o" not in project.ctx
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["o"] == {"a": "ONE", "b": "TWO"} and project.lines("calls") == ["one", "two", "two"]
    assert len(list((project.folder / "replies").iterdir())) == 2


def test_the_command_line_takes_keys_with_commas() -> None:
    from octo.cli.exec import value_of

    keys = next(param for param in params_of(ctx_llm_batch.run) or () if param.name == "keys")
    assert value_of(keys, "text1, text2") == ["text1", "text2"] == value_of(keys, '["text1", "text2"]')
    assert value_of(keys, "text1") in ("text1", ["text1"])
