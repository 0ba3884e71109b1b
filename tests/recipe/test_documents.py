"""The recipes that the documents print are read as they stand."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from octo.recipe import load
from tests.recipe.kit import recipe

DASH = """\
test_meta:
  test_id: demo_screen_dash_ctx
  tester: test_user
  description: Demo pipeline with Dash and shared context.

steps:
  - idx: 1
    name: create_screen_with_log
    type: shell
    cmd: scriptlets/shell/screen_script.sh
    args: [-r, test_screen]

  - idx: 2
    name: launch_dash_in_screen
    type: shell
    cmd: scriptlets/shell/screen_script.sh
    args: [-s, test_screen, "python scriptlets/python/apps/hello_dash.py --port 8050 --ctx_key new_row"]
    depends_on: [create_screen_with_log]

  - idx: 3
    name: start_shared_ctx
    type: python
    module: scriptlets.python.steps.ctx_init
    function: run
    params: {keys: ["new_row"]}
    depends_on: [launch_dash_in_screen]

  - idx: 4
    name: update_ctx_background
    type: python
    module: scriptlets.python.steps.ctx_row_updater
    function: run
    params: {key: "new_row", n: 3, interval_sec: 1}
    background: true
    depends_on: [start_shared_ctx]

  - idx: 5
    name: monitor_and_plot
    type: python
    module: scriptlets.python.apps.hello_dash
    function: run
    params: {port: 8050, ctx_key: "new_row"}
    depends_on: [update_ctx_background]
"""

AUTOMATION = """\
# example_automation.yaml
metadata:
  name: "data_processing_pipeline"
  version: "1.0"
  description: "Process and analyze data with dependencies"

steps:
  - name: "load_data"
    idx: 1
    type: "python"
    module: "scriptlets.data.loader"
    function: "DataLoaderScriptlet"
    args:
      source: "/path/to/data.csv"

  - name: "clean_data"
    idx: 2
    type: "python"
    module: "scriptlets.data.cleaner"
    function: "DataCleanerScriptlet"
    depends_on: ["load_data"]

  - name: "analyze_data"
    idx: 3
    type: "python"
    module: "scriptlets.analysis.analyzer"
    function: "DataAnalyzerScriptlet"
    depends_on: ["clean_data"]
"""

PIPELINE = """\
# advanced_pipeline.yaml
metadata:
  name: "advanced_data_pipeline"
  version: "2.0"

steps:
  - name: "setup"
    idx: 1
    module: "scriptlets.setup"
    function: "SetupScriptlet"

  - name: "process_a"
    idx: 2
    module: "scriptlets.processors"
    function: "ProcessorAScriptlet"
    depends_on: ["setup"]
    timeout: 60

  - name: "combine"
    idx: 4
    module: "scriptlets.combiners"
    function: "CombinerScriptlet"
    depends_on: ["process_a"]
"""

FIRST = """\
# my_first_recipe.yaml
metadata:
  name: "hello_framework0"
  version: "1.0"
  description: "Introduction to Framework0"

steps:
  - name: "greet"
    idx: 1
    type: "python"
    module: "builtins"
    function: "print"
    args:
      - "Hello from Framework0!"
"""

HELLO = """\
# orchestrator/recipes/hello_world.yaml
test_meta:
  test_id: HW-001
  tester: bob
  description: "Hello World step"
steps:
  - idx: 1
    name: hello_world
    type: python
    module: recipe_documents_hello
    function: HelloWorld
    args:
      message: "Hello, World!"
    success:
      ctx_has_keys:
        - hello_world.output
"""


def test_the_dash_demo() -> None:
    made = recipe(DASH)
    assert [step.kind for step in made.steps] == ["shell", "shell", "python", "python", "python"]
    assert made.steps[1].args[2] == "python scriptlets/python/apps/hello_dash.py --port 8050 --ctx_key new_row"
    assert made.steps[3].background and made.steps[3].params == {"key": "new_row", "n": 3, "interval_sec": 1}
    assert made.metadata["tester"] == "test_user"


def test_the_automation_example() -> None:
    made = recipe(AUTOMATION)
    assert made.name == "data_processing_pipeline"
    assert made.steps[0].target == "scriptlets.data.loader:DataLoaderScriptlet"
    assert made.steps[0].params == {"source": "/path/to/data.csv"}


def test_the_pipeline_with_a_time_out() -> None:
    assert [step.timeout for step in recipe(PIPELINE).steps] == [None, 60, None]


def test_the_first_recipe_also_with_its_imports() -> None:
    [step] = recipe(FIRST, imports=True).steps
    assert (step.target, step.positional) == ("builtins:print", ["Hello from Framework0!"])


def test_hello_world_with_its_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe_documents_hello.py").write_text(
        textwrap.dedent(
            """\
            from octo.scriptlet import BaseScriptlet

            class HelloWorld(BaseScriptlet):
                def validate(self, ctx, params: dict):
                    if "message" not in params:
                        raise ValueError("Missing 'message' argument")

                def run(self, ctx, params: dict) -> int:
                    ctx.set("hello_world.output", params["message"], who="hello_world")
                    return 0
            """
        )
    )
    Path("hello_world.yaml").write_text(HELLO)
    made = load("hello_world.yaml")
    assert (made.name, made.path) == ("hello_world", tmp_path / "hello_world.yaml")
    assert made.steps[0].success == {"ctx_has_keys": ["hello_world.output"]}
