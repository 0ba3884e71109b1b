"""`octo recipe`: make recipes of others, or a new one; the JSON Schema for editors."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from octo.cli.command import Subcommands, command, debug_option, examples_epilog, json_option
from octo.cli.printing import counted, print_json, print_next
from octo.cli.several import SeveralCommand, several_option
from octo.errors import UsageError, quoted


@click.group(
    "recipe",
    cls=Subcommands,
    epilog=examples_epilog(
        [
            "octo recipe new report",
            "octo recipe merge load.yaml report.yaml -o both.yaml",
            "octo recipe schema > recipe.schema.json",
        ]
    ),
)
@debug_option
@click.pass_context
def recipe_command(ctx: click.Context) -> None:
    """Make a recipe, put recipes together, print the schema."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _merging(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that merge and chain share."""
    for option in (
        click.option("-o", "--output", "--out", metavar="FILE", required=True, help="The new recipe."),
        click.option(
            "--duplicates",
            type=click.Choice(["error", "rename", "first", "last"]),
            default="error",
            show_default=True,
            help="Where two recipes have a step of one name: refuse, give the later one a new name, or keep one.",
        ),
        click.option(
            "--idx",
            type=click.Choice(["auto", "keep", "renumber"]),
            default="auto",
            show_default=True,
            help="Renumber where idx would collide or change the order; never; always.",
        ),
        click.option(
            "--meta",
            type=click.Choice(["drop", "first", "last", "merge"]),
            default="drop",
            show_default=True,
            help="Whose test_meta and metadata the new recipe has.",
        ),
        click.option("--mark-source", is_flag=True, help="Note in each step which recipe it is from (x-from)."),
        click.option("--force", is_flag=True, help="Replace the new recipe where it exists."),
        json_option,
    ):
        function = option(function)
    return function


@command(
    "merge",
    "octo recipe merge clean.yaml report.yaml -o both.yaml",
    "octo recipe merge a.yaml b.yaml -o c.yaml --steps load report --duplicates rename",
    cls=SeveralCommand,
    group=recipe_command,
)
@click.argument("recipes", metavar="RECIPE...", nargs=-1, required=True)
@several_option("--steps", metavar="STEP...", help="Take only these steps (names or idx).")
@_merging
def merge_command(
    recipes: tuple[str, ...], steps: tuple[str, ...], output: str, force: bool, as_json: bool, **options: Any
) -> None:
    """Put the steps of several recipes, one recipe after another, into a new one.

    A recipe's defaults are written into its steps. Comments are lost.
    """
    _write(recipes, output, force, as_json, steps=steps or None, **options)


@command(
    "chain",
    "octo recipe chain ingest.yaml report.yaml -o all.yaml",
    "octo recipe chain a.yaml b.yaml -o ab.yaml --steps1 load check --steps2 metrics",
    cls=SeveralCommand,
    group=recipe_command,
)
@click.argument("first", metavar="RECIPE1")
@click.argument("second", metavar="RECIPE2")
@several_option("--steps1", metavar="STEP...", help="Take only these steps of the first recipe.")
@several_option("--steps2", metavar="STEP...", help="Take only these steps of the second recipe.")
@_merging
def chain_command(
    first: str,
    second: str,
    steps1: tuple[str, ...],
    steps2: tuple[str, ...],
    output: str,
    force: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Put the steps of one recipe and then those of another into a new one."""
    _write((first, second), output, force, as_json, steps_of=[steps1 or None, steps2 or None], **options)


def _write(recipes: Sequence[str], output: str, force: bool, as_json: bool, **options: Any) -> None:
    from octo.recipe.merge import merge, write_merged

    if output == "-":
        raise UsageError("-o takes the name of a file, not - for standard output")
    if Path(output).exists():
        if any(Path(each).exists() and os.path.samefile(each, output) for each in recipes):
            raise UsageError(f"{output} is one of the recipes that are put together; give the new one another name")
        if not force:
            raise UsageError(f"{output} exists; add --force to replace it")
    merged = merge(recipes, **options)
    write_merged(merged, output)
    if as_json:
        print_json({"out": output, "steps": merged.steps, "changes": merged.changes})
        return
    click.echo(f"wrote {output}: {counted(merged.steps, 'step')}")
    for change in merged.changes:
        click.echo(f"  {change}")
    print_next([f"octo validate {quoted(output)}"])


@command(
    "new",
    "octo recipe new report",
    'octo recipe new report --from "my_steps:load" "my_steps:draw"',
    cls=SeveralCommand,
    group=recipe_command,
)
@click.argument("name", metavar="NAME")
@several_option("--from", "steps", metavar="STEP...", help="A step for each of these functions or library steps.")
@click.option("--force", is_flag=True, help="Replace the file where it exists.")
@json_option
def new_command(name: str, steps: tuple[str, ...], force: bool, as_json: bool) -> None:
    """Write a commented recipe to start from, valid as it stands.

    With --from it imports what is named, to write down the parameters.
    """
    from octo.recipe.new import new_recipe, recipe_file

    path = recipe_file(name)
    if path.exists() and not force:
        raise UsageError(f"{path} exists; add --force to replace it", hints=[f"octo validate {quoted(path)}"])
    text = new_recipe(path, steps)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    if as_json:
        print_json({"recipe": str(path)})
        return
    click.echo(f"wrote {path}")
    print_next([f"octo validate {quoted(path)}", f"octo run {quoted(path)}"])


@command("schema", "octo recipe schema > recipe.schema.json", group=recipe_command)
@click.option("--json", "as_json", is_flag=True, help="The same: a schema is JSON.")
def schema_command(as_json: bool) -> None:
    """Print the JSON Schema of recipes, for editors."""
    from octo.recipe.schema import schema

    print_json(schema())
