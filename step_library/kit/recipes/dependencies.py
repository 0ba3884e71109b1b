"""What the steps of a recipe file wait for, and what is wrong with that; also of a recipe that no run would take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octo.errors import MissingKey, ShapeError, nearest
from octo.recipe.dependency_graph import DependencyGraph
from octo.recipe.nodes import Map, Seq, plain
from octo.recipe.reader import read, read_source
from step_library.kit.recipes.recipe_files import existing
from step_library.kit.values.ctx_values import described

Needs = dict[str, list[str]]


@dataclass
class Dependencies:
    """Each step's direct dependencies, in the order of the file; `findings` is what is wrong, as text."""

    direct: Needs
    findings: list[str] = field(default_factory=list)

    def all(self) -> Needs:
        """For each step also what those wait for, and so on: nearest first."""
        return {step: _reached(step, self.direct) for step in self.direct}

    def reverse(self) -> Needs:
        """For each step those that wait for it."""
        found: Needs = {step: [] for step in self.direct}
        for step, needs in self.direct.items():
            for need in needs:
                found.setdefault(need, []).append(step)
        return found

    def order(self) -> list[str]:
        """All steps, each behind what it waits for; UsageError where there is no such order."""
        return self.graph().get_task_order()

    def graph(self) -> DependencyGraph:
        """For its order and its picture."""
        made = DependencyGraph()
        for step, needs in self.direct.items():
            made.add_task(step, needs)
        return made


def read_dependencies(path: str, fields: Sequence[str] = ("depends_on", "after")) -> Dependencies:
    """The dependencies that stand in a recipe's `fields`, united; of steps with one name, those of the last.

    NoSuchFile, RecipeError for what is no YAML, ShapeError and MissingKey for what is no list of steps with names.
    """
    existing([path])
    root = read(read_source(Path(path)))
    if not isinstance(root, Map):
        raise ShapeError(f"{path}: a recipe is a mapping with steps, not {described(plain(root))}")
    steps = root.get("steps")
    if steps is None:
        steps = Seq(1)
    if not isinstance(steps, Seq):
        raise ShapeError(f"{path}: steps is to be a list, not {described(plain(steps))}")
    found = Dependencies({})
    for place, step in enumerate(steps):
        where = f"{path}:{steps.lines[place]}: step {place + 1}"
        if not isinstance(step, Map):
            raise ShapeError(f"{where} is to be a mapping, not {described(plain(step))}")
        if step.get("name") is None:
            raise MissingKey(f"{where} has no 'name'")
        name = _text(step, "name")
        if name in found.direct:
            found.findings.append(f"{where}: there is a step {name} already; this one counts")
        found.direct[name] = list(dict.fromkeys(need for each in fields for need in _listed(step, each, where)))
    _look_at(found)
    return found


def _listed(step: Map, name: str, where: str) -> list[str]:
    """The names in one field: a text alone, or a list."""
    value = step.get(name)
    if value is None:
        return []
    if isinstance(value, Seq):
        odd = next((item for item in value if isinstance(item, (dict, list)) or item is None), "")
        if odd == "":
            return [value.texts.get(place) or str(item) for place, item in enumerate(value)]
        value = odd
    if isinstance(value, (dict, list)) or value is None:
        raise ShapeError(f"{where}: {name} is a step's name or a list of names, not {described(plain(value))}")
    return [_text(step, name)]


def _text(step: Map, name: str) -> str:
    """A name as it stands in the file, also where it reads as a number."""
    return step.texts.get(name) or str(step[name])


def _look_at(found: Dependencies) -> None:
    for step, needs in found.direct.items():
        for need in needs:
            if need not in found.direct:
                near = nearest(need, [name for name in found.direct if name != step])
                found.findings.append(f"step {step} waits for {need}, which is no step{near}")
    cycle = found.graph().find_cycle()
    if cycle:
        found.findings.append(f"a cycle of dependencies: {' -> '.join(cycle)}")


def _reached(step: str, direct: Mapping[str, Sequence[str]]) -> list[str]:
    seen: dict[str, Any] = {}
    ahead = list(direct.get(step, ()))
    while ahead:
        later: list[str] = []
        for need in ahead:
            if need not in seen:
                seen[need] = None
                later += direct.get(need, ())
        ahead = later
    return list(seen)
