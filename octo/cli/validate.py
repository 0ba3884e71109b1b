"""`octo validate`: every mistake in recipes, and nothing run."""

from __future__ import annotations

from typing import Any

import click

from octo.cli.command import command, json_option
from octo.cli.printing import counted, print_error, print_json
from octo.errors import Problem, RecipeError, UsageError


@command(
    "validate",
    "octo validate recipe.yaml",
    "octo validate recipes/*.yaml --no-import",
    "octo validate - < recipe.yaml",
)
@click.argument("files", metavar="RECIPE...", nargs=-1, required=True)
@click.option("--no-import", is_flag=True, help="Do not import what the recipe names.")
@json_option
def validate_command(files: tuple[str, ...], no_import: bool, as_json: bool) -> int:
    """Find every mistake in recipes; nothing is run.

    It imports the modules that the recipe names, so that missing functions and wrong parameters are found; what
    these modules do when they are imported is done. With --no-import only the file itself is looked at.
    """
    told: list[dict[str, Any]] = []
    problems: list[Problem] = []
    refused: list[UsageError] = []
    for file in files:
        try:
            steps = _steps(file, not no_import)
        except RecipeError as error:
            problems += error.problems
            found = [{"line": problem.line, "message": problem.message} for problem in error.problems]
            told.append({"recipe": file, "valid": False, "problems": found})
        except UsageError as error:
            refused.append(error)
            told.append({"recipe": file, "valid": False, "problems": [{"line": None, "message": error.message}]})
        else:
            told.append({"recipe": file, "valid": True, "steps": steps, "problems": []})
            if not as_json:
                click.echo(f"{file}: {counted(len(steps), 'step')}, no mistake")
    if as_json:
        print_json(told)
        return 0 if not problems and not refused else 2
    for each in refused:
        print_error(each.message, each.hints)
    if problems:
        raise RecipeError(problems)
    return 2 if refused else 0


def _steps(file: str, imports: bool) -> list[str]:
    """The names of a valid recipe's steps, in the order in which they are taken."""
    from octo.recipe import load
    from octo.recipe.reader import standard_input

    recipe = load(standard_input() if file == "-" else file, imports=imports)
    return [step.name for step in recipe.steps]
