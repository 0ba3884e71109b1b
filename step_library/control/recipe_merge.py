"""Several recipes put together into a new file: all of their steps, or those that are wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from octo.errors import UsageError
from octo.recipe.merge import merge
from octo.scriptlet import Param, scriptlet
from step_library.kit.recipes.recipe_files import existing, in_words_of_step, write_new
from step_library.kit.values.ctx_values import Ctx


@scriptlet(
    params=[
        Param("recipes", "list[str]", help="the recipes' files, in their order"),
        Param("out", "path", help="the new recipe's file"),
        Param("steps", "list | null", None, "only the steps of these names (or idx)"),
        Param("type", "str | null", None, "only steps of this type", choices=("python", "shell")),
        Param("match", "str | null", None, "only steps in whose name this regular expression is found"),
        Param("duplicates", "str", "keep", "where two recipes have a step of one name: keep both (no run takes that), "
              "refuse, give the later one a new name, or keep the first or the last", ("conflict_strategy",),
              choices=("keep", "error", "rename", "first", "last")),
        Param("reindex", "str", "auto", "renumber where idx would collide or change the order; never; always",
              choices=("auto", "keep", "renumber")),
        Param("merge_meta", "str", "drop", "whose test_meta and metadata the new recipe has",
              choices=("drop", "first", "last", "merge")),
        Param("mark_source", "bool", False, "note in each step which recipe it is from (x-from)"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Write a recipe with the steps of all recipes, one recipe after another; the same as `octo recipe merge`.

    What steps need comes with them: a recipe's defaults are written into its steps; where a step is left out, those
    that waited for it wait for what it waited for. Comments are lost. Returns `{merged: out, steps: [names]}` and,
    where people should know of something (names that stand twice or nowhere, new numbers), `warnings`. Raises
    FileNotFoundError, RecipeError for a recipe with mistakes, UsageError where they cannot be put together.
    """
    if not params["recipes"]:
        raise UsageError("recipes: at least one recipe is needed")
    recipes = existing(params["recipes"])
    with in_words_of_step("duplicates: rename, first or last", "merge_meta: first or last"):
        merged = merge(
            recipes, steps=params["steps"], unknown="ignore", only=_only(params), duplicates=params["duplicates"],
            idx=params["reindex"], meta=params["merge_meta"], mark_source=params["mark_source"],
        )
    warnings = write_new(merged, params["out"], recipes)
    return {"merged": params["out"], "steps": merged.names} | ({"warnings": warnings} if warnings else {})


def _only(params: Mapping[str, Any]) -> Any:
    """Whether a step is of the type, and its name fits."""
    if params["type"] is None and params["match"] is None:
        return None
    try:
        match = re.compile(params["match"] or "")
    except re.error as error:
        raise UsageError(f"match {params['match']!r}: {error}") from None

    def fits(step: Mapping[str, Any]) -> bool:
        kind = step.get("type") or ("shell" if step.get("cmd") is not None else "python")
        return params["type"] in (None, kind) and bool(match.search(str(step.get("name"))))

    return fits


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("recipe_merge")
