"""ctx_llm_prompt_chain: prompts one after the other; against a real local server, and offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError, UsageError
from step_library.kit.llm.failures import BadReply, LlmFailed
from step_library.llm import ctx_llm_prompt_chain
from tests.recipe.runs import Project
from tests.steps.llm_server import chat, llm_server, refused, said

TWO = [{"prompt": "Summarize.", "input_key": "text", "out": "summary"},
       {"prompt": "List.", "input_key": "summary", "out": "list"}]


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {"text": "T"} if request.param == "dict" else Context(text="T")


def chain(ctx: Any, *links: Any, **more: Any) -> Any:
    return ctx_llm_prompt_chain.run(ctx, {"chain": list(links), "backend": "echo", **more})


def test_each_link_sees_what_came_before(ctx: Any) -> None:
    with llm_server() as server:
        result = chain(ctx, *TWO, backend="openai")
    assert result == {"outputs": ["summary", "list"]}
    assert (ctx["summary"], ctx["list"]) == ("re: T", "re: re: T")
    assert said(server) == [[("system", "Summarize."), ("user", "T")], [("system", "List."), ("user", "re: T")]]
    assert [asked.json["model"] for asked in server.asked] == ["gpt-3.5-turbo"] * 2


def test_the_documented_review(ctx: Any) -> None:
    """Example 2 of the catalogue, without a model; its last link may also see the summary that it is to correct."""
    ctx["doc_text"] = "D"
    links = [{"prompt": "Summarize this document.", "input_key": "doc_text", "out": "doc_summary"},
             {"prompt": "What are three potential biases in this summary?", "input_key": "doc_summary",
              "out": "bias_review"},
             {"prompt": "Correct the summary for neutrality based on these biases:", "input_key": "bias_review",
              "out": "neutral_summary"}]
    assert chain(ctx, *links) == {"outputs": ["doc_summary", "bias_review", "neutral_summary"]}
    both = {"prompt": "Correct.", "input_keys": ["doc_summary", "bias_review"], "out": "corrected"}
    filled = {"prompt": "Correct {ctx[doc_summary]} for {data}", "key": "bias_review", "out": "filled",
              "template": True}
    chain(ctx, *links, both, filled)
    assert ctx["corrected"] == '{"doc_summary": "D", "bias_review": "D"}' and ctx["filled"] == "Correct D for D"


def test_links_with_settings_of_their_own() -> None:
    """Example 4 of the catalogue: a model and temperature for one link, the chain's for the others."""
    ctx = {"text": "T"}
    own = {**TWO[0], "model": "gpt-4", "temperature": 0.7, "options": {"top_p": 1}}
    with llm_server() as server:
        chain(ctx, own, TWO[1], backend="openai", model="small", temperature=0)
    assert [(asked.json["model"], asked.json["temperature"]) for asked in server.asked] == [
        ("gpt-4", 0.7), ("small", 0)]


@pytest.mark.parametrize(("links", "error", "text"), [
    (["x"], ShapeError, r"chain\[0\]: a link is .prompt, input_key, out., not str 'x'"),
    ([{"prompt": "p", "out": "o"}], OctoError, r"chain\[0\]: parameter 'input_key' is missing"),
    ([TWO[0], {**TWO[1], "ouput": "x"}], OctoError, r"chain\[1\]: unknown parameter 'ouput'; did you mean"),
    ([{**TWO[0], "key": "text"}], OctoError, r"chain\[0\]: 'input_key' and 'key' are one parameter"),
    ([{**TWO[0], "out": ""}], ShapeError, r"chain\[0\]: out: a key of ctx is not empty"),
    ([TWO[0], {**TWO[1], "input_key": "sumary"}], MissingKey,
     r"chain\[1\] \(list\): ctx has no key 'sumary', and no link before it writes it; did you mean summary"),
    ([{**TWO[0], "when": "len("}], UsageError, r"chain\[0\]: the expression"),
    ([TWO[0], {**TWO[1], "prompt": "{data", "template": True}], UsageError, r"chain\[1\]: prompt: "),
    ([TWO[0], {**TWO[1], "options": {"n": 2}}], UsageError, "options: n is not set there"),
    ([{**TWO[0], "each": True}], ShapeError, r"chain\[0\]: with each ctx\['text'\] is to be a list"),
    ([{**TWO[0], "parse_output": "xml"}], OctoError, r"chain\[0\]: parameter 'parse_output' is to be one of"),
])
def test_mistakes_are_found_before_the_first_call(ctx: Any, links: list[Any], error: type[Exception],
                                                  text: str) -> None:
    with llm_server() as server, pytest.raises(error, match=text):
        chain(ctx, *links, backend="openai")
    assert not server.asked and list(ctx) == ["text"]


def test_an_empty_chain_and_a_price_that_is_missing(ctx: Any) -> None:
    assert chain(ctx) == {"outputs": []}
    with pytest.raises(UsageError, match="budget_cost needs a price for b"):
        chain(ctx, {**TWO[0], "model": "a"}, {**TWO[1], "model": "b"}, budget_cost=1,
              prices={"a": {"input": 1, "output": 1}})
    assert list(ctx) == ["text"]


def test_what_a_failing_link_leaves(ctx: Any) -> None:
    """The outputs of the links before it stay, as documented; it may be skipped, or be given a value instead."""
    def answer(asked: Any) -> Any:
        return refused(400, "no") if asked.json["messages"][0]["content"] == "List." else (200, chat("S"))

    three = [*TWO, {"prompt": "Title.", "input_key": "text", "out": "title"}]
    with llm_server(answer):
        with pytest.raises(LlmFailed, match=r"chain\[1\]: openai at .*400 Bad Request: no"):
            chain(ctx, *three, backend="openai")
        assert ctx["summary"] == "S" and "list" not in ctx and "title" not in ctx
        done = chain(ctx, *three, backend="openai", error_to_ctx=True, emit=True)
        assert done == {"outputs": ["summary", "title"], "skipped": ["list"]}
        assert [event["payload"]["chars"] for event in ctx["events"]] == [1, None, 1]
        assert ctx["title"] == "S" and "list" not in ctx and "400" in ctx["errors"][0]["error"]
        done = chain(ctx, TWO[0], {**TWO[1], "on_error": "default", "default": "none"}, backend="openai")
        assert done == {"outputs": ["summary", "list"]}
        each = {**TWO[1], "input_key": "texts", "each": True, "on_error": "skip", "out": "all"}
        ctx["texts"] = ["T"]
        assert chain(ctx, each, backend="openai") == {"outputs": [], "skipped": ["all"]} and "all" not in ctx
        assert ctx["list"] == "none" and len(ctx["errors"]) == 1


def test_a_link_behind_one_that_was_skipped(ctx: Any) -> None:
    """Its input is not there: a failure of its own, dealt with as all of them are."""
    links = [{**TWO[0], "when": "False"}, TWO[1]]
    with pytest.raises(MissingKey, match=r"chain\[1\]: .*no key 'summary'"):
        chain(ctx, *links)
    assert chain(ctx, *links, error_to_ctx=True) == {"outputs": [], "skipped": ["summary", "list"]}
    assert "no key 'summary'" in ctx["errors"][0]["error"] and "llm_usage" not in ctx
    links[1] = {**TWO[1], "on_error": "default", "default": "none"}
    assert chain(ctx, *links)["skipped"] == ["summary"] and ctx["list"] == "none"


def test_links_under_a_condition(ctx: Any) -> None:
    links = [{**TWO[0], "when": "len(ctx['text']) > 3"}, {**TWO[0], "out": "b", "skip_if": "ctx['text'] == 'T'"},
             {**TWO[0], "out": "c", "when": "ctx['text'] == 'T'"}]
    assert chain(ctx, *links, emit=True) == {"outputs": ["c"], "skipped": ["summary", "b"]}
    assert "summary" not in ctx and "b" not in ctx and ctx["c"] == "T"
    assert [event["payload"] for event in ctx["events"]] == [
        {"number": 0, "out": "summary", "chars": None}, {"number": 1, "out": "b", "chars": None},
        {"number": 2, "out": "c", "chars": 1}]
    assert ctx["events"][0]["event"] == "llm_link_done" and ctx["events"][0]["source"] == "ctx_llm_prompt_chain"


def test_a_list_is_asked_about_element_by_element(ctx: Any) -> None:
    ctx["docs"] = [f"doc {number}" for number in range(30)]
    each = {"prompt": "p", "input_key": "docs", "out": "all", "each": True}
    chain(ctx, each, {"prompt": "q", "input_key": "all", "out": "one"}, workers=8)
    assert ctx["all"] == ctx["docs"] and ctx["one"].startswith('["doc 0", "doc 1"')
    ctx["docs"] = ["[1]", "no"]
    with pytest.raises(BadReply, match=r"chain\[0\], element 1: .*no JSON"):
        chain(ctx, {**each, "parse_output": "json"})
    chain(ctx, {**each, "parse_output": "json", "on_error": "default", "default": []})
    assert ctx["all"] == []


def test_json_between_links(ctx: Any) -> None:
    ctx["text"] = {"a": [1, 2]}
    chain(ctx, {**TWO[0], "output_type": "dict", "post_fn": "tests.steps.test_ctx_llm_prompt_chain:first"}, TWO[1],
          audit=True, stream=True)
    assert ctx["summary"] == [1, 2] and ctx["summary_raw"] == '{"a": [1, 2]}' and ctx["list"] == "[1, 2]"
    assert [entry["for"] for entry in ctx["audit"]] == ["chain[0]", "chain[1]"]


def first(value: dict[str, Any]) -> Any:
    return value["a"]


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    """The first link's output stays when the second fails; the resume takes its reply from the cache."""
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def answer(messages, model, options):
            with Path("calls").open("a") as file:
                file.write(messages[0]["content"] + "\\n")
            if messages[0]["content"] == "B" and not Path("go").exists():
                raise ValueError("not yet")
            return messages[-1]["content"] + messages[0]["content"]
    """)
    project.recipe("""
        ctx: {text: x}
        steps:
          - name: chain
            function: ctx_llm_prompt_chain
            params:
              chain:
                - {prompt: A, input_key: text, out: a}
                - {prompt: B, input_key: a, out: b}
              backend_fn: "BODY:answer"
              attempts: 1
              cache: ctx
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert project.ctx["a"] == "xA" and "b" not in project.ctx
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["b"] == "xAB" and project.lines("calls") == ["A", "B", "B"]
    assert project.steps["chain"]["result"] == {"outputs": ["a", "b"]}
