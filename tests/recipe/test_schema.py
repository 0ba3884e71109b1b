"""What is made from the list of fields is up to date and speaks of every field."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from octo.recipe.fields import HOOK, RECIPE, RESOURCES, RETRY, STEP, SUCCESS, Field
from octo.recipe.schema import reference, schema, schema_text
from tests.recipe.kit import recipe

STALE = "run: python tools/write_pages.py"


def test_the_files_are_up_to_date(checkout: Path) -> None:
    assert (checkout / "docs" / "recipes.md").read_text(encoding="utf-8") == reference(), STALE
    assert (checkout / "octo" / "recipe" / "recipe.schema.json").read_text(encoding="utf-8") == schema_text(), STALE


def test_the_schema_has_every_field_with_its_meaning() -> None:
    made = schema()
    parts = {"Step": STEP, "Hook": HOOK, "Retry": RETRY, "Success": SUCCESS, "Resources": RESOURCES}
    for name, fields in [("", RECIPE), *parts.items()]:
        part: dict[str, Any] = made["$defs"][name] if name else made
        assert {field.name: field.help for field in fields} == {
            key: value["description"] for key, value in part["properties"].items()
        }
        assert part["additionalProperties"] is False and part["patternProperties"] == {"^x-": {}}
    assert made["required"] == ["steps"] and made["$defs"]["Step"]["required"] == ["name"]
    used = re.findall(r'"#/\$defs/(\w+)"', json.dumps(made))
    assert set(used) == set(made["$defs"])


def test_the_page_has_every_field() -> None:
    page = reference()
    for field in (*RECIPE, *STEP, *RETRY, *SUCCESS, *RESOURCES):
        assert f"| `{field.name}`" in page and field.help.replace("|", "\\|") in page


@pytest.mark.parametrize("field", [each for each in STEP if each.name != "name"], ids=lambda each: each.name)
def test_the_example_of_every_field_is_valid(field: Field) -> None:
    body = "function: 'm:f'" if field.on == "python" or field.name == "background" else "cmd: ls"
    body = "" if field.name in ("cmd", "function", "type") else body
    body = "function: 'm:f'" if field.name == "type" else body
    more = "    for_each: [1]\n" if field.name == "collect" else ""
    needed = "  - {name: load, cmd: ls}\n  - {name: clean, cmd: ls}\n"
    example = "{cpu: 0.1, mem: 1MiB}" if field.name == "resources" else field.example
    text = f"steps:\n{needed}  - name: x\n    {field.name}: {example}\n{more}" + (f"    {body}\n" if body else "")
    assert len(recipe(text).steps) == 3
