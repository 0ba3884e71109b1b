"""Write what is made from declarations: the pages of recipe fields, of steps
and of what holds of the documents, the JSON Schema for editors.

    python tools/write_pages.py
"""

from __future__ import annotations

import sys
from pathlib import Path

from octo.cli.step_pages import steps_page
from octo.recipe.schema import reference, schema_text

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))  # the examples stand with the tests


def main() -> None:
    """Write all of them."""
    from tests.conformance.page import conformance_page

    pages = {
        "docs/recipes.md": reference(),
        "docs/steps.md": steps_page(),
        "docs/conformance.md": conformance_page(),
        "octo/recipe/recipe.schema.json": schema_text(),
    }
    for name, text in pages.items():
        path = CHECKOUT / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        print(path)


if __name__ == "__main__":
    main()
