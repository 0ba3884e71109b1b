"""The parameters of the steps that notify, by what they are for."""

from __future__ import annotations

from octo.param import grouped
from octo.scriptlet import Param

TYPE = Param("type", "str", help="the channel: slack, teams, webhook, email, or one of your own")
TEXT = [
    Param("message", "str | null", None, "the text to post (slack, teams, webhook)"),
    Param("use_template", "bool", False, "put values of ctx where the texts have {key}, {ctx[key][0]} or {timestamp}"),
]
WEB = grouped(
    "slack, teams, webhook",
    Param("webhook_url", "str | list[str] | null", None, "the webhook, or several; else SLACK_WEBHOOK_URL, "
          "TEAMS_WEBHOOK_URL or NOTIFY_WEBHOOK_URL of the environment; ${NAME} in it comes from there too"),
    Param("blocks", "list | null", None, "Slack blocks, beside the message"),
    Param("attachments", "list | null", None, "Slack attachments, beside the message"),
    Param("data", "dict | null", None, "the JSON that a webhook is sent, instead of {message, subject}"),
    Param("headers", "dict[str]", {}, "HTTP headers of a webhook, such as Authorization: Bearer ${NAME}"),
)
MAIL = grouped(
    "email",
    Param("to", "str | list[str] | null", None, "who gets the e-mail: an address, or several"),
    Param("subject", "str | null", None, "subject of the e-mail, heading of a Teams card"),
    Param("body", "str | null", None, "the e-mail as plain text"),
    Param("from", "str | null", None, "the sender, such as Octo <octo@example.org>; else SMTP_FROM of the environment, "
          "else orchestrator@localhost"),
    Param("smtp_server", "str | null", None, "the mail server; else SMTP_SERVER of the environment, else localhost"),
    Param("smtp_port", "int | null", None, "its port; else SMTP_PORT of the environment, else 25, 587 or 465"),
    Param("security", "str | null", None, "how it is protected; else SMTP_SECURITY of the environment, else none",
          choices=("none", "starttls", "ssl")),
    Param("smtp_user", "str | null", None, "who signs in there; else SMTP_USER of the environment, else nobody does"),
    Param("smtp_password", "str | null", None, "as ${NAME}, from the environment; else SMTP_PASSWORD of it"),
    Param("cc", "str | list[str] | null", None, "who gets a copy"),
    Param("bcc", "str | list[str] | null", None, "who gets a copy that the others do not see"),
    Param("html", "str | null", None, "the e-mail as HTML, beside the plain text"),
    Param("attach", "list[path]", [], "files that go with the e-mail"),
)
HOW = "how it is sent"
SENDING = grouped(
    HOW,
    Param("timeout", "number", 30.0, "seconds for one try"),
    Param("retries", "int", 0, "how often it is tried again where that can help"),
    Param("retry_delay", "number", 1.0, "seconds before the first new try; doubled for each next one"),
    Param("throttle", "number | null", None, "send nothing that went to the same place in these last seconds"),
    Param("async_notify", "bool", False, "send it in the background, as a job in ctx['jobs']"),
    Param("record", "bool", True, "keep each try in ctx['notifications']"),
    Param("settings", "dict", {}, "settings of a channel of your own"),
)
PARAMS = [TYPE, *TEXT, *WEB, *MAIL, *SENDING]
