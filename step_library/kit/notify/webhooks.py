"""Messages by HTTP: Slack and Teams incoming webhooks, and a plain one of anybody's. Needs requests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from octo.errors import UsageError
from step_library.kit.net.environment import shown, with_secrets
from step_library.kit.net.http import HttpFailed, HttpRefused, call
from step_library.kit.notify.channels import Delivery, Settings, Way, needed

CARD = "application/vnd.microsoft.card.adaptive"


def slack(settings: Settings) -> list[Delivery]:
    """`{"text": message}`, with blocks and attachments where they are given."""
    body = {"text": _text(settings, "slack")}
    body |= {name: settings[name] for name in ("blocks", "attachments") if settings.get(name)}
    return _deliveries(settings, "slack", "SLACK_WEBHOOK_URL", body)


def teams(settings: Settings) -> list[Delivery]:
    """The message as an adaptive card, the subject as its heading."""
    lines: list[dict[str, Any]] = [{"type": "TextBlock", "text": _text(settings, "teams"), "wrap": True}]
    if settings.get("subject"):
        lines.insert(0, {"type": "TextBlock", "text": settings["subject"], "weight": "bolder", "wrap": True})
    card = {"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
            "body": lines}
    body = {"type": "message", "attachments": [{"contentType": CARD, "content": card}]}
    return _deliveries(settings, "teams", "TEAMS_WEBHOOK_URL", body)


def webhook(settings: Settings) -> list[Delivery]:
    """`data` as it is, or `{"message": …}` with the subject where there is one."""
    body = settings.get("data")
    if not body:
        body = {"message": _text(settings, "webhook")}
        body |= {name: settings[name] for name in ("subject",) if settings.get(name)}
    return _deliveries(settings, "webhook", "NOTIFY_WEBHOOK_URL", body)


def _text(settings: Settings, channel: str) -> str:
    return str(needed(settings, channel, "message", "body"))


def _deliveries(settings: Settings, channel: str, variable: str, body: Mapping[str, Any]) -> list[Delivery]:
    given = settings.get("webhook_url") or (f"${{{variable}}}" if os.environ.get(variable) else None)
    urls = needed({"webhook_url": given}, channel, "webhook_url", variable=variable)
    headers = settings.get("headers") or {}
    with_secrets(headers, "headers")  # now: what the environment lacks is said before anything is sent
    found = []
    for url in [urls] if isinstance(urls, str) else urls:
        if not with_secrets(url, "webhook_url").startswith(("http://", "https://")):
            raise UsageError("webhook_url: it is to be such as https://hooks.slack.com/services/…")
        found.append(Delivery(place_of(url), partial(_post, url, body, headers)))
    return found


def place_of(url: str) -> str:
    """A webhook as messages show it: its path is a secret too, so only its host, or the variable that it is in."""
    if "${" in url:
        return shown(url)
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        host = ""
    return f"{parts.scheme}://{host}/…" if host else "the webhook"


def _post(url: str, body: Mapping[str, Any], headers: Mapping[str, str], way: Way) -> int:
    place = place_of(url)
    try:
        answer = call("POST", url, json=body, headers=headers, timeout=way.timeout, retry=way.retry, stop=way.stop)
    except HttpFailed as error:
        raise type(error)(error.message.replace(shown(url), place)) from None
    except UsageError as error:
        raise UsageError(error.message.replace(shown(url), place), hints=error.hints) from None
    if way.strict and answer.status_code >= 400:
        said = " ".join(answer.text[:200].split())
        raise HttpRefused(f"POST {place}: {answer.status_code} {answer.reason}" + (f": {said}" if said else ""),
                          answer.status_code)
    return answer.status_code
