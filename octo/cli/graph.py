"""`octo graph`: the picture of an instance, a step library or a recipe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from octo.cli.command import command, json_option
from octo.cli.instance import is_instance, is_library, open_instance
from octo.cli.libraries import find_library, library_of
from octo.cli.printing import print_json
from octo.errors import UsageError, quoted

if TYPE_CHECKING:
    from octo.engine.graph import Graph
    from octo.store import ParameterStore

RECIPE_SUFFIXES = (".yaml", ".yml")


@command(
    "graph",
    "octo graph my_check",
    "octo graph my_check -o now.svg",
    "octo graph machine_check -o plan.dot",
    "octo graph recipe.yaml",
)
@click.argument("what", metavar="DIR|LIB|RECIPE")
@click.option("-o", "--output", metavar="FILE", help="A .png, .svg or .dot file.")
@json_option
def graph_command(what: str, output: str | None, as_json: bool) -> None:
    """Draw an instance, a step library or a recipe, and print the picture's path.

    An instance's picture shows what happened: done, current, failed, skipped, how often, how long. Without -o it
    is Assets/graph.png in the instance, or graph.png here for a library or a recipe. Nothing is run.
    """
    from octo.engine.marks import Marks
    from octo.engine.picture import draw
    from octo.report.picture import marks_of_run

    if is_instance(what):
        store = open_instance(what)
        graph = _graph_of(store, what)
        marks = marks_of_run(graph, store)
        path = Path(output or Path(what) / "Assets" / "graph.png")
        if output is None:
            path.parent.mkdir(exist_ok=True)
    else:
        graph, marks = _graph_without_a_run(what), Marks()
        path = Path(output or "graph.png")
    if path.parent.is_dir() and not os.access(path.parent, os.W_OK):
        raise UsageError(
            f"{path} cannot be written: nothing may be made in {path.parent.absolute()}",
            hints=[f"octo graph {quoted(what)} -o OTHER_DIR/graph.png"],
        )
    draw(graph, marks, path)
    if as_json:
        print_json({"picture": str(path)})
    else:
        click.echo(path)


def _graph_of(store: ParameterStore, directory: str) -> Graph:
    """The graph that an instance walks."""
    from octo.recipe.instance import is_recipe_instance
    from octo.report.picture import graph_of_run

    return graph_of_run(directory) if is_recipe_instance(directory) else library_of(store, directory)


def _graph_without_a_run(what: str) -> Graph:
    path = Path(what)
    if path.is_file() or (path.suffix in RECIPE_SUFFIXES and not path.is_dir()):
        from octo.report.picture import graph_of_recipe

        return graph_of_recipe(path)
    from octo.engine.library import load_library

    return load_library(_library(what))


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
