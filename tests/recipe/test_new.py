"""A new recipe is commented, and valid as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from octo.errors import OctoError, UsageError
from octo.recipe import load
from octo.recipe.new import new_recipe, recipe_file

STEPS = '''
from octo.scriptlet import BaseScriptlet, Param, scriptlet

@scriptlet(params=[
    Param("path", type="str", help="What is read."),
    Param("how", choices=["fast", "safe"]),
    Param("rows", type="list"),
    Param("n", type="int"),
    Param("limit", type="int | null", default=None, help="At most so many."),
])
def load(ctx, params):
    """Read rows from a file."""
    return {}

def add(ctx, a, b=2):
    return a

class Judge(BaseScriptlet):
    """Judge the rows."""
    def run(self, ctx, params):
        return 0
'''


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe_new_steps.py").write_text(STEPS)
    return tmp_path


def test_a_new_recipe_is_valid_and_commented(here: Path) -> None:
    path = recipe_file("report")
    path.write_text(new_recipe(path), encoding="utf-8")
    recipe = load(path)
    assert (path.name, recipe.name) == ("report.yaml", "report")
    assert [step.kind for step in recipe.steps] == ["python", "shell", "python"]
    assert "# A Python step" in recipe.text and "octo validate report.yaml" in recipe.text


def test_a_recipe_from_steps_has_their_parameters() -> None:
    path = Path("r.yaml")
    targets = ["recipe_new_steps:load", "recipe_new_steps:add", "recipe_new_steps:Judge", "recipe_new_steps:load"]
    text = new_recipe(path, targets)
    path.write_text(text, encoding="utf-8")
    made = load(path).steps
    assert [step.target for step in made] == targets
    assert [step.name for step in made] == ["load", "add", "Judge", "load_2"]
    assert made[0].params is not None and set(made[0].params) == {"path", "how", "rows", "n"}
    assert made[0].params["how"] == "fast" and made[0].params["rows"] == []
    assert (
        "# limit: null  # At most so many." in text and "# Read rows from a file." in text and "# What is read." in text
    )


def test_a_step_that_is_not_there_is_told() -> None:
    with pytest.raises(OctoError, match="did you mean load"):
        new_recipe(Path("r.yaml"), ["recipe_new_steps:lod"])


@pytest.mark.parametrize(("name", "file"), [("a", "a.yaml"), ("a.yml", "a.yml"), ("x/a.b", "x/a.b.yaml")])
def test_where_it_is_written(name: str, file: str) -> None:
    assert recipe_file(name) == Path(file)


@pytest.mark.parametrize("name", ["", "x/", "a\nb"])
def test_names_that_are_no_file(name: str) -> None:
    with pytest.raises(UsageError):
        recipe_file(name)
