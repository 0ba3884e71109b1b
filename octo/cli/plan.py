"""`octo run RECIPE --dry-run` and `--list-steps`: what a run would do, and what there is; nothing is made."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from octo.cli.instance import octo_command
from octo.cli.printing import counted, print_json, print_next, table

if TYPE_CHECKING:
    from octo.recipe.choice import Asked, Choice
    from octo.recipe.instance import Place
    from octo.recipe.model import Recipe, Step
    from octo.recipe.run import Options


def list_steps(place: Place, *, as_json: bool) -> int:
    """Print the recipe's steps in the order in which they are taken. Nothing is imported."""
    steps = place.load(imports=False).steps
    if as_json:
        print_json([{"step": step.name, "type": step.kind, "does": _target(step), "depends_on": step.depends_on,
                     "line": step.line} for step in steps])
        return 0
    rows = [(step.name, step.kind, _target(step), ", ".join(step.depends_on)) for step in steps]
    click.echo(table(("step", "type", "what it runs", "depends on"), rows))
    return 0


def dry_run(place: Place, asked: Asked, options: Options, *, typed: str, as_json: bool) -> int:
    """Print what the run would do with each step, and why."""
    from octo.recipe.run import planned

    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # not even __pycache__ beside the user's modules
    try:
        with planned(place, asked, options) as (walk, choice):
            rows = _rows(walk.recipe, choice)
    finally:
        sys.dont_write_bytecode = writes
    if as_json:
        print_json({"instance": place.shown(), "new_run": choice.is_new, "finished": choice.finished, "steps": rows,
                    "warnings": choice.warnings})
        return 0
    if choice.finished:
        click.echo(f"{place.shown()} is finished; nothing would be run")
        print_next([octo_command("reset", place.shown()), octo_command("run", typed, "--restart")])
        return 0
    click.echo(table(("step", "what would be done", "why"), [(row["step"], row["does"], row["why"]) for row in rows]))
    click.echo("")
    for warning in choice.warnings:
        click.echo(f"warning: {warning}")
    kind = "a new run" if choice.is_new else "the run would go on"
    where = "" if place.exists() else ", which would be made"
    click.echo(f"{kind} in {place.shown()}{where}: {counted(len(choice.run), 'step')} of {len(rows)}; nothing was done")
    return 0


def _rows(recipe: Recipe, choice: Choice) -> list[dict[str, Any]]:
    rows = []
    for step in recipe.steps:
        if step.name in choice.run:
            does = ("undo, then " if step.name in choice.undo else "") + _how(step)
            why, runs = choice.run[step.name], True
        elif step.name in choice.left_out:
            does, why, runs = "left out", choice.left_out[step.name], False
        else:
            does, why, runs = "stays as it is", choice.done.get(step.name, "done before"), False
        rows.append({"step": step.name, "runs": runs, "does": does, "why": why})
    return rows


def _how(step: Step) -> str:
    """`run beside others, for each of {{ ctx.rows }}`."""
    parts = ["run"]
    if step.background:
        parts[0] = "run in the background"
    elif step.parallel:
        parts[0] = "run beside others"
    if step.executor == "process" and step.kind == "python":
        parts[0] += " in a process"
    if step.for_each is not None:
        parts.append(f"for each of {_short(step.for_each)}")
    if step.when is not None:
        parts.append(f"if {_short(step.when)}")
    if step.cache_key is not None:
        parts.append("unless cached")
    if step.breakpoint_entry or step.breakpoint_exit:
        parts.append(f"breakpoint at {'entry' if step.breakpoint_entry else 'exit'}")
    return ", ".join(parts)


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 40 else text[:37] + "..."


def _target(step: Step) -> str:
    return step.target or " ".join([step.cmd, *step.args])
