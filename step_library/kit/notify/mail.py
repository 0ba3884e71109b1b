"""Messages by e-mail: made with the standard library, sent by SMTP, with TLS and a password from the environment."""

from __future__ import annotations

import mimetypes
import os
import smtplib
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import formataddr, formatdate, getaddresses, make_msgid
from functools import partial
from pathlib import Path
from typing import Any

from octo.errors import OctoError, UsageError
from octo.param import ParamError
from step_library.kit.files.file_io import FileFailed, NoSuchFile
from step_library.kit.net.environment import with_secrets
from step_library.kit.notify.channels import Delivery, Settings, Way, needed

SENDER = "orchestrator@localhost"
PORTS = {"none": 25, "starttls": 587, "ssl": 465}
HERE = ("localhost", "127.0.0.1", "::1")


class MailFailed(OctoError, smtplib.SMTPException):
    """The mail was not taken, or not for all; the message names the server and what it said."""

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class Server:
    """Where mail goes, and who says so."""

    host: str
    port: int
    security: str
    user: str | None
    password: str | None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def email(settings: Settings) -> list[Delivery]:
    """One mail to all that it goes to."""
    needed(settings, "email", "to")
    people = {name: _people(settings.get(name) or [], name) for name in ("to", "cc", "bcc")}
    message = _message(settings, people)
    everybody = list(dict.fromkeys(address for each in people.values() for _, address in each))
    return [Delivery(", ".join(everybody), partial(_send, message, everybody, _server(settings)))]


def _server(settings: Settings) -> Server:
    def of(name: str, variable: str) -> Any:
        given = settings.get(name)
        return with_secrets(given, name) if given is not None else os.environ.get(variable) or None

    host, security = of("smtp_server", "SMTP_SERVER") or "localhost", of("security", "SMTP_SECURITY") or "none"
    if security not in PORTS:
        raise ParamError(f"SMTP_SECURITY: it is one of {', '.join(PORTS)}, not {security!r}")
    try:
        port = int(of("smtp_port", "SMTP_PORT") or PORTS[security])
    except ValueError:
        raise ParamError("SMTP_PORT: it is to be a whole number") from None
    user, password = of("smtp_user", "SMTP_USER"), of("smtp_password", "SMTP_PASSWORD")
    if user and not password:
        raise UsageError("smtp_user: there is no password for it", hints=["export SMTP_PASSWORD=…"])
    if user and security == "none" and host not in HERE:
        raise UsageError(f"smtp_user: a password is not sent to {host} unprotected; say security: starttls or ssl")
    return Server(host, port, security, user, password)


def _people(given: str | Sequence[str], what: str) -> list[tuple[str, str]]:
    """(name, address) of each, from texts such as `Anna <anna@example.org>, bert@example.org`."""
    texts = [given] if isinstance(given, str) else list(given)
    if any(ord(letter) < 32 for text in texts for letter in text):
        raise ParamError(f"{what}: an address is one line")
    found = getaddresses(texts)
    if texts and not (found and all(address for _, address in found)):
        raise ParamError(f"{what}: {', '.join(map(repr, texts))} cannot be read as mail addresses")
    return found


def _message(settings: Settings, people: Mapping[str, list[tuple[str, str]]]) -> EmailMessage:
    body = settings.get("body") or settings.get("message")
    if not body and not settings.get("html"):
        needed(settings, "email", "body", "message")
    name, sender = _people(settings.get("from") or os.environ.get("SMTP_FROM") or SENDER, "from")[0]
    message = EmailMessage()
    try:
        message["Subject"] = " ".join((settings.get("subject") or "Notification").split())  # a header is one line
        message["From"] = formataddr((name, sender))
        for header in ("To", "Cc"):
            if people[header.lower()]:
                message[header] = ", ".join(map(formataddr, people[header.lower()]))
        message["Date"] = formatdate(localtime=True)
        message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2] or "localhost")
    except (ValueError, MessageError, IndexError) as error:
        raise ParamError(f"from, to, subject: no mail can be made with these: {error}") from None
    message.set_content(body or "")
    if settings.get("html"):
        message.add_alternative(settings["html"], subtype="html")
    for path in settings.get("attach") or []:
        kind, packed = mimetypes.guess_type(path)
        main, _, sub = (kind if kind and not packed else "application/octet-stream").partition("/")
        message.add_attachment(_content(path), maintype=main, subtype=sub, filename=Path(path).name)
    return message


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise NoSuchFile(f"attach: there is no file {path}; the working directory is {os.getcwd()}") from None
    except OSError as error:
        raise FileFailed(f"attach: {path} cannot be read: {error.strerror or error}") from None


def _send(message: EmailMessage, to: list[str], server: Server, way: Way) -> None:
    made = 0
    while True:
        made += 1
        try:
            refused = _once(message, to, server, way.timeout)
            break
        except (smtplib.SMTPException, OSError) as error:
            failed = MailFailed(f"mail by {server}: {_reason(error)}" + (f" (tried {made} times)" if made > 1 else ""))
            again = _may_pass(error) and way.retry.allows(failed, made)
        if not again or (way.stop or threading.Event()).wait(way.retry.wait(made)):
            raise failed from None
    if refused:
        raise MailFailed(f"mail by {server}: refused for {_said(refused)}; the others have it")


def _once(message: EmailMessage, to: list[str], server: Server, timeout: float) -> dict[str, Any]:
    if server.security == "ssl":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=timeout,
                                                    context=ssl.create_default_context())
    else:
        connection = smtplib.SMTP(server.host, server.port, timeout=timeout)
    with connection:
        if server.security == "starttls":
            connection.starttls(context=ssl.create_default_context())
        if server.user and server.password:
            connection.login(server.user, server.password)
        return connection.send_message(message, to_addrs=to)


def _may_pass(error: Exception) -> bool:
    """Whether a new try may help: no connection, a connection that was cut, an answer of 4xx."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(400 <= code < 500 for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return 400 <= error.smtp_code < 500
    return not isinstance(error, (ssl.SSLCertVerificationError, smtplib.SMTPNotSupportedError))


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"user and password were refused ({error.smtp_code})"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return f"refused for {_said(error.recipients)}"
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return f"{error.smtp_code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused: is a mail server running there?"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__


def _said(refused: dict[str, Any]) -> str:
    return ", ".join(f"{address} ({code} {text.decode(errors='replace')})" for address, (code, text) in refused.items())
