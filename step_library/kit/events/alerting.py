"""What an alert calls: a function with the event's payload, or a channel with a text made of the event."""

from __future__ import annotations

import inspect
from collections import ChainMap
from collections.abc import Callable, Mapping
from typing import Any

from octo.errors import ShapeError
from octo.param import ParamError, table_of
from octo.scriptlet import call
from step_library.kit.notify.channels import channel_names, channel_of
from step_library.kit.notify.sending import TEXTS, filled
from step_library.kit.values.ctx_values import Ctx, described

Alert = Callable[[Ctx, Mapping[str, Any]], Any]
"""Tells of one event."""


def by_function(function: Callable[..., Any]) -> Alert:
    """Calls it with the payload; a function of two with (ctx, payload), a step with the payload as its params."""
    try:
        names = list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError):  # one written in C may not tell
        names = []
    is_step = table_of(function) is not None or [each.name for each in names] in (["ctx", "params"],
                                                                                  ["context", "params"])
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = sum(each.default is each.empty and each.kind in by_place for each in names)

    def alert(ctx: Ctx, event: Mapping[str, Any]) -> Any:
        payload = event["payload"]
        if not is_step:
            return function(ctx, payload) if needed == 2 else function(payload)
        if not isinstance(payload, Mapping):
            raise ShapeError("payload: it stands for the parameters of notify_fn, so it is to be a dict, not "
                             f"{described(payload)}")
        return call(function, ctx, payload)

    return alert


def by_channel(name: str, settings: Mapping[str, Any], message: str, notify: Callable[..., Any]) -> Alert:
    """Sends the message by the channel, its texts filled from the event. All is checked now.

    `notify` is the step that sends.
    """
    channel, table = channel_of(name), table_of(notify)
    if channel is None:
        raise ParamError(f"notify: there is no channel {name!r}; there are {', '.join(channel_names())}")
    said = {"message": message, **settings, "type": name, "use_template": False}  # filled once, here
    if table is not None:
        channel({**table.fill(said), **said.get("settings", {})})

    def alert(ctx: Ctx, event: Mapping[str, Any]) -> Any:
        names = ChainMap({"ctx": ctx}, dict(event))
        return notify(ctx, {**said, **{key: filled(said[key], names, key) for key in TEXTS if key in said}})

    return alert
