"""Reads what a process prints, as it comes, line by line."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import IO

LONGEST = 1 << 20
"""Bytes after which a line without an end is passed on all the same."""

log = logging.getLogger("octo.executors")


class LineReader:
    """A thread that reads a pipe to its end. It can be left behind where the end never comes.

    A `marker` at the end of a line is no output: whoever wrote it says how far it is, and `at_marker` is called.
    """

    def __init__(self, pipe: IO[bytes], on_line: Callable[[str], None],
                 on_data: Callable[[bytes], bytes] = lambda data: data, *,
                 on_end: Callable[[], None] = lambda: None, marker: bytes = b"",
                 at_marker: Callable[[], None] = lambda: None) -> None:
        self.on_line = on_line
        self._pipe = pipe
        self._on_data = on_data
        self._on_end = on_end
        self._marker = marker
        self._at_marker = at_marker
        self._part = b""
        self._is_left_behind = False
        self._thread = threading.Thread(target=self._work, name="octo-output", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            with suppress(OSError):
                while data := os.read(self._pipe.fileno(), 1 << 16):
                    if not self._is_left_behind:
                        self._take(self._on_data(data))
            if not self._is_left_behind:
                self.finish_line()
        finally:
            with suppress(OSError):
                self._pipe.close()
            self._on_end()

    def _take(self, data: bytes) -> None:
        *lines, self._part = (self._part + data).split(b"\n")
        for line in lines:
            self._say(line)
        if len(self._part) > LONGEST:
            self.finish_line()

    def finish_line(self) -> None:
        """Pass on what was printed without an end of line."""
        part, self._part = self._part, b""
        if part:
            self._say(part)

    def _say(self, line: bytes) -> None:
        if self._marker and line.endswith(self._marker):
            line = line.removesuffix(self._marker)
            if line:
                self._pass_on(line)
            self._at_marker()
        else:
            self._pass_on(line)

    def _pass_on(self, line: bytes) -> None:
        try:
            self.on_line(line.decode(errors="replace").removesuffix("\r"))
        except Exception:  # the pipe must be read on, else the process waits for ever
            log.exception("a line of output could not be passed on")

    def join(self, timeout: float) -> bool:
        """Wait for the end of the output; False where it has not come."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def leave_behind(self) -> None:
        """What comes from now on is of no interest."""
        self._is_left_behind = True
