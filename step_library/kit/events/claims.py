"""Claims: an event in ctx says who is at it, so that no other takes it, while the process that claimed it lives."""

from __future__ import annotations

import os
import secrets
import socket
from typing import Any

WORD = "claimed"
SAME = 2.0
"""Seconds by which two looks at when a process began may differ."""


def new_claim() -> str:
    """A text that no other call makes, with the process that this is."""
    return f"{WORD} {secrets.token_hex(8)} {os.getpid()} {_began(os.getpid()) or 0:.0f} {socket.gethostname()}"


def is_stale(mark: Any) -> bool:
    """Whether it is the claim of a process of this machine that is gone: killed while it was at the event."""
    parts = mark.split(" ") if isinstance(mark, str) else []
    if len(parts) != 5 or parts[0] != WORD or parts[4] != socket.gethostname():
        return False  # another machine's may live
    try:
        pid, began = int(parts[2]), float(parts[3])
    except ValueError:
        return False
    now = _began(pid)
    return now is None or abs(now - began) > SAME


def _began(pid: int) -> float | None:
    """When a process began; None where there is none. A number of a process may be given anew."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None
