"""`octo graph`: the picture of an instance, a step library or a recipe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from octo.cli.command import command, json_option
from octo.cli.instance import RUNNING_STATES, is_instance, is_library, open_instance
from octo.cli.libraries import find_library, library_of
from octo.cli.printing import print_json
from octo.errors import UsageError, quoted
from octo.store import RECIPE_FILE

if TYPE_CHECKING:
    from octo.engine.graph import Graph
    from octo.recipe.instance import Place
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
    from octo.engine.marks import Marks, marks_from_state
    from octo.engine.picture import draw

    if is_instance(what):
        store = open_instance(what)
        graph = _graph_of(store, what)
        marks = marks_from_state(graph, store.read(without=("ctx",)))
        if marks.state in RUNNING_STATES and store.running() is None:
            marks.state = "interrupted"
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
    """The graph that an instance walks; a recipe's as the last run had it, for that is what its state is about."""
    from octo.recipe.instance import Place, is_recipe_instance, place_of_instance
    from octo.recipe.nodes import Source

    if not is_recipe_instance(directory):
        return library_of(store, directory)
    place = place_of_instance(directory)
    text = place.copy_text()
    if text is not None and text != place.source.text:
        copy = Source(text, place.path, Path(directory) / RECIPE_FILE)
        place = Place(place.directory, place.path, place.started_from, copy)
    return _graph_of_recipe(place)


def _graph_without_a_run(what: str) -> Graph:
    path = Path(what)
    if path.is_file() or (path.suffix in RECIPE_SUFFIXES and not path.is_dir()):
        from octo.recipe.instance import Place
        from octo.recipe.reader import read_source

        return _graph_of_recipe(Place(path.with_suffix(".octo").absolute(), path.absolute(), Path.cwd(),
                                      read_source(path)))
    from octo.engine.library import load_library

    return load_library(_library(what))


def _graph_of_recipe(place: Place) -> Graph:
    """The plan of a recipe. What it names is not imported: a picture does not need it."""
    from octo.recipe.choice import Asked
    from octo.recipe.recipe_walk import RecipeWalk

    return RecipeWalk(place.load(imports=False), place, Asked()).graph


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
