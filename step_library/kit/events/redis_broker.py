"""Events between programs by a Redis server: pub/sub for those who listen, lists as queues. Needs redis."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from octo.errors import NotAvailable
from step_library.kit.events.broker import BrokerFailed, Message, Next, is_pattern
from step_library.kit.net.environment import shown

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry
except ImportError:
    raise NotAvailable("a Redis broker needs redis", hints=["pip install 'octo-step-engine[redis]'"]) from None

QUEUE = "queue:"
"""In front of an event's name: the key of its queue."""


class RedisFailed(BrokerFailed, redis.exceptions.ConnectionError):
    """What the client raised, with the place."""


class RedisBroker:
    """One server; a connection a call, so that threads do not wait for one another."""

    def __init__(self, url: str, timeout: float) -> None:
        self._place, self._timeout = shown(url), timeout
        with self._failing():
            # An answer is waited for longer than the longest look at a queue. Who tries again is the step.
            self._client = redis.Redis.from_url(url, decode_responses=True, encoding_errors="replace",
                                                socket_connect_timeout=timeout, socket_timeout=timeout + 5,
                                                retry=Retry(NoBackoff(), 0), protocol=2)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (redis.exceptions.RedisError, ValueError) as error:
            raise RedisFailed(f"{self._place}: {error}") from None

    def publish(self, name: str, text: str) -> int:
        with self._failing():
            return int(self._client.publish(name, text))

    @contextmanager
    def listening(self, names: Sequence[str]) -> Iterator[Next]:
        heard = self._client.pubsub()
        try:
            with self._failing():
                patterns = [name for name in names if is_pattern(name)]
                plain = [name for name in names if not is_pattern(name)]
                if plain:
                    heard.subscribe(*plain)
                if patterns:
                    heard.psubscribe(*patterns)
                early = self._until_it_listens(heard, len(names))

            def next_one(seconds: float) -> Message | None:
                if early:
                    return early.popleft()
                with self._failing():
                    message = heard.get_message(ignore_subscribe_messages=True, timeout=seconds)
                return None if message is None else (message["channel"], message["data"])

            yield next_one
        finally:
            heard.close()

    def _until_it_listens(self, heard: Any, count: int) -> deque[Message]:
        """Wait until the server has confirmed so many names; what was published meanwhile."""
        early: deque[Message] = deque()
        while count:
            message = heard.get_message(timeout=self._timeout)
            if message is None:
                raise RedisFailed(f"{self._place}: it did not answer within {self._timeout:g} s")
            if message["type"].endswith("subscribe"):
                count -= 1
            else:
                early.append((message["channel"], message["data"]))
        return early

    def push(self, name: str, text: str, *, front: bool = False) -> int:
        push = self._client.lpush if front else self._client.rpush
        with self._failing():
            return int(push(QUEUE + name, text))

    @contextmanager
    def taking(self, names: Sequence[str]) -> Iterator[Next]:
        keys = [QUEUE + name for name in names]

        def next_one(seconds: float) -> Message | None:
            with self._failing():
                if seconds > 0:
                    found: Any = self._client.blpop(keys, timeout=seconds)
                else:  # for BLPOP 0 seconds is for ever
                    texts = ((key, self._client.lpop(key)) for key in keys)
                    found = next((each for each in texts if each[1] is not None), None)
            return None if found is None else (found[0][len(QUEUE):], found[1])

        yield next_one

    def close(self) -> None:
        self._client.close()
