"""A real local server that speaks OpenAI's chat completions, and the environment that leads there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.steps.local_http import Asked, LocalHttp, local_http

KEY = "sk-test-not-a-real-key"


def chat(text: str | None, finish: str = "stop", tokens: tuple[int, int] | None = (10, 5),
         **more: Any) -> dict[str, Any]:
    """A chat completion as the service sends it."""
    usage = None if tokens is None else {"prompt_tokens": tokens[0], "completion_tokens": tokens[1],
                                         "total_tokens": sum(tokens)}
    message = {"role": "assistant", "content": text, **more}
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
            "choices": [{"index": 0, "message": message, "finish_reason": finish}]}


def events(pieces: list[str], finish: str | None = "stop", tokens: tuple[int, int] | None = (10, 5)) -> Iterator[bytes]:
    """The same as a stream of server-sent events, each an element."""

    def event(choices: list[Any], usage: Any = None) -> bytes:
        data = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices,
                "usage": usage}
        return b"data: " + json.dumps(data).encode() + b"\n\n"

    yield event([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
    for piece in pieces:
        yield event([{"index": 0, "delta": {"content": piece}, "finish_reason": None}])
    if finish is not None:
        yield event([{"index": 0, "delta": {}, "finish_reason": finish}])
    if tokens is not None:
        yield event([], {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)})
    yield b"data: [DONE]\n\n"


SSE = {"Content-Type": "text/event-stream"}


def repeated(asked: Asked) -> tuple[Any, ...]:
    """Replies with `re: ` and the last message, as a stream where that is asked for."""
    text = "re: " + asked.json["messages"][-1]["content"]
    if asked.json.get("stream"):
        return 200, events(text.split(" ")), SSE
    return 200, chat(text)


def refused(status: int, message: str, code: str | None = None, **headers: str) -> tuple[Any, ...]:
    """An error as the service sends it."""
    return (status, {"error": {"message": message, "type": "t", "param": None, "code": code}},
            {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}})


@contextmanager
def llm_server(answer: Callable[[Asked], tuple[Any, ...]] = repeated) -> Iterator[LocalHttp]:
    """The server for the time of the block; the environment has its address and a key."""
    with pytest.MonkeyPatch.context() as patch, local_http(answer) as server:
        patch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        patch.setenv("OPENAI_API_KEY", KEY)
        patch.delenv("OCTO_LLM_BACKEND", raising=False)
        patch.delenv("OCTO_LLM_MODEL", raising=False)
        yield server


def said(server: LocalHttp) -> list[list[tuple[str, str]]]:
    """The messages of each call, as (role, content)."""
    return [[(each["role"], each["content"]) for each in asked.json["messages"]] for asked in server.asked]
