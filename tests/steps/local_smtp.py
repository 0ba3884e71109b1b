"""A real mail server on loopback, in the test's process, that keeps what it was given."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class LocalSmtp:
    """`mails` is what came; `answers` are given to DATA first, one a mail; `refused` addresses are not taken."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str,
                          options: list[str]) -> str:
        if address in self.refused:
            return "550 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answers:
            return self.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        self.envelopes.append(envelope)
        return "250 taken"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str,
                     data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.users.append(data.login.decode())
        return AuthResult(success=data.password == b"s3cret", handled=False)


@contextmanager
def local_smtp(tls: ssl.SSLContext | None = None, *, is_ssl: bool = False, auth: bool = False) -> Iterator[LocalSmtp]:
    """A server for the time of the block, on a free port of 127.0.0.1. With `tls` STARTTLS, or TLS from the start."""
    known = LocalSmtp()
    loop = asyncio.new_event_loop()

    def session() -> SMTP:
        return SMTP(known, hostname="localhost", loop=loop, tls_context=None if is_ssl else tls,
                    require_starttls=tls is not None and not is_ssl, auth_require_tls=not is_ssl, auth_required=auth,
                    authenticator=known.authenticate if auth else None)

    server = loop.run_until_complete(loop.create_server(session, "127.0.0.1", 0, ssl=tls if is_ssl else None))
    known.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield known
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS with a certificate of its own for 127.0.0.1, and the file that says to trust it."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("the program openssl, which makes a certificate, is not there")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run([program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(cert),
                    "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, cert
