"""Tells people: posts a message to Slack, Teams or a webhook, or sends it as an e-mail."""

from __future__ import annotations

from typing import Any

from octo.param import grouped
from octo.scriptlet import Param, scriptlet
from step_library.kit.notify.channels import register_channel
from step_library.kit.notify.parameters import HOW, PARAMS
from step_library.kit.notify.sending import SENT, notify
from step_library.kit.values.ctx_values import Ctx

__all__ = ["register_channel", "run"]


@scriptlet(params=[
    *PARAMS,
    *grouped(HOW, Param("strict", "bool", False, "an HTTP answer of 400 or above is an error")),
])
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Send one message: `{"status": HTTP status}`, `{"status": "sent"}` for an e-mail.

    `{"status": "noop"}` for a type that there is not, "throttled" or "queued" (with job_id) where that was asked for;
    of several webhooks the highest HTTP status. Each try is kept in `ctx["notifications"]`:
    `{type, message, destination, timestamp, ok, result or error}`. Slack gets `{"text": message}`.

    Raises MissingParam (a KeyError) for what the channel needs, MissingKey for a place of a template without a value,
    HttpFailed (a RequestException of requests) or MailFailed (an SMTPException) where nothing was delivered. It posts
    an answer of 400 or above as its status, unless strict. Secrets of the environment are in no message and record.
    """
    outcome = notify(ctx, params, strict=params["strict"])
    if outcome is None:
        return {"status": "noop"}
    if outcome.job_id:
        return {"status": outcome.status, "job_id": outcome.job_id}
    return {"status": max(outcome.codes) if outcome.status == SENT and outcome.codes else outcome.status}


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_notify")
