"""The options of `octo run` and `octo step` that are for recipes, and what they come to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from octo.cli.instance import check_instance, is_instance, octo_command, open_instance
from octo.cli.several import several_option
from octo.errors import UsageError, quoted

if TYPE_CHECKING:
    from octo.recipe.choice import Asked
    from octo.recipe.instance import Place

STANDARD_INPUT = "-"
_SUFFIXES = (".yaml", ".yml")
_TELL = {
    "instance": "--instance",
    "only": "--only",
    "skip": "--skip",
    "resume_from": "--resume-from",
    "keep_ctx": "--keep-ctx",
    "keep_going": "--keep-going",
    "restart": "--restart",
    "accept_changes": "--accept-changes",
    "no_cache": "--no-cache",
    "no_hooks": "--no-hooks",
    "values": "--set",
    "dry_run": "--dry-run",
    "list_steps": "--list-steps",
}


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


what_argument = click.argument("directory", metavar="DIR|RECIPE", shell_complete=_complete)


def recipe_options(function: Any) -> Any:
    """Give a command the options that say how a recipe is run."""
    for option in reversed(
        (
            click.option("--instance", metavar="DIR", help="Where the recipe runs; else its name with .octo, here."),
            several_option("--only", metavar="STEP...", help="Run these steps only; what they need counts as met."),
            several_option("--skip", metavar="STEP...", help="Leave these steps out; they count as met."),
            click.option("--resume-from", metavar="STEP", help="Undo and run again STEP and all that depends on it."),
            click.option("--keep-ctx", is_flag=True, help="With --resume-from: nothing is undone."),
            click.option("--keep-going", is_flag=True, help="After a failure go on with all that does not need it."),
            click.option("--restart", is_flag=True, help="A new run, wherever the last one stands."),
            click.option("--accept-changes", is_flag=True, help="Go on though steps that have run were changed."),
            click.option("--no-cache", is_flag=True, help="Run steps with a cache_key, whatever is kept of them."),
            click.option("--no-hooks", is_flag=True, help="Leave out on_success and on_failure."),
            click.option(
                "--set",
                "values",
                metavar="KEY=VALUE",
                multiple=True,
                callback=_values,
                help="Put a value into ctx first: JSON if it parses, else text. May be repeated.",
            ),
        )
    ):
        function = option(function)
    return function


def _values(ctx: click.Context, param: click.Parameter, value: Sequence[str]) -> dict[str, Any]:
    from octo.documented import typed

    found = {}
    for each in value:
        key, equals, text = each.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"it takes KEY=VALUE, such as --set threshold=95; {each!r} is not", ctx, param)
        found[key] = typed(text)
    return found


def place_of(what: str, instance: str | None) -> Place | None:
    """The recipe's place that was typed: a recipe's file, `-`, or an instance. None: an instance of a step library."""
    if what != STANDARD_INPUT and (os.path.isdir(what) or is_instance(what)):
        return _place_of_directory(what, instance)
    if what != STANDARD_INPUT and not os.path.exists(what) and Path(what).suffix.lower() not in _SUFFIXES:
        check_instance(what)
    if Path(what).name.startswith(".octo_step_engine_"):
        check_instance(what)
    if instance is not None and os.path.exists(instance) and not os.path.isdir(instance):
        raise UsageError(f"--instance: {instance} is a file; an instance is a directory")
    if instance is not None and os.path.isdir(instance) and not is_instance(instance) and os.listdir(instance):
        raise UsageError(
            f"--instance: {instance} is no instance, and not empty; give a new directory",
            hints=[f"octo run {quoted(what)} --instance {quoted(_beside(instance))}"],
        )
    from octo.recipe.instance import place_of_recipe
    from octo.recipe.reader import standard_input

    if what != STANDARD_INPUT and Path(what).suffix.lower() not in _SUFFIXES and not _has_steps(what):
        raise UsageError(f"{what} is a file; an instance is a directory, and a recipe is YAML with steps:")
    return place_of_recipe(standard_input() if what == STANDARD_INPUT else what, instance)


def _has_steps(file: str) -> bool:
    from octo.recipe.reader import read, read_source

    try:
        found = read(read_source(file))
    except UsageError:
        return False
    return isinstance(found, dict) and "steps" in found


def _place_of_directory(directory: str, instance: str | None) -> Place | None:
    recipes = sorted(str(path) for path in Path(directory).glob("*.y*ml") if path.suffix in _SUFFIXES)
    if not is_instance(directory) and recipes:
        raise UsageError(
            f"{directory} is a directory; give a recipe in it, or an instance",
            hints=[octo_command("run", each) for each in recipes[:6]],
        )
    open_instance(directory)
    from octo.recipe.instance import is_recipe_instance, place_of_instance

    if not is_recipe_instance(directory):
        return None
    if instance is not None:
        raise UsageError(
            f"--instance is for a recipe's file; {directory} is an instance",
            hints=[octo_command("run", directory)],
        )
    return place_of_instance(directory)


def _beside(directory: str) -> str:
    return os.path.join(directory, "run")


def refuse_for_library(directory: str, options: dict[str, Any]) -> None:
    """UsageError where an option is given that makes no sense for a step library."""
    given = [_TELL[name] for name, value in options.items() if value and name in _TELL]
    if not given:
        return
    hints = [octo_command("run", directory)]
    if "--list-steps" in given:
        hints = [octo_command("list", "steps", directory)]
    elif "--restart" in given:
        hints = [octo_command("reset", directory), octo_command("run", directory)]
    elif "--set" in given:
        hints = [octo_command("ctx", directory, "set", "KEY", "VALUE"), octo_command("run", directory)]
    verb = "is" if len(given) == 1 else "are"
    raise UsageError(f"{', '.join(given)} {verb} for recipes; {directory} runs a step library", hints=hints)


def asked_of(options: dict[str, Any], *, again: bool) -> Asked:
    """What was asked for; `again`: a run that ended well is followed by a new one."""
    from octo.recipe.choice import Asked

    if options["keep_ctx"] and not options["resume_from"]:
        raise UsageError("--keep-ctx goes with --resume-from STEP: else nothing is undone")
    return Asked(
        only=options["only"],
        skip=options["skip"],
        resume_from=options["resume_from"],
        keep_ctx=options["keep_ctx"],
        restart=options["restart"],
        accept_changes=options["accept_changes"],
        again=again,
    )
