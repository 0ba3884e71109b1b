"""A recipe file -> a `Recipe`, or all its mistakes together, each with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TextIO

from octo.engine.graph import RESERVED_NAMES
from octo.errors import RecipeError, nearest
from octo.recipe.fields import RECIPE
from octo.recipe.model import JOBS_TIMEOUT, Recipe, Step
from octo.recipe.nodes import Map, Seq, Source, plain
from octo.recipe.reader import read, read_source
from octo.recipe.shape import Notes, check_shape, shown
from octo.recipe.step_check import read_defaults, read_hooks, read_step
from octo.recipe.step_values import Reading
from octo.recipe.template_check import check_params

_LINES_OF_A_CYCLE = 20


def load(source: str | Path | TextIO, *, imports: bool = True, path: list[str] | None = None) -> Recipe:
    """Read and check a recipe. With `imports`, what it names is imported, so that missing functions and wrong
    parameters are found too; `path` is put in front of what Python has (default: as a run started here has it).

    Raises `RecipeError` with every mistake, `UsageError` where there is nothing to read.
    """
    return check(read_source(source), imports=imports, path=path)


def check(source: Source, *, imports: bool = True, path: list[str] | None = None, alone: bool = True) -> Recipe:
    """`load` for a text that was read already. Not `alone`: its steps may depend on those of another recipe."""
    return check_tree(read(source), source, imports=imports, path=path, alone=alone)


def check_tree(
    root: Any, source: Source, *, imports: bool = True, path: list[str] | None = None, alone: bool = True
) -> Recipe:
    """`check` for what the reader made of the text."""
    notes = Notes(source.shown)
    here = Path.cwd()
    reading = Reading(notes, folders=[here] if source.path is None else [here, source.path.parent])
    recipe = _read_recipe(root, source, reading, alone)
    if not imports:
        for use in reading.uses:
            check_params(use, notes, None)
    elif reading.uses:
        from octo.recipe.targets import check_targets
        from octo.resolve import run_path

        if path is None:
            path = run_path(source.path.parent if source.path else None, Path.cwd())
        check_targets(reading.uses, path, notes)
    if notes.problems or recipe is None:
        raise RecipeError(notes.problems)
    return recipe


def _read_recipe(root: Any, source: Source, reading: Reading, alone: bool) -> Recipe | None:
    notes = reading.notes
    if not isinstance(root, Map):
        notes.add(1 if not isinstance(root, Seq) else root.line, _no_mapping(root))
        return None
    values = check_shape(root, RECIPE, notes, "")
    if isinstance(values.get("defaults"), Map):
        read_defaults(values["defaults"], reading)
    steps = _read_steps(root, values, reading)
    metadata = _metadata(values)
    recipe = Recipe(
        path=source.path,
        text=source.text,
        name=_name(metadata, source),
        steps=steps,
        ctx=plain(values.get("ctx", {})),
        defaults=plain(reading.defaults),
        metadata=plain(metadata),
        max_parallel=values.get("max_parallel"),
        on_conflict=values.get("on_conflict"),
        keep_going=values.get("keep_going", False),
        jobs_timeout=values.get("jobs_timeout", JOBS_TIMEOUT),
    )
    recipe.on_success = read_hooks(values.get("on_success"), root, "on_success", reading, "")
    recipe.on_failure = read_hooks(values.get("on_failure"), root, "on_failure", reading, "")
    if "" in recipe.ctx:
        notes.add(root.lines["ctx"], "ctx: a key is empty")
    _check_names(steps, notes)
    if alone:
        _check_dependencies(steps, reading)
    for step in steps:
        step.on_conflict = step.on_conflict or recipe.on_conflict
    if steps and all(step.idx is not None for step in steps):
        steps.sort(key=lambda step: step.idx or 0)
    return recipe


def _no_mapping(root: Any) -> str:
    if root is None:
        return "the file is empty; a recipe begins with steps:"
    if isinstance(root, Seq):
        return "this is a bare list of steps; put steps: over it"
    return f"a recipe is a mapping that has steps:, not {shown(root)}"


def _metadata(values: dict[str, Any]) -> Any:
    """The free part, under whichever name it was given; both are put together."""
    first, second = values.get("test_meta"), values.get("metadata")
    if isinstance(first, dict) and isinstance(second, dict):
        return {**first, **second}
    return first if second is None else second


def _name(metadata: Any, source: Source) -> str:
    named = metadata.get("name") if isinstance(metadata, dict) else None
    if isinstance(named, str) and named:
        return named
    return source.path.stem if source.path is not None else ""


def _read_steps(root: Map, values: dict[str, Any], reading: Reading) -> list[Step]:
    """The steps that are mappings at all, in the order of the file."""
    given = root.get("steps")
    if isinstance(given, list) and not given:
        reading.notes.add(root.lines["steps"], "there are no steps below steps:")
    steps = []
    for number, each in enumerate(given if isinstance(given, Seq) else (), 1):
        if not isinstance(each, Map):
            continue  # told with the type of steps
        name = each.get("name")
        where = f'step "{name}": ' if isinstance(name, str) and name else f"step {number}: "
        steps.append(read_step(each, reading, where))
    return steps


def _check_names(steps: list[Step], notes: Notes) -> None:
    first: dict[str, int] = {}
    for step in steps:
        if not step.name:
            continue  # missing or refused: told already
        line = step.line
        if step.name in first:
            notes.add(line, f'step "{step.name}": the name stands twice (first in line {first[step.name]})')
        first.setdefault(step.name, line)
        if step.name in RESERVED_NAMES:
            notes.add(line, f'step "{step.name}": Octo itself uses the name {step.name}; choose another')
        elif step.name != step.name.strip():
            notes.add(line, f'step "{step.name}": the name begins or ends with a blank')


def _check_dependencies(steps: list[Step], reading: Reading) -> None:
    notes, lines = reading.notes, reading.needs_lines
    names = {step.name: step for step in steps if step.name}
    for step in steps:
        for needed in step.depends_on:
            if needed == step.name:
                notes.add(lines[id(step)], f'step "{step.name}": depends on itself')
            elif needed not in names:
                hint = nearest(needed, names)
                notes.add(lines[id(step)], f'step "{step.name}": depends on {needed}, which is no step{hint}')
    for cycle in _cycles(names)[:_LINES_OF_A_CYCLE]:
        notes.add(lines[id(names[cycle[0]])], f'step "{cycle[0]}": a cycle of dependencies: {" -> ".join(cycle)}')


def _cycles(names: dict[str, Step]) -> list[list[str]]:
    """A cycle for each knot of dependencies, from a step back to itself; an arrow reads "depends on"."""
    found = []
    state: dict[str, int] = {}  # 1 on the way down, 2 done
    for start in names:
        if start in state:
            continue
        trail, ways = [start], [iter(names[start].depends_on)]
        state[start] = 1
        while trail:
            following = next(ways[-1], None)
            if following is None:
                state[trail.pop()] = 2
                ways.pop()
            elif following in names and following != trail[-1]:
                if state.get(following) == 1:
                    found.append([*trail[trail.index(following) :], following])
                elif following not in state:
                    state[following] = 1
                    trail.append(following)
                    ways.append(iter(names[following].depends_on))
    return found
