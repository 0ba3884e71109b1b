"""Sends a message by its channel: texts filled, all checked before anything goes out, each try recorded."""

from __future__ import annotations

import logging
import secrets
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from octo.context import Context
from octo.engine.retry import Retry
from octo.param import ParamError
from step_library.kit.notify.channels import Delivery, Way, channel_names, channel_of
from step_library.kit.records import records
from step_library.kit.text.placeholders import fill
from step_library.kit.values.ctx_values import Ctx, plain
from step_library.kit.work.jobs import start_job

log = logging.getLogger("octo.step")
KEY = "notifications"
TEXTS = ("message", "subject", "body", "html", "data", "blocks", "attachments")
"""The parameters in which use_template fills places."""
SENT, THROTTLED, QUEUED = "sent", "throttled", "queued"


@dataclass
class Outcome:
    """What came of it: sent, throttled or queued; the HTTP statuses, one a webhook."""

    status: str
    codes: list[int] = field(default_factory=list)
    job_id: str | None = None


def notify(ctx: Ctx, params: Mapping[str, Any], *, strict: bool = True) -> Outcome | None:
    """Send what the parameters (see `parameters.PARAMS`) say; None where there is no such channel.

    Of several places each is tried, then the first failure is raised. `strict`: an HTTP answer of 400 or above is a
    failure. ParamError, MissingParam and the like come before anything is sent.
    """
    channel = channel_of(params["type"])
    if channel is None:
        log.warning("nothing is sent: there is no channel %r; there are %s", params["type"], ", ".join(channel_names()))
        return None
    way = _way(params, strict)
    if params["throttle"] is not None and not (params["throttle"] > 0 and params["record"]):
        raise ParamError("throttle: it is more than 0 seconds, and looks at ctx['notifications'], so it needs record")
    if params["record"]:
        records.check_list(ctx, KEY)
    settings = {**params, **params["settings"]}
    if params["use_template"]:
        names = ChainMap({"ctx": ctx}, ctx, {"timestamp": records.now_text()})
        settings |= {name: filled(settings[name], names, name) for name in (*TEXTS, *params["settings"])
                     if settings.get(name)}
    entry = {"type": params["type"], "message": settings.get("message") or settings.get("body")
             or settings.get("subject")}
    deliveries = channel(settings)
    if params["throttle"] is not None:
        deliveries = [each for each in deliveries
                      if not _was_sent(ctx, {**entry, "destination": each.to}, params["throttle"])]
        if not deliveries:
            return Outcome(THROTTLED)
    if params["async_notify"]:
        job_id = f"notify-{secrets.token_hex(4)}"

        def work(ctx: Ctx) -> list[int]:
            return _deliver(ctx, deliveries, way, entry, params["record"])

        start_job(ctx, job_id, work, {})
        return Outcome(QUEUED, job_id=job_id)
    return Outcome(SENT, _deliver(ctx, deliveries, way, entry, params["record"]))


def filled(value: Any, names: Mapping[str, Any], what: str) -> Any:
    """The value with the places in its texts filled, also deep inside."""
    if isinstance(value, str):
        return fill(value, names, what)
    if isinstance(value, Mapping):
        return {key: filled(each, names, what) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [filled(each, names, what) for each in value]
    return value


def _way(params: Mapping[str, Any], strict: bool) -> Way:
    for name, least in (("timeout", 0.001), ("retries", 0), ("retry_delay", 0)):
        if params[name] < least:
            raise ParamError(f"{name}: it is {'more than 0 seconds' if least else '0 or more'}, not {params[name]:g}")
    return Way(params["timeout"], Retry(params["retries"] + 1, params["retry_delay"], 2.0, 60.0), strict=strict)


def _deliver(ctx: Ctx, deliveries: list[Delivery], way: Way, entry: Mapping[str, Any], record: bool) -> list[int]:
    way = Way(way.timeout, way.retry, ctx.stop if isinstance(ctx, Context) else None, way.strict)
    codes: list[int] = []
    failed: Exception | None = None
    for each in deliveries:
        try:
            code = each.send(way)
            came = {"ok": code is None or code < 400, "result": SENT if code is None else code}
            codes += [] if code is None else [code]
        except Exception as error:
            failed = failed or error
            came = {"ok": False, "error": str(error)}
        if record:
            # entries are for people and may not hold what ctx cannot
            meta = {"test_meta": plain(ctx, "test_meta")} if "test_meta" in ctx else {}
            records.append(ctx, KEY, records.safe({**entry, "destination": each.to, "timestamp": records.now_text(),
                                                   **came, **meta}))
    if failed is not None:
        raise failed
    return codes


def _was_sent(ctx: Ctx, same: Mapping[str, Any], seconds: float) -> bool:
    since = records.as_moment(records.now_text()) - seconds
    return any(entry.get("ok") and all(entry.get(name) == value for name, value in same.items())
               for entry in records.chosen(plain(ctx, KEY) if KEY in ctx else [], since=since))
