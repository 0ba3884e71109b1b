"""`octo init`, `octo reset`, `octo recover`: make an instance, make it new, mend it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from octo.cli.command import command, json_option
from octo.cli.instance import (
    check_instance,
    directory_argument,
    is_instance,
    is_library,
    octo_command,
    open_instance,
    refuse_if_running,
)
from octo.cli.libraries import find_library
from octo.cli.printing import print_json, print_next
from octo.errors import UsageError


@command(
    "init", "octo init my_check --library machine_check", "octo init work/run_1 --library path/to/my_library"
)
@directory_argument
@click.option(
    "-l", "--library", metavar="LIB", help="The step library: its directory, or the name of an installed one."
)
@json_option
def init_command(directory: str, library: str | None, as_json: bool) -> None:
    """Make an instance of a step library.

    The instance is a directory; it keeps the whole state of one run and what the run makes.
    """
    if is_instance(directory):
        raise UsageError(
            f"{directory} is an instance already",
            hints=[
                octo_command("status", directory),
                octo_command("reset", directory),
                octo_command("run", directory),
            ],
        )
    if Path(directory).exists() and not Path(directory).is_dir():
        raise UsageError(f"{directory} is a file; an instance is a directory")
    if library is None:
        hints = ["octo list libraries"]
        if is_library(directory):
            hints.insert(0, octo_command("init", "my_run", "--library", directory))
        raise UsageError("which step library? Give --library LIB", hints=hints)
    path = find_library(library)
    from octo.engine.init import init_instance

    init_instance(directory, path)
    if as_json:
        print_json({"directory": directory, "library": str(path)})
        return
    click.echo(f"{directory} is an instance of the step library {path}")
    print_next(
        [octo_command("run", directory), octo_command("params", directory), octo_command("graph", directory)]
    )


@command("reset", "octo reset my_check")
@directory_argument
@json_option
def reset_command(directory: str, as_json: bool) -> None:
    """Make the next run start afresh.

    Takes ctx, position and counters back to new, and every parameter that a step changed to its value
    before. What people wrote, breakpoints, the history, Logs and Data stay.
    """
    store = open_instance(directory)
    refuse_if_running(store, directory, "reset it")
    from octo.engine.reset import reset

    before = store.seq
    put_back = reset(store)
    if as_json:
        print_json({"directory": directory, "seq": store.seq, "before": before, "put_back": put_back})
        return
    click.echo(f"{directory} is as new: ctx is empty and the next run begins at the first step")
    if put_back:
        click.echo(f"as before its runs: {', '.join(put_back)}")
    click.echo("kept: what people wrote, breakpoints, the history, and the files in Logs, Assets and Data")
    print_next([octo_command("run", directory), octo_command("at", directory, str(before))])


@command("recover", "octo recover my_check")
@directory_argument
@json_option
def recover_command(directory: str, as_json: bool) -> None:
    """Mend an instance whose files are damaged.

    Takes the newest whole state there is, keeps the damaged files under other names, and says what was lost.
    """
    check_instance(directory)
    from octo.store import ParameterStore

    store = ParameterStore(directory)
    refuse_if_running(store, directory, "recover it")
    recovery: Any = store.recover()
    if as_json:
        print_json({"directory": directory, "lines": list(recovery.lines), "seq": store.seq})
        return
    for line in recovery.lines:
        click.echo(line)
    print_next([octo_command("status", directory), octo_command("run", directory)])
