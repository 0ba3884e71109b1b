"""ctx_notify_advanced: e-mail against a real mail server, webhooks that fail."""

from __future__ import annotations

import json
import smtplib
from pathlib import Path
from typing import Any

import pytest
import requests

from octo.context import Context
from octo.errors import MissingKey, OctoError, UsageError
from octo.param import MissingParam, ParamError
from step_library.events import ctx_notify, ctx_notify_advanced
from tests.recipe.runs import Project
from tests.steps.local_http import local_http
from tests.steps.local_smtp import LocalSmtp, certificate, local_smtp
from tests.steps.test_ctx_notify import free_port, ok, plain

VARIABLES = ("SERVER", "PORT", "SECURITY", "USER", "PASSWORD", "FROM")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(f"SMTP_{name}", raising=False)
    monkeypatch.delenv("SLACK_WEBHOOK_URL", raising=False)


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="tell")


def mail(server: LocalSmtp, **more: Any) -> dict[str, Any]:
    return {"type": "email", "to": "user@example.com", "subject": "Alert", "body": "Step failed.",
            "smtp_server": "127.0.0.1", "smtp_port": server.port, **more}


def text_of(found: Any, kind: str = "plain") -> list[str]:
    """The lines of a mail's body."""
    lines: list[str] = found.get_body((kind,)).get_content().splitlines()
    return lines


def test_the_documented_examples(ctx: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """ctx_notify_advanced, examples 0 to 4; the servers that they name are here those of the test."""
    monkeypatch.chdir(tmp_path)
    report = tmp_path / "Data" / "audit_report.md"
    report.parent.mkdir()
    report.write_text("# Audit\n")
    ctx.update(test_id="T1", status="pass", summary="fine")
    with local_http(ok) as http, local_smtp() as smtp:
        monkeypatch.setenv("SMTP_PORT", str(smtp.port))
        run, local = ctx_notify_advanced.run, {"smtp_server": "localhost"}
        said: dict[str, Any] = {"type": "slack", "webhook_url": f"{http.url}/services/ABC/DEF/XYZ",
                                "message": "Pipeline step completed."}
        assert run(ctx, said) == {"status": "sent", "type": "slack", "code": 200}
        said = {"type": "email", "to": "user@example.com", "subject": "Job Failed: Data Ingestion",
                "body": "The data ingestion step failed due to a missing file.", "from": "orchestrator@example.org"}
        assert run(ctx, {**said, **local}) == {"status": "sent", "type": "email"}
        run(ctx, {"type": "slack", "webhook_url": http.url,
                  "message": "Automation completed successfully: {test_id}"})
        run(ctx, {"type": "email", "to": "admin@example.com", "subject": "Orchestrator Error: load",
                  "body": str(ValueError("no luck"))})
        run(ctx, {"type": "email", "to": ["analyst1@example.com", "lead@example.com"],
                  "from": "automation@company.com", "subject": "Audit Complete for {test_id}",
                  "body": "Audit for test {test_id} completed at {timestamp}.\nResult: {status}\nSummary: {summary}\n",
                  **local, "use_template": True, "retries": 3, "attach": ["Data/audit_report.md"]})
    assert [asked.json["text"] for asked in http.asked] == [
        "Pipeline step completed.", "Automation completed successfully: {test_id}"]
    first, second, third = smtp.mails
    assert (first["From"], first["To"], first["Subject"]) == (
        "orchestrator@example.org", "user@example.com", "Job Failed: Data Ingestion")
    assert text_of(first) == ["The data ingestion step failed due to a missing file."]
    assert (second["From"], second["Subject"]) == ("orchestrator@localhost", "Orchestrator Error: load")
    assert (third["To"], third["Subject"]) == ("analyst1@example.com, lead@example.com", "Audit Complete for T1")
    assert text_of(third)[0].startswith("Audit for test T1 completed at 20")
    assert text_of(third)[1:] == ["Result: pass", "Summary: fine"]
    (attached,) = third.iter_attachments()
    assert attached.get_filename() == "audit_report.md" and attached.get_content().strip() == "# Audit"
    assert smtp.envelopes[2].rcpt_tos == ["analyst1@example.com", "lead@example.com"]
    assert [each["ok"] for each in plain(ctx)] == [True] * 5


def test_a_summary_of_the_audit(ctx: Any) -> None:
    """Example 5: once ctx['audit'] has been brought up to date, a summary of it is sent."""
    ctx["audit"] = [{"step": "load", "status": "success"}, {"step": "fit", "status": "error", "error": "no rows"}]
    with local_http(lambda asked: (200, b"ok")) as server:
        ctx_notify_advanced.run(ctx, {
            "type": "slack", "webhook_url": server.url, "use_template": True,
            "message": "{ctx[audit][1][step]}: {ctx[audit][1][error]}"})
    assert server.asked[0].json == {"text": "fit: no rows"}


def test_the_documented_mail_of_ctx_notify(ctx: Any) -> None:
    with local_smtp() as server:
        assert ctx_notify.run(ctx, mail(server)) == {"status": "sent"}
    assert server.mails[0]["Subject"] == "Alert" and plain(ctx)[0]["destination"] == "user@example.com"


def test_names_copies_and_html(ctx: Any) -> None:
    with local_smtp() as server:
        ctx_notify_advanced.run(ctx, mail(
            server, to="Änna Ö <anna@example.org>, bert@example.org", cc=["Carl <carl@example.org>"],
            bcc="bert@example.org", html="<b>grüß</b>", body="grüß", subject="two\nlines ü\r\nBcc: x@example.org",
            **{"from": "Octo <octo@example.org>"}))
    (found,), (envelope,) = server.mails, server.envelopes
    assert envelope.rcpt_tos == ["anna@example.org", "bert@example.org", "carl@example.org"]
    assert found["To"] == "Änna Ö <anna@example.org>, bert@example.org" and found["From"] == "Octo <octo@example.org>"
    assert found["Subject"] == "two lines ü Bcc: x@example.org" and found["Bcc"] is None  # no header can be slipped in
    assert found["Date"] and found["Message-ID"].endswith("@example.org>")
    assert text_of(found, "html") == ["<b>grüß</b>"] and text_of(found) == ["grüß"]


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # aiosmtpd does not see that all of it is in TLS
def test_signed_in_and_protected(ctx: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tls, cert = certificate(tmp_path)
    monkeypatch.setenv("SMTP_USER", "octo")
    monkeypatch.setenv("SMTP_PASSWORD", "s3cret")
    for security, is_ssl in (("starttls", False), ("ssl", True)):
        with local_smtp(tls, is_ssl=is_ssl, auth=True) as server:
            with pytest.raises(smtplib.SMTPException, match="certificate"):
                ctx_notify_advanced.run(ctx, mail(server, security=security, retries=3))
            with monkeypatch.context() as trusting:
                trusting.setenv("SSL_CERT_FILE", str(cert))
                ctx_notify_advanced.run(ctx, mail(server, security=security))
                monkeypatch.setenv("OTHER_PASSWORD", "wrong")
                with pytest.raises(smtplib.SMTPException, match="user and password were refused"):
                    ctx_notify_advanced.run(ctx, mail(server, security=security, smtp_password="${OTHER_PASSWORD}"))
        assert len(server.mails) == 1 and set(server.users) == {"octo"}
    kept = json.dumps(plain(ctx))
    assert "s3cret" not in kept and "wrong" not in kept


def test_a_password_goes_nowhere_unprotected(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"type": "email", "to": "a@example.org", "body": "x", "smtp_server": "mail.example.org", "smtp_user": "octo"}
    with pytest.raises(UsageError, match="there is no password"):
        ctx_notify_advanced.run(ctx, said)
    monkeypatch.setenv("SMTP_PASSWORD", "s3cret")
    with pytest.raises(UsageError, match="not sent to mail.example.org unprotected"):
        ctx_notify_advanced.run(ctx, said)
    assert not list(ctx)


def test_what_may_pass_is_tried_again(ctx: Any) -> None:
    with local_smtp() as server:
        server.answers += ["451 later", "452 later"]
        ctx_notify_advanced.run(ctx, mail(server, retries=2, retry_delay=0))
        assert len(server.mails) == 1
        server.answers += ["451 later"]
        with pytest.raises(smtplib.SMTPException, match="451 later"):
            ctx_notify_advanced.run(ctx, mail(server))
        server.answers += ["554 never"]
        with pytest.raises(smtplib.SMTPException, match=r"127.0.0.1:\d+: 554 never$"):
            ctx_notify_advanced.run(ctx, mail(server, retries=5))
        server.refused.add("bad@example.org")
        with pytest.raises(smtplib.SMTPException, match=r"refused for bad@example.org \(550 .*the others have it"):
            ctx_notify_advanced.run(ctx, mail(server, to=["good@example.org", "bad@example.org"], retries=5))
        with pytest.raises(smtplib.SMTPException, match=r"refused for bad@example.org \(550 no such person\)$"):
            ctx_notify_advanced.run(ctx, mail(server, to="bad@example.org", retries=5))
    assert [each.rcpt_tos for each in server.envelopes] == [["user@example.com"], ["good@example.org"]]
    assert [each["ok"] for each in plain(ctx)] == [True, False, False, False, False]


def test_no_mail_server(ctx: Any) -> None:
    ctx["test_meta"] = {"test_id": "T1"}
    with pytest.raises(smtplib.SMTPException, match="is a mail server running there.*tried 2 times") as raised:
        ctx_notify_advanced.run(ctx, {"type": "email", "to": "a@example.org", "body": "x", "smtp_server": "127.0.0.1",
                                      "smtp_port": free_port(), "retries": 1, "retry_delay": 0})
    assert isinstance(raised.value, OctoError)
    (kept,) = plain(ctx)
    assert (kept["ok"], kept["test_meta"]) == (False, {"test_id": "T1"}) and "mail by 127.0.0.1" in kept["error"]


def test_a_webhook_that_refuses(ctx: Any) -> None:
    with local_http(lambda asked: (200 if asked.path == "/b" else 404, b"no_team")) as server:
        with pytest.raises(requests.HTTPError, match="404 Not Found: no_team") as raised:
            ctx_notify_advanced.run(ctx, {"type": "slack", "message": "x",
                                          "webhook_url": [f"{server.url}/s3cret", f"{server.url}/b"]})
        said = {"type": "slack", "webhook_url": [f"{server.url}/b"] * 2, "message": "x"}
        assert ctx_notify_advanced.run(ctx, said) == {"status": "sent", "type": "slack", "codes": [200, 200]}
    assert "s3cret" not in str(raised.value) and [each["ok"] for each in plain(ctx)] == [False, True, True, True]
    assert ctx_notify_advanced.run({}, {"type": "sms", "to": "1", "body": "x"}) == {"status": "noop"}


@pytest.mark.parametrize(("params", "error", "words"), [
    ({"to": None}, MissingParam, "'to' is missing: type email needs it"),
    ({"to": []}, MissingParam, "'to' is missing"),
    ({"body": None}, MissingParam, "'body' is missing"),
    ({"to": "a@example.org\nBcc: b@example.org"}, ParamError, "to: an address is one line"),
    ({"to": "<>"}, ParamError, "to: '<>' cannot be read"),
    ({"attach": ["none.txt"]}, FileNotFoundError, "attach: there is no file none.txt"),
    ({"security": "tls"}, ParamError, "one of 'none', 'starttls', 'ssl'"),
    ({"body": "{x}", "use_template": True}, MissingKey, "body: {x}: there is no 'x'"),
    ({"subject": "{", "use_template": True}, UsageError, "subject: "),
])
def test_mistakes_before_anything_is_sent(ctx: Any, params: dict[str, Any], error: type[Exception],
                                          words: str) -> None:
    with local_smtp() as server:
        with pytest.raises(error) as raised:
            ctx_notify_advanced.run(ctx, mail(server, **params))
    assert words in str(raised.value) and isinstance(raised.value, OctoError)
    assert not server.envelopes and not list(ctx)


def test_settings_of_the_environment_that_are_wrong(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_PORT", "x")
    with pytest.raises(ParamError, match="SMTP_PORT"):
        ctx_notify_advanced.run(ctx, {"type": "email", "to": "a@example.org", "body": "x"})
    monkeypatch.setenv("SMTP_SECURITY", "x")
    with pytest.raises(ParamError, match="SMTP_SECURITY"):
        ctx_notify_advanced.run(ctx, {"type": "email", "to": "a@example.org", "body": "x"})


def test_in_a_recipe_with_a_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path / "p")
    project.recipe("""
        ctx: {test_id: T1}
        steps:
          - name: tell
            idx: 42
            module: scriptlets.python.core.ctx_notify_advanced
            params: {type: email, to: [a@example.org], subject: "{test_id}", body: "{{ ctx.test_id }} done",
                     use_template: true}
    """)
    monkeypatch.setenv("SMTP_SERVER", "127.0.0.1")
    monkeypatch.setenv("SMTP_PORT", str(free_port()))
    result = project.run()
    assert result.status == "COMPLETE_ERROR" and "mail by 127.0.0.1" in result.error["message"]
    with local_smtp() as server:
        monkeypatch.setenv("SMTP_PORT", str(server.port))
        assert project.run().status == "COMPLETE_SUCCESS"
    assert server.mails[0]["Subject"] == "T1" and text_of(server.mails[0]) == ["T1 done"]
    # the try that failed tells of it, so it stays
    assert [each["ok"] for each in project.ctx["notifications"]] == [False, True]
