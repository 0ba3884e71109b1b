"""The documents' own examples of runner.py and of the modules in orchestrator/runner, as printed, from their places.

Not run, with the reason: `state.pkl` (Octo writes JSON); "the graph is a stub" and the other limits (they are gone).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from octo.recipe import load
from tests.conformance.layout import DATA, Place, printed

pytestmark = pytest.mark.slow  # nearly all of them start programs

COMMANDS = os.name != "nt"
CATALOGUE: dict[str, Any] = yaml.safe_load((DATA / "core.yaml").read_text(encoding="utf-8"))


@pytest.fixture(params=["root", "root, __init__.py", "own", "own, __init__.py"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """The orchestrator's root, or a user's own directory; his `scriptlets/` with and without `__init__.py`."""
    return Place(tmp_path, whole="root" in request.param, marked="__init__" in request.param)


@pytest.fixture
def root(tmp_path: Path) -> Place:
    return Place(tmp_path, whole=True)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Place]:
    if not COMMANDS:
        pytest.skip("the demo has a shell script")
    place = Place(tmp_path, whole=True)
    place.put_demo()
    yield place


# -- the manual of the runner modules ------------------------------------------------------------


def test_hello_world(place: Place) -> None:
    place.put_hello_world()
    done = place.type("orchestrator/runner.py", "--recipe", "orchestrator/recipes/hello_world.yaml", "--debug")
    assert "Hello, World!" in done.stdout.splitlines()
    assert place.ctx("hello_world") == {"hello_world.output": "Hello, World!"}
    assert place.status("hello_world") == {"hello_world": "DONE"}
    told = (place.directory / "hello_world.octo" / "Logs" / "ctx_debug.log").read_text(encoding="utf-8")
    assert 'hello_world: ctx + hello_world.output: "Hello, World!"' in told


def test_programs(place: Place) -> None:
    place.put_hello_world()
    program = "".join(map(printed, ("executor", "run_recipe", "recipe_parser", "scheduler", "dependency_graph")))
    assert place.program(program) == [
        "Hello, World!",
        "COMPLETE_SUCCESS",
        "Hello, World!",
        "COMPLETE_SUCCESS",
        "hello_world",
        "[['hello_world']]",
        "['step1', 'step2']",
    ]


@pytest.mark.skipif(not COMMANDS, reason="a copied script finds Octo by PYTHONPATH")
def test_runner_in_a_directory_with_that_layout(tmp_path: Path) -> None:
    """A user's project that has `orchestrator/` with these files in it, and its own `context.py`."""
    place = Place(tmp_path / "copy", whole=True)
    place.put_hello_world()
    for other in ("loader.py", "runner.py", "context.py"):
        place.put(other, "raise ImportError('the project has a module of this name that is not meant')\n")
    done = place.type("orchestrator/runner.py", "--recipe", "orchestrator/recipes/hello_world.yaml")
    assert "Hello, World!" in done.stdout


def test_a_missing_argument_is_told(root: Place) -> None:
    root.put_hello_world()
    recipe = root.directory / "orchestrator" / "recipes" / "hello_world.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("message:", "text:"), encoding="utf-8")
    done = root.type("orchestrator/runner.py", "--recipe", "orchestrator/recipes/hello_world.yaml", code=1)
    assert "ValueError in hello_world: Missing 'message' argument" in done.stderr
    next_command = done.stderr.splitlines()[-1].strip()
    assert next_command.endswith(" run hello_world.octo")


@pytest.mark.skipif(not COMMANDS, reason="types the command in a shell")
def test_what_can_be_typed_next_without_installing(root: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a checkout alone, with no command `octo`: the messages name one that is there."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    if shutil.which("octo"):
        pytest.skip("octo is installed for everybody here")
    root.put_hello_world()
    root.put("context.py", "raise ImportError('not the one that is meant')\n")
    recipe = root.directory / "orchestrator" / "recipes" / "hello_world.yaml"
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(text.replace("message:", "text:"), encoding="utf-8")
    done = root.type("orchestrator/runner.py", "--recipe", "orchestrator/recipes/hello_world.yaml", code=1)
    recipe.write_text(text, encoding="utf-8")
    command = done.stderr.splitlines()[-1].strip()
    bare = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    again = subprocess.run(["sh", "-c", command], cwd=root.directory, env=bare, capture_output=True, text=True)
    assert again.returncode == 0 and "Hello, World!" in again.stdout, again.stderr


# -- the overview of the framework ---------------------------------------------------------------

DATA_STEP = """\
from scriptlets.framework import BaseScriptlet


class {name}(BaseScriptlet):
    def run(self, context, params):
        context.append("ran", "{name}")
        return {{"status": "success"}}
"""


def put_classes(place: Place, **modules: list[str]) -> None:
    for module, names in modules.items():
        text = "".join(DATA_STEP.format(name=name) for name in names)
        place.put(f"scriptlets/{module.replace('__', '/')}.py", text)


def test_example_automation(place: Place) -> None:
    place.put_printed("recipes/example_automation.yaml", "example_automation.yaml")
    put_classes(
        place,
        data__loader=["DataLoaderScriptlet"],
        data__cleaner=["DataCleanerScriptlet"],
        analysis__analyzer=["DataAnalyzerScriptlet"],
    )
    place.type("orchestrator/runner.py", "--recipe", "example_automation.yaml", "--debug")
    ran = ["DataLoaderScriptlet", "DataCleanerScriptlet", "DataAnalyzerScriptlet"]
    assert place.ctx("example_automation") == {"ran": ran}
    assert place.state("example_automation")["steps"]["load_data"]["result"] == {"status": "success"}


def test_my_first_recipe(root: Place) -> None:
    root.put_printed("recipes/my_first_recipe.yaml", "my_first_recipe.yaml")
    done = root.type("orchestrator/runner.py", "--recipe", "my_first_recipe.yaml", "--debug")
    assert "Hello from Framework0!" in done.stdout


def test_advanced_pipeline(root: Place) -> None:
    root.put_printed("recipes/advanced_pipeline.yaml", "my_recipe.yaml")
    put_classes(
        root,
        setup=["SetupScriptlet"],
        processors=["ProcessorAScriptlet", "ProcessorBScriptlet"],
        combiners=["CombinerScriptlet"],
    )
    assert "4 steps" in root.type("orchestrator/enhanced_recipe_parser.py", "validate", "my_recipe.yaml").stdout
    root.type("orchestrator/runner.py", "--recipe", "my_recipe.yaml", "--debug")
    ran = root.ctx("my_recipe")["ran"]
    assert len(ran) == 4 and (ran[0], ran[3]) == ("SetupScriptlet", "CombinerScriptlet")


def test_custom_processor(root: Place) -> None:
    root.put_printed("demo/custom_processor.py.txt", "scriptlets/custom.py")
    root.put(
        "recipes/custom.yaml",
        "ctx: {input_data: [1, -2, 3]}\n"
        "steps: [{name: custom, module: scriptlets.custom, function: CustomProcessorScriptlet}]\n",
    )
    root.type("orchestrator/runner.py", "--recipe", "recipes/custom.yaml")
    ctx = root.ctx("custom")
    assert ctx["processed_data"] == [2, 6] and ctx["custom_processor.completed"] is True
    result = root.state("custom")["steps"]["custom"]["result"]
    assert (result["status"], result["records_processed"]) == ("success", 2) and result["execution_time"] >= 0


def test_a_users_own_orchestrator_package(place: Place) -> None:
    """With the package file that the documents print, Octo's modules are found beside the user's."""
    place.put_printed("demo/package_init.py.txt", "orchestrator/__init__.py")
    place.put("orchestrator/mine.py", "GREETING = 'from the user'\n")
    place.put(
        "scriptlets/both.py",
        "import orchestrator\n"
        "from orchestrator.mine import GREETING\n"
        "from orchestrator.context import Context\n"
        "from orchestrator.runner.dependency_graph import DependencyGraph\n"
        "def run(ctx):\n"
        "    ctx['told'] = [GREETING, orchestrator.__version__, Context.__name__, DependencyGraph.__name__]\n",
    )
    place.put("recipes/both.yaml", "steps:\n  - {name: a, module: scriptlets.both}\n")
    place.type("orchestrator/runner.py", "--recipe", "recipes/both.yaml")
    assert place.ctx("both")["told"] == ["from the user", "1.2.3", "Context", "DependencyGraph"]


def test_validate_tells_every_mistake(root: Place) -> None:
    text = "steps:\n  - {name: a, function: 'no_such:thing'}\n  - {name: b, cmd: x, depnds_on: a}\n"
    root.put("my_recipe.yaml", text)
    done = root.type("orchestrator/enhanced_recipe_parser.py", "validate", "my_recipe.yaml", code=2)
    assert "my_recipe.yaml:2:" in done.stderr and "my_recipe.yaml:3:" in done.stderr


def test_help_of_both_commands(root: Place) -> None:
    """Alone, the parser's command says what it can do; each help ends with commands as the documents type them."""
    script = "orchestrator/enhanced_recipe_parser.py"
    shown = root.type(script, "--help").stdout
    assert root.type(script).stdout == shown
    for told in (shown, root.type(script, "validate", "--help").stdout):
        assert told.splitlines()[-1].strip() == f"python {script} validate my_recipe.yaml"
    assert "  python runner.py --recipe recipes/" in root.type("runner.py", "--help").stdout
    for words in (["--only"], ["--no-such"]):
        assert root.type("runner.py", *words, code=2).stderr.endswith("next:\n  python runner.py --help\n")
    assert f"  python {script} --help\n" in root.type(script, "vaildate", "x.yaml", code=2).stderr


def test_second_names(root: Place) -> None:
    told = root.program(
        "import orchestrator.enhanced_recipe_parser as e, orchestrator.recipe_parser as r, orchestrator.executor as x\n"
        "import orchestrator.dependency_graph as d, orchestrator.runner as package, runner, loader\n"
        "from orchestrator.runner import Executor, run_recipe, executor, dependency_graph, recipe_parser, scheduler\n"
        "print(e.RecipeParser is r.RecipeParser is recipe_parser.RecipeParser, x.Executor is executor.Executor,\n"
        "      d.DependencyGraph is dependency_graph.DependencyGraph, runner.load_state is loader.load_state)\n"
    )
    assert told == ["True True True True"]


def test_command_lines_of_the_workspace_page(root: Place) -> None:
    """`--only step1 step2`, `--skip step3`, `--resume-from step4`."""
    root.put("work.py", "def run(ctx, name):\n    ctx.append('ran', name)\n")
    steps = [{"name": f"step{n}", "function": "work:run", "params": {"name": f"step{n}"}} for n in (1, 2, 3, 4)]
    root.put("recipes/r.yaml", yaml.safe_dump({"steps": steps}))
    root.type("runner.py", "--only", "step1", "step2")
    assert root.ctx("r")["ran"] == ["step1", "step2"]
    root.type("runner.py", "--skip", "step3")
    assert root.ctx("r")["ran"] == ["step1", "step2", "step4"]
    root.type("runner.py", "--resume-from", "step4")
    assert root.ctx("r")["ran"] == ["step1", "step2", "step4"] and root.status("r")["step3"] == "LEFT_OUT"
    root.type("runner.py")  # what was left out is still to do
    assert root.ctx("r")["ran"] == ["step1", "step2", "step4", "step3"]


# -- the pages of runner.py and the demo recipe --------------------------------------------------

STEPS = ["create_screen_with_log", "launch_dash_in_screen", "start_shared_ctx", "update_ctx_background"]


def test_the_whole_demo(demo: Place) -> None:
    done = demo.type("runner.py", "--recipe", "recipes/demo_screen_dash_ctx.yaml")
    assert "session: -r test_screen" in done.stdout
    rows = demo.ctx("demo_screen_dash_ctx")["new_row"]
    assert rows and all(len(row) == 4 for row in rows)
    # a dependency on a background step is met once that has begun; it ends with the run
    assert demo.status("demo_screen_dash_ctx")["monitor_and_plot"] == "DONE"
    instance = demo.directory / "demo_screen_dash_ctx.octo"
    assert (instance / "Assets" / "graph.png").exists() and list((instance / "Logs").glob("*.log"))


def argv_examples() -> list[list[str]]:
    examples = [example["params"]["argv"] for example in CATALOGUE["runner"]["examples"] if "argv" in example["params"]]
    assert len(examples) == 6
    return examples


@pytest.mark.parametrize("argv", argv_examples(), ids=" ".join)
def test_command_lines(demo: Place, argv: list[str]) -> None:
    """Without --recipe it is the only one in recipes/. A resume needs something to resume: a failure before it."""
    if "--resume-from" in argv:
        app = demo.directory / "scriptlets" / "python" / "apps" / "hello_dash.py"
        good = app.read_text(encoding="utf-8")
        app.write_text(good.replace("print(", "raise OSError("), encoding="utf-8")
        failed = demo.type("runner.py", code=1)
        assert "monitor_and_plot" in failed.stderr
        app.write_text(good, encoding="utf-8")
    demo.type("runner.py", *argv)
    status = demo.status("demo_screen_dash_ctx")
    if "--only" in argv:
        wanted = argv[1:]
        assert [step for step in status if status[step] in ("DONE", "STOPPED")] == wanted
        assert demo.ctx("demo_screen_dash_ctx")["new_row"] is not None
    elif "--skip" in argv:
        assert status["launch_dash_in_screen"] == "LEFT_OUT" and status["start_shared_ctx"] == "DONE"
    else:
        assert {status[step] for step in (*STEPS, "monitor_and_plot")} <= {"DONE", "STOPPED"}


@pytest.mark.skipif(not COMMANDS, reason="needs echo and a shell script")
def test_single_steps(root: Place) -> None:
    """The step blocks of the catalogue, and the minimal custom step of the demo's page."""
    root.put_demo()
    examples = [example["params"] for example in CATALOGUE["runner"]["examples"] if "name" in example["params"]]
    assert [step["name"] for step in examples] == ["start_shared_ctx", "create_screen_with_log"]
    examples.append({"idx": 0, "name": "print_hello", "type": "shell", "cmd": "echo", "args": ["Hello, Automation!"]})
    root.put("recipes/steps.yaml", yaml.safe_dump({"steps": examples}))
    done = root.type("runner.py", "--recipe", "recipes/steps.yaml")
    assert "Hello, Automation!" in done.stdout
    assert root.ctx("steps") == {"mydata": [], "screen_log": "session: -r test_screen\n"}
    assert list(root.status("steps")) == ["print_hello", "create_screen_with_log", "start_shared_ctx"]


def test_the_demo_recipe_of_its_own_page_is_read() -> None:
    """Its steps arrive with the library; the file itself has no mistake."""
    recipe = load(DATA / "recipes" / "demo_screen_dash_ctx.yaml", imports=False)
    assert [step.name for step in recipe.steps] == [*STEPS, "monitor_and_plot"]
    assert recipe.steps[3].background


def test_a_file_named_runner_debug_is_debug_mode(root: Place) -> None:
    root.put_hello_world()
    root.put("runner.debug", "")
    root.type("runner.py")
    assert (root.directory / "hello_world.octo" / "Logs" / "ctx_debug.log").exists()


def test_state_is_saved_as_json(root: Place) -> None:
    root.put("table.csv", "a,b\n")
    root.put("before.py", "")
    told = root.program(
        "import runner, loader\n"
        "from context import Context\n"
        "ctx = Context()\n"
        "ctx['rows'] = [1, 2]\n"
        "files_touched = ['table.csv']\n"
        "runner.save_state(ctx, files_touched)\n"
        "# Later, after a resume:\n"
        "ctx = Context()\n"
        'ctx.update(loader.load_state()["ctx"])\n'
        "print(ctx, loader.load_state()['files_touched'])\n"
    )
    assert told == ["{'rows': [1, 2]} ['table.csv']"]
    assert '"rows"' in (root.directory / "state.json").read_text(encoding="utf-8")


# -- how it ends ---------------------------------------------------------------------------------


def test_which_recipe(root: Place) -> None:
    assert "which recipe?" in root.type("runner.py", code=2).stderr
    for name in ("one", "two"):
        root.put(f"recipes/{name}.yaml", "steps: [{name: a, module: builtins, function: print, args: [x]}]\n")
    told = root.type("runner.py", code=2).stderr
    assert "  python runner.py --recipe recipes/one.yaml\n  python runner.py --recipe recipes/two.yaml\n" in told
    assert not list(root.directory.glob("*.octo"))


def test_exit_codes(root: Place) -> None:
    root.put("work.py", "import os\ndef run(ctx):\n    assert not os.path.exists('bad'), 'it is bad'\n")
    root.put("recipes/r.yaml", "steps:\n  - {name: a, function: 'work:run'}\n  - {name: b, function: 'work:run'}\n")
    root.type("runner.py")
    root.put("bad", "")
    assert "it is bad" in root.type("runner.py", code=1).stderr
    (root.directory / "bad").unlink()
    assert "no step 'c'" in root.type("runner.py", "--only", "c", code=2).stderr
    assert "--resume-frm" in root.type("runner.py", "--resume-frm", "a", code=2).stderr
    assert "there is no file" in root.type("runner.py", "--recipe", "nowhere.yaml", code=2).stderr
    root.type("runner.py", "--resume-from", "a")
    text = "steps:\n  - {name: a, function: 'work:run'}\n  - {name: b, function: 'work:run', breakpoint: true}\n"
    root.put("recipes/r.yaml", text)
    paused = root.type("runner.py", code=3)
    assert "breakpoint" in paused.stderr and " run r.octo\n" in paused.stderr
    root.type("runner.py")


@pytest.mark.skipif(not COMMANDS, reason="signals")
def test_interrupted(root: Place) -> None:
    root.put("work.py", "import time\ndef run(ctx):\n    open('began', 'w').close()\n    time.sleep(1)\n")
    root.put("recipes/r.yaml", "steps:\n  - {name: a, function: 'work:run'}\n  - {name: b, function: 'work:run'}\n")
    run = subprocess.Popen(
        [sys.executable, "runner.py"], cwd=root.directory, env=root.environment, stdout=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 60
        while not (root.directory / "began").exists():
            assert run.poll() is None and time.monotonic() < until
            time.sleep(0.02)
        run.send_signal(signal.SIGINT)
        assert run.wait(60) == 130
    finally:
        run.kill()
        run.wait()
    assert root.status("r")["a"] == "DONE"  # a first Ctrl-C lets what runs end
    root.type("runner.py")
    assert root.status("r")["b"] == "DONE"


def test_steps_are_listed_and_nothing_is_run(root: Place) -> None:
    root.put_printed("recipes/demo_screen_dash_ctx.yaml", "recipes/demo.yaml")
    told = root.type("runner.py", "--list-steps").stdout.splitlines()
    assert [line.split()[0] for line in told if line.split()[0] in (*STEPS, "monitor_and_plot")] == [
        *STEPS,
        "monitor_and_plot",
    ]
    assert not list(root.directory.glob("*.octo"))
