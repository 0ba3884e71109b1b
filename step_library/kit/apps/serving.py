"""Serves a Dash app for as long as a step wants, and ends it."""

from __future__ import annotations

import base64
import hmac
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from octo.errors import NotAvailable
from step_library.kit.apps.ports import WHO, is_served, url_of, who_serves
from step_library.kit.net.environment import with_secrets

LOOPBACK = ("127.0.0.1", "localhost", "::1")
LOOK = 0.1
DAY = 86400.0


def dash_or_hint() -> Any:
    """The module dash; NotAvailable, with what to type, where it is not installed."""
    try:
        import dash
    except ImportError:
        raise NotAvailable("dashboards need dash", hints=["pip install 'octo-step-engine[apps]'"]) from None
    return dash


def introduce(app: Any, facts: Mapping[str, Any], host: str) -> None:
    """Let the app say whose it is, and answer to its own names only: no page elsewhere may speak to it."""
    said = json.dumps({**facts, "pid": os.getpid()})
    app.server.add_url_rule(WHO, "octo", lambda: (said, {"Content-Type": "application/json"}))
    if host in LOOPBACK:
        app.server.config["TRUSTED_HOSTS"] = ["127.0.0.1", "localhost", "[::1]"]


class _Threads(ThreadingMixIn, WSGIServer):
    """A thread for each request: none of them waits for another."""

    daemon_threads = True
    block_on_close = False


class _Request(WSGIRequestHandler):
    """HTTP/1.0, so that no connection is kept open: it would go on being served when the server has ended."""

    def handle(self) -> None:
        super().handle()
        for event in vars(_answered).pop("events", ()):
            event.set()

    def log_message(self, format: str, *args: Any) -> None:
        """Not each request is worth a line."""


_answered = threading.local()
"""`events`: what is set when the request of this thread has been answered."""


class Server:
    """Serves an app in a thread. Standard library only: what Dash brings ends the program on a taken port."""

    def __init__(self, app: Any, listening: socket.socket, host: str, password: str | None = None) -> None:
        port = listening.getsockname()[1]
        self.url = url_of(host, port)
        self._server = _Threads((host, port), _Request, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listening
        self._server.server_name, self._server.server_port = host, port
        self._server.setup_environ()
        self._server.set_app(_guarded(app.server, password) if password else app.server)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(LOOK,), name="octo-dash", daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _guarded(app: Any, password: str) -> Any:
    """The app for those who know the password; whose dashboard it is, programs of this machine may always ask."""
    wanted = password.encode()

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        kind, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        try:
            known = base64.b64decode(given).partition(b":")[2] if kind.lower() == "basic" else b""
        except ValueError:
            known = b""
        is_asking = environ["PATH_INFO"] == WHO and environ["REMOTE_ADDR"] in LOOPBACK
        if is_asking or hmac.compare_digest(known, wanted):
            return app(environ, start_response)
        start_response("401 Unauthorized", [("WWW-Authenticate", 'Basic realm="Octo", charset="UTF-8"')])
        return [b"a password is needed"]

    return answer


def serve(app: Any, listening: socket.socket, params: Mapping[str, Any], *, ended: threading.Event,
          stop: threading.Event | None) -> dict[str, Any]:
    """Serve until something ends it, or with `background` go on behind the caller: `{served: url, ended}`."""
    host, seconds = params["host"], params["seconds"]
    try:
        password = with_secrets(params["password"], "password")
    except BaseException:
        listening.close()
        raise
    server = Server(app, listening, host, password)
    if host not in LOOPBACK and not password:
        _say(f"{app.config.name}: whoever reaches {host} can open it; password: ${{NAME}} asks for one")
    if params["background"]:
        threading.Thread(target=_until_ended, args=(server, ended, seconds), daemon=True).start()
        return {"served": server.url}
    with server:
        _say(f"{app.config.name}: {server.url}")
        return {"served": server.url, "ended": wait(ended, stop, seconds)}


def _until_ended(server: Server, ended: threading.Event, seconds: float) -> None:
    with server:
        ended.wait(seconds)


def wait_for_other(name: str, host: str, port: int, *, stop: threading.Event | None, seconds: float) -> dict[str, Any]:
    """The same dashboard is served elsewhere: wait until that has ended."""
    url = url_of(host, port)
    _say(f"{name}: {url} is served already, by process {(who_serves(host, port) or {}).get('pid')}")
    gone = threading.Event()
    threading.Thread(target=_until_gone, args=(host, port, gone), daemon=True).start()
    how = wait(gone, stop, seconds)
    gone.set()
    return {"served": url, "ended": how, "attached": True}


def _until_gone(host: str, port: int, gone: threading.Event) -> None:
    while not gone.wait(0.3):
        if not is_served(host, port):
            gone.set()


def wait(ended: threading.Event, stop: threading.Event | None, seconds: float) -> str:
    """Wait for what ends a dashboard: "done", "stopped" (the run stops; without `stop`: Ctrl-C) or "seconds"."""
    give_up = time.monotonic() + seconds
    try:
        while time.monotonic() < give_up:
            if ended.wait(min(LOOK, max(0.0, give_up - time.monotonic()))):
                return "done"
            if stop is not None and stop.is_set():
                return "stopped"
    except KeyboardInterrupt:
        if stop is not None:
            raise
        return "stopped"
    return "seconds"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # the result of `octo exec --json` has stdout for itself


def when_answered(event: threading.Event) -> None:
    """In a callback: set the event once the page has got its answer."""
    vars(_answered).setdefault("events", []).append(event)
