"""The documents' own command lines, `runner.py` and `enhanced_recipe_parser.py`, on the same run as `octo run`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from octo.cli.command import debugging
from octo.cli.instance import next_commands
from octo.cli.main import run_and_exit
from octo.cli.printing import counted, duration, print_error, shorten
from octo.cli.several import SeveralCommand, several_option
from octo.errors import quoted

if TYPE_CHECKING:
    from octo.engine.events import Event, Subscriber
    from octo.engine.result import RunResult

DEBUG_FILE = "runner.debug"


@click.command("runner.py", cls=SeveralCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--recipe", metavar="RECIPE", help="The recipe to run; without it the only one in recipes/.")
@click.option("--debug", is_flag=True, help=f"Tell what each step changes in ctx; so does a file {DEBUG_FILE} here.")
@several_option("--only", metavar="STEP...", help="Run these steps only; what they depend on counts as met.")
@several_option("--skip", metavar="STEP...", help="Leave these steps out.")
@click.option("--resume-from", metavar="STEP", help="Undo and run again STEP and all that depends on it.")
@click.option("--list-steps", is_flag=True, help="Print the recipe's steps in their order and end.")
def runner(
    recipe: str | None,
    debug: bool,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    resume_from: str | None,
    list_steps: bool,
) -> int:
    """Run a recipe, or go on where its last run stopped.

    The run lives in RECIPE.octo in this directory; `octo status RECIPE.octo` and all other commands work on it.
    Ends with 0 when all is done, 1 when a step failed, 2 when the command or recipe is wrong, 3 at a breakpoint, 130
    after Ctrl-C.
    """
    from octo.recipe.documented import find_recipe, only_recipe

    path = find_recipe(recipe) if recipe else only_recipe()
    if list_steps:
        return _list_steps(path)
    debug = debug or any(Path(each).exists() for each in (DEBUG_FILE, os.path.join("orchestrator", DEBUG_FILE)))
    if debug:
        debugging(True)
    from octo.cli.reporter import make_reporter
    from octo.recipe.choice import Asked
    from octo.recipe.instance import place_of_recipe
    from octo.recipe.run import Options, run_place

    place = place_of_recipe(path)
    asked = Asked(only, skip, resume_from, again=True)
    with make_reporter(quiet=False) as reporter:
        watchers: list[Subscriber] = [reporter, CtxReporter(place.directory)] if debug else [reporter]
        result = run_place(place, asked, Options(verbose=debug, subscribers=watchers))
    return _tell_end(result, path, place.shown())


def _list_steps(path: Path) -> int:
    from octo.recipe import load

    for step in load(path, imports=False).steps:
        needs = f"  after {', '.join(step.depends_on)}" if step.depends_on else ""
        click.echo(f"{step.name}  ({step.target or step.cmd}){needs}")
    return 0


def _tell_end(result: RunResult, path: Path, directory: str) -> int:
    """How the run ended, in a sentence, and what can be typed next."""
    made = f"{counted(result.steps, 'step')} in {duration(result.seconds)}"
    if result.exit_code == 0:
        click.echo(f"done: {made}; {directory} has ctx, history, logs and graph.png")
        return 0
    from octo.store import ParameterStore

    store = ParameterStore(directory)
    commands = next_commands(directory, store.get("global_parameters", default={}), running=False, seq=store.seq)
    error = result.error
    if error is not None and result.exit_code == 1:
        message = f"failed: {error['node']}: {error['type']}: {error['message']}"
        resume = f"python {quoted(sys.argv[0])} --recipe {quoted(os.path.relpath(path))}"
        commands = [resume, f"{resume} --resume-from {quoted(error['node'])}", *commands]
    else:
        message = f"paused at {result.node}: {' and '.join(result.reasons or [result.ended_by])} ({made})"
    print_error(f"{message}\nlog: {os.path.join(directory, 'Logs', result.run_id + '.log')}", commands)
    return result.exit_code


class CtxReporter:
    """Debug mode: prints what each step changed in ctx, and writes it into `Logs/ctx_debug.log` of the instance."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seq = 0
        self._store: Any = None

    def __call__(self, event: Event) -> None:
        if event.kind == "run_started":
            from octo.store import ParameterStore

            self._store = ParameterStore(self._directory)
            self._seq = self._store.seq
        elif event.kind in ("step_exited", "step_failed", "run_ended"):
            self._tell()

    def _tell(self) -> None:
        changes = self._store.history(("ctx",), since=self._seq)
        lines = [f"{change.who}: {change.op} {_place(change.path)}{_value(change)}" for change in changes]
        if lines:
            self._seq = changes[-1].seq
            for line in lines:
                click.echo(f"         ctx {line}")
            log = self._directory / "Logs" / "ctx_debug.log"
            log.parent.mkdir(exist_ok=True)
            with log.open("a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)


def _place(path: Sequence[Any]) -> str:
    return "/".join(map(str, path[1:])) or "(all)"


def _value(change: Any) -> str:
    if change.op == "delete":
        return ""
    return f" {shorten(change.value)}"


@click.group("enhanced_recipe_parser.py", context_settings={"help_option_names": ["-h", "--help"]})
def parser() -> None:
    """Check recipes; the same as `octo validate`."""


@parser.command("validate")
@click.argument("recipes", metavar="RECIPE...", nargs=-1, required=True)
@click.option("--no-import", is_flag=True, help="Do not import what the recipe names.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def _validate(recipes: tuple[str, ...], no_import: bool, as_json: bool) -> int:
    """Find every mistake in recipes; nothing is run."""
    from octo.cli.validate import validate_command
    from octo.recipe.documented import find_recipe

    command = validate_command.callback
    assert command is not None
    found: int = command(files=tuple(str(find_recipe(each)) for each in recipes), no_import=no_import, as_json=as_json)
    return found


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
    name = f"python {sys.argv[0]}"
    run_and_exit(lambda: command.main(list(arguments), name, standalone_mode=False))


def _leave_own_folder() -> None:
    """Python puts a script's folder first on its path, where Octo's `context.py` would hide a user's."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script and sys.path and os.path.realpath(sys.path[0]) == os.path.dirname(os.path.realpath(script)):
        del sys.path[0]
