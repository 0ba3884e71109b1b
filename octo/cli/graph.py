"""`octo graph`: the picture of an instance or a step library."""

from __future__ import annotations

from pathlib import Path

import click

from octo.cli.command import command, json_option
from octo.cli.instance import is_instance, is_library, open_instance
from octo.cli.libraries import find_library, library_of
from octo.cli.printing import print_json
from octo.errors import UsageError


@command(
    "graph", "octo graph my_check", "octo graph my_check -o now.svg", "octo graph machine_check -o plan.dot"
)
@click.argument("what", metavar="DIR|LIB")
@click.option("-o", "--output", metavar="FILE", help="A .png, .svg or .dot file.")
@json_option
def graph_command(what: str, output: str | None, as_json: bool) -> None:
    """Draw an instance or a step library, and print the picture's path.

    An instance's picture shows what happened: done, current, failed, skipped, how often. Without -o it is
    Assets/graph.png in the instance, or graph.png here for a library.
    """
    from octo.engine.picture import Marks, draw, marks_from_state

    if is_instance(what):
        store = open_instance(what)
        graph = library_of(store, what)
        marks = marks_from_state(graph, store.read(without=("ctx",)))
        path = Path(output or Path(what) / "Assets" / "graph.png")
        if output is None:
            path.parent.mkdir(exist_ok=True)
    else:
        from octo.engine.library import load_library

        graph, marks = load_library(_library(what)), Marks()
        path = Path(output or "graph.png")
    draw(graph, marks, path)
    if as_json:
        print_json({"picture": str(path)})
    else:
        click.echo(path)


def _library(what: str) -> Path:
    """The step library meant by `what`, which is no instance; the error speaks of both."""
    if is_library(what):
        return Path(what)
    try:
        return find_library(what)
    except UsageError as error:
        error.hints = ["octo list instances", "octo list libraries"]
        error.message = error.message.replace("no step library", "no instance and no step library")
        error.message = error.message.replace("not a step library", "neither an instance nor a step library")
        raise
