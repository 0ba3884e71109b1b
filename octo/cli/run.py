"""`octo run` and `octo step`: the engine, the reporter, and how the run ended."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

import click

from octo.cli.command import command, json_option
from octo.cli.instance import (
    DONE,
    FAILED,
    directory_argument,
    next_commands,
    open_instance,
    refuse_if_running,
)
from octo.cli.printing import counted, duration, moment, print_error, print_json, print_next, table
from octo.cli.status import error_text

if TYPE_CHECKING:
    from octo.engine import RunResult
    from octo.store import ParameterStore

FEW_NODES = 40


def run_options(function: Any) -> Any:
    for option in (
        json_option,
        click.option("--strict", is_flag=True, help="Refuse to go on where the code of a node has changed."),
        click.option("-q", "--quiet", is_flag=True, help="Print errors and pauses only."),
        click.option("-v", "--verbose", is_flag=True, help="Give the nodes verbose_flag=True."),
    ):
        function = option(function)
    return function


@command("run", "octo run my_check", "octo run my_check --quiet", "octo run my_check --json > result.json")
@directory_argument
@run_options
def run_command(directory: str, **options: bool) -> int:
    """Run an instance, or carry on where it stopped.

    Ends with 0 when the run is complete, 1 when a step failed, 3 at a breakpoint or limit, 130 after
    Ctrl-C (a first one lets the step end, a second one stops at once).
    """
    return _run(directory, None, **options)


@command("step", "octo step my_check", "octo step my_check --steps 5")
@directory_argument
@click.option(
    "-n", "--steps", type=click.IntRange(min=1), default=1, show_default=True, help="How many steps to make."
)
@run_options
def step_command(directory: str, steps: int, **options: bool) -> int:
    """Run the next step (or N steps), then pause.

    Ends with 0 when the steps were made.
    """
    return _run(directory, steps, **options)


def _run(
    directory: str, steps: int | None, *, verbose: bool, quiet: bool, strict: bool, as_json: bool
) -> int:
    store = open_instance(directory)
    from octo.cli.reporter import make_reporter
    from octo.engine import Engine

    refuse_if_running(store, directory, "try again")
    with _step_output(quiet=quiet, as_json=as_json), make_reporter(quiet=quiet) as reporter:
        result = Engine(directory, verbose=verbose, subscribers=[reporter], strict=strict).run(steps)
    parameters = store.get("global_parameters", default={})
    commands = next_commands(directory, parameters, running=False, seq=store.seq)
    message = _end_message(result, directory, store)
    summed_up = steps is None and not (quiet or as_json or result.nothing_to_do)
    with suppress(BrokenPipeError):  # nobody reads any more; the exit code still tells how the run ended
        if as_json:
            print_json(_as_dict(result, directory, commands))
        if summed_up:
            _print_summary(result, directory)
        if result.exit_code == 0 and not quiet and not as_json:
            click.echo(message)
            if result.nothing_to_do or result.status != DONE:
                print_next(commands)
    if result.exit_code:
        log = "" if summed_up or result.status != FAILED else f"\nlog: {_log_path(result, directory)}"
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


def _as_dict(result: RunResult, directory: str, commands: list[str]) -> dict[str, Any]:
    names = (
        "status",
        "ended_by",
        "exit_code",
        "node",
        "state",
        "steps",
        "seconds",
        "run_id",
        "resumed",
        "reasons",
        "error",
        "timings",
    )
    found: dict[str, Any] = {name: getattr(result, name) for name in names}
    return {"directory": directory, **found, "log": _log_path(result, directory), "next": commands}


def _log_path(result: RunResult, directory: str) -> str:
    return os.path.join(directory, "Logs", f"{result.run_id}.log")


def _print_summary(result: RunResult, directory: str) -> None:
    """What was done and where it is written."""
    timings = sorted(result.timings.items(), key=lambda item: -item[1]["seconds"])
    rows = [(node, str(seen["count"]), duration(seen["seconds"])) for node, seen in timings[:FEW_NODES]]
    if rows:
        click.echo("")
        click.echo(table(("node", "steps", "time"), rows, right=(1, 2)))
        if len(timings) > FEW_NODES:
            click.echo(f"and {len(timings) - FEW_NODES} more nodes")
    click.echo("")
    log, picture = _log_path(result, directory), os.path.join(directory, "Assets", "graph.png")
    if os.path.exists(log):
        click.echo(f"log      {log}")
    if os.path.exists(picture):
        click.echo(f"picture  {picture}")


def _end_message(result: RunResult, directory: str, store: ParameterStore) -> str:
    """How the run ended, in a sentence."""
    made = f"{counted(result.steps, 'step')} in {duration(result.seconds)}"
    if result.nothing_to_do:
        return f"{directory} is complete{_ended_at(store)}; there is nothing to run"
    if result.status == DONE:
        return f"done: {made}"
    if result.status == FAILED and result.error is not None:
        undone = ", ".join(_in_ctx(path) for path in result.error.get("ctx_undone") or [])
        message = "failed: " + error_text(result.error)
        return message + (f"\nwhat it had changed in ctx was undone: {undone}" if undone else "")
    if result.exit_code == 0:  # `octo step` made its steps
        return f"{made} made; paused at {result.node}"
    reasons = [reason.removesuffix(f" of {result.node}") for reason in result.reasons]
    why = " and ".join(reasons or [result.ended_by]).replace("SIGINT", "Ctrl-C")
    return f"paused at {result.node}: {why} ({made})"


def _in_ctx(path: object) -> str:
    """A place as `octo ctx` takes it."""
    return str(path).removeprefix("ctx/")


def _ended_at(store: ParameterStore) -> str:
    """` since 12:30:01`, from the journal."""
    changes = store.history(("global_parameters", "step_engine_state"), limit=1)
    return f" since {moment(changes[-1].time)}" if changes else ""
