"""The JSON Schema of recipes, for editors, and the reference page: both made from the field list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from octo.recipe.fields import HOOK, OWN_KEYS, RECIPE, RESOURCES, RETRY, STEP, SUCCESS, Field
from octo.recipe.model import recipe_model
from octo.recipe.template import HOOK_NAMES, NAMES

_INTRODUCTION = """\
# Recipes: reference

A recipe is a YAML file with a list of named steps. `octo run recipe.yaml` runs it, `octo validate recipe.yaml` finds
every mistake in it without running anything, `octo recipe new NAME` writes one to start from.

```yaml
steps:
  - name: load
    function: "my_steps:load"
    params: {path: in.csv}
  - name: list
    cmd: ls
    args: [-l]
    stdout_to_ctx: listing
    depends_on: load
```
"""

_YAML = """\
## How the YAML is read

- Only `true`, `false` (also `True`, `TRUE`, `False`, `FALSE`), `null`, `~`, nothing at all, and numbers as JSON writes
  them (with an optional `+`) are special. All else is the text as written: `on`, `15:30`, `007` and `0x1F` are text.
- A key is text, and stands once in a mapping. Anchors, aliases and `<<` work; tags (`!…`) and NaN are mistakes.
- A field with nothing after it counts as not given; in a step it also keeps the default of that name away.
"""


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a recipe file."""
    made: dict[str, Any] = _tidied(recipe_model().model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "Octo recipe"}


def schema_text() -> str:
    """The schema as the file beside this module has it."""
    import json

    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _tidied(node: Any) -> Any:
    """Without what says nothing to an editor; keys of the user's own may stand in every mapping."""
    if isinstance(node, list):
        return [_tidied(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidy = {
        key: _tidied(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str)) and not (key == "default" and value is None)
    }
    if tidy.get("additionalProperties") is False:
        tidy["patternProperties"] = {f"^{OWN_KEYS}": {}}
    return tidy


def reference() -> str:
    """The reference page, in Markdown."""
    both = [field for field in STEP if field.on == "all"]
    parts = [
        _INTRODUCTION,
        f"Keys that begin with `{OWN_KEYS}` are yours, in every mapping.\n",
        "## Top level\n",
        _table(RECIPE),
        "## Every step\n",
        _table(both),
        "## Python steps\n",
        _table(field for field in STEP if field.on == "python"),
        "## Shell steps\n",
        _table(field for field in STEP if field.on == "shell"),
        "## `retry`\n",
        _table(RETRY),
        "## `success`\n",
        _table(SUCCESS),
        "## `resources`\n",
        _table(RESOURCES),
        "## Hooks\n",
        "`on_success` and `on_failure` take a step without a name, or a list of them. A hook has the fields "
        f"{_listed(HOOK)}. Each is run whatever became of the one before; one that fails is a warning.\n",
        "## Templates\n",
        "Texts in `params`, `args`, `cmd`, `cwd`, `env`, `stdin_file`, `timeout` and `cache_key` may hold jinja2 "
        "templates; `when` and `for_each` are expressions, with or without braces. A text that is one `{{ … }}` and "
        "nothing else keeps the type of its value. They are rendered once, when an attempt starts. A name that is not "
        f"there is an error. Templates know {_names(NAMES)}; those of hooks also "
        f"{_names(HOOK_NAMES[len(NAMES) :])}.\n",
        _YAML,
    ]
    return "\n".join(parts)


def _table(fields: Iterable[Field]) -> str:
    lines = ["| field | takes | meaning | default | example |", "|---|---|---|---|---|"]
    for field in fields:
        name = f"`{field.name}`" + (" (required)" if field.required else "")
        example = f"`{field.name}: {field.example}`" if field.example else ""
        cells = (name, field.expects, field.help, field.default, example)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _listed(fields: Iterable[Field]) -> str:
    return _names(field.name for field in fields)
