"""recipe_merge and chain_recipes: recipes put together into a new file. More of it: tests/recipe/test_merge.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from octo.context import Context
from octo.errors import OctoError, RecipeError, UsageError
from octo.param import MissingParam, ParamError
from octo.recipe import load
from step_library.control import chain_recipes, recipe_merge
from tests.recipe.runs import Project

A = "test_meta: {tester: anna}\nsteps:\n  - {idx: 1, name: get, cmd: x}\n  - {idx: 2, name: use, cmd: x, after: get}\n"
B = "steps:\n  - {idx: 2, name: report, cmd: x, depends_on: get}\n  - {idx: 3, name: tidy, function: ctx_init}\n"


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="load")


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes recipes/a.yaml, recipes/b.yaml … and gives their paths."""
    monkeypatch.chdir(tmp_path)
    Path("recipes").mkdir()

    def write_recipes(*texts: str) -> list[str]:
        names = [f"recipes/{letter}.yaml" for letter in "abcdef"[: len(texts)]]
        for name, text in zip(names, texts, strict=True):
            Path(name).write_text(text, encoding="utf-8")
        return names

    return write_recipes


def made(path: str) -> Any:
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


# --- recipe_merge


def test_all_steps_of_all_recipes(ctx: Any, write: Any) -> None:
    """The documented call: a.yaml, then b.yaml; the output has the steps alone, with idx in order."""
    told = recipe_merge.run(ctx, {"recipes": write(A, B), "out": "recipes/ab_merged.yaml"})
    assert told["merged"] == "recipes/ab_merged.yaml" and told["steps"] == ["get", "use", "report", "tidy"]
    assert told["warnings"] == ["idx runs from 1 to 4 now"] and dict(ctx) == {}
    found = made("recipes/ab_merged.yaml")
    assert list(found) == ["steps"] and [step["idx"] for step in found["steps"]] == [1, 2, 3, 4]
    assert load("recipes/ab_merged.yaml", imports=False).steps[2].depends_on == ["get"]


def test_only_some_steps(ctx: Any, write: Any) -> None:
    """The documented filter: steps of these names from any file; a name that is nowhere is told."""
    params = {"recipes": write(A, B), "out": "new/special.yaml"}
    told = recipe_merge.run(ctx, {**params, "steps": ["tidy", "get", "gett"]})
    assert told["steps"] == ["get", "tidy"]
    assert "there is no step gett in recipes/a.yaml and recipes/b.yaml; did you mean get?" in told["warnings"]
    assert recipe_merge.run(ctx, {**params, "type": "python"})["steps"] == ["tidy"]
    told = recipe_merge.run(ctx, {**params, "match": "^[ur]"})
    assert told["steps"] == ["use", "report"] and "step use no longer waits for get" in told["warnings"]
    assert recipe_merge.run(ctx, {**params, "steps": []})["steps"] == [] and made("new/special.yaml") == {"steps": []}


def test_names_that_stand_twice(ctx: Any, write: Any) -> None:
    params = {"recipes": write(A, A), "out": "aa.yaml"}
    told = recipe_merge.run(ctx, params)
    assert told["steps"] == ["get", "use", "get", "use"] and len(made("aa.yaml")["steps"]) == 4
    assert "step get stands in recipes/a.yaml and in recipes/b.yaml; a run takes each name once" in told["warnings"]
    assert recipe_merge.run(ctx, {**params, "duplicates": "rename"})["steps"] == ["get", "use", "get_2", "use_2"]
    assert recipe_merge.run(ctx, {**params, "duplicates": "last"})["steps"] == ["get", "use"]
    before = Path("aa.yaml").read_text()
    with pytest.raises(UsageError, match="duplicates: rename, first or last settles it"):
        recipe_merge.run(ctx, {**params, "duplicates": "error"})
    assert Path("aa.yaml").read_text() == before


def test_meta_and_source(ctx: Any, write: Any) -> None:
    recipe_merge.run(ctx, {"recipes": write(A, B), "out": "m.yaml", "merge_meta": "merge", "mark_source": True})
    found = made("m.yaml")
    assert found["test_meta"] == {"tester": "anna"} and found["steps"][0]["x-from"] == "recipes/a.yaml"


@pytest.mark.parametrize(("params", "error", "said"), [
    ({}, MissingParam, "'recipes' is missing"),
    ({"recipes": ["recipes/a.yaml"]}, KeyError, "'out' is missing"),
    ({"recipes": [], "out": "o.yaml"}, UsageError, "at least one"),
    ({"recipes": "recipes/a.yaml", "out": "o.yaml"}, ParamError, "list"),
    ({"recipes": ["recipes/none.yaml"], "out": "o.yaml"}, FileNotFoundError, "no file recipes/none.yaml"),
    ({"recipes": ["recipes"], "out": "o.yaml"}, OSError, "recipes cannot be read"),
    ({"recipes": ["recipes/a.yaml"], "out": "recipes/a.yaml"}, UsageError, "is one of the recipes"),
    ({"recipes": ["recipes/a.yaml"], "out": "recipes"}, OSError, "folder"),
    ({"recipes": ["recipes/a.yaml"], "out": "o.yaml", "match": "("}, UsageError, "match"),
    ({"recipes": ["recipes/b.yaml"], "out": "o.yaml"}, RecipeError, r"b.yaml:1: "),
    ({"recipes": ["recipes/c.yaml"], "out": "o.yaml"}, UsageError, "no mapping with steps"),
    ({"recipes": ["recipes/d.yaml", "recipes/e.yaml"], "out": "o.yaml"}, UsageError, "merge_meta: first or last"),
])
def test_mistakes_write_nothing(params: dict[str, Any], error: type[Exception], said: str, write: Any) -> None:
    write(A, "steps: [{name: x, cmd: y, depend_on: z}]\n", "- 1\n", "ctx: {k: 1}\n", "ctx: {k: 2}\n")
    for ctx in ({}, Context()):
        with pytest.raises(error, match=said) as caught:
            recipe_merge.run(ctx, params)
        assert isinstance(caught.value, OctoError) and not Path("o.yaml").exists() and made("recipes/a.yaml")


# --- chain_recipes

PRINTED_A = ("steps:\n  - idx: 1\n    name: load_data\n    type: shell\n    cmd: scriptlets/shell/load.sh\n"
             "    args: [...]\n")
PRINTED_B = ("steps:\n  - idx: 2\n    name: compute_stats\n    type: python\n    module: scriptlets.python.core.stats\n"
             "    function: run\n    params: {...}\n")


def test_the_printed_recipes(ctx: Any, write: Any) -> None:
    """The documented files a.yaml and b.yaml: the result as printed, idx kept."""
    recipe1, recipe2 = write(PRINTED_A, PRINTED_B)
    told = chain_recipes.run(ctx, {"recipe1": recipe1, "recipe2": recipe2, "out": "recipes/ab.yaml"})
    assert told == {"out": "recipes/ab.yaml", "steps": 2} and dict(ctx) == {}
    assert made("recipes/ab.yaml") == {"steps": made(recipe1)["steps"] + made(recipe2)["steps"]}
    assert list(made("recipes/ab.yaml")["steps"][1]) == list(made(recipe2)["steps"][0])  # not sorted


def test_chosen_steps_of_each(ctx: Any, write: Any) -> None:
    """The documented extension: steps1 and steps2, by name or idx."""
    recipe1, recipe2 = write(A, B)
    params = {"recipe1": recipe1, "recipe2": recipe2, "out": "ab.yaml"}
    chain_recipes.run(ctx, {**params, "steps1": ["get"], "steps2": [3]})
    assert [step["name"] for step in made("ab.yaml")["steps"]] == ["get", "tidy"]
    with pytest.raises(UsageError, match="no step tidy in recipes/a.yaml"):
        chain_recipes.run(ctx, {**params, "steps1": ["tidy"]})


def test_names_numbers_and_meta_of_both(ctx: Any, write: Any) -> None:
    recipe1, recipe2 = write(A, A.replace("anna", "bea"))
    params = {"recipe1": recipe1, "recipe2": recipe2, "out": "aa.yaml"}
    with pytest.raises(UsageError, match="conflict_strategy: rename or skip settles it"):
        chain_recipes.run(ctx, params)
    assert not Path("aa.yaml").exists()
    told = chain_recipes.run(ctx, {**params, "conflict_strategy": "rename", "merge_meta": "second"})
    assert told["steps"] == 4 and "step get of recipes/b.yaml is now get_2" in told["changes"]
    found = made("aa.yaml")
    assert found["steps"][3]["after"] == "get_2" and found["test_meta"] == {"tester": "bea"}
    assert [step["idx"] for step in found["steps"]] == [1, 2, 3, 4]
    chain_recipes.run(ctx, {**params, "conflict_strategy": "rename", "auto_reindex": False})
    assert [step["idx"] for step in made("aa.yaml")["steps"]] == [1, 2, 1, 2]
    assert chain_recipes.run(ctx, {**params, "conflict_strategy": "skip"})["steps"] == 2


def test_a_recipe_without_steps(ctx: Any, write: Any) -> None:
    recipe1, recipe2 = write("test_meta: {}\n", B.replace(", depends_on: get", ""))
    assert chain_recipes.run(ctx, {"recipe1": recipe1, "recipe2": recipe2, "out": "n.yaml"})["steps"] == 2
    with pytest.raises(FileNotFoundError, match="no file recipes/none.yaml"):
        chain_recipes.run(ctx, {"recipe1": recipe1, "recipe2": "recipes/none.yaml", "out": "n.yaml"})
    with pytest.raises(UsageError, match="would not be valid"):  # it waits for a step that is in neither
        chain_recipes.run(ctx, {"recipe1": recipe1, "recipe2": write("steps: []", B)[1], "out": "x.yaml"})
    assert not Path("x.yaml").exists()


@pytest.mark.slow
def test_a_recipe_makes_a_recipe_and_runs_it(tmp_path: Path) -> None:
    """The documented meta-workflows: a step writes the recipe, a later one runs it, with a resume in the middle."""
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def gate():
            if not Path("go").exists():
                raise ValueError("not yet")
        def mark(name):
            with open("ran.txt", "a") as file:
                print(name, file=file)
    """)
    for name in "ab":
        step = f"{{name: {name}, module: BODY, function: mark, params: {{name: {name}}}}}"
        project.recipe(f"steps: [{step}]", f"{name}.yaml")
    project.recipe(f"""
        steps:
          - name: merge_my_recipes
            type: python
            module: scriptlets.python.core.chain_recipes
            function: run
            params: {{recipe1: a.yaml, recipe2: b.yaml, out: made/ab.yaml}}
          - {{name: gate, module: BODY, function: gate}}
          - name: merge_more
            module: scriptlets.python.core.recipe_merge
            params: {{recipes: [a.yaml, b.yaml], out: m.yaml}}
          - {{name: run_it, type: shell, cmd: {sys.executable}, args: ["-m", octo, run, made/ab.yaml]}}
          - {{name: run_more, type: shell, cmd: {sys.executable}, args: ["-m", octo, run, m.yaml]}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    project.write("go", "")
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.lines("ran.txt") == ["a", "b"] * 2
    assert project.steps["merge_my_recipes"]["result"] == {"out": "made/ab.yaml", "steps": 2}


def test_from_the_command_line(write: Any, checkout: Path) -> None:
    """The documented command lines: --recipe1, --recipe2, --out, and --recipes with --out."""
    write(PRINTED_A, PRINTED_B)
    for words in (["step_library.control.chain_recipes", "--recipe1", "recipes/a.yaml", "--recipe2", "recipes/b.yaml"],
                  ["step_library.control.recipe_merge", "--recipes", "recipes/a.yaml", "recipes/b.yaml"]):
        subprocess.run([sys.executable, "-m", *words, "--out", "o.yaml"], env={"PYTHONPATH": str(checkout)}, check=True,
                       capture_output=True, timeout=60)
        assert len(made("o.yaml")["steps"]) == 2
        Path("o.yaml").unlink()
