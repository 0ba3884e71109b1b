"""Background steps: they run beside all others as long as the run does, and are asked to stop at its end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection

from .dag import Unit
from .dag_state import PlanState
from .step_book import FAILED, GROUP, RUNNING, STOPPED
from .unit import UnitRun, start_unit

log = logging.getLogger("octo.engine")


class Background:
    """The background units of a run."""

    def __init__(self, walk: PlanState) -> None:
        self._walk = walk
        self._running: dict[Unit, tuple[UnitRun, threading.Thread]] = {}
        self._is_ending = False

    def start_again(self, runs: Collection[str]) -> None:
        """Those of `runs` that an earlier part of this run had started, before any foreground step goes on."""
        walk = self._walk
        entries = walk.file.look((GROUP,), lambda steps: {
            name: entry.get("status") for name, entry in steps.items()} if isinstance(steps, dict) else {})
        for position, spec in enumerate(walk.steps):
            if spec.background and spec.name in runs and entries.get(spec.name) in (
                    RUNNING, STOPPED, FAILED):
                with walk.lock:
                    if walk.dag.take(Unit(position)):
                        run = start_unit(walk, Unit(position))
                        self.start(run)

    def start(self, run: UnitRun) -> None:
        """Run it in a thread of its own. It counts as met from now on."""
        run.stop = threading.Event()
        thread = threading.Thread(target=self._run, args=(run,), name=f"octo-{run.name}", daemon=True)
        with self._walk.lock:
            self._running[run.unit] = run, thread
            if self._is_ending or self._walk.frame.stopping.requested:
                run.stop.set()
        thread.start()
        with self._walk.changed:
            if run.unit.item < 0:
                self._walk.dag.met(run.unit.position)
            self._walk.changed.notify_all()

    def _run(self, run: UnitRun) -> None:
        try:
            run.go()
            if run.spec.fans_out and run.unit.item < 0:
                self._start_items(run.unit.position)
        except BaseException as error:
            with self._walk.changed:
                self._walk.broken = self._walk.broken or error
        finally:
            with self._walk.changed:
                self._running.pop(run.unit, None)
                self._walk.changed.notify_all()

    def _start_items(self, position: int) -> None:
        """All at once: each may run as long as the run does."""
        walk = self._walk
        with walk.lock:
            fan = walk.fans.get(position)
            units = [Unit(position, index) for index in range(len(fan.items))] if fan else []
            runs = [start_unit(walk, unit) for unit in units if walk.dag.take(unit)]
        for run in runs:
            self.start(run)

    def ask_to_stop(self) -> None:
        """Set each one's `ctx.stop`."""
        with self._walk.lock:
            self._is_ending = True
            for run, _ in self._running.values():
                run.stop.set()

    def stop(self) -> None:
        """Ask all to stop, give each its time, and leave behind what does not listen."""
        self.ask_to_stop()
        asked = time.monotonic()
        waited_for: set[Unit] = set()
        while running := self._running_but(waited_for):  # one that fans out may just have started its items
            for run, thread in running:
                waited_for.add(run.unit)
                thread.join(max(0.0, asked + run.spec.stop_timeout - time.monotonic()))
                if thread.is_alive():
                    run.abandon()
                    log.warning("%s did not stop within %g s and was left behind", run.name, run.spec.stop_timeout)

    def _running_but(self, units: Collection[Unit]) -> list[tuple[UnitRun, threading.Thread]]:
        with self._walk.lock:
            return [each for unit, each in self._running.items() if unit not in units]

    def leave(self) -> None:
        """The process ends: what they still do counts no more."""
        with self._walk.lock:
            for run, _ in self._running.values():
                run.stop.set()
                run.leave()
