"""The run's log file: everything that steps print and log, each line with its time and step."""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from octo.store import running_step
from octo.store.background import views

from .events import Event

PATIENCE = 0.5
"""Seconds that the lines of quick events wait, to be written together."""


class RunLog:
    """Appends to `Logs/<run_id>.log`, and captures sys.stdout, sys.stderr and logging while it is entered.

    What is captured still goes where it went before. As a subscriber it writes a line for each event.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.step = ""
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o666)
        self._second = (0, "")
        self._waiting: list[str] = []
        self._waiting_since = 0.0
        self._scheduled = False

    def line(self, text: str, step: str | None = None, *, urgent: bool = True) -> None:
        """Write one line (or several). What is not urgent may wait, half a second at most."""
        now = time.time()
        if int(now) != self._second[0]:
            self._second = int(now), time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
        head = f"{self._second[1]}.{int(now % 1 * 1000):03d} {step or self.writer() or '-'}: "
        with self._lock:
            self._waiting += [f"{head}{part}\n" for part in text.split("\n")]
            if urgent or now - self._waiting_since > PATIENCE:
                self._write()
            elif not self._scheduled:
                self._scheduled = True
                views.schedule(id(self), time.monotonic() + PATIENCE, self._flush)

    def say(self, text: str, step: str) -> None:
        """A line that a step's program or process printed: it goes where what steps print goes."""
        self.line(text, step)
        with suppress(ValueError, OSError):
            self._tees[0]._stream.write(f"{text}\n")

    def writer(self) -> str:
        """The step that runs in this context; else the one that the engine is at."""
        author = running_step()
        return author.who if author is not None and author.instance is not None else self.step

    def _flush(self) -> None:
        with self._lock:
            self._scheduled = False
            self._write()

    def _write(self) -> None:
        data, self._waiting = "".join(self._waiting), []
        self._waiting_since = time.time()
        if self._fd >= 0:
            with suppress(OSError):  # a full disk ends the run by the journal; the log must not hide that
                os.write(self._fd, data.encode(errors="backslashreplace"))

    def __call__(self, event: Event) -> None:
        data = event.data
        if event.kind == "run_started":
            self.line(f"run {data['run_id']} {'goes on' if data['resumed'] else 'begins'}", "octo")
        elif event.kind == "step_entered":
            self.step = event.node
            self.line(f"entered (visit {event.visit}{', again' if data['resumed'] else ''})", event.node, urgent=False)
        elif event.kind == "step_executed":
            self.line("not executed: skip_step_node_execute_bool is set" if data["skipped"]
                      else f"executed in {data['seconds']:.6f} s", event.node, urgent=False)
        elif event.kind == "step_failed":
            error = data["error"]
            self.line(
                f"FAILED in {error['state']}: {error['type']}: {error['message']}\n"
                f"{error['traceback'].rstrip()}", event.node
            )
            if data["will_retry"]:
                self.line(f"try {data['attempt'] + 1} of {data['attempts']} in {data['delay']:g} s", event.node)
        elif event.kind == "step_exited" and data.get("reason"):
            self.line(f"{data['status']}: {data['reason']}", event.node)
        elif event.kind == "arrow_taken":
            self.line(f"{data['key']} -> {data['target'] or 'end'}", event.node, urgent=False)
            self.step = ""
        elif event.kind == "breakpoint_hit":
            self.line(f"breakpoint at {data['where']}", event.node)
        elif event.kind == "stop_requested":
            self.line(f"{data['signal']}: stopping", "octo")
        elif event.kind == "run_ended":
            result = data["result"]
            self.line(f"{result.status}: {'; '.join(result.reasons) or result.ended_by}", "octo")

    def __enter__(self) -> RunLog:
        self._stdout, self._stderr = sys.stdout, sys.stderr
        self._tees = Tee(self, sys.stdout), Tee(self, sys.stderr)
        sys.stdout, sys.stderr = self._tees
        self._handler = _Handler(self)
        self._level = logging.getLogger("octo.step").level
        logging.getLogger().addHandler(self._handler)
        logging.getLogger("octo.step").setLevel(logging.DEBUG)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self._handler)
        logging.getLogger("octo.step").setLevel(self._level)
        for tee in self._tees:
            tee.finish()
        if sys.stdout is self._tees[0]:
            sys.stdout = self._stdout
        if sys.stderr is self._tees[1]:
            sys.stderr = self._stderr

    def close(self) -> None:
        views.cancel(id(self))
        with self._lock:
            self._write()
            fd, self._fd = self._fd, -1
        os.close(fd)


class Tee(io.TextIOBase):
    """A stream that also writes whole lines to the log."""

    def __init__(self, log: RunLog, stream: TextIO) -> None:
        self._log = log
        self._stream = stream
        self._parts: dict[str, str] = {}
        """By step, what it has printed of a line that is not whole yet."""
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        with suppress(ValueError, OSError):  # a console that was closed does not stop the run
            self._stream.write(text)
        step = self._log.writer()
        with self._lock:
            *lines, part = (self._parts.pop(step, "") + text).split("\n")
            if part:
                self._parts[step] = part
        for line in lines:
            self._log.line(line.rstrip("\r"), step)
        return len(text)

    def flush(self) -> None:
        with suppress(ValueError, OSError):
            self._stream.flush()

    def finish(self) -> None:
        """Log what was printed without an end of line."""
        for step, part in self._parts.items():
            self._log.line(part, step)
        self._parts.clear()
        self.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Handler(logging.Handler):
    """Log records go to the log file; those that people should see also to the console."""

    def __init__(self, log: RunLog) -> None:
        super().__init__()
        self._log = log
        self._console = sys.stderr._stream if isinstance(sys.stderr, Tee) else sys.stderr
        self._others = bool(logging.getLogger().handlers)
        self.setFormatter(logging.Formatter("%(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        self._log.line(text)
        shown = logging.INFO if record.name.startswith("octo.step") else logging.WARNING
        if record.levelno >= shown and not self._others:
            with suppress(ValueError, OSError):
                name = record.name.removeprefix("octo.step.")
                self._console.write(
                    f"{name}: {text if record.levelno > logging.INFO else record.getMessage()}\n"
                )
