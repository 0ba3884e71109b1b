"""Write what is made from declarations: the pages of recipe fields and of steps, the JSON Schema for editors.

    python tools/write_recipe_pages.py
"""

from __future__ import annotations

from pathlib import Path

from octo.cli.step_pages import steps_page
from octo.recipe.schema import reference, schema_text

CHECKOUT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Write all of them."""
    pages = {
        "docs/recipes.md": reference(),
        "docs/steps.md": steps_page(),
        "octo/recipe/recipe.schema.json": schema_text(),
    }
    for name, text in pages.items():
        path = CHECKOUT / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        print(path)


if __name__ == "__main__":
    main()
