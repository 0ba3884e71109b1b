"""The openai client as a backend: any service that speaks OpenAI's chat completions.

Import it where it is used, not at the top of a step: openai takes half a second.
"""

from __future__ import annotations

import email.utils
import time
from typing import Any, cast

from octo.errors import NotAvailable
from step_library.kit.llm.backend import OnPiece, Reply, Request, estimated_tokens
from step_library.kit.llm.failures import LlmFailed, LlmTimeout

try:
    import openai
except ImportError:
    raise NotAvailable("this backend needs openai", hints=["pip install 'octo-step-engine[llm]'"]) from None

PASSING = (408, 409, 425, 429)
"""Answers below 500 that a new try may better."""


class ServiceFailed(LlmFailed, openai.APIError):
    """No connection, or an answer that is none."""

    def __init__(self, message: str, *, again: bool = False, after: float | None = None) -> None:
        Exception.__init__(self, message)  # openai's own want the request and answer, which hold the key
        self.message, self.hints, self.again, self.after = message, [], again, after
        self.code = self.param = self.type = self.body = None


class ServiceTimeout(ServiceFailed, LlmTimeout, openai.APITimeoutError):
    """No reply in time."""


class ServiceRefused(ServiceFailed, openai.APIStatusError):
    """An answer of 400 or above; `status_code` is its number."""

    def __init__(self, message: str, status: int, *, again: bool, after: float | None) -> None:
        ServiceFailed.__init__(self, message, again=again, after=after)
        self.status_code = status


class OpenAIBackend:
    """One client for all calls of a step, from several threads. It does not try again itself: `calls` does.

    `place`: how messages and records name `base_url`.
    """

    def __init__(self, name: str, base_url: str, place: str, key: str, model: str | None) -> None:
        self.name = name
        self.place = place
        self.model = model
        self._key = key
        self._client = openai.OpenAI(api_key=key, base_url=base_url, max_retries=0)

    def close(self) -> None:
        self._client.close()

    def reply(self, request: Request, timeout: float, on_piece: OnPiece | None) -> Reply:
        """The reply; all that is no reply is a LlmFailed, whose message has no key."""
        try:
            if on_piece is None:
                return self._whole(request, timeout)
            return self._streamed(request, timeout, on_piece)
        except LlmFailed:
            raise
        except Exception as error:  # bad JSON and the like come as they are
            raise self._failed(error, timeout) from None

    def _whole(self, request: Request, timeout: float) -> Reply:
        answer: Any = self._client.chat.completions.create(
            model=request.model, messages=cast(Any, list(request.messages)), extra_body=dict(request.options),
            timeout=timeout)
        choices = getattr(answer, "choices", None)
        if not isinstance(choices, list) or not choices:
            raise self._no_chat(answer)
        message = choices[0].message
        return self._reply(request, message.content, choices[0].finish_reason, answer.usage,
                           getattr(message, "refusal", None))

    def _streamed(self, request: Request, timeout: float, on_piece: OnPiece) -> Reply:
        until = time.monotonic() + timeout
        pieces: list[str] = []
        finish, usage, refusal = None, None, ""
        stream: Any = self._client.chat.completions.create(
            model=request.model, messages=cast(Any, list(request.messages)), extra_body=dict(request.options),
            timeout=timeout, stream=True, stream_options={"include_usage": True})
        with stream:
            for chunk in stream:
                if time.monotonic() > until:
                    raise self._late(timeout)
                usage = getattr(chunk, "usage", None) or usage
                for choice in getattr(chunk, "choices", None) or ():
                    finish = choice.finish_reason or finish
                    refusal += getattr(choice.delta, "refusal", None) or ""
                    if choice.delta.content:
                        pieces.append(choice.delta.content)
                        on_piece(choice.delta.content)
        if finish is None:
            raise ServiceFailed(f"{self._where()}: the reply was cut off after {len(''.join(pieces))} characters",
                                again=True)
        return self._reply(request, "".join(pieces) or None, finish, usage, refusal)

    def _reply(self, request: Request, text: str | None, finish: str | None, usage: Any, refusal: str | None) -> Reply:
        problem = ""
        if text is None:
            why = f"it refused: {refusal[:200]}" if refusal else f"finish_reason {finish}"
            problem = f"{self._where()}: the reply has no text ({why})"
        text = (text or "").encode(errors="replace").decode()  # half characters are no JSON
        sent, got = getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None)
        estimated = not (isinstance(sent, int) and isinstance(got, int))
        if estimated:
            sent, got = estimated_tokens(request.text), estimated_tokens(text)
        return Reply(text, sent or 0, got or 0, estimated, finish or "stop", problem)

    # -- failures

    def _failed(self, error: Exception, timeout: float) -> LlmFailed:
        if isinstance(error, openai.APITimeoutError):
            return self._late(timeout)
        if isinstance(error, openai.APIStatusError):
            return self._refused(error)
        if isinstance(error, openai.APIConnectionError):
            why = type(error.__cause__).__name__ if error.__cause__ else "no reason given"
            return ServiceFailed(f"{self._where()}: no connection ({why}); is a server running there?", again=True)
        if isinstance(error, ValueError):
            return ServiceFailed(f"{self._where()}: the answer is no JSON: {self._clean(str(error))}", again=True)
        return ServiceFailed(f"{self._where()}: {type(error).__name__}: {self._clean(str(error))}",
                             again=isinstance(error, (openai.APIError, OSError)))

    def _refused(self, error: openai.APIStatusError) -> LlmFailed:
        status, body = error.status_code, error.body
        said = body.get("message") if isinstance(body, dict) else None
        code = body.get("code") if isinstance(body, dict) else None
        text = f"{self._where()}: {status} {error.response.reason_phrase}".rstrip()
        text += f": {self._clean(str(said or body))}" if said or body else ""
        again = (status in PASSING or status >= 500) and code != "insufficient_quota"
        return ServiceRefused(text, status, again=again, after=_seconds(error.response.headers))

    def _late(self, timeout: float) -> LlmFailed:
        return ServiceTimeout(f"{self._where()}: no reply within {timeout:g} s", again=True)

    def _no_chat(self, answer: Any) -> LlmFailed:
        return ServiceFailed(f"{self._where()}: the answer is no chat completion; does base_url end as the service "
                             f"says, often in /v1? It is {self._clean(repr(answer))}")

    def _where(self) -> str:
        return f"{self.name} at {self.place}"

    def _clean(self, text: str) -> str:
        """Some servers repeat the key that they were sent."""
        short = " ".join(text.replace(self._key, "****").split()) if self._key != "none" else " ".join(text.split())
        return short if len(short) <= 300 else short[:299] + "…"


def _seconds(headers: Any) -> float | None:
    """What the service says with Retry-After: seconds, or a date."""
    for name, each in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        given = headers.get(name)
        if given is None:
            continue
        try:
            return max(0.0, float(given) * each)
        except ValueError:
            pass
        try:
            return max(0.0, email.utils.parsedate_to_datetime(given).timestamp() - time.time())
        except (ValueError, TypeError):
            pass
    return None
