"""ctx_step_dependency: which steps of a recipe wait for which."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, RecipeError, ShapeError, UsageError
from octo.param import MissingParam, ParamError
from step_library.control import ctx_step_dependency
from tests.recipe.runs import Project

PIPELINE = """
steps:
  - {name: step1, cmd: x}
  - {name: step2, cmd: x, after: step1}
  - {name: step3, cmd: x, depends_on: [step1], after: [step2, step1]}
"""
NEEDS = {"step1": [], "step2": ["step1"], "step3": ["step1", "step2"]}


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="load")


@pytest.fixture(autouse=True)
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(PIPELINE)


def write(text: str) -> None:
    Path("recipes").mkdir(exist_ok=True)
    Path("recipes/my_pipeline.yaml").write_text(text, encoding="utf-8")


def needs(ctx: Any, **params: Any) -> Any:
    given = {"recipe": "recipes/my_pipeline.yaml", "out": "step_deps", **params}
    assert ctx_step_dependency.run(ctx, given) == {"dependencies": "step_deps"}
    return ctx.plain("step_deps") if isinstance(ctx, Context) else ctx["step_deps"]


def test_the_documented_mapping(ctx: Any) -> None:
    """The documented three steps; `depends_on` and `after` are united, a text is a list of one."""
    assert needs(ctx) == NEEDS and list(ctx["step_deps"]) == list(NEEDS)


def test_other_ways_to_look(ctx: Any) -> None:
    write("steps: [{name: c, cmd: x, after: b}, {name: b, cmd: x, after: a}, {name: a, cmd: x}]")
    assert needs(ctx, mode="all") == {"c": ["b", "a"], "b": ["a"], "a": []}
    assert needs(ctx, mode="reverse") == {"c": [], "b": ["c"], "a": ["b"]}
    assert needs(ctx, mode="order") == ["a", "b", "c"]
    write("steps: [{name: a, needs: b, after: c}, {name: b}]")
    assert needs(ctx, fields=["needs"]) == {"a": ["b"], "b": []}


def test_what_is_wrong_is_told(ctx: Any, caplog: pytest.LogCaptureFixture) -> None:
    write("steps:\n - {name: load, after: use}\n - {name: use, after: [load, laod]}\n - {name: use, after: load}\n"
          " - {name: x, after: lod}\n")
    assert needs(ctx, findings="wrong", errors=True) == {"load": ["use"], "use": ["load"], "x": ["lod"]}
    assert list(ctx["wrong"]) == [
        "recipes/my_pipeline.yaml:4: step 3: there is a step use already; this one counts",
        "step x waits for lod, which is no step; did you mean load?",
        "a cycle of dependencies: load -> use -> load"]
    assert "load -> use -> load" in caplog.text and "a cycle" in ctx["errors"][0]["error"]
    with pytest.raises(ShapeError, match="did you mean load"):
        needs(ctx, strict=True)
    with pytest.raises(UsageError, match="lod"):
        needs(ctx, mode="order")
    assert needs(ctx, mode="all")["load"] == ["use", "load"]


def test_files_of_it(ctx: Any) -> None:
    needs(ctx, file="Logs/deps.json")
    assert json.loads(Path("Logs/deps.json").read_text()) == NEEDS
    needs(ctx, file="deps.md", mode="order")
    assert "| step3 | step1, step2 |" in Path("deps.md").read_text()
    needs(ctx, file="deps.html")
    assert "<td>step3</td><td>step1, step2</td>" in Path("deps.html").read_text()
    needs(ctx, file="Assets/deps.dot")
    assert "step1" in Path("Assets/deps.dot").read_text() and "->" in Path("Assets/deps.dot").read_text()


def test_names_as_they_stand_in_the_file(ctx: Any) -> None:
    write("steps: [{name: 1.50}, {name: 007, after: [1.50]}, {name: on, after: 1.50}]")
    assert needs(ctx) == {"1.50": [], "007": ["1.50"], "on": ["1.50"]}


def test_many_steps(ctx: Any) -> None:
    steps = [f" - {{name: s{n}, after: [{', '.join(f's{k}' for k in range(max(0, n - 3), n))}]}}" for n in range(2000)]
    write("\n".join(["steps:", *steps]))
    assert len(needs(ctx, mode="order")) == 2000 and needs(ctx)["s9"] == ["s6", "s7", "s8"]


@pytest.mark.parametrize("text", ["{}", "steps:", "steps: []", "metadata: {a: 1}"])
def test_no_steps(ctx: Any, text: str) -> None:
    write(text)
    assert needs(ctx) == {} and needs(ctx, mode="order") == []


@pytest.mark.parametrize(("text", "params", "error", "said"), [
    ("", {}, ShapeError, "a mapping with steps, not null"),
    ("- 1", {}, ValueError, "a mapping with steps, not a list of 1"),
    ("steps: 1", {}, ShapeError, "steps is to be a list, not int 1"),
    ("steps: [1]", {}, ShapeError, "yaml:1: step 1 is to be a mapping"),
    ("steps:\n - {name: a}\n - {cmd: x}", {}, KeyError, "yaml:3: step 2 has no 'name'"),
    ("steps: [{name: a, after: {b: 1}}]", {}, ShapeError, "after is a step's name or a list of names"),
    ("steps: [{name: a, after: [[b]]}]", {}, ShapeError, "not a list of 1"),
    ("steps: [", {}, RecipeError, "yaml:2"),
    ("steps: []", {"recipe": "none.yaml"}, FileNotFoundError, "no file none.yaml"),
    ("steps: []", {"recipe": "recipes"}, OSError, "recipes cannot be read"),
    ("steps: []", {"mode": "al"}, ParamError, "did you mean all"),
    ("steps: []", {"file": "deps.txt"}, UsageError, "is to end with .json"),
    ("steps: []", {"findings": "step_deps"}, UsageError, "both 'step_deps'"),
])
def test_mistakes(ctx: Any, text: str, params: dict[str, Any], error: type[Exception], said: str) -> None:
    write(text)
    with pytest.raises(error, match=said) as caught:
        needs(ctx, **params)
    assert isinstance(caught.value, OctoError) and dict(ctx) == {}


def test_missing_params(ctx: Any) -> None:
    for params in ({}, {"recipe": "r.yaml"}, {"out": "o"}):
        with pytest.raises(MissingParam) as caught:
            ctx_step_dependency.run(ctx, params)
        assert isinstance(caught.value, KeyError)


def test_in_a_recipe_that_looks_at_itself_with_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def gate(ctx):
            assert ctx["step_deps"]["gate"] == ["analyze_step_deps"]
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    project.recipe("""
        steps:
          - idx: 1
            name: analyze_step_deps
            type: python
            module: scriptlets.python.steps.ctx_step_dependency
            function: run
            params: {recipe: r.yaml, out: step_deps}
          - {idx: 2, name: gate, module: BODY, function: gate, depends_on: analyze_step_deps}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    project.write("go", "")
    assert project.run().status == "COMPLETE_SUCCESS"


def test_from_the_command_line(checkout: Path) -> None:
    """The documented command line."""
    command = [sys.executable, "-m", "step_library.control.ctx_step_dependency", "--recipe", "recipes/my_pipeline.yaml",
               "--out", "step_deps", "--json"]
    done = subprocess.run(command, env={"PYTHONPATH": str(checkout)}, check=True, capture_output=True, timeout=60)
    assert json.loads(done.stdout)["ctx"] == {"step_deps": NEEDS}
