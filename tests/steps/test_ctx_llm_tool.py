"""ctx_llm_tool: any data of ctx and an instruction; against a real local server, and offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError
from step_library.kit.llm.failures import BadReply, BudgetExceeded
from step_library.llm import ctx_llm_tool
from tests.recipe.runs import Project
from tests.steps.llm_server import chat, llm_server, refused, said

ECHO = {"key": "data", "out": "o", "instruction": "Clean.", "backend": "echo"}


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context()


def test_instruction_and_data_are_two_messages(ctx: Any) -> None:
    ctx["raw"], ctx["text"] = ["ThIs is MESSy.", "é"], "one\ntwo"
    with llm_server(lambda asked: (200, chat("clean"))) as server:
        result = ctx_llm_tool.run(ctx, {"key": "raw", "out": "o", "instruction": "Clean."})
        ctx_llm_tool.run(ctx, {"keys": "text", "out": "o", "prompt": "Clean."})
    assert result == {"out": "o", "chars": 5} and ctx["o"] == "clean"
    assert said(server) == [[("system", "Clean."), ("user", '["ThIs is MESSy.", "é"]')],
                            [("system", "Clean."), ("user", "one\ntwo")]]


def test_the_documented_parsing(ctx: Any) -> None:
    """Example 5 of the catalogue: the reply parsed, what fails written into ctx."""
    ctx["dirty_data"] = ["a ", " b"]
    params = {"key": "dirty_data", "out": "clean_data", "parse_output": "json", "error_to_ctx": True,
              "instruction": "Convert this list of strings into valid JSON with cleaned entries.",
              "model": "gpt-4", "temperature": 0.3, "delay": 0}
    left = [(200, chat('["a", "b"]')), (200, chat("I cannot")), refused(400, "bad request")]
    with llm_server(lambda asked: left.pop(0)) as server:
        ctx_llm_tool.run(ctx, params)
        assert ctx["clean_data"] == ["a", "b"] and ctx["clean_data_raw"] == '["a", "b"]'
        for text in ("the reply is no JSON", "400 Bad Request: bad request"):
            result = ctx_llm_tool.run(ctx, params)
            assert text in result["error"] and text in ctx["errors"][-1]["error"]
    assert ctx["clean_data"] == ["a", "b"] and len(ctx["errors"]) == 2
    assert set(ctx["errors"][0]) == {"step", "timestamp", "error", "traceback"}
    assert (server.asked[0].json["model"], server.asked[0].json["temperature"]) == ("gpt-4", 0.3)


def test_a_reply_with_a_list_stays_text(ctx: Any) -> None:
    """Example 3 of the catalogue: "return as a list" makes no list; `parse_output: list` does."""
    ctx["products"] = [{"name": "mug"}]
    said = {"key": "products", "out": "products_better", "instruction":
            "For each product entry, make a catchy title suitable for an Amazon listing. Return as a list."}
    with llm_server(lambda asked: (200, chat('["The mug!"]'))):
        ctx_llm_tool.run(ctx, said)
        assert ctx["products_better"] == '["The mug!"]'
        ctx_llm_tool.run(ctx, {**said, "parse_output": "list"})
    assert ctx["products_better"] == ["The mug!"] and ctx["products_better_raw"] == '["The mug!"]'


def test_code_is_kept_and_not_run(ctx: Any) -> None:
    """Example 2 of the catalogue: a reply that is a program stays text."""
    ctx["sales_csv"] = "a,1\nb,2"
    code = "import os\nraise SystemExit('it was run')"
    with llm_server(lambda asked: (200, chat(code))):
        ctx_llm_tool.run(ctx, {"key": "sales_csv", "out": "llm_python_code", "instruction": "Generate Python code …"})
    assert ctx["llm_python_code"] == code


def test_a_missing_key_sends_nothing(ctx: Any) -> None:
    with llm_server() as server:
        with pytest.raises(MissingKey, match="key: ctx has no key 'data'"):
            ctx_llm_tool.run(ctx, {**ECHO, "backend": "openai"})
        with pytest.raises(OctoError, match="parameter 'instruction' is missing"):
            ctx_llm_tool.run(ctx, {"key": "data", "out": "o"})
    assert not server.asked


def test_what_cannot_be_sent_or_read_is_told_before_the_call() -> None:
    ctx: dict[str, Any] = {"data": {1, 2}, "nan": [float("nan")]}
    with llm_server() as server:
        for key in ("data", "nan"):
            with pytest.raises(ShapeError, match="cannot be sent as JSON"):
                ctx_llm_tool.run(ctx, {**ECHO, "key": key, "backend": "openai"})
        with pytest.raises(OctoError, match="schema: there is no rule 'tpye'; did you mean type"):
            ctx_llm_tool.run({"data": 1}, {**ECHO, "backend": "openai", "schema": {"tpye": "dict"}})
    assert not server.asked
    ctx_llm_tool.run(ctx, {**ECHO, "data_format": "str"})
    assert ctx["o"] == "{1, 2}"


def test_a_long_list_goes_in_pieces_and_comes_back_as_one(ctx: Any) -> None:
    ctx["data"] = [{"n": number} for number in range(500)]
    ctx_llm_tool.run(ctx, {**ECHO, "chunk_chars": 300, "parse_output": "list", "post_fn": len, "workers": 8})
    assert ctx["o"] == 500 and len(ctx["llm_usage"]) > 10
    assert [row for piece in ctx["o_raw"].split("\n\n") for row in json.loads(piece)] == ctx["data"]
    ctx_llm_tool.run(ctx, {**ECHO, "chunk_chars": 300, "parse_output": "json", "chunk_merge": "One list.",
                           "backend": None, "backend_fn": _merging})
    assert ctx["o"] == {"merged": True}
    with pytest.raises(BadReply, match=r"piece 1 of \d+.*is to be a dict"):
        ctx_llm_tool.run(ctx, {**ECHO, "chunk_chars": 300, "parse_output": "dict"})


def _merging(messages: list[dict[str, str]], model: str, options: dict[str, Any]) -> str:
    return '{"merged": true}' if messages[0]["content"] == "One list." else "a part"


def test_pieces_stay_within_the_budget(ctx: Any) -> None:
    """Those on their way count with all that they may need, so parallel calls do not break it."""
    ctx["data"] = "x" * 4000
    with pytest.raises(BudgetExceeded, match=r"piece \d of 10: budget_tokens: 700"):
        ctx_llm_tool.run(ctx, {**ECHO, "chunk_chars": 400, "budget_tokens": 700, "workers": 10, "max_tokens": 100})
    assert sum(entry["total_tokens"] for entry in ctx["llm_usage"]) <= 700 and "o" not in ctx


def test_hooks_before_and_after(ctx: Any) -> None:
    ctx["data"] = {"name": "Ann", "password": "x"}
    ctx_llm_tool.run(ctx, {**ECHO, "pre_fn": lambda data: {"name": data["name"]}, "post_fn": str.upper})
    assert ctx["o"] == '{"NAME": "ANN"}' and ctx["data"] == {"name": "Ann", "password": "x"}


def test_the_change_is_recorded_with_its_author() -> None:
    ctx = Context(data="x", who="me")
    ctx_llm_tool.run(ctx, ECHO)
    assert [entry["who"] for entry in ctx.get_history("o")] == ["me"]


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    """A reply that was paid for is in the cache although its step failed; the resume takes it from there."""
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        from step_library.llm import ctx_llm_tool
        def answer(messages, model, options):
            with Path("calls").open("a") as file:
                file.write("call\\n")
            return "[1]"
        def ask_then_fail(ctx):
            ctx_llm_tool.run(ctx, {"key": "rows", "out": "made", "instruction": "p", "backend_fn": answer,
                                   "cache": "ctx"})
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe("""
        ctx: {rows: [1, 2]}
        steps:
          - {name: both, module: BODY, function: ask_then_fail}
          - name: after
            function: ctx_llm_tool
            params: {key: made, out: again, instruction: "{{ ctx.rows | length }} rows", backend: echo}
    """)
    assert project.run().status == "COMPLETE_ERROR" and "made" not in project.ctx
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["made"] == project.ctx["again"] == "[1]"
    assert project.lines("calls") == ["call"]
    assert [entry.get("cached", False) for entry in project.ctx["llm_usage"]] == [False, True, False]
