"""The documents' own command lines, `runner.py` and `enhanced_recipe_parser.py`: `octo run` and `octo validate`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

import octo
from octo.cli.command import Subcommands, debugging, examples_epilog
from octo.cli.main import run_and_exit
from octo.cli.printing import program_is
from octo.cli.run import run_command
from octo.cli.several import SeveralCommand
from octo.cli.validate import validate_command
from octo.errors import quoted

DEBUG_FILE = "runner.debug"
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_EXAMPLES = (
    "python runner.py --recipe recipes/demo_screen_dash_ctx.yaml",
    "python runner.py --only step1 step2",
    "python runner.py --resume-from step4",
)
_PARSER_EXAMPLES = ("python orchestrator/enhanced_recipe_parser.py validate my_recipe.yaml",)


def _run(recipe: str | None, **options: Any) -> int:
    """Run a recipe, or carry on where its last run stopped; the same as `octo run RECIPE`.

    The run lives in RECIPE.octo in this directory; `octo status RECIPE.octo` and all other commands work on it.
    Ends with 0 when all is done, 1 when a step failed, 2 when the command or the recipe is wrong, 3 at a breakpoint,
    130 after Ctrl-C.
    """
    from octo.recipe.documented import ROOT, find_recipe, only_recipe

    path = find_recipe(recipe) if recipe else only_recipe(click.get_current_context().command_path)
    if any(Path(folder, DEBUG_FILE).exists() for folder in (".", ROOT)):
        debugging(True)
    code: int = _body(run_command)(directory=str(path), **options)
    return code


def _validate(files: tuple[str, ...], **options: Any) -> int:
    from octo.recipe.documented import find_recipe

    code: int = _body(validate_command)(files=tuple(str(find_recipe(each)) for each in files), **options)
    return code


def _help() -> None:
    ctx = click.get_current_context()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _body(command: click.Command) -> Any:
    assert command.callback is not None
    return command.callback


runner = SeveralCommand(
    "runner.py",
    params=[
        click.Option(
            ["--recipe"],
            metavar="RECIPE",
            help=f"The recipe; without it the only one in recipes/. (A file {DEBUG_FILE} here is --debug.)",
        ),
        *(param for param in run_command.params if param.name != "directory"),
    ],
    callback=_run,
    help=_run.__doc__,
    epilog=examples_epilog(_EXAMPLES),
    context_settings=_SETTINGS,
)

parser = Subcommands(
    "enhanced_recipe_parser.py",
    commands=[
        click.Command(
            "validate",
            params=validate_command.params,
            callback=_validate,
            help=validate_command.help,
            epilog=examples_epilog(_PARSER_EXAMPLES),
        )
    ],
    callback=_help,
    help="Check recipes; the same as `octo validate`.",
    epilog=examples_epilog(_PARSER_EXAMPLES),
    context_settings=_SETTINGS,
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The command line of `runner.py`."""
    _start(runner, arguments)


def parser_main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The command line of `enhanced_recipe_parser.py`."""
    _start(parser, arguments)


def _start(command: click.Command, arguments: Sequence[str] | None) -> NoReturn:
    if arguments is None:
        _leave_own_folder()
        arguments = sys.argv[1:]
        if shutil.which("octo") is None:  # a checkout that is not installed
            program_is(f"{quoted(sys.orig_argv[0])} {quoted(Path(octo.__file__).with_name('__main__.py'))}")
    name = f"python {quoted(sys.argv[0])}"
    run_and_exit(lambda: command.main(list(arguments), name, standalone_mode=False))


def _leave_own_folder() -> None:
    """Python puts a script's folder first on its path, where Octo's `context.py` would hide a user's."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script and sys.path and os.path.realpath(sys.path[0]) == os.path.dirname(os.path.realpath(script)):
        del sys.path[0]
