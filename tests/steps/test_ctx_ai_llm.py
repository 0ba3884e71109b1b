"""ctx_ai_llm: a value and a prompt, sent to a model; against a real local server, and offline."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, NotAvailable, OctoError, ShapeError, UsageError
from octo.param import table_of
from step_library.kit.llm.backends import SERVICES
from step_library.kit.llm.failures import BadReply, LlmFailed
from step_library.llm import ctx_ai_llm
from tests.recipe.runs import Project
from tests.steps.llm_server import KEY, chat, llm_server, refused, repeated, said
from tests.steps.local_http import Asked

ECHO = {"key": "data", "out": "o", "prompt": "Sum up.", "backend": "echo"}


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context()


def test_the_documented_call(ctx: Any) -> None:
    """Examples 0 and 3 of the catalogue: the reply as it came, one message, the default model or another."""
    ctx["table_data"] = [{"sensor": "A", "mean": 50.3, "std": 0.3}]
    prompt = "Write a clear, concise summary of this sensor data table."
    with llm_server(lambda asked: (200, chat("All is well."))) as server:
        result = ctx_ai_llm.run(ctx, {"key": "table_data", "out": "table_summary", "prompt": prompt})
        ctx_ai_llm.run(ctx, {"input_key": "table_data", "out": "o", "instruction": prompt, "model": "gpt-4"})
    assert result == {"out": "table_summary", "chars": 12} and ctx["table_summary"] == "All is well."
    assert said(server)[0] == [("user", prompt + "\n\n[{'sensor': 'A', 'mean': 50.3, 'std': 0.3}]")]
    assert [asked.json["model"] for asked in server.asked] == ["gpt-3.5-turbo", "gpt-4"]
    assert server.asked[0].path == "/v1/chat/completions"
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert {name: ctx["llm_usage"][0][name] for name in ("step", "backend", "model", "total_tokens")} == {
        "step": "ctx_ai_llm", "backend": "openai", "model": "gpt-3.5-turbo", "total_tokens": 15}


def test_the_documented_signature() -> None:
    """Example 7 of the catalogue: key, out and prompt are needed, the model is not."""
    table = table_of(ctx_ai_llm.run)
    assert table is not None
    assert [param.name for param in table.params if param.required] == ["key", "out", "prompt"]
    assert table.fill({"key": "data", "out": "o", "prompt": "p"})["model"] is None  # then the backend's own
    assert SERVICES["openai"].model == "gpt-3.5-turbo"


def test_the_model_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTO_LLM_MODEL", "small")
    monkeypatch.setenv("OCTO_LLM_BACKEND", "echo")
    ctx: dict[str, Any] = {"data": "x"}
    ctx_ai_llm.run(ctx, {"key": "data", "out": "o", "prompt": "p"})
    assert (ctx["llm_usage"][0]["model"], ctx["llm_usage"][0]["backend"]) == ("small", "echo")


def test_offline_the_data_comes_back(ctx: Any) -> None:
    ctx["data"], ctx["empty"] = {"a": 1}, ""
    ctx_ai_llm.run(ctx, ECHO)
    assert ctx["o"] == "Sum up.\n\n{'a': 1}"
    ctx_ai_llm.run(ctx, {**ECHO, "data_format": "json"})
    assert ctx["o"] == 'Sum up.\n\n{"a": 1}'
    ctx_ai_llm.run(ctx, {**ECHO, "key": "empty"})
    assert ctx["o"] == "Sum up.\n\n"
    ctx_ai_llm.run(ctx, {**ECHO, "key": ["data", "empty"]})
    assert ctx["o"] == "Sum up.\n\n{'data': {'a': 1}, 'empty': ''}"


def test_options_reach_the_service() -> None:
    with llm_server() as server:
        ctx_ai_llm.run({"data": 1}, {**ECHO, "backend": "openai", "temperature": 0.3, "max_tokens": 9,
                                     "options": {"top_p": 0.5, "response_format": {"type": "json_object"}}})
    sent = server.asked[0].json
    assert (sent["temperature"], sent["max_tokens"], sent["top_p"]) == (0.3, 9, 0.5)
    assert sent["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(("there", "more", "error", "text"), [
    ({}, {}, MissingKey, "key: ctx has no key 'data'"),
    ({"data": 1}, {"out": ""}, ShapeError, "out: a key of ctx is not empty"),
    ({"data": 1}, {"key": []}, ShapeError, "key: no key is given"),
    ({"data": 1}, {"backend": "gpt"}, OctoError, "parameter 'backend' is to be one of"),
    ({"data": 1}, {"modle": "x"}, OctoError, "did you mean model"),
    ({"data": 1}, {"instruction": "x"}, OctoError, "one parameter: give one of them"),
    ({"data": 1}, {"timeout": 0}, UsageError, "timeout: it is more than 0"),
    ({"data": 1}, {"attempts": 0}, UsageError, "attempts: it is 1 or more"),
    ({"data": 1}, {"workers": 0}, UsageError, "workers: it is 1 or more"),
    ({"data": 1}, {"options": {"stream": True}}, UsageError, "options: stream is not set there"),
    ({"data": 1}, {"backend": "azure"}, UsageError, "base_url is missing"),
    ({"data": 1}, {"backend": "local", "base_url": "localhost:1"}, UsageError, "base_url: it is to begin with http"),
    ({"data": 1}, {"backend": "local"}, UsageError, "model is missing"),
    ({"data": 1, "llm_usage": 3}, {}, ShapeError, "llm_usage"),
    ({"data": 1, "audit": 3}, {"audit": True}, ShapeError, "audit"),
    ({"data": 1, "llm_errors": 3}, {"error_to_ctx": True}, ShapeError, "llm_errors"),
])
def test_mistakes(there: dict[str, Any], more: dict[str, Any], error: type[Exception], text: str) -> None:
    ctx = dict(there)
    with pytest.raises(error, match=text):
        ctx_ai_llm.run(ctx, {**ECHO, **more})
    assert ctx == there


def test_without_a_key_it_says_so_and_does_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OCTO_LLM_BACKEND", raising=False)
    ctx = {"data": 1}
    with pytest.raises(UsageError, match="no OPENAI_API_KEY") as raised:
        ctx_ai_llm.run(ctx, {"key": "data", "out": "o", "prompt": "p"})
    assert raised.value.hints == ["export OPENAI_API_KEY=…", "export OCTO_LLM_BACKEND=echo"] and ctx == {"data": 1}
    monkeypatch.setenv("OCTO_LLM_BACKEND", "ekko")
    with pytest.raises(UsageError, match="OCTO_LLM_BACKEND in the environment .*did you mean echo"):
        ctx_ai_llm.run(ctx, {"key": "data", "out": "o", "prompt": "p"})


def test_a_key_of_another_name_and_a_server_that_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "mine")
    with llm_server() as server:
        url = {"base_url": f"{server.url}/other"}
        ctx_ai_llm.run({"data": 1}, {**ECHO, **url, "backend": "openai", "api_key_env": "MY_KEY"})
        ctx_ai_llm.run({"data": 1}, {**ECHO, **url, "backend": "local", "model": "m"})
    assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer mine", "Bearer none"]
    assert server.asked[0].path == "/other/chat/completions"


def test_a_secret_in_the_address_is_in_no_message_and_no_record(monkeypatch: pytest.MonkeyPatch, ctx: Any) -> None:
    monkeypatch.setenv("GATEWAY_OF_TEST", "s3cret")
    ctx["data"] = "x"
    with llm_server(lambda asked: refused(400, "no") if "bad" in asked.path else (200, chat("yes"))) as server:
        url = server.url + "/${GATEWAY_OF_TEST}"
        ctx_ai_llm.run(ctx, {**ECHO, "backend": "local", "model": "m", "base_url": url, "audit": True})
        with pytest.raises(LlmFailed, match=r"/\$\{GATEWAY_OF_TEST\}/bad: 400") as raised:
            ctx_ai_llm.run(ctx, {**ECHO, "backend": "local", "model": "m", "base_url": f"{url}/bad"})
    assert server.asked[0].path == "/s3cret/chat/completions"
    assert "s3cret" not in str(raised.value) and "s3cret" not in str(dict(ctx))


def test_a_failure_leaves_ctx_as_it_was(ctx: Any) -> None:
    ctx["data"], ctx["o"] = "x", "before"
    with llm_server(lambda asked: refused(401, f"Incorrect API key provided: {KEY}.")) as server:
        with pytest.raises(LlmFailed, match=r"openai at http.*: 401 Unauthorized: Incorrect API key .*: \*+") as no:
            ctx_ai_llm.run(ctx, {"key": "data", "out": "o", "prompt": "p"})
        assert KEY not in str(no.value) and len(server.asked) == 1 and ctx["o"] == "before"
        result = ctx_ai_llm.run(ctx, {"key": "data", "out": "o", "prompt": "p", "error_to_ctx": True})
        assert result["out"] == "o" and result["chars"] == 0 and "401" in result["error"]
        assert ctx["o"] == "before" and set(ctx["llm_errors"][0]) == {"step", "timestamp", "error", "traceback"}
        assert KEY not in str(ctx["llm_errors"]) and "errors" not in ctx
        ctx_ai_llm.run(ctx, {"key": "data", "out": "o", "prompt": "p", "on_error": "default", "default": []})
        assert ctx["o"] == [] and len(ctx["llm_errors"]) == 1
        with pytest.raises(LlmFailed):
            ctx_ai_llm.run(ctx, {"key": "data", "out": "o", "prompt": "p", "on_error": "raise", "error_to_ctx": True})
        assert len(ctx["llm_errors"]) == 2


def test_json_checked_and_worked_on(ctx: Any) -> None:
    ctx["data"] = {"risk": 3}
    params = {"key": "data", "out": "o", "prompt": "p", "output_format": "json"}
    with llm_server(lambda asked: (200, chat('Here it is:\n```json\n{"risk": 3}\n```'))):
        ctx_ai_llm.run(ctx, {**params, "post_fn": lambda value: value["risk"] + 1})
        assert ctx["o"] == 4 and ctx["o_raw"].startswith("Here it is")
        schema = {"type": "dict", "fields": {"risk": {"type": "str"}}}
        with pytest.raises(BadReply, match="schema: .*risk"):
            ctx_ai_llm.run(ctx, {**params, "schema": schema})
        with pytest.raises(BadReply, match="is to be a list, but it is a dict"):
            ctx_ai_llm.run(ctx, {**params, "output_format": "list"})
        with pytest.raises(ShapeError, match="post_fn returned set"):
            ctx_ai_llm.run(ctx, {**params, "post_fn": lambda value: {1}})
    assert ctx["o"] == 4


def test_a_function_answers(ctx: Any) -> None:
    ctx["data"] = "x"

    def answer(messages: list[dict[str, str]], model: str, options: dict[str, Any]) -> Any:
        return f"{model} {options} {messages[-1]['role']}"

    params = {"key": "data", "out": "o", "prompt": "p"}
    ctx_ai_llm.run(ctx, {**params, "backend_fn": answer, "temperature": 0})
    assert ctx["o"] == "gpt-3.5-turbo {'temperature': 0} user"
    with pytest.raises(BadReply, match="is to return text"):
        ctx_ai_llm.run(ctx, {**params, "backend_fn": lambda messages, model, options: 3})
    with pytest.raises(UsageError, match="two ways"):
        ctx_ai_llm.run(ctx, {**params, "backend_fn": answer, "backend": "echo"})
    with pytest.raises(ZeroDivisionError):
        ctx_ai_llm.run(ctx, {**params, "backend_fn": lambda messages, model, options: 1 / 0, "delay": 0})


def test_a_large_input_goes_in_pieces(ctx: Any) -> None:
    ctx["data"] = "\n\n".join(f"Paragraph {number}. " + "word " * 40 for number in range(20))
    with llm_server() as server:
        ctx_ai_llm.run(ctx, {"key": "data", "out": "o", "prompt": "p", "chunk_chars": 1000})
        pieces = [content.removeprefix("p\n\n") for [(_, content)] in said(server)]
        assert "".join(sorted(pieces, key=lambda piece: ctx["data"].index(piece))) == ctx["data"] and len(pieces) > 3
        assert all(len(piece) <= 1000 and piece.startswith("Paragraph") for piece in pieces)
        assert ctx["o"].count("re: p") == len(pieces)
        ctx_ai_llm.run(ctx, {"key": "data", "out": "o2", "prompt": "p", "chunk_chars": 1000, "chunk_merge": "Merge."})
    assert said(server)[-1] == [("user", "Merge.\n\n" + ctx["o"])] and ctx["o2"].startswith("re: Merge.\n\nre: p")


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    """The budget holds across the resume; what a failed step has spent is counted too."""
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def gate(ctx):
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    ask = "function: ctx_ai_llm, params: {key: text, prompt: Sum up., backend: echo, budget_tokens: 24"
    project.recipe(f"""
        ctx: {{text: some words}}
        steps:
          - {{name: one, {ask}, out: one}}}}
          - {{name: bad, {ask}, out: bad, output_format: json}}, allow_failure: true}}
          - {{name: gate, module: BODY, function: gate}}
          - {{name: two, {ask}, out: two}}}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert project.ctx["one"] == "Sum up.\n\nsome words" and "bad" not in project.ctx
    assert "the reply is no JSON" in project.steps["bad"]["error"]["message"]
    assert [entry["total_tokens"] for entry in project.ctx["llm_usage"]] == [10, 10]
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_ERROR"
    error = project.steps["two"]["error"]
    assert error["type"] == "BudgetExceeded" and "24 tokens for the run, 20 are used" in error["message"]
    assert len(project.ctx["llm_usage"]) == 2


def test_the_documented_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Example 6 of the catalogue, with the step before it; the environment names the backend."""
    monkeypatch.setenv("OCTO_LLM_BACKEND", "echo")
    project = Project(tmp_path / "p")
    project.write("Data/metrics.json", '{"passed": 12, "failed": 1}')
    project.recipe("""
        steps:
          - idx: 1
            name: load_metrics
            type: python
            module: scriptlets.python.core.file_to_ctx
            function: run
            params: {path: Data/metrics.json, key: metrics, format: json}
          - idx: 2
            name: summarize_metrics
            type: python
            module: scriptlets.python.core.ctx_ai_llm
            function: run
            params:
              key: metrics
              out: metrics_ai_summary
              prompt: Rewrite these test metrics as a brief QA update. List outliers.
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["metrics_ai_summary"] == (
        "Rewrite these test metrics as a brief QA update. List outliers.\n\n{'passed': 12, 'failed': 1}")
    mistake = project.recipe("""
        steps: [{name: a, function: ctx_ai_llm, params: {key: k, out: o, prompt: p, backend: ekko}}]
    """, "bad.yaml")
    assert "is to be one of 'openai'" in str(project.refused(mistake.name))


def test_a_streamed_reply_grows_in_ctx(ctx: Any) -> None:
    ctx["data"], ctx["o"] = "one two three", "before"
    seen: list[str] = []
    with llm_server(repeated) as server:
        params = {"key": "data", "out": "o", "prompt": "p", "stream": True, "stream_every": 0}
        ctx_ai_llm.run(ctx, {**params, "on_text": seen.append})
    assert server.asked[0].json["stream"] is True and ctx["o"] == "re:p\n\nonetwothree"
    assert all(ctx["o"].startswith(text) for text in seen)
    assert ctx["llm_usage"][0]["total_tokens"] == 15


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    monkeypatch.delitem(sys.modules, "step_library.kit.llm.openai_client", raising=False)
    with pytest.raises(NotAvailable, match="needs openai") as raised:
        ctx_ai_llm.run({"data": 1}, {**ECHO, "backend": "local", "model": "m"})
    assert raised.value.hints == ["pip install 'octo-step-engine[llm]'"]


def test_the_import_is_light() -> None:
    code = ("import sys, step_library.llm.ctx_ai_llm, step_library.llm.ctx_llm_batch; "
            "print([name for name in ('openai', 'httpx', 'requests', 'simpleeval') if name in sys.modules])")
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                           cwd=Path(ctx_ai_llm.__file__).parents[2])
    assert found.stdout.strip() == "[]"


def test_the_server_sees_the_users_message(ctx: Any) -> None:
    """A prompt with braces is no template unless that is asked for."""
    ctx["data"], ctx["other"] = "D", {"a": [7]}
    asked: list[Asked] = []

    def answer(one: Asked) -> tuple[Any, ...]:
        asked.append(one)
        return repeated(one)

    with llm_server(answer) as server:
        prompt = "Respond with { 'summary': ... }"
        ctx_ai_llm.run(ctx, {"key": "data", "out": "o", "prompt": prompt})
        ctx_ai_llm.run(ctx, {"key": "data", "out": "o", "prompt": "{key_name}={data}, {ctx[other][a][0]}",
                             "template": True})
        with pytest.raises(MissingKey, match="prompt: .*no 'nothing'"):
            ctx_ai_llm.run(ctx, {"key": "data", "out": "o", "prompt": "{nothing}", "template": True})
    assert said(server) == [[("user", prompt + "\n\nD")], [("user", "data=D, 7")]]
