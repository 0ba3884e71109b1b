"""One of several recipes that become one: its steps with all that they need, and those that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octo.errors import UsageError, nearest
from octo.recipe.check import check
from octo.recipe.fields import STEP
from octo.recipe.nodes import Map
from octo.recipe.reader import read, read_source

_SHELL = {each.name for each in STEP if each.on == "shell"}
_PYTHON = {each.name for each in STEP if each.on == "python"}


@dataclass
class Part:
    """One of the recipes: its file, its top level, and its steps in the order of the file."""

    path: Path
    root: Map
    steps: list[Map]


def read_part(path: str | Path) -> Part:
    """The recipe in a file, its defaults written into its steps. RecipeError for its mistakes."""
    source = read_source(path)
    root = read(source)
    if not isinstance(root, Map):
        raise UsageError(f"{source.shown} is no recipe: it has no mapping with steps:")
    if root.get("steps"):
        check(source, imports=False, alone=False)
    steps = [copied(step) for step in root.get("steps") or ()]
    part = Part(source.shown, root, steps)
    defaults = root.get("defaults")
    if isinstance(defaults, Map):
        for step in steps:
            _fold(step, defaults)
    return part


def copied(step: Map) -> Map:
    """A copy that may be changed, with the lines and texts of what is in it."""
    copy = Map(step.line)
    copy.update(step)
    copy.lines, copy.texts = dict(step.lines), dict(step.texts)
    return copy


def _fold(step: Map, defaults: Map) -> None:
    """Write a file's defaults into a step, by the rules by which the step takes them."""
    from octo.recipe.step_values import SAME, kind_of

    kind = kind_of(step, defaults)
    taken = set(step)
    for same in SAME:
        if taken & same:
            taken |= same
    for name, value in defaults.items():
        of_other = name in (_SHELL if kind == "python" else _PYTHON)
        if name in taken or value is None or of_other:
            continue
        step[name], step.lines[name] = value, step.line
        if name in defaults.texts:
            step.texts[name] = defaults.texts[name]


def choose(
    parts: list[Part],
    steps: Collection[str | int] | None,
    steps_of: Sequence[Collection[str | int] | None] | None,
    changes: list[str],
    strict: bool,
    only: Callable[[Mapping[str, Any]], bool] | None,
) -> None:
    """Leave out what was not asked for; who depended on it depends on what it depended on."""
    if steps is not None:
        _all_there(steps, parts, strict, changes)
    kept: list[list[Map]] = []
    for number, part in enumerate(parts):
        wanted = steps_of[number] if steps_of is not None and number < len(steps_of) else None
        if wanted is not None:
            _all_there(wanted, [part], strict, changes)
        asked = [each for each in (steps, wanted) if each is not None]
        kept.append([step for step in part.steps if all(_is_among(step, each) for each in asked)
                     and (only is None or only(step))])
    stay = {step["name"] for those in kept for step in those}
    out = {step["name"]: step for part in parts for step in part.steps if step["name"] not in stay}
    for part, those in zip(parts, kept, strict=True):
        part.steps = those
        for step in those:
            needed = needs_of(step)
            gone = [name for name in needed if name in out]
            if gone:
                set_needs(step, _without(needed, out))
                changes.append(f"step {step['name']} no longer waits for {', '.join(gone)}")


def _is_among(step: Map, wanted: Collection[str | int]) -> bool:
    if step.get("name") in wanted:
        return True
    number = step.get("idx")
    return number is not None and (number in wanted or str(number) in wanted)


def _all_there(wanted: Iterable[str | int], parts: list[Part], strict: bool, changes: list[str]) -> None:
    for each in wanted:
        if not any(_is_among(step, [each]) for part in parts for step in part.steps):
            names = [str(step.get("name")) for part in parts for step in part.steps]
            files = " and ".join(str(part.path) for part in parts)
            said = f"there is no step {each} in {files}{nearest(str(each), names)}"
            if strict:
                raise UsageError(said)
            changes.append(said)


def _without(needed: list[str], out: dict[str, Map]) -> list[str]:
    kept: dict[str, None] = {}
    seen: set[str] = set()
    ahead = list(reversed(needed))
    while ahead:
        name = ahead.pop()
        if name not in out:
            kept[name] = None
        elif name not in seen:
            seen.add(name)
            ahead.extend(reversed(needs_of(out[name])))
    return list(kept)


def needs_of(step: Map) -> list[str]:
    """The names of the steps that it waits for, each once."""
    both = []
    for name in ("depends_on", "after"):
        value = step.get(name)
        both += [value] if isinstance(value, str) else list(value or ())
    return list(dict.fromkeys(both))


def set_needs(step: Map, needed: list[str]) -> None:
    """Write the dependencies, each where it stood, as a list."""
    before = {name: step.pop(name) for name in ("depends_on", "after") if name in step}
    if needed:
        step["depends_on"], step.lines["depends_on"] = list(needed), step.line
    elif before and not needed:
        step.lines.pop("depends_on", None)
