"""Several recipes put together into one: their steps one after another, as a valid recipe that does the same.

As documented, what comes out is the steps, and `test_meta` / `metadata` only where it is asked for. What steps need
beside themselves comes with them: a file's `defaults` go into its steps, starting values of ctx and settings of the
run are united. Comments are lost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from octo.errors import RecipeError, UsageError
from octo.recipe.check import check
from octo.recipe.fields import RECIPE
from octo.recipe.merge_names import Duplicates, Idx, number_steps, settle_duplicates
from octo.recipe.merge_part import Part, choose, copied, read_part
from octo.recipe.nodes import Map, Seq, Source
from octo.recipe.writer import write
from octo.store.files import write_whole

Meta = Literal["drop", "first", "last", "merge"]

SOURCE_KEY = "x-from"
SETTLES_META = "--meta first or --meta last"
"""What messages offer, as SETTLES_NAMES; who has other words for these options puts them in their place."""
_META = ("test_meta", "metadata")


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
    parts = [read_part(path) for path in recipes]
    changes: list[str] = []
    choose(parts, steps, steps_of, changes, unknown == "error", only)
    settle_duplicates(parts, duplicates, changes)
    number_steps(parts, idx, changes)
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
    write_whole(path, [merged.text.encode()])


def _top_level(parts: list[Part], meta: Meta) -> Map:
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


def _united_ctx(before: Map | None, value: Map, part: Part, meta: Meta) -> Map:
    united = copied(before) if before is not None else Map(1)
    for key, item in value.items():
        if key in united and united[key] != item and meta in ("drop", "merge"):
            raise _disagree(f"ctx: {key}", part)
        if key not in united or meta != "first":
            united[key] = item
            united.texts.pop(key, None)
            if key in value.texts:
                united.texts[key] = value.texts[key]
    return united


def _disagree(what: str, part: Part) -> UsageError:
    return UsageError(
        f"{what} in {part.path} is not what it is in a recipe before it; {SETTLES_META} says whose stands"
    )


def _check_result(text: str) -> None:
    try:
        check(Source(text, None, Path("the merged recipe")), imports=False)
    except RecipeError as error:
        told = [f"  {problem.message}" for problem in error.problems]
        raise UsageError("\n".join(["the merged recipe would not be valid; nothing was written:", *told])) from None
