"""Events as brokers carry them, and waiting for them: until enough came, the time is over, or the run is to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

from octo.context import Context
from octo.engine.retry import Retry
from octo.errors import InvalidValue, OctoError, ShapeError
from octo.executors.jobs import current_job
from octo.store import checked, dumps, loads
from step_library.kit.events.broker import Broker, BrokerFailed, Message, Next
from step_library.kit.records.records import now_text
from step_library.kit.values.ctx_values import Ctx

FIELDS = {"event", "timestamp", "source", "payload"}
LOOK = 0.2
"""Seconds between two looks whether the run is to stop."""

Result = TypeVar("Result")


class Stopped(OctoError):
    """The run was asked to stop before the event came; a resume waits again."""


class EventTimeout(OctoError, TimeoutError):
    """The event did not come in time."""

    def __str__(self) -> str:
        return self.message


FAILURES = (BrokerFailed, EventTimeout, Stopped)
"""What may come of it though all was said rightly."""


def written(payload: Any, what: str = "payload") -> str:
    """As text for a broker; ShapeError (a ValueError and a TypeError) for what is no JSON."""
    try:
        return dumps(checked(payload, (what,))).decode()
    except InvalidValue as error:
        raise ShapeError(error.message) from None


def envelope(name: str, source: str | None, payload: Any) -> dict[str, Any]:
    """An event with its four fields, now."""
    return {"event": name, "timestamp": now_text(), "source": source, "payload": payload}


def as_event(message: Message) -> dict[str, Any]:
    """A message as an event: its text is the payload, or all four fields; text that is no JSON is the payload."""
    name, text = message
    try:
        said = loads(text.encode(errors="replace"))
    except ValueError:
        said = text
    if isinstance(said, dict) and said.keys() == FIELDS:
        return {**said, "event": name}
    return envelope(name, None, said)


def stops_of(ctx: Ctx) -> list[threading.Event]:
    """What asks this call to stop: the run, and the job that it may be."""
    job = current_job()
    return [*([ctx.stop] if isinstance(ctx, Context) else []), *([job.stop] if job else [])]


def is_left_alone(ctx: Ctx) -> bool:
    """Whether this is a background step or a job: to return is the right answer to being asked to stop."""
    return isinstance(ctx, Context) and ctx.in_background


class Listener:
    """Hears the events of these names from when it is made, also beyond a connection that was cut.

    `queue`: it takes them from queues, and `give_back` puts what nobody could use in front again.
    """

    def __init__(self, open_broker: Callable[[], Broker], names: Sequence[str], queue: bool, retry: Retry,
                 stops: Sequence[threading.Event]) -> None:
        self._open_broker, self._names, self._queue, self._retry = open_broker, names, queue, retry
        self._opened = ExitStack()
        self._next: Next | None = None
        trying(self._open, retry, stops)

    def _open(self) -> None:
        with ExitStack() as opened:
            broker = self._open_broker()
            opened.callback(broker.close)
            self._next = opened.enter_context((broker.taking if self._queue else broker.listening)(self._names))
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Hear no more."""
        self._next = None
        self._opened.close()

    def wait_for(self, count: int, timeout: float, stops: Sequence[threading.Event]) -> list[Message]:
        """So many messages; fewer where the time is over or it is to stop."""
        found: list[Message] = []
        give_up = time.monotonic() + timeout
        while len(found) < count and not any(stop.is_set() for stop in stops):
            left = max(0.0, give_up - time.monotonic())
            try:
                message = self._next(min(left, LOOK)) if self._next else None
            except BrokerFailed:
                self.close()
                if self._retry.attempts == 1:
                    raise
                trying(self._open, self._retry, stops)
                continue
            if message is not None:
                found.append(message)
            elif not left:
                break
        return found

    def give_back(self, messages: Sequence[Message]) -> None:
        """Put messages of a queue where they were."""
        broker = self._open_broker()
        try:
            for name, text in reversed(messages):
                broker.push(name, text, front=True)
        finally:
            broker.close()


def trying(work: Callable[[], Result], retry: Retry, stops: Sequence[threading.Event]) -> Result:
    """What the work gives, tried again as `retry` says where the broker fails."""
    made = 0
    while True:
        made += 1
        try:
            return work()
        except BrokerFailed as error:
            if not retry.allows(error, made) or pause(retry.wait(made), stops):
                raise


def pause(seconds: float, stops: Sequence[threading.Event]) -> bool:
    """Wait; true where it is to stop."""
    give_up = time.monotonic() + seconds
    first = stops[0] if stops else threading.Event()
    while not any(stop.is_set() for stop in stops):
        left = give_up - time.monotonic()
        if left <= 0:
            return False
        first.wait(min(left, LOOK))
    return True
