"""ctx_workflow_viz: the picture of a recipe, and of the one that runs."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import threading
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml

from octo.cli.main import cli
from octo.context import Context
from octo.errors import OctoError, RecipeError, UsageError
from octo.param import ParamError
from step_library.report import ctx_report_template, ctx_workflow_viz
from tests.recipe.runs import Project

DATA = Path(__file__).resolve().parents[1] / "conformance" / "data" / "steps" / "report.yaml"
EXAMPLES = next(entry["examples"] for entry in yaml.safe_load(DATA.read_text(encoding="utf-8"))
                if entry["id"] == "ctx_workflow_viz")
RECIPE = """
steps:
  - {name: preprocess, cmd: echo}
  - {name: clean, cmd: echo, depends_on: preprocess}
  - {name: "analyze <it>", module: not_there, function: run, depends_on: preprocess}
  - {name: report, cmd: echo, depends_on: [clean, "analyze <it>"]}
"""
ARROWS = {("preprocess", "clean"), ("preprocess", "analyze <it>"), ("clean", "report"), ("analyze <it>", "report")}


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    Path("r.yaml").write_text(RECIPE)
    return {} if request.param == "dict" else Context()


def drawn(ctx: Any, out: str, **params: Any) -> bytes:
    assert ctx_workflow_viz.run(ctx, {"out": out, **params}) == {"graph": out}
    return Path(out).read_bytes()


def classes(svg: bytes) -> dict[str, str]:
    """What each step is, by the first of its tooltip's words."""
    found = {}
    for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}g"):
        if node.get("class", "").startswith("node"):
            title = next(iter(node.iter("{http://www.w3.org/2000/svg}a")), None)
            said = title.get("{http://www.w3.org/1999/xlink}title", "") if title is not None else ""
            found[said.split(" - ")[0]] = node.get("class", "").split()[1]
    return found


def arrows(dot: bytes) -> set[tuple[str, ...]]:
    return {tuple(found.split(" -> ")) for found in re.findall(r'-> .*tooltip="([^"]*)"', dot.decode())}


@pytest.mark.parametrize("number", [0, 1, 2, 3, 6])
def test_the_documented_calls(ctx: Any, number: int) -> None:
    """The calls of the catalogue, on a recipe of that name."""
    params = EXAMPLES[number]["params"]
    Path("recipes").mkdir()
    Path(params["recipe"]).write_text(RECIPE)
    assert ctx_workflow_viz.run(ctx, params) == {"graph": params["out"]}
    data = Path(params["out"]).read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and width > 100 < height
    assert [path.name for path in Path("Assets").iterdir()] == [Path(params["out"]).name]  # no source is left behind
    assert not ctx


def test_the_documented_wrapper(ctx: Any, checkout: Path) -> None:
    """Example 4: a program of one's own that hands over what it was called with."""
    Path("your_script.py").write_text("import sys\nfrom scriptlets.python.core import ctx_workflow_viz\n"
                                      "ctx_workflow_viz.run({}, {'recipe': sys.argv[1], 'out': sys.argv[2]})\n")
    where = os.pathsep.join([str(checkout), str(checkout / "modules")])
    subprocess.run([sys.executable, "your_script.py", "r.yaml", "Assets/graph.png"], check=True, timeout=120,
                   env={**os.environ, "PYTHONPATH": where})
    assert Path("Assets/graph.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_in_a_report(ctx: Any) -> None:
    """Example 7: a Markdown report of ctx_report_template that shows it."""
    drawn(ctx, "Assets/graph.png", recipe="r.yaml")
    ctx["graph"] = "Assets/graph.png"
    Path("report.md.txt").write_text("# Plan\n\n![plan]({graph})\n")
    ctx_report_template.run(ctx, {"template": "report.md.txt", "out": "report.md", "vars": {"graph": "ctx:graph"}})
    assert Path("report.md").read_text() == "# Plan\n\n![plan](Assets/graph.png)\n"


def test_arrows_are_dependencies(ctx: Any) -> None:
    assert arrows(drawn(ctx, "g.dot", recipe="r.yaml")) == ARROWS


def test_without_dependencies_the_order_of_the_list_is_drawn(ctx: Any) -> None:
    """preprocess, clean, analyze, report: the sixth example of the catalogue."""
    names = ["preprocess", "clean", "analyze", "report"]
    steps = [f"  - {{name: {name}, cmd: echo, idx: {9 - number}}}\n" for number, name in enumerate(reversed(names))]
    Path("chain.yaml").write_text("steps:\n" + "".join(steps))  # idx decides, as every step has one
    assert arrows(drawn(ctx, "g.dot", recipe="chain.yaml")) == set(zip(names, names[1:], strict=False))


@pytest.mark.parametrize("kind", ["png", "svg", "dot"])
def test_it_is_the_picture_of_octo_graph(ctx: Any, kind: str) -> None:
    with pytest.raises(SystemExit) as end:
        cli(["graph", "r.yaml", "-o", f"there.{kind}"])
    assert not end.value.code
    assert drawn(ctx, f"here.{kind}", recipe="r.yaml") == Path(f"there.{kind}").read_bytes()


def test_steps_in_colour(ctx: Any) -> None:
    ctx["audit"] = [{"step": "clean", "status": "success", "duration": 2}, {"step": "clean", "status": "error"}, 5,
                    {"step": "report", "status": "success", "duration": 1.5}, {"step": "other", "status": "error"},
                    {"step": ["odd"], "status": "success"}, {"step": "preprocess", "status": "strange"}]
    given = {"preprocess": "Success", "report": "pending"}
    found = classes(drawn(ctx, "g.svg", recipe="r.yaml", step_status=given, audit=True))
    assert found == {"preprocess": "done", "clean": "failed", "analyze <it>": "waiting", "report": "waiting"}
    assert classes(drawn(ctx, "g.svg", recipe="r.yaml", audit=True))["report"] == "done"
    del ctx["audit"]
    assert set(classes(drawn(ctx, "g.svg", recipe="r.yaml", audit=True)).values()) == {"waiting"}


def test_a_page(ctx: Any) -> None:
    page = drawn(ctx, "g.html", recipe="r.yaml").decode()
    assert page.startswith("<!doctype html>") and page.count("<svg") == 1 and "<?xml" not in page
    assert "analyze &lt;it&gt;" in page and "<it>" not in page
    assert not re.search(r'(src|href)="http', page)


@pytest.mark.parametrize(("recipe", "params", "error", "words"), [
    (None, {}, UsageError, "recipe: which one?"),
    (None, {"recipe": "rr.yaml"}, UsageError, "there is no file rr.yaml; did you mean r.yaml?"),
    (RECIPE, {"out": "g.pdf"}, ParamError, "g.pdf is to end in .png, .svg, .dot, .html"),
    (RECIPE, {"out": "g"}, ParamError, "g is to end in .png"),
    (RECIPE, {"step_status": {"cleen": "ok"}}, UsageError, "no step 'cleen'; did you mean clean?"),
    (RECIPE, {"step_status": {"clean": "good"}}, ParamError, "step_status/clean is to be one of done, success"),
    (RECIPE, {"timeout": 0}, ParamError, "timeout is to be above 0 seconds"),
    (RECIPE, {"steps": 1}, ParamError, "unknown parameter 'steps'"),
    ("steps:\n- {name: a, cmd: x}\n- {name: a, cmd: x}\n- {cmd: x}\n", {}, RecipeError,
     'r.yaml:3: step "a": the name stands twice'),
    ("steps:\n- {name: a, cmd: x, depends_on: b}\n- {name: b, cmd: x, depends_on: a}\n", {}, RecipeError, "cycle"),
    ("steps:\n- {name: a, cmd: x, depends_on: [all_previous_steps]}\n", {}, RecipeError, "all_previous_steps"),
    ("steps: [", {}, RecipeError, "r.yaml:2"),
])
def test_mistakes(ctx: Any, recipe: str | None, params: dict[str, Any], error: type[Exception], words: str) -> None:
    if recipe is not None:
        Path("r.yaml").write_text(recipe)
        params = {"recipe": "r.yaml", **params}
    with pytest.raises(error) as caught:
        ctx_workflow_viz.run(ctx, {"out": "out/g.png", **params})
    assert words in str(caught.value) and isinstance(caught.value, OctoError) and not Path("out").exists()


def test_it_stops_with_the_run(tmp_path: Path) -> None:
    """Whatever is left to be drawn: the child is ended."""
    from octo.engine.marks import Marks
    from octo.engine.picture import draw
    from octo.report.picture import graph_of_recipe

    (tmp_path / "r.yaml").write_text("steps:\n" + "".join(f"  - {{name: s{n}, cmd: x}}\n" for n in range(2000)))
    stop = threading.Event()
    stop.set()
    with pytest.raises(OctoError, match="it was stopped"):
        draw(graph_of_recipe(tmp_path / "r.yaml"), Marks(), tmp_path / "g.png", stop=stop)
    with pytest.raises(OctoError, match=r"took longer than 0\.01 s"):
        ctx_workflow_viz.run({}, {"recipe": tmp_path / "r.yaml", "out": tmp_path / "g.png", "timeout": 0.01})
    assert [path.name for path in tmp_path.iterdir()] == ["r.yaml"]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["", ", requires_process: true"], ids=["thread", "process"])
def test_the_recipe_that_runs_with_a_resume(tmp_path: Path, where: str) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        def load(ctx):
            ctx["n"] = 1
        def gate(ctx):
            if not Path("go").exists():
                raise ValueError("not yet")
    """)
    viz = "module: scriptlets.python.core.ctx_workflow_viz"
    project.recipe(f"""
        steps:
          - {{name: load, module: BODY, function: load}}
          - {{name: first, {viz}, params: {{out: Assets/one.svg}}, depends_on: load{where}}}
          - {{name: gate, module: BODY, function: gate, depends_on: first}}
          - {{name: second, {viz}, params: {{out: Assets/two.svg}}, depends_on: gate{where}}}
          - {{name: last, module: BODY, function: load, depends_on: second}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    pictures = project.folder / "Assets"
    assert classes((pictures / "one.svg").read_bytes()) == {
        "load": "done", "first": "running", "gate": "waiting", "second": "waiting", "last": "waiting"}
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert classes((pictures / "two.svg").read_bytes()) == {
        "load": "done", "first": "done", "gate": "done", "second": "running", "last": "waiting"}
    assert project.steps["second"]["result"] == {"graph": "Assets/two.svg"}
