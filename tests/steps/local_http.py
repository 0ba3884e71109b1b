"""A real HTTP server on loopback that answers as a test says and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class LocalHttp:
    """`answer(asked)` gives (status, body) or (status, body, headers).

    A body is bytes, an iterator of bytes, which are sent one by one, or else sent as JSON.
    """

    answer: Callable[[Asked], tuple[Any, ...]]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def local_http(answer: Callable[[Asked], tuple[Any, ...]]) -> Iterator[LocalHttp]:
    """A server for the time of the block; `url` is http://127.0.0.1:PORT, `asked` what came, in order."""
    known = LocalHttp(answer)

    class Handler(BaseHTTPRequestHandler):
        def answered(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            asked = Asked(self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
            known.asked.append(asked)
            status, body, *more = known.answer(asked)
            if not isinstance(body, (bytes, Iterator)):
                body = json.dumps(body).encode()
            self.send_response(status)
            for name, value in (more[0] if more else {"Content-Type": "application/json"}).items():
                self.send_header(name, value)
            if isinstance(body, bytes):
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for piece in [body] if isinstance(body, bytes) else body:
                self.wfile.write(piece)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answered

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    known.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
