"""The port of a dashboard: a socket that listens there, and who else does."""

from __future__ import annotations

import errno
import http.client
import json
import socket
import sys
from collections.abc import Mapping
from typing import Any

from octo.errors import UsageError

WHO = "/octo"
"""Where a dashboard says whose it is."""
NEXT_PORTS = 100
ANSWER = 3.0
"""Seconds that another dashboard has to say whose it is."""


class PortTaken(UsageError):
    """Another program listens there."""


def listen(host: str, port: int, free_port: bool = False) -> socket.socket:
    """A socket that listens; with `free_port` on the next free one. PortTaken, or UsageError where it cannot."""
    if not 0 <= port <= 65535:
        raise UsageError(f"port: a port is 0 (any that is free) to 65535, not {port}")
    last = min(port + NEXT_PORTS, 65535) if free_port and port else port
    for number in range(port, last + 1):
        try:
            return _listening(host, number)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES) or (
                    error.errno == errno.EACCES and sys.platform != "win32"):
                raise UsageError(f"{host}:{number} cannot be served: {error.strerror or error}") from None
    more = f" to {last}" if last > port else ""
    raise PortTaken(f"port {port}{more} on {host} is taken by another program; give another port, or free_port: true "
                    "to take the next free one")


def _listening(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        if sys.platform == "win32":  # there two programs could share a port otherwise
            made.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:  # a port that was just given back is free
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(128)
    except BaseException:
        made.close()
        raise
    return made


def claim(facts: Mapping[str, Any], host: str, port: int, free_port: bool) -> socket.socket | None:
    """A socket to serve on; None where the same dashboard of the same instance is there already."""
    try:
        return listen(host, port)
    except PortTaken:
        other = who_serves(host, port) or {}
        if facts.get("instance") and all(other.get(name) == value for name, value in facts.items()):
            return None
        if free_port:
            return listen(host, port, free_port)
        if not other:
            raise
        of = other.get("instance") or "no instance"
        raise PortTaken(f"port {port} on {host} is taken by the dashboard {other['app']} of {of} (process "
                        f"{other.get('pid')}); give another port, or free_port: true to take the next free "
                        "one") from None


def url_of(host: str, port: int) -> str:
    """What to type in a browser."""
    return f"http://{'127.0.0.1' if host == '0.0.0.0' else f'[{host}]' if ':' in host else host}:{port}"


def who_serves(host: str, port: int) -> dict[str, Any] | None:
    """What a dashboard of Octo says of itself; None where there is none."""
    connection = http.client.HTTPConnection("127.0.0.1" if host == "0.0.0.0" else host, port, timeout=ANSWER)
    try:
        connection.request("GET", WHO)
        found = json.loads(connection.getresponse().read(1 << 16))
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return found if isinstance(found, dict) and "app" in found else None


def is_served(host: str, port: int) -> bool:
    """Somebody listens there, even if too busy to answer."""
    try:
        socket.create_connection(("127.0.0.1" if host == "0.0.0.0" else host, port), timeout=ANSWER).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        pass
    return True
