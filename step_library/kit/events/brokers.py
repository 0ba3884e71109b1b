"""Which broker a URL means."""

from __future__ import annotations

from octo.param import ParamError
from step_library.kit.events.broker import Broker
from step_library.kit.events.memory_broker import memory
from step_library.kit.net.environment import shown, with_secrets


def broker_of(url: str, timeout: float) -> Broker:
    """The broker of a URL: redis://, rediss://, unix:// or memory://NAME. `timeout`: seconds to reach it."""
    given, url = url, with_secrets(url, "broker_url")
    scheme = url.partition("://")[0]
    if scheme == "memory":
        return memory(url.partition("://")[2])
    if scheme in ("redis", "rediss", "unix"):
        from step_library.kit.events.redis_broker import RedisBroker

        return RedisBroker(url, timeout)
    raise ParamError(f"broker_url: {shown(given)} is no broker; there are redis://, rediss://, unix:// and memory://")
