"""ctx_env_echo: what a shell step was given of ctx, line by line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.recipe.runs import Project
from tests.steps.programs import ROOT, needs_bash, plain_environment, typed

pytestmark = needs_bash
DATA = ROOT / "tests" / "conformance" / "data" / "steps" / "shell.yaml"
EXAMPLES: list[dict[str, Any]] = next(entry["examples"] for entry in yaml.safe_load(DATA.read_text(encoding="utf-8"))
                                      if entry["id"] == "ctx_env_echo")


def echoed(*words: str, **environment: str) -> str:
    done = typed("ctx_env_echo", *words, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("example", [each for each in EXAMPLES if "env" in each.get("params", {})],
                         ids=lambda each: ",".join(each["params"]["env"]))
def test_the_documented_output(example: dict[str, Any]) -> None:
    """The examples with variables; their order is that of the names here, any in the documents."""
    found = echoed(**example["params"]["env"])
    assert sorted(found.splitlines()) == sorted(example["returns"].splitlines())
    assert found.startswith("CTX ENV VARS:\n")


@pytest.mark.parametrize("example", [each for each in EXAMPLES if "shell_env_keys" in each["params"] and "ctx" in each],
                         ids=lambda each: ",".join(each["ctx"]))
def test_documented_keys_of_a_recipe(example: dict[str, Any], tmp_path: Path) -> None:
    """The examples with ctx, through a run; JSON has the blanks that json.dumps writes."""
    project = Project(tmp_path)
    step = {"name": "echo_env", "type": "shell", "cmd": "scriptlets/shell/ctx_env_echo.py",
            **example["params"], "stdout_to_ctx": "echo_env_output"}
    project.recipe(yaml.safe_dump({"ctx": example["ctx"], "steps": [step]}))
    assert project.run().status == "COMPLETE_SUCCESS"
    found = project.ctx["echo_env_output"]
    assert sorted(found.replace(" ", "").splitlines()) == sorted(example["returns"].replace(" ", "").splitlines())


def test_the_documented_recipe_steps_without_keys(tmp_path: Path) -> None:
    """The step show_ctx_env_vars: no keys, no arguments."""
    project = Project(tmp_path)
    project.recipe("""
        steps:
          - {name: show_ctx_env_vars, type: shell, cmd: scriptlets/shell/ctx_env_echo.py, stdout_to_ctx: out}
    """)
    assert project.run().status == "COMPLETE_SUCCESS" and project.ctx == {"out": "CTX ENV VARS:\n"}


def test_a_downstream_step_and_a_resume(tmp_path: Path) -> None:
    """The steps preprocess and export_ctx."""
    project = Project(tmp_path)
    project.bodies("""
        from pathlib import Path
        def run(ctx, params):
            ctx[params["key"]] = [1, {"a": "ä"}]
        def gate():
            assert Path("go").exists()
    """)
    project.recipe("""
        steps:
          - {idx: 1, name: preprocess, type: python, module: BODY, function: run, params: {key: processed}}
          - {idx: 2, name: gate, module: BODY, function: gate}
          - {idx: 3, name: export_ctx, type: shell, cmd: scriptlets/shell/ctx_env_echo.py,
             shell_env_keys: [processed], depends_on: [preprocess], stdout_to_ctx: out}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (tmp_path / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["out"] == 'CTX ENV VARS:\nCTX_processed=[1, {"a": "\\u00e4"}]\n'


def test_nothing_there_is_no_mistake() -> None:
    assert echoed() == "CTX ENV VARS:\n"
    assert echoed(CTX="no", MY_CTX_a="no") == "CTX ENV VARS:\n"


def test_only_some_keys() -> None:
    values = {"CTX_a": "1", "CTX_ab": "2", "CTX_b": "3"}
    assert echoed("a", "CTX_b", **values) == "CTX ENV VARS:\nCTX_a=1\nCTX_b=3\n"
    assert echoed("--exclude", "a", "--exclude", "CTX_b", **values) == "CTX ENV VARS:\nCTX_ab=2\n"


def test_a_key_that_is_not_there_is_told() -> None:
    done = typed("ctx_env_echo", "a", "rows", CTX_a="1")
    assert done.returncode == 1 and "there is no CTX_rows" in done.stderr and "shell_env_keys" in done.stderr
    assert done.stdout == "CTX ENV VARS:\nCTX_a=1\n"


def test_values_of_several_lines(tmp_path: Path) -> None:
    value = "one\nCTX_no=two\n"
    assert echoed(CTX_a=value) == f"CTX ENV VARS:\nCTX_a={value}\n"
    lines = echoed("--quote", CTX_a=value, CTX_b="x y").splitlines()
    assert len(lines) == 3 and lines[1] == r"CTX_a=$'one\nCTX_no=two\n'"


def test_into_a_file(tmp_path: Path) -> None:
    done = typed("ctx_env_echo", "--out", "Logs/listing.txt", cwd=tmp_path, CTX_a="1")
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "Logs" / "listing.txt").read_text() == "CTX ENV VARS:\nCTX_a=1\n"
    assert typed("ctx_env_echo", "--out", "Logs", cwd=tmp_path).returncode == 1


@pytest.mark.parametrize("words", [["--wrong"], ["--out"], ["--exclude"]], ids=" ".join)
def test_wrong_words(words: list[str]) -> None:
    done = typed("ctx_env_echo", *words)
    assert done.returncode == 1 and words[0] in done.stderr and done.stdout == ""


@pytest.mark.parametrize("program", [["bash"], [sys.executable], []], ids=["bash", "python", "itself"])
def test_the_documented_path_runs_in_bash_and_in_python(program: list[str]) -> None:
    """A bash script with a Python suffix: `bash scriptlets/shell/ctx_env_echo.py`."""
    path = "scriptlets/shell/ctx_env_echo.py"
    done = subprocess.run([*program, path if program else f"./{path}"], cwd=ROOT / "modules", capture_output=True,
                          text=True, env=plain_environment(CTX_foo="bar", CTX_myjson='{"x":1}'), timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == 'CTX ENV VARS:\nCTX_foo=bar\nCTX_myjson={"x":1}\n'


def test_help() -> None:
    assert "--quote" in echoed("--help") and os.linesep in echoed("-h")
