"""Run a recipe: from its file, or from the instance that it has.

>>> from octo.recipe.run import run_recipe
>>> run_recipe("hello_world.yaml").status
'COMPLETE_SUCCESS'
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from octo.engine import Engine, RunResult
from octo.engine.events import Subscriber
from octo.engine.init import empty_state
from octo.resolve import on_path
from octo.store import ParameterStore

from .choice import Asked, Choice
from .instance import Place, place_of_instance, place_of_recipe
from .recipe_walk import RecipeWalk, hand_edits


@dataclass(frozen=True)
class Options:
    """How to run, beside what to run (`Asked`)."""

    values: Mapping[str, Any] | None = None
    keep_going: bool = False
    use_cache: bool = True
    use_hooks: bool = True
    verbose: bool = False
    draw: bool = True
    steps: int | None = None
    subscribers: Sequence[Subscriber] = ()


def run_recipe(
    recipe: str | Path | TextIO,
    *,
    instance: str | Path | None = None,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    resume_from: str | None = None,
    keep_ctx: bool = False,
    restart: bool = False,
    accept_changes: bool = False,
    keep_going: bool = False,
    use_cache: bool = True,
    use_hooks: bool = True,
    values: Mapping[str, Any] | None = None,
    subscribers: Sequence[Subscriber] = (),
    draw: bool = True,
) -> RunResult:
    """Run a recipe's file in its instance (`<stem>.octo` in the working directory), or go on there.

    `values` go into ctx before the first step. What goes wrong in a step is in the result; raised are RecipeError
    (all mistakes of the recipe), UsageError and StoreError.
    """
    asked = Asked(only, skip, resume_from, keep_ctx, restart, accept_changes, again=True)
    options = Options(values, keep_going, use_cache, use_hooks, draw=draw, subscribers=subscribers)
    return run_place(place_of_recipe(recipe, instance), asked, options)


def run_instance(directory: str | Path, asked: Asked | None = None, options: Options | None = None) -> RunResult:
    """Go on with the recipe of an instance; one whose last run ended well is left as it is."""
    return run_place(place_of_instance(directory), asked or Asked(), options or Options())


def run_place(place: Place, asked: Asked, options: Options) -> RunResult:
    """Run the recipe that a place has."""
    place.begin(restart=asked.restart, selects=asked.is_selection)
    with on_path(place.folders):
        walk = make_walk(place, asked, options)
        choice_of(place, walk)  # what cannot be run makes no instance
        ParameterStore(place.directory, create=True, default=empty_state(place.directory))
        engine = Engine(
            place.directory, verbose=options.verbose, subscribers=options.subscribers, draw=options.draw, walk=walk
        )
        result = engine.run(options.steps)
    return replace(result, directory=str(place.directory))


def make_walk(place: Place, asked: Asked, options: Options) -> RecipeWalk:
    return RecipeWalk(
        place.load(),
        place,
        asked,
        values=options.values,
        keep_going=options.keep_going,
        use_cache=options.use_cache,
        use_hooks=options.use_hooks,
    )


def choice_of(place: Place, walk: RecipeWalk) -> Choice:
    """What the run would do; nothing is made or changed."""
    return walk.choose(place.state())


def edits_since(place: Place) -> list[tuple[str, str]]:
    """What people changed in ctx since the last run: places and who it was."""
    return hand_edits(ParameterStore(place.directory)._state_file) if place.exists() else []


@contextmanager
def planned(place: Place, asked: Asked, options: Options | None = None) -> Iterator[tuple[RecipeWalk, Choice]]:
    """For a look at what a run would do (`--dry-run`)."""
    place.begin(restart=asked.restart, selects=asked.is_selection)
    with on_path(place.folders):
        walk = make_walk(place, asked, options or Options())
        yield walk, choice_of(place, walk)
