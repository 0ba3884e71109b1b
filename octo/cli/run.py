"""`octo run` and `octo step`: the engine, the reporter, and how the run ended."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from octo.cli.command import command, debugging, json_option
from octo.cli.endings import as_dict, end_message, log_path, print_summary
from octo.cli.instance import DONE, FAILED, instance_commands, open_instance, refuse_if_running
from octo.cli.printing import print_error, print_json, print_next
from octo.cli.recipe_options import asked_of, place_of, recipe_options, refuse_for_library, what_argument
from octo.cli.several import SeveralCommand
from octo.errors import StoreError, UsageError, quoted

if TYPE_CHECKING:
    from octo.cli.reporter import Reporter
    from octo.engine import RunResult
    from octo.recipe.choice import Asked
    from octo.recipe.instance import Place

DEBUG_HELP = "Log more, show what each step changes in ctx, and an error with its traceback."


def run_options(function: Any) -> Any:
    for option in (
        json_option,
        click.option("--strict", is_flag=True, help="Refuse to go on where the code of a node has changed."),
        click.option("-q", "--quiet", is_flag=True, help="Print errors and pauses only."),
        click.option("-v", "--verbose", is_flag=True, help="Give the nodes verbose_flag=True."),
    ):
        function = option(function)
    return recipe_options(function)


@command(
    "run",
    "octo run my_check",
    "octo run recipe.yaml",
    "octo run recipe.yaml --only load clean --set limit=10",
    "octo run recipe.yaml --dry-run",
    "octo run recipe.octo --resume-from clean",
    cls=SeveralCommand,
)
@what_argument
@click.option("--dry-run", is_flag=True, help="Print what would be done with each step, and why; nothing is made.")
@click.option("--list-steps", is_flag=True, help="Print the recipe's steps in their order and end.")
@run_options
def run_command(directory: str, **options: Any) -> int:
    """Run an instance or a recipe, or carry on where it stopped.

    A recipe (a YAML file, or - for standard input) runs in an instance of its name, recipe.octo for recipe.yaml, in
    this directory. What failed or was stopped goes on there; what ended well is run anew.

    Ends with 0 when the run is complete, 1 when a step failed, 3 at a breakpoint or limit, 130 after
    Ctrl-C (a first one lets the step end, a second one stops at once).
    """
    return _run(directory, None, options)


@command("step", "octo step my_check", "octo step my_check --steps 5", "octo step recipe.yaml", cls=SeveralCommand)
@what_argument
@click.option(
    "-n", "--steps", type=click.IntRange(min=1), default=1, show_default=True, help="How many steps to make."
)
@run_options
def step_command(directory: str, steps: int, **options: Any) -> int:
    """Run the next step (or N steps), then pause.

    Ends with 0 when the steps were made.
    """
    return _run(directory, steps, options)


for _each in (*run_command.params, *step_command.params):
    if isinstance(_each, click.Option) and _each.name == "debug":
        _each.help = DEBUG_HELP


def _run(what: str, steps: int | None, options: dict[str, Any]) -> int:
    place = place_of(what, options["instance"])
    if place is None:
        return _run_library(what, steps, options)
    return _run_recipe(place, what, steps, options)


def _run_library(directory: str, steps: int | None, options: dict[str, Any]) -> int:
    refuse_for_library(directory, options)
    refuse_if_running(open_instance(directory), directory, "try again")
    from octo.engine import Engine

    def run(subscribers: list[Any]) -> RunResult:
        return Engine(
            directory, verbose=options["verbose"], subscribers=subscribers, strict=options["strict"]
        ).run(steps)

    return _report(directory, steps, options, run)


def _run_recipe(place: Place, what: str, steps: int | None, options: dict[str, Any]) -> int:
    if options["strict"]:
        raise UsageError(
            "--strict is for step libraries; a recipe's run tells which code has changed and goes on",
            hints=[f"octo run {quoted(what)} --resume-from STEP"],
        )
    asked = asked_of(options, again=not Path(what).is_dir())
    if options.get("list_steps"):
        from octo.cli.plan import list_steps

        return list_steps(place, as_json=options["as_json"])
    from octo.recipe.run import Options, run_place

    def wanted(subscribers: list[Any]) -> Options:
        return Options(
            values=options["values"],
            keep_going=options["keep_going"],
            use_cache=not options["no_cache"],
            use_hooks=not options["no_hooks"],
            verbose=options["verbose"] or debugging(),
            steps=steps,
            subscribers=subscribers,
        )

    if options.get("dry_run"):
        from octo.cli.plan import dry_run

        return dry_run(place, asked, wanted([]), typed=what, as_json=options["as_json"])
    directory, is_new = place.shown(), not place.exists()
    tell = not options["quiet"]
    if not is_new:
        refuse_if_running(open_instance(directory), directory, "try again")
        if tell:
            _tell_edits(place, asked, directory)

    def run(subscribers: list[Any]) -> RunResult:
        shown = "standard input" if place.path is None else place.source.shown
        begin = _Beginning(f"new instance {directory} of {shown}" if is_new and tell else "")
        try:
            return run_place(place, asked, wanted([begin, *subscribers]))
        except (OSError, StoreError) as error:
            if is_new and not begin.seen and not place.exists():
                raise UsageError(
                    f"the instance {directory} cannot be made: {getattr(error, 'strerror', None) or error}",
                    hints=[f"octo run {quoted(what)} --instance OTHER_DIR"],
                ) from error
            raise

    return _report(directory, steps, options, run)


class _Beginning:
    """Sees that the run has begun, and says something then."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.seen = False

    def __call__(self, event: Any) -> None:
        if event.kind == "run_started":
            self.seen = True
            if self._text:
                print(self._text)


def _tell_edits(place: Place, asked: Asked, directory: str) -> None:
    """Name what people changed since the last run, where that matters to this one."""
    from octo.engine.position import setting

    state = setting(place.state(), "step_engine_state", "INACTIVE")
    begins_anew = state == "INACTIVE" or asked.restart or (
        state == DONE and asked.again and not asked.is_selection and not place.goes_on
    )
    if begins_anew or asked.resume_from:
        return
    from octo.recipe.run import edits_since

    edits = edits_since(place)
    if edits:
        shown = ", ".join(f"{path or 'all'} ({who})" for path, who in edits[:8])
        more = f" and {len(edits) - 8} more" if len(edits) > 8 else ""
        click.echo(f"changed in ctx since the last run: {shown}{more}", err=True)
        click.echo("  steps that are done are not run again for that; this does it for STEP and all that needs it:",
                   err=True)
        click.echo(f"  octo run {quoted(directory)} --resume-from STEP", err=True)


def _reporter(*, quiet: bool) -> Reporter:
    """The reporter for this process's standard output."""
    from octo.cli.reporter import QuietReporter, Reporter

    if quiet:
        return QuietReporter()
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        from octo.cli.live_line import LiveReporter

        return LiveReporter()
    return Reporter()


def _report(
    directory: str, steps: int | None, options: dict[str, Any], run: Callable[[list[Any]], RunResult]
) -> int:
    """Run with a reporter, and say how it ended."""
    quiet, as_json = options["quiet"], options["as_json"]
    with _step_output(quiet=quiet, as_json=as_json), _reporter(quiet=quiet) as reporter:
        subscribers: list[Any] = [reporter]
        level = logging.getLogger().level
        if debugging():
            from octo.cli.ctx_debug import CtxDebug

            logging.getLogger().setLevel(logging.DEBUG)
            subscribers.append(CtxDebug(lambda line: None if quiet else reporter.show(line, 2)))
        try:
            result = run(subscribers)
        finally:
            logging.getLogger().setLevel(level)
    store = open_instance(directory)
    commands = instance_commands(store, directory)
    message = end_message(result, directory, store)
    if result.nothing_to_do and options["values"]:
        message += "; --set was not used"
    summed_up = steps is None and not (quiet or as_json or result.nothing_to_do)
    with suppress(BrokenPipeError):  # nobody reads any more; the exit code still tells how the run ended
        if as_json:
            print_json(as_dict(result, directory, commands, store))
        if summed_up:
            print_summary(result, directory, store)
        if result.exit_code == 0 and not quiet and not as_json:
            click.echo(message)
            if result.nothing_to_do or result.status != DONE or commands[0] == f"octo run {quoted(directory)}":
                print_next(commands)
    if result.exit_code:
        log = "" if summed_up or result.status != FAILED else f"\nlog: {log_path(result, directory)}"
        print_error(message + log, commands)
    return result.exit_code


@contextmanager
def _step_output(*, quiet: bool, as_json: bool) -> Iterator[None]:
    """Where what steps and their programs print goes: nowhere if quiet, to stderr if the result is JSON."""
    with ExitStack() as stack:
        if quiet:
            stream: TextIO = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
        elif as_json:
            stream = sys.stderr
        else:
            yield
            return
        stack.callback(setattr, sys, "stdout", sys.stdout)
        with suppress(OSError, ValueError):  # not a real stream, such as a test's
            if sys.stdout.fileno() == 1:
                sys.stdout.flush()
                kept = os.dup(1)
                stack.callback(os.close, kept)
                stack.callback(os.dup2, kept, 1)
                os.dup2(stream.fileno(), 1)
        sys.stdout = stream
        yield
