"""The walk over a plan of steps: starts what may start, in this thread or beside it, until nothing is left.

A step that runs alone runs in the engine's own thread; parallel steps in a pool of threads. A thread that has ended
a step looks for the next one itself.
"""

from __future__ import annotations

import os
from contextlib import suppress

from octo.errors import OctoError
from octo.executors.threads import ThreadPool

from .background import Background
from .dag import Unit
from .dag_start import PlanStart
from .ending import Ending
from .graph import StepSpec
from .position import put
from .unit import UnitRun, start_unit
from .walk import ENGINE, Frame

_HEAR = 0.5 if os.name == "nt" else None
"""Seconds after which the engine's thread looks up: elsewhere a signal wakes it."""


class DagWalk(PlanStart):
    """Walks the steps of a graph."""

    def set_up(self, frame: Frame) -> None:
        super().set_up(frame)
        self.pool = ThreadPool("octo-step")
        self.background = Background(self)

    def settle(self) -> None:
        """No foreground step is left: wait for what steps have left behind."""
        return

    def finish(self, ending: Ending) -> Ending:
        """All steps are over: what is still to be done before the end is written."""
        return ending

    # -- walk --------------------------------------------------------------------------------------

    def walk(self) -> Ending:
        self.beside.remember(self.file)
        stopping = self.frame.stopping
        stopping.also = self.background.ask_to_stop
        try:
            stopping.raises = True
            self.background.start_again(self.decision.run)
            self._work_in_this_thread()
            self.settle()
            self.background.stop()
            self.flush()
        except KeyboardInterrupt:
            return self._interrupted()
        except BaseException:
            self._leave_all()
            raise
        finally:
            stopping.raises = False
        return self.finish(self._ending())

    def _work_in_this_thread(self) -> None:
        while True:
            with self.changed:
                while (run := self._next()) is None:
                    self.flush_now()
                    if not self.dag.running:
                        return
                    self.changed.wait(_HEAR)
            if run.spec.background:
                self.background.start(run)
            elif run.spec.parallel:
                self.pool.start(self._work_in_a_thread, run)
            else:
                run.go()

    def _work_in_a_thread(self, run: UnitRun | None) -> None:
        while run is not None:
            current = run
            try:
                run.go()
                with self.changed:
                    run = self._next(parallel_only=True)
                    if run is None:
                        self.flush_now()
                    if run is None or self.dag.has_room():
                        self.changed.notify_all()
            except BaseException as error:  # the disk is full, say: the engine's own thread ends the run
                with self.changed:
                    self.broken = self.broken or error
                    self.ended(current)
                    self.changed.notify_all()
                return

    def _next(self, *, parallel_only: bool = False) -> UnitRun | None:
        """The next unit, which counts as running from now on. The caller holds the lock."""
        if self._holds():
            return None

        def may_start(unit: Unit) -> bool:
            spec = self.dag.spec(unit)
            if parallel_only and (not spec.parallel or spec.background):
                return False
            return not self._pauses_before(unit, spec)

        unit = self.dag.next(may_start)
        if unit is None:
            return None
        return start_unit(self, unit)

    def _holds(self) -> bool:
        """Nothing new starts: a failure, a pause, a stop."""
        return bool(self.at_once or self.pause or self.broken or self.frame.stopping.requested
                    or (self.failed and not self.keep_going))

    def _pauses_before(self, unit: Unit, spec: StepSpec) -> bool:
        tally = self.frame.tally
        if tally.step_limit and not spec.background:
            under_way = len(self.units)
            if tally.steps + under_way >= tally.step_limit:
                if under_way == 0:
                    self.pause += [("limit", text) for text in tally.limits_reached()]
                return True
        if self.has_breakpoint(spec, unit.item, "entry"):
            self.hit_breakpoint(unit, spec, "entry")
            return True
        return False

    # -- ends --------------------------------------------------------------------------------------

    def _ending(self) -> Ending:
        if self.broken is not None:
            raise self.broken
        if self.failed:
            error = self.error or {}
            where = error.get("node", self.failed[0])
            return Ending("COMPLETE_ERROR", "error", [f"{error.get('type')} in {where}: {error.get('message')}"])
        pause = list(self.pause)
        if self.frame.stopping.requested:
            pause.insert(0, ("signal", self.frame.stopping.requested))
        if pause and (self.dag.left() or any(kind in ("breakpoint", "signal") for kind, _ in pause)):
            return Ending("PAUSED", ",".join(dict.fromkeys(kind for kind, _ in pause)), [text for _, text in pause])
        return Ending("COMPLETE_SUCCESS", "completed", ["all steps are done"])

    def _interrupted(self) -> Ending:
        """The second Ctrl-C: what runs is left where it is; the next run undoes it and begins it again."""
        names = [run.name for run in self.units.values()]
        self._leave_all()
        reason = self.frame.stopping.requested or "KeyboardInterrupt"
        return Ending("PAUSED", "signal", [f"{reason}, at once, in {', '.join(names) or 'the engine'}"], at_once=True)

    def _leave_all(self) -> None:
        """What still runs counts no more and writes no more."""
        with self.lock:
            with suppress(OctoError):  # on a full disk, say
                self.flush_now()
            self.at_once = True
            for run in self.units.values():
                run.leave()
        self.background.leave()

    def record_end(self, ending: Ending) -> None:
        with self.file.transaction(ENGINE, later=True) as tx:
            put(tx, "step_engine_state", ending.status)
            node = self.where()[0] if ending.status != "COMPLETE_SUCCESS" else ""
            spec = self.graph.nodes.get(node.partition("[")[0])
            put(tx, "current_step_node", node)
            put(tx, "current_step_module", spec.module if spec else "")
            put(tx, "current_step_state", "INACTIVE" if not node else "EXECUTE" if self.error else "ENTER")
            ending.show(tx)

    def where(self) -> tuple[str, int, str]:
        if self.units:
            run = next(iter(self.units.values()))
            return run.name, run.visit, "EXECUTE"
        if self.error:
            return self.error["node"], self.error["visit"], "EXECUTE"
        if self.paused_at:
            return self.paused_at, self.visit, "ENTER"
        left = self.dag.left() if hasattr(self, "dag") else []
        return (left[0].name if left else ""), self.visit, "ENTER" if left else "INACTIVE"

    def put_away(self) -> None:
        super().put_away()
        if not self.at_once:
            self.pool.close()
