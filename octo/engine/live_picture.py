"""Keeps an instance's `Assets/graph.png` fresh while the engine runs, without holding it up."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octo.engine.graph import Graph
from octo.engine.marks import Marks, marks_from_state
from octo.engine.picture import DrawingProcess, describe_picture
from octo.engine.step_marks import as_the_run_begins, is_plan, note
from octo.errors import OctoError
from octo.store import ParameterStore

if TYPE_CHECKING:
    from octo.engine.events import Event

PICTURE = Path("Assets") / "graph.png"
MANY_NODES = 150
"""From so many on a drawing takes seconds: the end of a run does not wait for the last one."""
log = logging.getLogger("octo.engine")


class GraphPicture:
    """A subscriber to the engine's events that draws at most once in `interval` seconds, and once at the end.

    A callback notes what happened and returns; a thread looks for news and has the picture drawn by a
    child process. A drawing that fails is one warning, never an error of the run.
    """

    def __init__(self, out: Path | None = None, *, interval: float = 1.0, last_wait: float = 20.0) -> None:
        self._out = out
        self._interval = interval
        self._last_wait = last_wait
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._news = False
        self._ended = False
        self._warned = False
        self._visit: object = None
        self._left = ""
        self._skipped = False
        self._graph: Graph | None = None
        self._is_plan = False
        self._instance = Path()
        self._is_over = False
        self.marks = Marks()

    def __call__(self, event: Event) -> None:
        if event.kind == "run_started":
            self._run_started(event)
        elif self._graph is not None:
            with self._lock:
                self._news = self._take(self._graph, event) or self._news
            if event.kind == "run_ended":
                self.close()

    def _take(self, graph: Graph, event: Event) -> bool:
        """Whether the event is one that the picture shows."""
        if self._is_plan and event.kind != "run_ended":
            return note(graph, self.marks.steps, event)
        take = getattr(self, "_" + event.kind, None)
        if take is None:
            return False
        take(event)
        return True

    def close(self) -> None:
        """Draw what is not drawn yet, wait for it, and end the thread; at most `last_wait` seconds."""
        self._ended = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(self._last_wait + 6)
            self._thread = None

    # --- what the events say

    def _run_started(self, event: Event) -> None:
        self.close()
        state: dict[str, Any] = event.data["state"]
        graph: Graph = event.data["graph"]
        self._graph = graph
        self.marks = marks_from_state(graph, state)
        self.marks.state = "RUNNING"
        self._is_plan = is_plan(graph)
        if self._is_plan:
            self.marks.steps = as_the_run_begins(graph, self.marks.steps, event)
        instance = Path(event.data["instance"]).absolute()
        self.marks.title = instance.name
        self._path = self._out or instance / PICTURE
        self._instance, self._is_over = instance, False
        engine = state.get("engine")
        # A visit that was begun before this run is counted already.
        self._visit = engine.get("visit") if isinstance(engine, dict) else None
        self._left = next((name for name, status in self.marks.status.items() if status == "current"), "")
        self._news, self._ended, self._warned = True, False, False
        self._wake.clear()
        self._thread = threading.Thread(target=self._keep_fresh, name="octo-graph-picture", daemon=True)
        self._thread.start()

    def _step_entered(self, event: Event) -> None:
        node = event.node
        if self._left != node and self.marks.status.get(self._left) == "current":
            # A person has moved the run on from where it stood.
            self.marks.status[self._left] = "done"
        self._left = ""
        self.marks.status[node] = "current"
        self._skipped = False
        if event.visit != self._visit:
            self._visit = event.visit
            self.marks.visits[node] = self.marks.visits.get(node, 0) + 1

    def _step_executed(self, event: Event) -> None:
        self._skipped = bool(event.data.get("skipped"))
        seconds = event.data.get("seconds") or 0.0
        self.marks.seconds[event.node] = self.marks.seconds.get(event.node, 0.0) + seconds

    def _step_failed(self, event: Event) -> None:
        self.marks.status[event.node] = "current" if event.data.get("will_retry") else "failed"

    def _arrow_taken(self, event: Event) -> None:
        source, target = event.node, event.data.get("target") or ""
        targets = self.marks.taken.setdefault(source, {}).setdefault(event.data["key"], {})
        targets[target] = targets.get(target, 0) + 1
        if self.marks.status.get(source) != "failed":
            self.marks.status[source] = "skipped" if self._skipped else "done"

    def _breakpoint_hit(self, event: Event) -> None:
        self.marks.status[event.node] = "current"

    def _run_ended(self, event: Event) -> None:
        self._is_over = True
        result = event.data.get("result")
        self.marks.state = getattr(result, "status", "") or self.marks.state

    # --- the thread

    def _keep_fresh(self) -> None:
        if self._is_large():  # a short run gets one picture, of its end
            self._wake.wait(self._interval)
        while True:
            last = self._ended
            if last and self._is_over and self._is_plan:
                self._take_what_is_kept()
            with self._lock:
                picture = self._snapshot() if self._news else None
                self._news = False
            started = time.monotonic()
            if picture is not None:
                self._draw(picture, last)
            if last:
                return
            # A picture that takes long to draw is drawn less often: the run needs the processor more.
            self._wake.wait(max(self._interval, 3 * (time.monotonic() - started)))

    def _snapshot(self) -> dict[str, Any]:
        assert self._graph is not None
        return describe_picture(self._graph, self.marks)

    def _take_what_is_kept(self) -> None:
        """The last picture shows what stands in the file, which knows more than the events told."""
        assert self._graph is not None
        try:
            store = ParameterStore(self._instance)
            kept = marks_from_state(self._graph, store.read(without=("ctx",)))
        except OctoError:
            return  # it was moved away, say: what the events told is nearly the same
        with self._lock:
            self.marks.steps, self.marks.breakpoints = kept.steps, kept.breakpoints

    def _is_large(self) -> bool:
        return self._graph is not None and len(self._graph.nodes) > MANY_NODES

    def _draw(self, picture: dict[str, Any], last: bool) -> None:
        error = ""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            drawing = DrawingProcess(picture, self._path)
            if not self._is_large():
                error = drawing.finish(self._last_wait)
            elif last:
                drawing.leave()
            else:
                error = self._wait_or_drop(drawing)
        except Exception as problem:  # whatever it is, the run goes on
            error = f"{type(problem).__name__}: {problem}"
        if error and not self._warned:
            self._warned = True
            log.warning("%s could not be drawn: %s", self._path, error)

    def _wait_or_drop(self, drawing: DrawingProcess) -> str:
        """Wait for a drawing, unless the run ends meanwhile: then the last one is all that matters."""
        while not drawing.has_ended():
            if self._wake.wait(0.05) and self._ended:
                drawing.stop()
                return ""
        return drawing.finish(self._last_wait)
