"""Where the reporter and the steps write: what steps print side by side stays whole lines.

A step that runs alone is passed through as it prints, a progress bar too. While several run, the unfinished line of
each is kept until its end has come.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TextIO

from octo.store import running_step

LONG = 1 << 16
"""Characters of an unfinished line that are kept at most."""


def _nothing() -> None:
    pass


class Screen:
    """What a person looks at. `stream` is the reporter's; `wipe` takes away what is drawn below the last line."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.lock = threading.RLock()
        self.wipe: Callable[[], None] = _nothing
        self.several = False
        """Several steps run now."""
        self.in_line = False
        """What stands last has no end of line yet."""
        self._writer: tuple[str, int] | None = None
        self._parts: dict[tuple[tuple[str, int], int], tuple[TextIO, str]] = {}
        self._pid = os.getpid()

    def print_step(self, stream: TextIO, text: str) -> int:
        """Write what a step prints to `stream`."""
        if os.getpid() != self._pid:  # a forked child: nobody draws here or opens a lock held at the fork
            return stream.write(text)
        author = running_step()
        writer = (author.who if author is not None else "", threading.get_ident())
        key = (writer, id(stream))
        with self.lock:
            if self.several or key in self._parts:
                whole, end, rest = (self._parts.pop(key, (stream, ""))[1] + text).rpartition("\n")
                if len(rest) > LONG:
                    whole, end, rest = whole + end + rest, "\n", ""
                if rest:
                    self._parts[key] = stream, rest
                if end:
                    self._put(stream, whole + end, writer)
            elif text:
                self._put(stream, text, writer)
        return len(text)

    def print_line(self, text: str, show: Callable[[str], None] | None = None) -> None:
        """Write a line of the reporter's; `show` does it where the stream alone does not."""
        with self.lock:
            self.wipe()
            with suppress(BrokenPipeError):  # nobody reads any more; the run goes on
                self.end_line()
                if show is not None:
                    show(text)
                else:
                    self.stream.write(text + "\n")
                self.stream.flush()

    def end_of(self, step: str) -> None:
        """The step prints no more: what it left without an end of line gets one."""
        if not self._parts:
            return
        with self.lock:
            for key in [key for key in self._parts if not step or key[0][0] == step]:
                stream, text = self._parts.pop(key)
                self._put(stream, text + "\n", key[0])

    def end_line(self) -> None:
        """The caller holds the lock."""
        if self.in_line:
            self.in_line = False
            self.stream.write("\n")

    def _put(self, stream: TextIO, text: str, writer: tuple[str, int]) -> None:
        self.wipe()
        if self.several and writer != self._writer:
            self.end_line()
        stream.write(text)
        if stream is self.stream or stream.isatty():
            self.in_line = not text.endswith("\n")
            self._writer = writer


class StepStream:
    """Standard output or error as a step has it."""

    def __init__(self, screen: Screen, stream: TextIO) -> None:
        self._screen = screen
        self._stream = stream

    def write(self, text: str) -> int:
        return self._screen.print_step(self._stream, text)

    def writelines(self, lines: Iterable[str]) -> None:
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
