"""Plans of steps for tests, run without a recipe: each step's body is a function of the engine's call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from octo.engine import Event, RunResult
from octo.engine.dag import Limits
from octo.engine.dag_start import Decision
from octo.engine.dag_walk import DagWalk
from octo.engine.engine import Engine
from octo.engine.graph import Graph, StepSpec
from octo.engine.step_book import ENDED_WELL, GROUP, LEFT_OUT
from octo.engine.work import Cached, Call, Hook, Work
from octo.store import GLOBAL, ParameterStore, Transaction
from octo.store.state_file import StateFile

LONG = 30.0
"""Seconds after which a test that waits has failed."""

Body = Callable[[Call], Any]


class Does(Work):
    """A body, and what else a step may have to say."""

    def __init__(self, body: Body, **more: Any) -> None:
        self.body, self.more = body, more
        self.looks = bool({"skips", "items", "cached", "keep"} & more.keys())

    def run(self, call: Call) -> Any:
        return self.body(call)

    def skips(self, call: Call) -> str:
        return str(self.more["skips"](call)) if "skips" in self.more else ""

    def items(self, call: Call) -> list[Any]:
        items = self.more["items"]
        return list(items(call)) if callable(items) else list(items)

    def collects(self) -> str:
        return str(self.more.get("collect", ""))

    def cached(self, call: Call) -> Cached | None:
        return self.more["cached"](call) if "cached" in self.more else None

    def keep(self, call: Call, result: Any, ops: Callable[[], list[dict[str, Any]]]) -> None:
        if "keep" in self.more:
            self.more["keep"](call, result, ops())

    def hooks(self, succeeded: bool) -> list[Hook]:
        run = self.more.get("on_success" if succeeded else "on_failure")
        return [Hook(run)] if run else []


_WORK = ("skips", "items", "collect", "cached", "keep", "on_success", "on_failure")


def step(name: str, body: Body = lambda call: None, **more: Any) -> StepSpec:
    """A step of a plan; `after` is what it depends on, `p=True` is parallel."""
    work = Does(body, **{key: more.pop(key) for key in _WORK if key in more})
    after = more.pop("after", ())
    return StepSpec(
        name, "m", object, Path("plan"), work=work, fans_out="items" in work.more,
        needs=(after,) if isinstance(after, str) else tuple(after), parallel=more.pop("p", False), **more,
    )


class PlanWalk(DagWalk):
    """Runs all that has not ended well yet, or what `only` names."""

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()

    def decide(self, file: StateFile, state: dict[str, Any]) -> Decision:
        steps = state.get(GROUP, {})
        run = {spec.name: "asked for" if self.only else "new" for spec in self.steps
               if spec.name not in self.skip and (spec.name in self.only or not self.only and (
                   spec.background or steps.get(spec.name, {}).get("status") not in ENDED_WELL))}
        return Decision(run, not run, bool(steps))

    def prepare(self, tx: Transaction) -> None:
        for name in self.skip:
            tx.set((GROUP, name), {"status": LEFT_OUT})


class Plan:
    """An instance with a plan; its steps can be replaced between runs."""

    def __init__(self, directory: Path, *steps: StepSpec) -> None:
        self.directory = directory / "it"
        self.directory.mkdir(exist_ok=True)
        ParameterStore(self.directory, create=True)
        self.steps = list(steps)
        self.events: list[Event] = []

    def walk(self, limits: Limits | None = None, only: tuple[str, ...] = (), skip: tuple[str, ...] = (),
             **options: Any) -> DagWalk:
        walk = PlanWalk(Graph(Path("plan"), {spec.name: spec for spec in self.steps}), limits or Limits(), **options)
        walk.only, walk.skip = only, skip
        return walk

    def run(self, *steps: StepSpec, count: int | None = None, hear: Callable[[Event], None] = lambda event: None,
            **options: Any) -> RunResult:
        """Run it here; `steps` take the place of those of their names."""
        for spec in steps:
            self.replace(spec)
        self.events = []
        return Engine(self.directory, walk=self.walk(**options), draw=False,
                      subscribers=[self.events.append, hear]).run(count)

    def replace(self, spec: StepSpec) -> None:
        names = [old.name for old in self.steps]
        self.steps[names.index(spec.name)] = spec

    @property
    def store(self) -> ParameterStore:
        return ParameterStore(self.directory)

    @property
    def ctx(self) -> dict[str, Any]:
        return dict(self.store.read().get("ctx", {}))

    def entry(self, name: str) -> dict[str, Any]:
        return dict(self.store.read()[GROUP][name])

    @property
    def status(self) -> dict[str, str]:
        return {name: entry["status"] for name, entry in self.store.read()[GROUP].items()}

    def setting(self, key: str) -> Any:
        return self.store.read()[GLOBAL].get(key)

    @property
    def log(self) -> str:
        return "".join(path.read_text() for path in sorted((self.directory / "Logs").iterdir()))


class Signs:
    """Events by name, to force an order on bodies that run side by side."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[str, threading.Event] = {}
        self.seen: list[str] = []

    def _event(self, name: str) -> threading.Event:
        with self._lock:
            return self._events.setdefault(name, threading.Event())

    def give(self, name: str) -> None:
        with self._lock:
            self.seen.append(name)
        self._event(name).set()

    def wait(self, name: str) -> None:
        assert self._event(name).wait(LONG), f"nobody gave the sign {name!r}; seen: {self.seen}"

    def ended(self, event: Event) -> None:
        """A subscriber: gives the sign `NAME over` when a step or an item has ended."""
        if event.kind in ("step_exited", "step_failed"):
            self.give(f"{event.node} over")
