"""Write what is made from declarations: the pages of recipe fields, of steps
and of what holds of the documents, the JSON Schema for editors, and the documented
paths of steps below modules/, to be run: `python scriptlets/python/core/NAME.py`.

    python tools/write_pages.py
"""

from __future__ import annotations

import sys
from pathlib import Path

from octo.cli.step_pages import steps_page
from octo.recipe.schema import reference, schema_text

DOCUMENTED = "tests/conformance/data/steps"
PROGRAM = '''"""{name} at its documented path, as a program and to be imported; its code is in step_library."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("octo") is None:  # run by path from a checkout that is not installed
    sys.path.append(str(Path(__file__).resolve().parents[4]))

if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("{name}")
else:
    from octo.shared_names import stand_in_for

    stand_in_for(__name__)
'''
CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))  # the examples stand with the tests


def programs() -> dict[str, str]:
    """Path -> text of the documented programs of steps."""
    import yaml

    found = {}
    for theme in sorted((CHECKOUT / DOCUMENTED).glob("*.yaml")):
        for entry in yaml.safe_load(theme.read_text(encoding="utf-8")):
            kind = "steps" if "/steps/" in entry["path"] else "core"
            if entry["path"].endswith(".py") and not {"apps", "shell"} & set(entry["path"].split("/")):
                found[f"modules/scriptlets/python/{kind}/{entry['id']}.py"] = PROGRAM.format(name=entry["id"])
    return found


def main() -> None:
    """Write all of them."""
    from tests.conformance.page import conformance_page

    pages = {
        "docs/recipes.md": reference(),
        "docs/steps.md": steps_page(),
        "docs/conformance.md": conformance_page(),
        "octo/recipe/recipe.schema.json": schema_text(),
        **programs(),
    }
    for name, text in pages.items():
        path = CHECKOUT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        print(path)


if __name__ == "__main__":
    main()
