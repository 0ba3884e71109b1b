"""Calls to language models, against a real server: what fails, what is tried again, what it costs, what is kept."""

from __future__ import annotations

import email.utils
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from octo.context import Context
from octo.errors import UsageError
from step_library.kit.llm.backend import Reply, Request
from step_library.kit.llm.backends import Echo
from step_library.kit.llm.calls import GRACE, Calls
from step_library.kit.llm.failures import BadReply, BudgetExceeded, LlmFailed, LlmStopped, LlmTimeout
from step_library.kit.llm.messages import library_of, named, pieces_of
from step_library.kit.llm.openai_client import _seconds
from step_library.kit.llm.replies import parsed
from step_library.llm import ctx_llm_tool
from tests.steps.llm_server import SSE, chat, events, llm_server, refused, repeated
from tests.steps.local_http import Asked

ASK = {"key": "data", "out": "o", "instruction": "p", "delay": 0}


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {"data": "D"} if request.param == "dict" else Context(data="D")


# --- what the service answers


@pytest.mark.parametrize(("answers", "calls", "error", "text"), [
    ([refused(401, "bad key")], 1, openai.APIStatusError, "401 Unauthorized: bad key"),
    ([refused(404, "no such model")], 1, LlmFailed, "404 Not Found: no such model"),
    ([refused(429, "quota", "insufficient_quota")], 1, LlmFailed, "429 Too Many Requests: quota"),
    ([refused(429, "slow down", Retry_After="999")], 1, LlmFailed, "slow down"),
    ([refused(500, "oh")] * 3, 3, openai.APIStatusError, r"500 .*: oh \(tried 3 times\)"),
    ([(503, b"<html>")] * 3, 3, LlmFailed, "503 .*: <html>"),
    ([(200, b"{not json")] * 3, 3, openai.APIError, "the answer is no JSON"),
    ([(200, b"<html>", {"Content-Type": "text/html"})], 1, LlmFailed, "is no chat completion.*<html>"),
    ([(200, {"choices": []})], 1, LlmFailed, "is no chat completion"),
    ([(200, {"error": "odd"})], 1, LlmFailed, "is no chat completion"),
    ([(200, chat(None, "content_filter"))], 1, BadReply, "no text .finish_reason content_filter"),
    ([(200, chat(None, refusal="I will not"))], 1, BadReply, "it refused: I will not"),
])
def test_answers_that_are_none(answers: list[Any], calls: int, error: type[Exception], text: str) -> None:
    left = list(answers)
    ctx = {"data": "D"}
    with llm_server(lambda asked: left.pop(0)) as server, pytest.raises(error, match=text) as raised:
        ctx_llm_tool.run(ctx, ASK)
    assert len(server.asked) == calls and isinstance(raised.value, LlmFailed)
    assert list(ctx) == (["data", "llm_usage"] if error is BadReply else ["data"])  # a refusal costs as well


def test_what_may_pass_is_tried_again(ctx: Any) -> None:
    left = [refused(429, "slow down", Retry_After="0"), refused(500, "oh"), (200, chat("yes"))]
    with llm_server(lambda asked: left.pop(0)) as server:
        ctx_llm_tool.run(ctx, {**ASK, "audit": True})
    assert ctx["o"] == "yes" and len(server.asked) == 3
    assert ctx["audit"][0]["tries"] == 3 and len(ctx["llm_usage"]) == 1


def test_a_reply_that_cannot_be_read_is_asked_for_again(ctx: Any) -> None:
    replies = ["no", None, "[1]"]
    params = {**ASK, "parse_output": "json", "audit": True, "cache": "ctx"}
    with llm_server(lambda asked: (200, chat(replies.pop(0)))) as server:
        ctx_llm_tool.run(ctx, {**params, "reask": 2})
        assert ctx["o"] == [1] and len(server.asked) == 3 == len(ctx["llm_usage"])
        assert [entry["status"] for entry in ctx["audit"]] == ["error", "error", "success"]
        replies = ["no", "nor this", "never asked"]
        with pytest.raises(BadReply, match="it begins 'nor this'"):
            ctx_llm_tool.run(ctx, {**params, "instruction": "q", "reask": 1})
    assert len(server.asked) == 5


def test_how_long_the_service_asks_to_wait() -> None:
    in_a_minute = email.utils.format_datetime(email.utils.localtime(email.utils.parsedate_to_datetime(
        email.utils.formatdate(time.time() + 60, usegmt=True))))
    assert _seconds({"retry-after": "2"}) == 2 and _seconds({"retry-after-ms": "1500"}) == 1.5
    assert 50 < (_seconds({"retry-after": in_a_minute}) or 0) <= 60
    assert _seconds({}) is None and _seconds({"retry-after": "soon"}) is None


def test_no_connection_and_no_reply_in_time() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"backend": "local", "model": "m", "base_url": f"http://127.0.0.1:{free.getsockname()[1]}/v1"}
    with pytest.raises(openai.APIError, match=r"no connection .*is a server running there\? \(tried 2 times\)"):
        ctx_llm_tool.run({"data": "D"}, {**ASK, **place, "attempts": 2})
    done = threading.Event()
    try:
        with llm_server(lambda asked: (done.wait(30), (200, chat("late")))[1]):
            with pytest.raises(TimeoutError, match="no reply within 0.1 s") as raised:
                ctx_llm_tool.run({"data": "D"}, {**ASK, "timeout": 0.1, "attempts": 1})
            done.set()
    finally:
        done.set()
    assert isinstance(raised.value, openai.APITimeoutError) and isinstance(raised.value, LlmTimeout)


# --- streaming


def test_a_stream_that_is_cut_off_begins_anew(ctx: Any) -> None:
    left: list[Any] = [(200, events(["half"], finish=None, tokens=None), SSE),
                       (200, iter([b"data: {no json\n\n"]), SSE),
                       (200, events(["whole", " reply"], tokens=None), SSE)]
    with llm_server(lambda asked: left.pop(0)) as server:
        ctx_llm_tool.run(ctx, {**ASK, "stream": True})
    assert ctx["o"] == "whole reply" and len(server.asked) == 3
    assert ctx["llm_usage"][0]["estimated"] is True and ctx["llm_usage"][0]["completion_tokens"] == 3


def test_what_is_there_while_the_reply_comes(ctx: Any) -> None:
    """Half of the reply stands in ctx before the service sends the other half; after a failure the old value."""
    ctx["o"] = "before"
    seen, fails = threading.Event(), threading.Event()

    def halves() -> Iterator[bytes]:
        parts = list(events(["first ", "second"]))
        yield from parts[:2]
        assert seen.wait(30)
        yield from [b'data: {"error": {"message": "gone"}}\n\n'] if fails.is_set() else parts[2:]

    texts: list[Any] = []

    def look(text: str) -> None:
        texts.append((text, ctx["o"]))
        seen.set()

    params = {**ASK, "stream": True, "on_text": look, "stream_every": 0.05, "attempts": 1}
    with llm_server(lambda asked: (200, halves(), SSE)):
        ctx_llm_tool.run(ctx, params)
        assert texts[0] == ("first ", "first ") and ctx["o"] == "first second"
        fails.set()
        seen.clear()
        ctx["o"] = "before"
        with pytest.raises(LlmFailed, match="gone"):
            ctx_llm_tool.run(ctx, params)
    assert ctx["o"] == "before"


# --- waiting


class _Deaf:
    """A backend that keeps to no time-out."""

    name = place = "deaf"
    model = "m"

    def __init__(self) -> None:
        self.go = threading.Event()

    def reply(self, request: Request, timeout: float, on_piece: Any) -> Reply:
        self.go.wait(30)
        return Reply("late", 1, 1)


def test_a_try_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from octo.engine.retry import Retry

    monkeypatch.setattr("step_library.kit.llm.calls.GRACE", 0.05)
    assert GRACE > 0
    deaf, stop = _Deaf(), threading.Event()
    calls = Calls(deaf, Retry(), 0.05, stop, False)  # type: ignore[arg-type]
    try:
        calls.start(0, Request("m", [{"role": "user", "content": "x"}]))
        call = calls.ended(30)
        assert call is not None and isinstance(call.error, LlmTimeout) and not calls.running
        calls.start(1, Request("m", []))
        stop.set()
        with pytest.raises(LlmStopped):
            calls.ended(30)
    finally:
        deaf.go.set()
        calls.close()


# --- what it costs


def test_the_budget_of_tokens(ctx: Any) -> None:
    with llm_server() as server:
        for number in range(2):
            ctx_llm_tool.run(ctx, {**ASK, "out": f"o{number}", "budget_tokens": 32})
        with pytest.raises(BudgetExceeded, match="32 tokens for the run, 30 are used, the next .* may take 101"):
            ctx_llm_tool.run(ctx, {**ASK, "budget_tokens": 32, "max_tokens": 100})
        ctx_llm_tool.run(ctx, {**ASK, "budget_tokens": 31})  # what it sends has room; its reply cannot be known
        with pytest.raises(BudgetExceeded):
            ctx_llm_tool.run(ctx, {**ASK, "budget_tokens": 31})
        result = ctx_llm_tool.run(ctx, {**ASK, "budget_tokens": 31, "error_to_ctx": True})
    assert len(server.asked) == 3 and "budget_tokens" in result["error"]
    assert [each["total_tokens"] for each in ctx["llm_usage"]] == [15, 15, 15]


def test_the_budget_of_money(ctx: Any) -> None:
    money = {"prices": {"gpt-3.5-turbo": {"input": 1000, "output": 2000}}, "budget_cost": 0.021}
    with llm_server() as server:
        ctx_llm_tool.run(ctx, {**ASK, **money})  # 10 in, 5 out
        assert ctx["llm_usage"][0]["cost"] == pytest.approx(0.02)
        with pytest.raises(BudgetExceeded, match="budget_cost: 0.021 for the run, 0.02 is used, .* may cost 0.009"):
            ctx_llm_tool.run(ctx, {**ASK, **money, "max_tokens": 4})
        with pytest.raises(UsageError, match="budget_cost needs a price for gpt-4"):
            ctx_llm_tool.run(ctx, {**ASK, **money, "model": "gpt-4"})
        with pytest.raises(UsageError, match="prices: that of m is to be"):
            ctx_llm_tool.run(ctx, {**ASK, "prices": {"m": 3}})
        with pytest.raises(UsageError, match="budget_tokens: a budget is 0 or more"):
            ctx_llm_tool.run(ctx, {**ASK, "budget_tokens": -1})
    assert len(server.asked) == 1


# --- what is kept


@pytest.mark.parametrize("where", ["ctx", "folder"])
def test_the_same_question_is_asked_once(where: str, ctx: Any, tmp_path: Path) -> None:
    cache = "ctx" if where == "ctx" else str(tmp_path / "replies")
    replies = iter(["no json", "[1]", "[2]", "[3]", "[4]"])
    params = {**ASK, "cache": cache, "parse_output": "json", "budget_tokens": 1000}
    with llm_server(lambda asked: (200, chat(next(replies)))) as server:
        with pytest.raises(BadReply):
            ctx_llm_tool.run(ctx, params)  # such a reply is not kept
        for _ in range(2):
            ctx_llm_tool.run(ctx, params)
            assert ctx["o"] == [1]
        ctx_llm_tool.run(ctx, {**params, "temperature": 1})
        assert ctx["o"] == [2]
        ctx_llm_tool.run(ctx, {**params, "cache_seconds": 0})
        assert ctx["o"] == [3]
        ctx["data"] = "other"
        ctx_llm_tool.run(ctx, params)
    assert ctx["o"] == [4] and len(server.asked) == 5
    assert [bool(each.get("cached")) for each in ctx["llm_usage"]] == [False, False, True, False, False, False]
    assert ctx["llm_usage"][2]["total_tokens"] == 0
    if where == "folder":
        files = sorted((tmp_path / "replies").iterdir())
        assert len(files) == 3 and "llm_cache" not in ctx
        assert {"text", "model", "made", "prompt_tokens"} <= json.loads(files[0].read_text()).keys()


def test_a_damaged_cache_is_asked_anew(tmp_path: Path) -> None:
    ctx = {"data": "D"}
    params = {**ASK, "backend": "echo", "cache": str(tmp_path)}
    ctx_llm_tool.run(ctx, params)
    [file] = tmp_path.iterdir()
    for text in ("{", "[]", '{"text": 1}'):
        file.write_text(text)
        ctx_llm_tool.run(ctx, params)
        assert ctx["o"] == "D"


def test_the_records_of_a_call(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with llm_server(lambda asked: (200, chat("cut", "length"))):
        monkeypatch.setenv("OPENAI_BASE_URL", openai_url_with_a_secret())
        ctx_llm_tool.run(ctx, {**ASK, "audit": True, "debug": True, "temperature": 0})
        [entry] = ctx["audit"]
        with pytest.raises(BadReply, match="it was cut at max_tokens"):
            ctx_llm_tool.run(ctx, {**ASK, "audit": True, "parse_output": "json"})
    assert entry["step"] == "ctx_llm_tool" and entry["status"] == "success" and entry["end"] >= entry["start"]
    assert entry["messages"] == [{"role": "system", "content": "p"}, {"role": "user", "content": "D"}]
    assert (entry["reply"], entry["total_tokens"], entry["finish_reason"]) == ("cut", 15, "length")
    assert entry["params"]["model"] == "gpt-3.5-turbo" and entry["params"]["temperature"] == 0
    assert ctx["audit"][1]["status"] == "error" and ctx["audit"][1]["reply"] == "cut"
    assert ctx["log"][0]["msg"].startswith("ctx_llm_tool: gpt-3.5-turbo: success after")
    assert "hidden" not in str({key: ctx[key] for key in ctx}) and "sk-" not in str({key: ctx[key] for key in ctx})


def openai_url_with_a_secret() -> str:
    """The address of the server that runs, with a password in it."""
    import os

    return os.environ["OPENAI_BASE_URL"].replace("http://", "http://user:hidden@")


# --- texts


@pytest.mark.parametrize(("text", "value"), [
    (' {"a": [1, null]} ', {"a": [1, None]}),
    ("```json\n[1]\n```", [1]),
    ("Sure!\n```\n[2]\n```\nAnything else?", [2]),
    ("```python\nprint(1)\n```\n```JSON\n{}\n```", {}),
])
def test_json_in_a_reply(text: str, value: Any) -> None:
    assert parsed(text) == value


@pytest.mark.parametrize("text", ["", "no", "[NaN]", "```json\n[1\n```", '"\\ud800"', "[" * 100_000])
def test_a_reply_that_is_no_json(text: str) -> None:
    with pytest.raises(BadReply, match="the reply is no JSON"):
        parsed(text)


def test_pieces() -> None:
    assert pieces_of("abc", "str", None) == ["abc"] and pieces_of("", "str", 5) == [""]
    assert pieces_of([], "json", 1) == ["[]"]  # nothing is a question as well
    assert pieces_of("one two three four", "str", 9) == ["one two ", "three ", "four"]
    assert pieces_of("x" * 25, "str", 10) == ["x" * 10, "x" * 10, "x" * 5]
    assert pieces_of([1, 22, 333, 4444], "json", 9) == ["[1, 22]", "[333]", "[4444]"]
    assert pieces_of(["y" * 12, 1], "json", 9) == ['["yyyyyyy', 'yyyyy"]', "[1]"]
    rows = [{"n": number} for number in range(1000)]
    found = pieces_of(rows, "json", 100)
    assert [row for piece in found for row in json.loads(piece)] == rows and max(map(len, found)) <= 100
    text = "".join(f"Sentence {number}. " for number in range(20_000))
    assert "".join(pieces_of(text, "str", 500)) == text
    with pytest.raises(UsageError, match="chunk_chars"):
        pieces_of("abc", "str", 0)


def test_named_prompts(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("sum: Sum up.\nexplain: {v1: Say why., v2: Say why and how.}\nodd: [1]\n")
    library = library_of(tmp_path / "p.yaml")
    assert [named(name, library) for name in ("sum", "explain", "explain@v1")] == [
        "Sum up.", "Say why and how.", "Say why."]
    for name, text in (("summ", "did you mean sum"), ("explain@v3", "it has v1, v2"), ("sum@v1", "has no versions"),
                       ("odd", "is to be text")):
        with pytest.raises((KeyError, ValueError), match=text):
            named(name, library)
    for bad, text in (("{", "cannot be read as YAML"), ("[1]", "is to be a mapping")):
        (tmp_path / "bad.yaml").write_text(bad)
        with pytest.raises(ValueError, match=text):
            library_of(tmp_path / "bad.yaml")
    ctx = {"data": "D"}
    ctx_llm_tool.run(ctx, {**ASK, "instruction": "sum", "prompt_library": dict(library or {}), "backend": "echo",
                           "audit": True})
    assert ctx["audit"][0]["messages"][0]["content"] == "Sum up."  # type: ignore[index]


def test_the_echo_counts_alike_each_time() -> None:
    request = Request("m", [{"role": "user", "content": "väter und söhne"}])
    assert Echo().reply(request, 1, None) == Echo().reply(request, 1, None)


def test_a_request_is_made_by_the_server_as_asked() -> None:
    asked: list[Asked] = []
    with llm_server(lambda one: (asked.append(one), repeated(one))[1]):
        ctx_llm_tool.run({"data": [1, "ä"]}, ASK)
    assert asked[0].json["messages"][1] == {"role": "user", "content": '[1, "ä"]'}
