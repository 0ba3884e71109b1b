"""A new recipe file with the steps of one recipe followed by those of another."""

from __future__ import annotations

from typing import Any

from octo.recipe.merge import merge
from octo.scriptlet import Param, scriptlet
from step_library.kit.recipes.recipe_files import existing, in_words_of_step, write_new
from step_library.kit.values.ctx_values import Ctx

META = {None: "drop", "first": "first", "second": "last", "merge": "merge"}
DUPLICATES = {"error": "error", "rename": "rename", "skip": "first"}


@scriptlet(
    params=[
        Param("recipe1", "path", help="the first recipe's file"),
        Param("recipe2", "path", help="the second recipe's file"),
        Param("out", "path", help="the new recipe's file"),
        Param("steps1", "list | null", None, "only these steps of the first recipe, by name or idx"),
        Param("steps2", "list | null", None, "only these steps of the second recipe"),
        Param("merge_meta", "str | null", None, "whose test_meta and metadata the new recipe has; null: it has none",
              choices=("first", "second", "merge")),
        Param("auto_reindex", "bool", True, "renumber where idx would collide or change the order"),
        Param("conflict_strategy", "str", "error", "where both have a step of one name: refuse, give the second one a "
              "new name, or leave it out", choices=tuple(DUPLICATES)),
        Param("mark_source", "bool", False, "note in each step which recipe it is from (x-from)"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Write a recipe with the steps of `recipe1` and then those of `recipe2`; the same as `octo recipe chain`.

    The new recipe is checked before it is written: names, dependencies, cycles. Where steps get a new name, what
    depends on them gets it too. Comments are lost. Returns `{out: path, steps: n}` and, where something was changed,
    `changes`. Raises FileNotFoundError, RecipeError for a recipe with mistakes, UsageError where both cannot be put
    together.
    """
    recipes = existing([params["recipe1"], params["recipe2"]])
    with in_words_of_step("conflict_strategy: rename or skip", "merge_meta: first or second"):
        merged = merge(
            recipes, steps_of=[params["steps1"], params["steps2"]],
            duplicates=DUPLICATES[params["conflict_strategy"]],  # type: ignore[arg-type]
            idx="auto" if params["auto_reindex"] else "keep",
            meta=META[params["merge_meta"]],  # type: ignore[arg-type]
            mark_source=params["mark_source"],
        )
    changes = write_new(merged, params["out"], recipes)
    return {"out": params["out"], "steps": merged.steps} | ({"changes": changes} if changes else {})


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("chain_recipes")
