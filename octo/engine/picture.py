"""The picture of a graph and of what happened in it: `graph.png`, `.svg` or `.dot`.

`Marks` are what happened; `draw` makes a file; `GraphPicture` keeps an instance's picture fresh during a
run. Drawing is done by a child process (`octo.engine.render`), DOT text comes from `octo.engine.dot`.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from octo.engine.graph import COMPLETE, DYNAMIC_ARROW_PREFIX, Graph
from octo.engine.marks import Marks
from octo.engine.render import write_whole
from octo.engine.step_marks import is_plan
from octo.errors import NotAvailable, OctoError, UsageError

FORMATS = ("png", "svg", "dot")
STOP_LOOKS = 0.1
"""Seconds between two looks at whether drawing is to stop."""


def describe_picture(graph: Graph, marks: Marks) -> dict[str, Any]:
    """Graph and marks as the plain data that `octo.engine.dot` draws."""
    if is_plan(graph):
        from octo.engine.step_picture import describe_steps

        return describe_steps(graph, marks)
    try:
        first = graph.first_node()
    except UsageError:
        first = ""
    nodes = []
    for name, spec in graph.nodes.items():
        entry, leave = marks.breakpoints.get(name, (spec.entry_breakpoint, spec.exit_breakpoint))
        node = {"name": name, "attrs": spec.attrs, "first": name == first, "active": spec.active}
        node |= {
            "skip": spec.skip_execute,
            "entry": entry,
            "exit": leave,
            "status": marks.status.get(name, ""),
        }
        nodes.append(node | {"visits": marks.visits.get(name, 0), "seconds": marks.seconds.get(name)})
    return {"title": marks.title or graph.source.name, "state": marks.state, "nodes": nodes} | {
        "arrows": _arrows(graph, marks)
    }


def _arrows(graph: Graph, marks: Marks) -> list[dict[str, Any]]:
    """The arrows there are, and those that were taken without being in the dict."""
    counts = {
        (source, key, target): count
        for source, keys in marks.taken.items()
        for key, targets in keys.items()
        for target, count in targets.items()
    }
    arrows: list[dict[str, Any]] = []
    for name, spec in graph.nodes.items():
        for key, arrow in spec.arrows.items():
            if arrow.target in graph.nodes:
                count = counts.pop((name, key, arrow.target), 0)
                plain = {"source": name, "key": key, "target": arrow.target, "attrs": arrow.attrs}
                arrows.append(
                    plain | {"active": arrow.active, "count": count, "dynamic": False, "end": False}
                )
    for (source, key, target), count in counts.items():
        end = key == COMPLETE or target in ("", COMPLETE)
        if source in graph.nodes and (end or target in graph.nodes):
            plain = {"source": source, "key": key, "target": "" if end else target, "attrs": {}}
            dynamic = key.startswith(DYNAMIC_ARROW_PREFIX)
            arrows.append(plain | {"active": True, "count": count, "dynamic": dynamic, "end": end})
    return arrows


def draw(
    graph: Graph, marks: Marks, out: Path | str, *, timeout: float = 120.0, stop: threading.Event | None = None
) -> None:
    """Draw `graph` into the file `out`, in the format of its extension; waits until it is there.

    Raises UsageError for an extension that is not known and OctoError when drawing fails, takes longer than
    `timeout` seconds, or `stop` is set meanwhile.
    """
    out = Path(os.path.abspath(out))
    file_format = out.suffix[1:].lower()
    if file_format not in FORMATS:
        known = ", ".join("." + name for name in FORMATS)
        raise UsageError(
            f"{out}: a picture cannot be made as {out.suffix or 'a file without extension'!r}; known: {known}"
        )
    if not out.parent.is_dir():
        raise UsageError(f"{out}: there is no directory {out.parent}")
    picture = describe_picture(graph, marks)
    if file_format == "dot":
        from octo.engine.dot import dot_source

        try:
            write_whole(out, dot_source(picture).encode())
        except OSError as problem:
            raise OctoError(f"{out} could not be written: {problem.strerror}") from problem
        return
    child = DrawingProcess(picture, out)
    try:
        error = child.finish(timeout, stop)
    finally:
        child.stop()
    if error:
        kind = NotAvailable if "No module named" in error else OctoError
        raise kind(f"{out} could not be drawn: {error}")


class DrawingProcess:
    """One child process that draws one picture and ends. It has its own session: a Ctrl-C is not for it."""

    def __init__(self, picture: dict[str, Any], out: Path) -> None:
        order = {"picture": picture, "out": str(out), "format": out.suffix[1:].lower(), "time": time.time_ns()}
        with tempfile.TemporaryFile() as ordered:  # no pipe: it is handed over whole, whatever becomes of us
            ordered.write(json.dumps(order, default=str).encode())
            ordered.seek(0)
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("render.py"))],
                stdin=ordered,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=out.parent,
                start_new_session=True,
                creationflags=getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0),
                text=True,
                encoding="utf-8",
                errors="replace",
            )

    def finish(self, timeout: float, stop: threading.Event | None = None) -> str:
        """Wait for the end, at most `timeout` seconds or until `stop`; what went wrong, or nothing. Not twice."""
        end = time.monotonic() + timeout
        while True:
            left = max(0.0, end - time.monotonic())
            try:
                _, errors = self._process.communicate(timeout=left if stop is None else min(left, STOP_LOOKS))
                break
            except subprocess.TimeoutExpired:
                is_stopped = stop is not None and stop.is_set()
                if is_stopped or time.monotonic() >= end:
                    self.stop()
                    return "it was stopped" if is_stopped else f"it took longer than {timeout:g} s"
        if self._process.returncode == 0:
            return ""
        lines = [line for line in errors.splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"the drawing process ended with {self._process.returncode}"

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def leave(self) -> None:
        """Let it draw on by itself, also when this process has ended."""
        if self._process.stderr is not None:
            self._process.stderr.close()
        threading.Thread(target=self._process.wait, daemon=True, name="octo-drawing").start()

    def stop(self) -> None:
        """End it if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired, ValueError):
                self._process.communicate(timeout=5)
