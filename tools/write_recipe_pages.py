"""Write what is made from the list of recipe fields: the reference page and the JSON Schema for editors.

    python tools/write_recipe_pages.py
"""

from __future__ import annotations

from pathlib import Path

from octo.recipe.schema import reference, schema_text

CHECKOUT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Write both files."""
    for name, text in (("docs/recipes.md", reference()), ("octo/recipe/recipe.schema.json", schema_text())):
        path = CHECKOUT / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        print(path)


if __name__ == "__main__":
    main()
