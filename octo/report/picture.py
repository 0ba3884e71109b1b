"""The picture of a recipe, and of the run of one: what to draw, for `octo.engine.picture.draw`."""

from __future__ import annotations

from pathlib import Path

from octo.engine.graph import Graph
from octo.engine.marks import Marks, marks_from_state
from octo.recipe.choice import Asked
from octo.recipe.instance import Place, place_of_instance
from octo.recipe.nodes import Source
from octo.recipe.reader import read_source
from octo.recipe.recipe_walk import RecipeWalk
from octo.report.instance import state_now
from octo.store import RECIPE_FILE, ParameterStore


def graph_of_recipe(path: Path) -> Graph:
    """The plan of a recipe's file. RecipeError has all its mistakes."""
    return _graph(Place(path.with_suffix(".octo").absolute(), path.absolute(), Path.cwd(), read_source(path)))


def graph_of_run(directory: str | Path) -> Graph:
    """The plan of a recipe's instance as the last run had it, for that is what its state is about."""
    place = place_of_instance(directory)
    text = place.copy_text()
    if text is not None and text != place.source.text:
        copy = Source(text, place.path, Path(directory) / RECIPE_FILE)
        place = Place(place.directory, place.path, place.started_from, copy)
    return _graph(place)


def marks_of_run(graph: Graph, store: ParameterStore) -> Marks:
    """How far an instance is."""
    state = store.read(without=("ctx",))
    marks = marks_from_state(graph, state)
    if state_now(store, state) == "interrupted":
        marks.state = "interrupted"
    return marks


def _graph(place: Place) -> Graph:
    """What the recipe names is not imported: a picture does not need it."""
    return RecipeWalk(place.load(imports=False), place, Asked()).graph
