"""The calls of one step: from the cache where they can be, within the budget, in parallel, each counted and recorded.

    with Session(ctx, params, "ctx_llm_tool") as session:
        session.answer([question], workers=1)
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from octo.context import Context
from octo.engine.retry import Retry
from octo.errors import OctoError, UsageError
from step_library.kit.llm.backend import Reply, Request
from step_library.kit.llm.backends import MODEL, backend_of
from step_library.kit.llm.call_records import CallRecords
from step_library.kit.llm.calls import Call, Calls
from step_library.kit.llm.failures import BadReply, LlmFailed
from step_library.kit.llm.replies import tests_for
from step_library.kit.llm.reply_cache import ReplyCache, digest
from step_library.kit.llm.spending import Spending
from step_library.kit.values.ctx_values import Ctx

NEVER = 3600.0


@dataclass
class Question:
    """A request, how its reply is read, and what came of it: `value` and `text`, or `error`."""

    where: str
    request: Request
    read: Callable[[str], Any]
    text: str = ""
    value: Any = None
    error: Exception | None = None
    is_answered: bool = False
    so_far: Callable[[], str] = str
    """The text as far as it has come."""

    def reset(self) -> None:
        """As if it had not been asked yet."""
        self.text, self.value, self.error, self.is_answered, self.so_far = "", None, None, False, str


class Session:
    """What the calls of one step have in common. Used by the step's own thread."""

    def __init__(self, ctx: Ctx, params: Mapping[str, Any], step: str) -> None:
        self._params = params
        _check(params)
        self._spending = Spending(ctx, params)
        self._cache = ReplyCache(ctx, params["cache"], params["cache_seconds"])
        self._stop = ctx.stop if isinstance(ctx, Context) else threading.Event()
        self._retry = Retry(params["attempts"], params["delay"], params["backoff"], params["max_delay"])
        self._backend = backend_of(params)
        self._records = CallRecords(ctx, params, step, self._backend, self._spending)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *how: Any) -> None:
        self._backend.close()

    def request(self, settings: Mapping[str, Any], messages: Sequence[Mapping[str, str]]) -> Request:
        """A request with a step's or a link's model and options; an error where it cannot be made, paid or read."""
        tests_for(settings)
        model = settings["model"] or os.environ.get(MODEL) or self._backend.model
        if not model:
            raise UsageError(f"model is missing: {self._backend.name} has none of its own")
        named = {name: settings[name] for name in ("temperature", "max_tokens") if settings[name] is not None}
        options = {**settings["options"], **named}
        for name in ("model", "messages", "stream", "stream_options", "n"):
            if name in options:
                raise UsageError(f"options: {name} is not set there")
        self._spending.need_price(model)
        return Request(model, messages, options)

    def answer(self, questions: Sequence[Question], *, workers: int, keep_going: bool = False,
               show: Callable[[], object] | None = None, every: float = NEVER,
               done: Callable[[Question], object] | None = None) -> None:
        """Fill in what came of each question. Without `keep_going` nothing new is sent after a failure; what is on
        its way then is waited for and counted.

        `show` is called each `every` seconds while replies come, `done` with each question that has ended.
        """
        waiting = list(range(len(questions)))[::-1]
        again = [self._params["reask"]] * len(questions)
        calls = Calls(self._backend, self._retry, self._params["timeout"], self._stop, show is not None)
        shown = time.monotonic()
        try:
            while waiting or calls.running:
                ended: list[Question] = []
                while waiting and len(calls.running) < workers and not (ended and ended[-1].error):
                    question = questions[waiting[-1]]
                    if not self._begin(question, waiting[-1], calls):
                        break  # it has to wait for others to end
                    waiting.pop()
                    if question.is_answered:
                        ended.append(question)
                if not ended and calls.running:
                    call = calls.ended(every if show else NEVER)
                    if call is not None:
                        question = questions[call.number]
                        self._end(question, call)
                        if isinstance(question.error, BadReply) and again[call.number] > 0:
                            again[call.number] -= 1
                            question.reset()
                            waiting.append(call.number)
                        else:
                            ended.append(question)
                for question in ended:
                    if done:
                        done(question)
                    if question.error and not keep_going:
                        waiting.clear()
                if show and time.monotonic() - shown >= every:
                    show()
                    shown = time.monotonic()
        finally:
            calls.close()

    def _begin(self, question: Question, number: int, calls: Calls) -> bool:
        """Answer a question from the cache, or send it. False: the budget has no room before others have ended."""
        reply = self._cache.get(digest(self._backend, question.request))
        if reply is not None:
            now = time.time()
            self._keep(question, Call(number, question.request, now, now, reply=reply), cached=True)
            return True
        refused = self._spending.why_not(question.request, [each.request for each in calls.running.values()])
        if refused is None:
            calls.start(number, question.request)
            call = calls.running[number]
            question.so_far = lambda: question.text or "".join(call.pieces)
        elif calls.running:
            return False  # those that run may need less than they could
        else:
            question.error, question.is_answered = self._placed(question, refused), True
        return True

    def _end(self, question: Question, call: Call) -> None:
        if call.reply is not None:
            self._keep(question, call, cached=False)
        else:
            question.error = self._placed(question, call.error or LlmFailed("no reply"))
            question.is_answered = True
            self._records.ended(call, question.where, "", question.error, {})

    def _keep(self, question: Question, call: Call, cached: bool) -> None:
        """Count a reply, read it, and keep it for the next time if it can be read."""
        reply, request = call.reply or Reply("", 0, 0), call.request
        question.text, question.is_answered = reply.text, True
        tokens = self._records.count(request, reply, cached)
        try:
            if reply.problem:
                raise BadReply(reply.problem)
            question.value = question.read(reply.text)
        except Exception as error:
            if isinstance(error, LlmFailed) and reply.finish_reason == "length":
                error.message += "; it was cut at max_tokens"
            question.error = self._placed(question, error)
        else:
            if not cached:
                self._cache.put(digest(self._backend, request), request.model, reply)
        self._records.ended(call, question.where, question.text, question.error, tokens)

    def _placed(self, question: Question, error: Exception) -> Exception:
        """The error, its message with the question that it is about in front."""
        if isinstance(error, OctoError) and question.where:
            error.message = f"{question.where}: {error.message}"
            error.args = (error.message,)
        return error


def _check(params: Mapping[str, Any]) -> None:
    for name, least in (("delay", 0), ("max_delay", 0), ("backoff", 0), ("attempts", 1),
                        ("reask", 0), ("workers", 1)):
        if params[name] < least:
            raise UsageError(f"{name}: it is {least} or more, not {params[name]}")
    if params["timeout"] <= 0:
        raise UsageError(f"timeout: it is more than 0 seconds, not {params['timeout']:g}")
