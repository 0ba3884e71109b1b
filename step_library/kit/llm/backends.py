"""Who answers: a service that speaks OpenAI's protocol, a function, or `echo`, which works offline, for nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from octo.errors import UsageError, nearest
from step_library.kit.llm.backend import Backend, OnPiece, Reply, Request, estimated_tokens
from step_library.kit.llm.failures import BadReply, LlmTimeout
from step_library.kit.net.environment import shown, with_secrets
from step_library.kit.values.ctx_values import described

BACKEND, MODEL = "OCTO_LLM_BACKEND", "OCTO_LLM_MODEL"
"""Names in the environment: the backend and the model where a step names none."""
DEFAULT_MODEL = "gpt-3.5-turbo"


@dataclass(frozen=True)
class Service:
    """Where a service is, the environment's name of its key, its model where none is named."""

    base_url: str | None
    key_name: str | None
    model: str | None = None


SERVICES = {
    "openai": Service("https://api.openai.com/v1", "OPENAI_API_KEY", DEFAULT_MODEL),
    "anthropic": Service("https://api.anthropic.com/v1/", "ANTHROPIC_API_KEY"),
    "azure": Service(None, "AZURE_OPENAI_API_KEY"),
    "huggingface": Service("https://router.huggingface.co/v1", "HF_TOKEN"),
    "local": Service("http://localhost:11434/v1", None),
}
"""All of these speak OpenAI's protocol; local is a server of one's own, such as Ollama, llama.cpp or vLLM."""
NAMES = (*SERVICES, "echo")


def backend_of(params: Mapping[str, Any]) -> Backend:
    """The backend that the parameters name, else the environment, else openai. Never another one in its place."""
    if params["backend_fn"] is not None:
        if params["backend"] is not None:
            raise UsageError("backend and backend_fn are two ways to say one thing: give one of them")
        return FunctionBackend(params["backend_fn"])
    name = params["backend"] or os.environ.get(BACKEND) or "openai"
    if name not in NAMES:
        raise UsageError(f"{BACKEND} in the environment is to be one of {', '.join(NAMES)}, not {name!r}"
                         f"{nearest(name, NAMES)}")
    if name == "echo":
        return Echo()
    return _service(name, SERVICES[name], params["base_url"], params["api_key_env"])


def _service(name: str, service: Service, base_url: str | None, key_name: str | None) -> Backend:
    url = base_url or (os.environ.get("OPENAI_BASE_URL") if name == "openai" else None) or service.base_url
    if url is None:
        raise UsageError(f"base_url is missing: {name} has none of its own; such as https://NAME.openai.azure.com/openai/v1/")
    place, url = shown(url), with_secrets(url, "base_url")
    if not url.startswith(("http://", "https://")):
        raise UsageError("base_url: it is to begin with http:// or https://")
    key_name = key_name or service.key_name
    key = os.environ.get(key_name, "").strip() if key_name else "none"
    if not key:
        raise UsageError(
            f"the environment has no {key_name}, the key of {name}; a server that needs none is backend: local with "
            f"its base_url, and backend: echo works offline", hints=[f"export {key_name}=…", f"export {BACKEND}=echo"])
    from step_library.kit.llm.openai_client import OpenAIBackend

    return OpenAIBackend(name, url, place, key, service.model)


class Echo:
    """Replies with the last message as it came: for trying recipes and tests without a network, a key or costs."""

    name = "echo"
    place = "echo"
    model: str | None = DEFAULT_MODEL

    def reply(self, request: Request, timeout: float, on_piece: OnPiece | None) -> Reply:
        text = request.messages[-1]["content"]
        if on_piece:
            for piece in text.splitlines(keepends=True):
                on_piece(piece)
        return Reply(text, estimated_tokens(request.text), estimated_tokens(text), estimated=True)

    def close(self) -> None:
        pass


class FunctionBackend:
    """A function of (messages, model, options) that returns the reply's text, or {text, prompt_tokens, …}."""

    model: str | None = DEFAULT_MODEL

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.name = "function"
        self.place = f"{function.__module__}:{getattr(function, '__qualname__', type(function).__name__)}"

    def reply(self, request: Request, timeout: float, on_piece: OnPiece | None) -> Reply:
        began = time.monotonic()
        said = self._function([dict(message) for message in request.messages], request.model, dict(request.options))
        if time.monotonic() - began > timeout:
            raise LlmTimeout(f"{self.place}: no reply within {timeout:g} s", again=True)
        found = said if isinstance(said, Mapping) else {"text": said}
        text = found.get("text")
        if not isinstance(text, str):
            raise BadReply(f"backend_fn {self.place} is to return text or {{text, …}}, not {described(said)}")
        counted = "prompt_tokens" in found and "completion_tokens" in found
        if on_piece:
            on_piece(text)
        return Reply(text, int(found.get("prompt_tokens", estimated_tokens(request.text))),
                     int(found.get("completion_tokens", estimated_tokens(text))), not counted,
                     str(found.get("finish_reason", "stop")))

    def close(self) -> None:
        pass
