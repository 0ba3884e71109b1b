"""The one registry of ways to reach people: slack, teams, webhook, email, and those that a user adds."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from octo.engine.retry import Retry
from octo.param import MissingParam

Settings = Mapping[str, Any]
"""A step's parameters, its texts filled."""


@dataclass(frozen=True)
class Way:
    """How a message is sent: seconds for one try, when it is tried again, what ends the waiting."""

    timeout: float
    retry: Retry
    stop: threading.Event | None = None
    strict: bool = True
    """Whether an HTTP answer of 400 or above is an error."""


@dataclass(frozen=True)
class Delivery:
    """One message to one place, checked and ready to go."""

    to: str
    """The place as records and messages name it: it holds no secret."""
    send: Callable[[Way], int | None]
    """Send it; the HTTP status where there is one. Raises where it was not delivered."""


Channel = Callable[[Settings], list[Delivery]]
"""Checks the settings, all of them, and makes what is to be sent. Nothing is sent yet."""

_channels: dict[str, Channel] = {}


def register_channel(name: str, channel: Channel) -> None:
    """Let `type: name` in the steps that notify mean this channel; it gets its own settings in `settings`."""
    _channels[name] = channel


def channel_of(name: str) -> Channel | None:
    """The channel of that name; None where there is none."""
    return _channels.get(name)


def channel_names() -> list[str]:
    """All that there are."""
    return sorted(_channels)


def needed(settings: Settings, channel: str, *names: str, variable: str = "") -> Any:
    """The first of these settings that is there; MissingParam where none is."""
    for name in names:
        if settings.get(name) not in (None, "", [], {}):
            return settings[name]
    way = f", or {variable} in the environment" if variable else ""
    raise MissingParam(f"parameter {names[0]!r} is missing: type {channel} needs it{way}")


def _late(module: str, name: str, settings: Settings) -> list[Delivery]:
    """The channel `name` in a module that is imported only when something is sent."""
    made: list[Delivery] = getattr(importlib.import_module(f"step_library.kit.notify.{module}"), name)(settings)
    return made


for _module, _name in (("webhooks", "slack"), ("webhooks", "teams"), ("webhooks", "webhook"), ("mail", "email")):
    register_channel(_name, partial(_late, _module, _name))
