"""Several recipes put together into one: their steps one after another, as a valid recipe that does the same.

As documented, what comes out is the steps, and `test_meta` / `metadata` only where it is asked for. What steps need
beside themselves comes with them: a file's `defaults` go into its steps, starting values of ctx and settings of the
run are united. Comments are lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from octo.errors import RecipeError, UsageError, nearest
from octo.recipe.check import check
from octo.recipe.fields import RECIPE, STEP
from octo.recipe.nodes import Map, Seq, Source
from octo.recipe.reader import read, read_source
from octo.recipe.template import has_template
from octo.recipe.writer import write

Duplicates = Literal["error", "rename", "first", "last", "keep"]
Idx = Literal["auto", "keep", "renumber"]
Meta = Literal["drop", "first", "last", "merge"]

SOURCE_KEY = "x-from"
SETTLES_NAMES = "--duplicates rename, first or last"
SETTLES_META = "--meta first or --meta last"
"""What messages offer; who has other words for these options puts them in their place."""
_META = ("test_meta", "metadata")
_SHELL = {each.name for each in STEP if each.on == "shell"}
_PYTHON = {each.name for each in STEP if each.on == "python"}


@dataclass
class Merged:
    """The new recipe's text, its steps' names, and what was changed on the way, for people."""

    text: str
    names: list[str]
    changes: list[str] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """How many there are."""
        return len(self.names)


@dataclass
class _Part:
    """One of the recipes: its file, its top level, and its steps in the order of the file."""

    path: Path
    root: Map
    steps: list[Map]


def merge(
    recipes: Sequence[str | Path],
    *,
    steps: Collection[str | int] | None = None,
    steps_of: Sequence[Collection[str | int] | None] | None = None,
    duplicates: Duplicates = "error",
    idx: Idx = "auto",
    meta: Meta = "drop",
    mark_source: bool = False,
    unknown: Literal["error", "ignore"] = "error",
    only: Callable[[Mapping[str, Any]], bool] | None = None,
) -> Merged:
    """The steps of all recipes, in their order; only `steps` (names or idx), or only `steps_of` each recipe.

    duplicates: of steps with one name, `first` or `last` stays, `rename` gives the later ones a new name, `keep`
    leaves them, for people to sort out: no run takes such a recipe.
    unknown: whether a step that is asked for and not there is a mistake. only: the steps that it is true of.
    idx: `auto` renumbers only where numbers collide or would change the order, `keep` never, `renumber` always.
    """
    parts = [_part(path) for path in recipes]
    changes: list[str] = []
    _choose(parts, steps, steps_of, changes, unknown == "error", only)
    _settle_duplicates(parts, duplicates, changes)
    _number(parts, idx, changes)
    if mark_source:
        for part in parts:
            for step in part.steps:
                step[SOURCE_KEY] = str(part.path)
    root = _top_level(parts, meta)
    body = Seq(1)
    for part in parts:
        for step in part.steps:
            body.append(step)
            body.lines.append(1)
    root["steps"] = body
    text = write(root)
    names = [step["name"] for step in body]
    if body and len(set(names)) == len(names):
        _check_result(text)
    return Merged(text, names, changes)


def chain(first: str | Path, second: str | Path, **options: Any) -> Merged:
    """The steps of one recipe followed by those of another; options as in `merge`."""
    return merge([first, second], **options)


def write_merged(merged: Merged, out: str | Path) -> None:
    """Write the new recipe under a temporary name and put it in place; its folder is made."""
    path = Path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(merged.text, encoding="utf-8", newline="\n")
    new.replace(path)


def _part(path: str | Path) -> _Part:
    source = read_source(path)
    root = read(source)
    if not isinstance(root, Map):
        raise UsageError(f"{source.shown} is no recipe: it has no mapping with steps:")
    if root.get("steps"):
        check(source, imports=False, alone=False)
    steps = [_copy(step) for step in root.get("steps") or ()]
    part = _Part(source.shown, root, steps)
    defaults = root.get("defaults")
    if isinstance(defaults, Map):
        for step in steps:
            _fold(step, defaults)
    return part


def _copy(step: Map) -> Map:
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


def _choose(
    parts: list[_Part],
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
            needed = _needs(step)
            gone = [name for name in needed if name in out]
            if gone:
                _set_needs(step, _without(needed, out))
                changes.append(f"step {step['name']} no longer waits for {', '.join(gone)}")


def _is_among(step: Map, wanted: Collection[str | int]) -> bool:
    if step.get("name") in wanted:
        return True
    number = step.get("idx")
    return number is not None and (number in wanted or str(number) in wanted)


def _all_there(wanted: Iterable[str | int], parts: list[_Part], strict: bool, changes: list[str]) -> None:
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
            ahead.extend(reversed(_needs(out[name])))
    return list(kept)


def _needs(step: Map) -> list[str]:
    both = []
    for name in ("depends_on", "after"):
        value = step.get(name)
        both += [value] if isinstance(value, str) else list(value or ())
    return list(dict.fromkeys(both))


def _set_needs(step: Map, needed: list[str]) -> None:
    """Write the dependencies, each where it stood, as a list."""
    before = {name: step.pop(name) for name in ("depends_on", "after") if name in step}
    if needed:
        step["depends_on"], step.lines["depends_on"] = list(needed), step.line
    elif before and not needed:
        step.lines.pop("depends_on", None)


def _settle_duplicates(parts: list[_Part], how: Duplicates, changes: list[str]) -> None:
    homes: dict[str, list[_Part]] = {}
    for part in parts:
        for step in part.steps:
            homes.setdefault(step["name"], []).append(part)
    twice = {name: where for name, where in homes.items() if len(where) > 1}
    if not twice:
        return
    if how == "error":
        told = [f"  {name}: {', '.join(str(part.path) for part in where)}" for name, where in twice.items()]
        raise UsageError(
            "\n".join(
                [
                    f"these step names stand in more than one recipe ({SETTLES_NAMES} settles it):",
                    *told,
                ]
            )
        )
    if how == "keep":
        changes += [f"step {name} stands in {' and in '.join(str(part.path) for part in where)}; a run takes each name "
                    "once" for name, where in twice.items()]
        return
    if how == "rename":
        _rename(parts, set(homes), changes)
        return
    for name, where in twice.items():
        keeper = where[0] if how == "first" else where[-1]
        for part in parts:
            if part is not keeper:
                part.steps = [step for step in part.steps if step["name"] != name]
        changes.append(f"step {name} is that of {keeper.path}")


def _rename(parts: list[_Part], names: set[str], changes: list[str]) -> None:
    used: set[str] = set()
    for part in parts:
        new: dict[str, str] = {}
        for step in part.steps:
            name = step["name"]
            if name in used:
                number = 2
                while f"{name}_{number}" in names:
                    number += 1
                new[name] = f"{name}_{number}"
                names.add(new[name])
                changes.append(f"step {name} of {part.path} is now {new[name]}")
        used.update(step["name"] for step in part.steps)
        for step in part.steps if new else ():
            step["name"] = new.get(step["name"], step["name"])
            for key in ("depends_on", "after"):
                value = step.get(key)
                if isinstance(value, str):
                    step[key] = new.get(value, value)
                elif isinstance(value, list):
                    step[key] = [new.get(each, each) for each in value]
            for key in list(step):
                if key not in ("name", "depends_on", "after"):
                    step[key] = _renamed(step[key], new, key in ("when", "for_each"))


def _renamed(value: Any, new: dict[str, str], expression: bool = False) -> Any:
    """`steps['old']` and `steps.old` in templates and expressions, with the new name."""
    if isinstance(value, str):
        for old, name in new.items() if expression or has_template(value) else ():
            value = re.sub(rf"\bsteps\[\s*(['\"]){re.escape(old)}\1\s*\]", f"steps['{name}']", value)
            value = re.sub(rf"\bsteps\.{re.escape(old)}\b", f"steps['{name}']", value)
        return value
    if isinstance(value, Map):
        copy = _copy(value)
        copy.update({key: _renamed(item, new) for key, item in value.items()})
        return copy
    if isinstance(value, Seq):
        made = Seq(value.line)
        made.extend(_renamed(item, new) for item in value)
        made.lines, made.texts = list(value.lines), dict(value.texts)
        return made
    return value


def _number(parts: list[_Part], how: Idx, changes: list[str]) -> None:
    """Give the steps new numbers where the old ones would not keep each recipe's order and that of the recipes."""
    ordered: list[Map] = []
    for part in parts:
        own = all(step.get("idx") is not None for step in part.steps)
        ordered += sorted(part.steps, key=lambda step: step["idx"]) if own else part.steps
    numbers = [step.get("idx") for step in ordered]
    if how == "keep" or (how == "auto" and all(number is None for number in numbers)):
        return
    given = [number for number in numbers if number is not None]
    rising = len(given) == len(numbers) and all(a < b for a, b in zip(given, given[1:], strict=False))
    if how == "auto" and rising:
        return
    for number, step in enumerate(ordered, 1):
        if "idx" not in step:
            rest = dict(step)
            step.clear()
            step["idx"] = number
            step.update(rest)
        step["idx"] = number
        step.texts.pop("idx", None)
    changes.append(f"idx runs from 1 to {len(ordered)} now")


def _top_level(parts: list[_Part], meta: Meta) -> Map:
    root = Map(1)
    for name in _META:
        found = [(part, part.root[name]) for part in parts if part.root.get(name) is not None]
        if not found or meta == "drop":
            continue
        if meta == "merge" and all(isinstance(value, Map) for _, value in found):
            united = Map(1)
            for _, value in found:
                united.update(value)
                united.texts.update(value.texts)
            root[name] = united
        else:
            root[name] = found[-1 if meta == "last" else 0][1]
    known = {each.name for each in RECIPE} - {"steps", "defaults", *_META}
    for part in parts:
        for name, value in part.root.items():
            if name not in known or value is None:
                continue
            if name == "ctx":
                value = _united_ctx(root.get("ctx"), value, part, meta)
            elif name in root and root[name] != value and meta in ("drop", "merge"):
                raise _disagree(name, part)
            if name not in root or meta != "first" or name == "ctx":
                root[name] = value
                root.texts.pop(name, None)
                if name in part.root.texts:
                    root.texts[name] = part.root.texts[name]
    return root


def _united_ctx(before: Map | None, value: Map, part: _Part, meta: Meta) -> Map:
    united = _copy(before) if before is not None else Map(1)
    for key, item in value.items():
        if key in united and united[key] != item and meta in ("drop", "merge"):
            raise _disagree(f"ctx: {key}", part)
        if key not in united or meta != "first":
            united[key] = item
            united.texts.pop(key, None)
            if key in value.texts:
                united.texts[key] = value.texts[key]
    return united


def _disagree(what: str, part: _Part) -> UsageError:
    return UsageError(
        f"{what} in {part.path} is not what it is in a recipe before it; {SETTLES_META} says whose stands"
    )


def _check_result(text: str) -> None:
    try:
        check(Source(text, None, Path("the merged recipe")), imports=False)
    except RecipeError as error:
        told = [f"  {problem.message}" for problem in error.problems]
        raise UsageError("\n".join(["the merged recipe would not be valid; nothing was written:", *told])) from None
