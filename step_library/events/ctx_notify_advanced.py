"""Tells people, and fails where they cannot be told: Slack, Teams, a webhook, or an e-mail with attachments."""

from __future__ import annotations

from typing import Any

from octo.scriptlet import scriptlet
from step_library.kit.notify.channels import register_channel
from step_library.kit.notify.parameters import PARAMS
from step_library.kit.notify.sending import notify
from step_library.kit.values.ctx_values import Ctx

__all__ = ["register_channel", "run"]


@scriptlet(params=PARAMS)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Send one message: `{"status": "sent", "type": type}`, for a webhook with its HTTP status as `code`.

    Of several webhooks `codes`. "throttled" or "queued" (with job_id) where that was asked for; `{"status": "noop"}`
    for a type that there is not. Each try is kept in `ctx["notifications"]`:
    `{type, message, destination, timestamp, ok, result or error}`, with `ctx["test_meta"]` where that is.

    Raises MissingParam (a KeyError) for what the channel needs, MissingKey for a place of a template without a value,
    HttpFailed (a RequestException of requests) also for an answer of 400 or above, MailFailed (an SMTPException),
    NoSuchFile for an attachment. All is checked before anything is sent. An e-mail is one for all who get it.
    """
    outcome = notify(ctx, params)
    if outcome is None:
        return {"status": "noop"}
    found: dict[str, Any] = {"status": outcome.status, "type": params["type"]}
    if outcome.job_id:
        found["job_id"] = outcome.job_id
    if outcome.codes:
        found |= {"code": outcome.codes[0]} if len(outcome.codes) == 1 else {"codes": outcome.codes}
    return found


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_notify_advanced")
