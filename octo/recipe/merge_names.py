"""Names and numbers of steps where several recipes become one: those that clash, and the order that they keep."""

from __future__ import annotations

import re
from typing import Any, Literal

from octo.errors import UsageError
from octo.recipe.merge_part import Part, copied
from octo.recipe.nodes import Map, Seq
from octo.recipe.template import has_template

Duplicates = Literal["error", "rename", "first", "last", "keep"]
Idx = Literal["auto", "keep", "renumber"]

SETTLES_NAMES = "--duplicates rename, first or last"
"""What messages offer; who has other words for the option puts them in its place."""


def settle_duplicates(parts: list[Part], how: Duplicates, changes: list[str]) -> None:
    """Leave one step of each name, or tell which names stand twice: UsageError."""
    homes: dict[str, list[Part]] = {}
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


def _rename(parts: list[Part], names: set[str], changes: list[str]) -> None:
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
        copy = copied(value)
        copy.update({key: _renamed(item, new) for key, item in value.items()})
        return copy
    if isinstance(value, Seq):
        made = Seq(value.line)
        made.extend(_renamed(item, new) for item in value)
        made.lines, made.texts = list(value.lines), dict(value.texts)
        return made
    return value


def number_steps(parts: list[Part], how: Idx, changes: list[str]) -> None:
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
