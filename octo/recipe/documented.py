"""What the documents import to run and to read recipes: `Executor`, `run_recipe`, `RecipeParser`.

The names are the documents'; the work is done by `octo.recipe.run` and `octo.recipe.check`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from octo.engine.result import RunResult
from octo.errors import UsageError, quoted
from octo.shared_names import modules_directory
from octo.store import checked

from .check import check_tree
from .fields import PYTHON
from .model import Recipe
from .nodes import Map, Seq, Source, plain
from .reader import read, read_source
from .run import run_recipe as _run
from .step_values import FIELDS, SAME

ROOT = "orchestrator"
FOLDER = "recipes"


def recipe_roots() -> list[Path]:
    """Where a recipe's path may begin: here, in the orchestrator's folder here, in Octo's own."""
    ours = Path(modules_directory())
    return list(dict.fromkeys([Path.cwd(), Path.cwd() / ROOT, ours, ours / ROOT]))


def find_recipe(path: str | Path) -> Path:
    """The file that is meant; the path itself where there is none, for the message that says so."""
    given = Path(path)
    if given.is_absolute() or given.exists():
        return given
    return next((root / given for root in recipe_roots() if (root / given).is_file()), given)


def only_recipe(command: str = "python runner.py") -> Path:
    """The one recipe in `recipes/`; UsageError with what to type after `command` where there are none or several."""
    for root in recipe_roots():
        found = recipes_in(root / FOLDER)
        if len(found) == 1:
            return found[0]
        if found:
            here = Path.cwd()
            shown = [each.relative_to(here) if each.is_relative_to(here) else each for each in found]
            raise UsageError(
                f"which recipe? There are {len(found)} in {root / FOLDER}",
                hints=[f"{command} --recipe {quoted(each)}" for each in shown[:10]],
            )
    raise UsageError(
        f"which recipe? There is none in {Path.cwd() / FOLDER}",
        hints=[f"{command} --recipe RECIPE", "octo recipe new NAME"],
    )


def recipes_in(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])


def run_recipe(recipe: str | Path | TextIO, **options: Any) -> RunResult:
    """Run a recipe in its instance, or go on there; options as in `octo.recipe.run.run_recipe`.

    What goes wrong in a step is in the result: `.status`, `.error`, `.exit_code`. Mistakes of the recipe are raised.
    """
    return _run(find_recipe(recipe) if isinstance(recipe, (str, Path)) else recipe, **options)


class Executor:
    """Runs recipes, each with the same options (those of `run_recipe`)."""

    def __init__(self, **options: Any) -> None:
        _check_options(options)
        self.options = options

    def execute(self, recipe_path: str | Path | TextIO, **options: Any) -> RunResult:
        """Run one recipe to its end, or to where it pauses or fails; `options` go before the executor's own."""
        _check_options(options)
        return run_recipe(recipe_path, **{**self.options, **options})


def _check_options(options: Mapping[str, Any]) -> None:
    """A TypeError now rather than in the middle of a program."""
    inspect.signature(_run).bind("", **options)


class RecipeParser:
    """Reads recipes as plain dicts, checks them, gives their steps. `imports=False`: as `octo validate --no-import`."""

    def __init__(self, *, imports: bool = True) -> None:
        self.imports = imports
        self._source = Source("", None, Path("recipe"))
        self._root: Any = None
        self._given: Any = None

    def load(self, file_path: str | Path) -> dict[str, Any]:
        """The file as a dict. RecipeError for what is no YAML; `validate` finds the other mistakes."""
        self._source = read_source(find_recipe(file_path))
        self._root = read(self._source)
        if not isinstance(self._root, Map):
            check_tree(self._root, self._source, imports=False)  # tells what is wrong
        self._given = plain(self._root)
        found: dict[str, Any] = self._given
        return found

    def validate(self, recipe_dict: Mapping[str, Any]) -> bool:
        """True, or RecipeError with every mistake (with its line, for what this parser loaded last)."""
        self._checked(recipe_dict, self.imports)
        return True

    def parse_steps(self, recipe_dict: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The steps in the order in which they are taken: as written, with the recipe's defaults filled in.

        Each has `name`, `type` and `depends_on` (a list) whatever the file says. RecipeError where they cannot be read.
        """
        recipe = self._checked(recipe_dict, False)
        written = {step["name"]: step for step in plain(recipe_dict["steps"])}
        steps = []
        for step in recipe.steps:
            own = {key: value for key, value in written[step.name].items() if key != "after"}
            defaults = _defaults_for(own, step.kind, recipe.defaults)
            steps.append({**defaults, **own, "type": step.kind, "depends_on": list(step.depends_on)})
        return steps

    def _checked(self, recipe_dict: Mapping[str, Any], imports: bool) -> Recipe:
        is_loaded = recipe_dict is self._given
        source = self._source if is_loaded else Source("", None, Path("recipe"))
        root = _with_lines(checked(recipe_dict), self._root if is_loaded else None, 1)
        return check_tree(root, source, imports=imports)


def _defaults_for(own: Mapping[str, Any], kind: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe's defaults that hold for a step: those of its kind for which it says nothing itself."""
    taken = set(own)
    for same in SAME:
        if taken & same:
            taken |= same
    found = {}
    for name, value in defaults.items():
        field = FIELDS.get(name)
        fits = field is not None and (field.on in ("all", kind) or (name == "args" and kind == PYTHON))
        if fits and name not in taken:
            found[name] = plain(value)
    return found


def _with_lines(value: Any, read: Any, line: int) -> Any:
    """A plain value as the reader gives it. `read` is what stood there in the file, where the value is from one."""
    if isinstance(value, Mapping):
        here = read if isinstance(read, Map) else Map(line)
        made = Map(here.line)
        for key, item in value.items():
            made.lines[key] = here.lines.get(key, here.line)
            made[key] = _with_lines(item, here.get(key), made.lines[key])
        made.texts = dict(_texts(made.items(), here))
        return made
    if isinstance(value, (list, tuple)):
        before = read if isinstance(read, Seq) else Seq(line)
        items = Seq(before.line)
        for index, item in enumerate(value):
            known = index < len(before)
            items.lines.append(before.lines[index] if known else before.line)
            items.append(_with_lines(item, before[index] if known else None, items.lines[index]))
        items.texts = dict(_texts(enumerate(items), before))
        return items
    return value


def _texts(items: Any, read: Map | Seq) -> Iterator[tuple[Any, str]]:
    """How values that are no text are spelt: as in the file where they still are the same."""
    import json

    for key, value in items:
        if isinstance(value, (bool, int, float)) or value is None:
            there = key in read if isinstance(read, Map) else key < len(read)
            same = there and read[key] is not None and read[key] == value and key in read.texts
            yield key, read.texts[key] if same else json.dumps(value)
