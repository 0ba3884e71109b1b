"""Standard input, output and error as they may be found: closed, or in an encoding that lacks characters."""

from __future__ import annotations

import os
import sys


def prepare_streams() -> None:
    """Closed streams lead nowhere from now on; what the encoding of one lacks is shown escaped."""
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        lossy = (getattr(stream, "encoding", None) or "").lower().replace("-", "") != "utf8"
        strict = getattr(stream, "errors", "") in ("strict", "surrogateescape" if lossy else "strict")
        if strict and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a value that the terminal cannot show is no error


def _open_closed() -> None:
    """Else the next file that is opened gets the number of the closed stream, and what programs print goes into it."""
    closed = [name for name in ("stdin", "stdout", "stderr") if getattr(sys, name) is None]
    if not closed:
        return
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name in closed:
        mode = "r" if name == "stdin" else "w"
        setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))
