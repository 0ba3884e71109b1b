"""Which steps a run of a recipe runs, and why: by where the last run stands and by what was asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from octo.engine.position import setting
from octo.engine.step_book import FAILED, GROUP, LEFT_OUT, OVER, RUNNING, STOPPED
from octo.errors import UsageError, nearest

from .model import Recipe, Step

COMPARED = ("type", "target", "params", "args", "cmd", "env", "cwd", "stdin_file", "stdout_to_ctx", "shell_env_keys",
            "for_each", "collect", "when", "depends_on")
"""The fields of a finished step that a resume will not have changed."""


@dataclass(frozen=True)
class Asked:
    """What the caller wants of a run; see `octo run --help`."""

    only: Sequence[str] = ()
    skip: Sequence[str] = ()
    resume_from: str | None = None
    keep_ctx: bool = False
    restart: bool = False
    accept_changes: bool = False
    again: bool = False
    """An instance whose last run ended well begins a new run (`octo run recipe.yaml`); else nothing is run."""

    @property
    def is_selection(self) -> bool:
        return bool(self.only or self.skip or self.resume_from)


@dataclass
class Choice:
    """`run`: steps with the reason; `left_out`: likewise; `undo`: steps whose effect on ctx is taken back first."""

    run: dict[str, str] = field(default_factory=dict)
    done: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    undo: list[str] = field(default_factory=list)
    again: set[str] = field(default_factory=set)
    """Of those in `run`: what is begun from its beginning, whatever became of it before."""
    is_new: bool = False
    """A new run: ctx emptied, steps reset."""
    finished: bool = False
    warnings: list[str] = field(default_factory=list)


def choose(recipe: Recipe, state: Mapping[str, Any], asked: Asked, before: Recipe | None) -> Choice:
    """What this run does; UsageError for a selection that cannot be, or a finished step that was changed.

    `before` is the recipe as the last run had it, where that can be read.
    """
    names = [step.name for step in recipe.steps]
    _check_names(names, asked)
    entries = state.get(GROUP) if isinstance(state.get(GROUP), dict) else {}
    assert isinstance(entries, dict)
    status = {name: entry.get("status") for name, entry in entries.items() if isinstance(entry, dict)}
    last = setting(state, "step_engine_state", "INACTIVE")
    never = not status or last == "INACTIVE"
    choice = Choice()
    ended_well = last == "COMPLETE_SUCCESS"
    left = [name for name in names if status.get(name) == LEFT_OUT]
    if ended_well and not asked.restart and not asked.is_selection and not left:
        if not asked.again:
            choice.finished = True
            return choice
        choice.is_new = True
    if never or asked.restart:
        choice.is_new = True
    if choice.is_new and asked.resume_from is not None and never:
        raise UsageError(
            f"there is no earlier run to resume from {asked.resume_from}",
            hints=["octo run RECIPE"],
        )
    if choice.is_new:
        status = {}
    _sort_out(recipe, status, asked, choice)
    if not choice.is_new:
        _refuse_changes(recipe, before, status, asked, choice)
        _tell_changed_lists(recipe, before, entries, choice)
    if not choice.run and asked.is_selection:  # else the last run was cut off behind its last step
        done = " that is not done" if choice.done else ""
        raise UsageError(
            f"nothing is left to run: --only and --skip leave out every step{done}",
            hints=["octo run RECIPE --list-steps"],
        )
    return choice


def _check_names(names: list[str], asked: Asked) -> None:
    for option, given in (
        ("--only", asked.only),
        ("--skip", asked.skip),
        ("--resume-from", [asked.resume_from] if asked.resume_from else []),
    ):
        unknown = [name for name in given if name not in names]
        if unknown:
            shown = " and no ".join(map(repr, unknown))
            raise UsageError(
                f"{option}: the recipe has no step {shown}; there are {', '.join(names[:20])}"
                + (" …" if len(names) > 20 else "")
                + nearest(unknown[0], names)
            )
    if asked.only and asked.resume_from:
        raise UsageError("--only and --resume-from exclude each other: one names the steps, the other a first one")
    if asked.restart and asked.resume_from:
        raise UsageError("--restart and --resume-from exclude each other: a new run has nothing to resume from")


def _sort_out(recipe: Recipe, status: Mapping[str, Any], asked: Asked, choice: Choice) -> None:
    again = _behind(recipe, asked.resume_from) if asked.resume_from else set()
    skipped_over = _in_front(recipe, asked.resume_from) if asked.resume_from else set()
    for step in recipe.steps:
        name, now = step.name, status.get(step.name)
        over = now in OVER or (now == FAILED and step.allow_failure)  # it counts as met, as it did in that run
        is_past = over or now == STOPPED
        if asked.only and name not in asked.only:
            if is_past:
                choice.done[name] = "done before" if now != FAILED else "failed before, as it may"
            else:
                choice.left_out[name] = "--only names others"
        elif name in asked.skip:
            if is_past:
                choice.done[name] = "done before" if now != FAILED else "failed before, as it may"
            else:
                choice.left_out[name] = "--skip names it"
        elif name in again:
            choice.run[name] = f"--resume-from {asked.resume_from}"
            choice.again.add(name)
            if now is not None and not asked.keep_ctx:
                choice.undo.append(name)
        elif asked.only:
            choice.run[name] = "--only names it"
            if over:
                choice.again.add(name)
        elif over:
            choice.done[name] = "done before" if now != FAILED else "failed before, as it may"
        elif name in skipped_over and not (step.background and now in (STOPPED, RUNNING, FAILED)):
            choice.left_out[name] = f"in front of --resume-from {asked.resume_from}"
        else:
            choice.run[name] = _why(step, now, choice.is_new)


def _why(step: Step, now: Any, is_new: bool) -> str:
    if is_new or now is None:
        return "new run" if is_new else "new in the recipe"
    if now == FAILED:
        return "failed before"
    if now == RUNNING:
        return "cut off before"
    if now == LEFT_OUT:
        return "left out before"
    if now == STOPPED:
        return "runs as long as the run"
    return "not run yet"


def _behind(recipe: Recipe, first: str) -> set[str]:
    """The step and all that depends on it; where no step states a dependency, all behind it."""
    if not any(step.depends_on for step in recipe.steps):
        names = [step.name for step in recipe.steps]
        return set(names[names.index(first) :])
    found = {first}
    while True:
        more = {step.name for step in recipe.steps if not found.isdisjoint(step.depends_on)} - found
        if not more:
            return found
        found |= more


def _in_front(recipe: Recipe, first: str) -> set[str]:
    """What the step depends on; where no step states a dependency, all in front of it."""
    if not any(step.depends_on for step in recipe.steps):
        names = [step.name for step in recipe.steps]
        return set(names[: names.index(first)])
    needs = {step.name: step.depends_on for step in recipe.steps}
    found: set[str] = set()
    waiting = list(needs[first])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += needs.get(name, [])
    return found


# -- finished steps --------------------------------------------------------------------------------


def _refuse_changes(
    recipe: Recipe, before: Recipe | None, status: Mapping[str, Any], asked: Asked, choice: Choice
) -> None:
    """A finished step that stays as it is must be the one that ran."""
    if before is None or before is recipe or asked.accept_changes:
        return
    now = {step.name: step for step in recipe.steps}
    found: list[str] = []
    for old in before.steps:
        if status.get(old.name) not in OVER or old.name in choice.run:
            continue
        new = now.get(old.name)
        if new is None:
            found.append(f"step {old.name!r} has run, but is gone from the recipe")
            continue
        found += _differences(old, new)
        unfinished = [name for name in new.depends_on if name not in old.depends_on and name in choice.run]
        if unfinished:
            found.append(f"step {old.name!r} has run, but depends on {', '.join(unfinished)} now, which has not")
    if found:
        raise UsageError(
            "the recipe was changed where it has run already:\n  " + "\n  ".join(found),
            hints=[
                "octo run … --accept-changes       (go on; what has run stays as it was)",
                "octo run … --resume-from STEP     (run STEP and all that depends on it again)",
                "octo run … --restart              (begin anew)",
            ],
        )


def _tell_changed_lists(recipe: Recipe, before: Recipe | None, entries: Mapping[str, Any], choice: Choice) -> None:
    """The list of a step that has begun is not read again."""
    was = {step.name: step.written.get("for_each") for step in before.steps} if before is not None else {}
    for step in recipe.steps:
        name = step.name
        if name in choice.run and name not in choice.again and entries.get(name, {}).get("items"):
            if _spelt(was.get(name)) != _spelt(step.written.get("for_each")):
                choice.warnings.append(
                    f"for_each of {name} was changed; its items stay those that it began with; "
                    f"--resume-from {name} begins it anew"
                )


def _differences(old: Step, new: Step) -> list[str]:
    found = []
    for key in COMPARED:
        was, now = old.written.get(key), new.written.get(key)
        if key == "depends_on":
            was, now = sorted(was or []), sorted(now or [])
        if _spelt(was) != _spelt(now):  # 1 and true are not the same
            found.append(f"step {new.name!r}: {key} was {_said(was)}, is {_said(now)}")
    return found


def _spelt(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def _said(value: Any) -> str:
    if value is None:
        return "not there"
    text = repr(value)
    return text if len(text) <= 120 else text[:119] + "…"
