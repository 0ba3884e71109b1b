"""A recipe as a plan that the engine walks: from a checked recipe to steps with bodies, and what a run writes first."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from octo.engine.aside import aside
from octo.engine.dag import Limits
from octo.engine.dag_start import Decision
from octo.engine.dag_walk import DagWalk
from octo.engine.ending import Ending
from octo.engine.graph import Arrow, Graph, StepSpec
from octo.engine.position import put, setting
from octo.engine.step_book import GROUP, LEFT_OUT, WAITING
from octo.engine.walk import ENGINE, Frame
from octo.engine.work import Call
from octo.store import GLOBAL, MISSING, RECIPE_FILE, Transaction
from octo.store.state_file import StateFile
from octo.store.undo import undo_calls

from .bodies import Surroundings
from .cache import Cache
from .choice import Asked, Choice
from .choice import choose as choose_steps
from .instance import Place, recipe_settings
from .jobs import RunJobs, cut_off
from .model import Recipe, Step
from .names import StepsView
from .step_work import StepWork, run_hook

THREADS = 32
_OWN = ("run_loop_count", "ended_by", "pause_reason", "last_error")

log = logging.getLogger("octo.engine")


class RecipeWalk(DagWalk):
    """`values`: what `--set` puts into ctx. `choice` is what the run was found to do."""

    def __init__(
        self,
        recipe: Recipe,
        place: Place,
        asked: Asked,
        *,
        values: Mapping[str, Any] | None = None,
        keep_going: bool = False,
        use_cache: bool = True,
        use_hooks: bool = True,
    ) -> None:
        self.recipe, self.place, self.asked = recipe, place, asked
        self._values = dict(values or {})
        self.directory = str(place.started_from)
        folders = [place.started_from, *([place.path.parent] if place.path else [])]
        self.around = Surroundings(
            place.directory, str(place.started_from), [*folders, Path(place.folders[-1])], place.folders
        )
        self._cache = Cache(place.directory) if use_cache else None
        self._run = {"id": "", "dir": str(place.directory)}
        self.choice = Choice()
        self._cut_off: list[str] = []
        super().__init__(
            self._graph(), _limits(recipe), keep_going=keep_going or recipe.keep_going, use_hooks=use_hooks
        )

    def _graph(self) -> Graph:
        source = self.place.path or self.place.directory / RECIPE_FILE
        arrows: dict[str, dict[str, Arrow]] = {step.name: {} for step in self.recipe.steps}
        for step in self.recipe.steps:
            for need in step.depends_on:
                arrows[need][step.name] = Arrow(step.name, need, step.name)
        return Graph(source, {step.name: _spec(step, arrows[step.name], source) for step in self.recipe.steps})

    # -- what the run does -------------------------------------------------------------------------

    def run_id(self, state: dict[str, Any]) -> str:
        choice = self.choose(state)
        return "" if choice.is_new else str(setting(state, "run_id", ""))

    def decide(self, file: StateFile, state: dict[str, Any]) -> Decision:
        choice = self.choice = self.choose(state)
        warnings = [] if choice.is_new or choice.finished else [*choice.warnings, *self._changed_code(state)]
        steps = StepsView(file, [step.name for step in self.recipe.steps])
        self._steps = steps
        self.jobs = RunJobs(file, self.place.directory, lambda: bool(self.frame.stopping.requested))
        self.steps = [
            replace(spec, work=StepWork(step, self.around, steps, self._run, self._cache, self.jobs))
            for step, spec in zip(self.recipe.steps, self.steps, strict=True)
        ]
        self.graph.nodes.update({spec.name: spec for spec in self.steps})
        return Decision(choice.run, choice.finished, not choice.is_new, warnings=warnings)

    def choose(self, state: dict[str, Any]) -> Choice:
        return choose_steps(self.recipe, state, self.asked, self._before(state))

    def _before(self, state: dict[str, Any]) -> Recipe | None:
        """The recipe as the last run had it."""
        text = self.place.copy_text() if state.get(GROUP) else None
        if text is None:
            return None
        if text == self.place.source.text:
            return self.recipe
        from octo.errors import RecipeError

        from .check import check
        from .nodes import Source

        try:
            return check(Source(text, self.place.path, Path(RECIPE_FILE)), imports=False)
        except RecipeError:  # somebody changed the copy
            return None

    def _changed_code(self, state: dict[str, Any]) -> list[str]:
        entries = state.get(GROUP, {})
        steps = {step.name: step for step in self.recipe.steps}
        found = []
        for name in self.choice.done:
            was = entries.get(name, {}).get("fingerprint")
            if was and name in steps:
                now = StepWork(steps[name], self.around, StepsView(self.file, []), self._run, None).fingerprint()
                if now and now != was:
                    found.append(f"the code of {name} has changed since it ran; it is not run again")
        return found

    # -- the first record --------------------------------------------------------------------------

    def set_up(self, frame: Frame) -> None:
        super().set_up(frame)
        self._run["id"] = frame.run_id
        self.place.keep()

    def prepare(self, tx: Transaction) -> None:
        choice = self.choice
        for key, value in recipe_settings(self.place):
            put(tx, key, value)
        if choice.is_new:
            self._begin_anew(tx)
            self._set_values(tx)
        else:
            self._go_on(tx)

    def _set_values(self, tx: Transaction) -> None:
        for key, value in self._values.items():
            tx.set(("ctx", key), value)

    def _begin_anew(self, tx: Transaction) -> None:
        choice = self.choice
        tx.set((GROUP,), {
            step.name: {"status": WAITING, "reason": choice.run[step.name]} if step.name in choice.run
            else {"status": LEFT_OUT, "reason": choice.left_out[step.name]}
            for step in self.recipe.steps if step.name in choice.run or step.name in choice.left_out
        })
        if tx.peek(("engine",), MISSING) is not MISSING:
            tx.delete(("engine",))
        for key in _OWN:
            if tx.peek((GLOBAL, key), MISSING) is not MISSING:
                tx.delete((GLOBAL, key))
        put(tx, "run_step_count", 1)
        put(tx, "history_from", self.file.journal.seq + 1)
        if tx.peek(("ctx",), MISSING) != self.recipe.ctx:
            tx.set(("ctx",), self.recipe.ctx)
        self.visit = 0

    def _go_on(self, tx: Transaction) -> None:
        calls: list[int] = []
        for name in self.choice.undo:
            calls += [*calls_of(tx.peek((GROUP, name), {})), *tx.peek(("engine", "hooks", name), ())]
        if calls:
            undo_calls(tx, self.file.lines_since, calls, "ctx")
            tx.flags["fence"] = [*tx.flags.get("fence", []), *calls]  # a later undo leaves both out, them and this one
        for name, reason in self.choice.run.items():
            if name in self.choice.undo:
                self._begin_step(tx, name, {"status": WAITING, "reason": reason})
                if tx.peek(("engine", "hooks", name), MISSING) is not MISSING:
                    tx.delete(("engine", "hooks", name))
            elif name in self.choice.again:
                # what it did before stands, and is undone with what it does now if ever it is undone
                calls = sorted(calls_of(tx.peek((GROUP, name), {})))
                self._begin_step(tx, name, {"status": WAITING, "reason": reason, **({"calls": calls} if calls else {})})
            elif isinstance(tx.peek((GROUP, name), MISSING), dict):
                tx.set((GROUP, name, "reason"), reason)
        for name, reason in self.choice.left_out.items():
            there = tx.peek((GROUP, name), {})  # what it has done so far is not done again when its turn comes
            kept = {key: there[key] for key in ("calls", "items") if isinstance(there, dict) and key in there}
            tx.set((GROUP, name), {"status": LEFT_OUT, "reason": reason, **kept})
        self._cut_off = cut_off(tx, self.choice.run)
        known = {step.name for step in self.recipe.steps}
        for name, entry in list(tx.peek((GROUP,), {}).items()):
            if name not in known and not calls_of(entry):
                tx.delete((GROUP, name))

    def _begin_step(self, tx: Transaction, name: str, entry: dict[str, Any]) -> None:
        tx.set((GROUP, name), entry)
        if tx.peek(("engine", "passed", name), MISSING) is not MISSING:
            tx.delete(("engine", "passed", name))

    def walk(self) -> Ending:
        if not self.choice.is_new:  # a record of its own: the first one may undo steps, and does nothing else in ctx
            with self.file.transaction(ENGINE, later=True) as tx:
                self._set_values(tx)
        self.jobs.start_again()
        lost = [id for id in self._cut_off if self.jobs.get(id) is None]
        if lost:
            log.warning("cut off with the run, and not begun again but by their step (--resume-from): %s",
                        ", ".join(lost))
        return super().walk()

    # -- the end -----------------------------------------------------------------------------------

    def settle(self) -> None:
        self.jobs.settle(self.recipe.jobs_timeout)

    def finish(self, ending: Ending) -> Ending:
        self.jobs.close()
        hooks = {"COMPLETE_SUCCESS": self.recipe.on_success, "COMPLETE_ERROR": self.recipe.on_failure}
        wanted = hooks.get(ending.status)
        if wanted and self.use_hooks:
            who = "run:on_success" if ending.status == "COMPLETE_SUCCESS" else "run:on_failure"
            names = {
                "params": {},
                "steps": self._steps,
                "run": self._run,
                "step": "",
                "status": ending.status,
                "error": self.error,
            }
            for hook in wanted:
                aside(self, who, partial(self._run_hook, hook, names), retry=hook.retry)
        return ending

    def _run_hook(self, hook: Step, names: dict[str, Any], call: Call) -> None:
        run_hook(hook, call, {**names, "ctx": call.ctx}, self.around)

    def put_away(self) -> None:
        self.jobs.leave()
        self.around.close()
        super().put_away()


def calls_of(entry: Any) -> list[int]:
    """The calls of a step and of its items whose effect on ctx stands."""
    if not isinstance(entry, dict):
        return []
    items = entry.get("items")
    return [
        *entry.get("calls", ()),
        *(call for item in (items.values() if isinstance(items, dict) else ()) for call in item.get("calls", ())),
    ]


def _spec(step: Step, arrows: dict[str, Arrow], source: Path) -> StepSpec:
    return StepSpec(
        name=step.name,
        module=step.target or step.cmd,
        cls=object,
        path=source,
        line=step.line,
        arrows=arrows,
        entry_breakpoint=step.breakpoint_entry,
        exit_breakpoint=step.breakpoint_exit,
        retry=step.retry,
        needs=tuple(step.depends_on),
        parallel=step.parallel and not step.background,
        background=step.background,
        fans_out=step.for_each is not None,
        allow_failure=step.allow_failure,
        on_conflict=step.on_conflict or "",
        lane=step.executor if step.kind == "python" else "thread",
        cpu=step.cpu or 0.0,
        mem=step.mem or 0.0,
        stop_timeout=step.stop_timeout,
    )


def _limits(recipe: Recipe) -> Limits:
    asks = any(step.cpu or step.mem for step in recipe.steps)
    mem = float("inf")
    if asks:
        import psutil

        mem = float(psutil.virtual_memory().total)
    lanes: dict[str, int] = {}
    if any(step.executor == "process" for step in recipe.steps):
        from octo.executors.workers import cpus

        lanes["process"] = cpus()
    return Limits(
        recipe.max_parallel or THREADS, lanes, float(os.cpu_count() or 1) if asks else float("inf"), mem
    )


def hand_edits(file: StateFile) -> list[tuple[str, str]]:
    """What people and other programs changed in ctx since the run ended: place and author."""
    found: dict[str, str] = {}
    for line in reversed(file.lines()):
        if line.get("who") == "octo":
            break
        if "ops" in line and not line.get("call") and not line.get("visit"):  # background steps and jobs have one
            for op in line["ops"]:
                if op["path"][:1] == ["ctx"]:
                    found.setdefault("/".join(map(str, op["path"][1:])), line["who"])
    return list(found.items())
