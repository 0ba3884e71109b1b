"""ctx_shell_helper: what a shell step was given of ctx, as JSON."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octo.context import Context, expose_for_shell
from octo.shared_names import shell_steps
from tests.recipe.runs import Project
from tests.steps.programs import ROOT, needs_bash, plain_environment, typed

pytestmark = needs_bash
needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")


def printed(*words: str, **environment: str) -> str:
    done = typed("ctx_shell_helper", *words, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_documented_output_without_its_last_comma() -> None:
    """FOO and BAR: lines in the order of the names, strict JSON."""
    found = printed(CTX_FOO='{"val": 123}', CTX_BAR='["a", "b", "c"]')
    assert found == '{\n  "BAR": ["a", "b", "c"],\n  "FOO": {"val": 123}\n}\n'


@needs_jq
def test_documented_pipes(tmp_path: Path) -> None:
    """`| jq .`, `| grep '"DEVICE"'` and `> Logs/current_ctx_env.json`."""
    helper = "bash scriptlets/python/core/ctx_shell_helper.sh"
    line = f"{helper} | jq .DEVICE.readings[1]; {helper} | grep '\"DEVICE\"'; {helper} > \"$OUT\""
    out = tmp_path / "current_ctx_env.json"
    device = '{"name": "sensorA", "readings": [12.5, 13.2]}'
    done = subprocess.run(["bash", "-c", line], cwd=ROOT / "modules", capture_output=True, text=True, check=True,
                          env=plain_environment(CTX_DEVICE=device, CTX_A="1", OUT=str(out)), timeout=60)
    assert done.stdout == f'13.2\n  "DEVICE": {device}\n'
    assert json.loads(out.read_text()) == {"A": 1, "DEVICE": json.loads(device)}


def test_in_a_recipe(tmp_path: Path) -> None:
    """The steps print_ctx_env and pretty_print_ctx: the runner keeps the case of the keys."""
    project = Project(tmp_path)
    project.recipe("""
        ctx: {metrics: [1, 2, 3], user: {id: 7}, name: alice}
        steps:
          - {name: print_ctx_env, type: shell, cmd: scriptlets/python/core/ctx_shell_helper.sh, stdout_to_ctx: none}
          - {name: pretty_print_ctx, type: shell, cmd: scriptlets/python/core/ctx_shell_helper.sh,
             shell_env_keys: [metrics, user, name], stdout_to_ctx: out}
    """)
    assert project.run().status == "COMPLETE_SUCCESS"
    assert project.ctx["none"] == "{}\n"
    assert json.loads(project.ctx["out"]) == {"metrics": [1, 2, 3], "user": {"id": 7}, "name": "alice"}


def test_what_a_context_exposes() -> None:
    """Context, then expose_for_shell(ctx, ["foo"]): CTX_foo='[100, 200]'."""
    exposed = expose_for_shell(Context(foo=[100, 200]), ["foo"], prefix="CTX_")
    assert exposed == {"CTX_foo": "[100, 200]"} and json.loads(printed(**exposed)) == {"foo": [100, 200]}


def test_set_by_another_program(tmp_path: Path) -> None:
    """`source <(python my_env_exporter.py)`, then the helper."""
    (tmp_path / "exporter.sh").write_text("echo 'export CTX_A=\"[1]\"'\n")
    line = f"source <(bash exporter.sh); bash '{shell_steps()['ctx_shell_helper']}'"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60,
                          env=plain_environment())
    assert done.stdout == '{\n  "A": [1]\n}\n'


VALUES: list[tuple[str, Any]] = [
    ("alice", "alice"), ("", ""), ("007", "007"), ("1.", "1."), ("-0.5e-3", -0.5e-3), ("[1,]", "[1,]"), ("v", "v"),
    ("1 2", "1 2"), ("nulls", "nulls"), ("null", None), ('"a', '"a'), ('{"a":{"b":[[],{}]}}', {"a": {"b": [[], {}]}}),
    ('{"a" 1}', '{"a" 1}'), ("{1: 2}", "{1: 2}"), ("line\nbreak\t\"q\" \\ \x01", "line\nbreak\t\"q\" \\ \x01"),
    ("NaN", "NaN"), ('"\\u00e4ö"', "äö"), ('"\\x"', '"\\x"'), ("[\n 1\n]", [1]), ('"a""b"', '"a""b"'),
]


@pytest.mark.parametrize(("text", "value"), VALUES, ids=lambda each: repr(each)[:20])
def test_a_value_that_is_no_json_is_text(text: str, value: Any) -> None:
    assert json.loads(printed(CTX_x=text)) == {"x": value}


@settings(max_examples=40)
@given(st.text(st.sampled_from('[]{},:"\\ 0123456789.-+eEtrufalsn\n\t'), max_size=12))
def test_it_is_always_json(text: str) -> None:
    try:
        wanted = json.loads(text, parse_constant=lambda name: text)
    except ValueError:
        wanted = text
    if isinstance(wanted, float):  # 1e999: JSON, and more than a float
        assert isinstance(json.loads(printed(CTX_x=text))["x"], (float, str))
        return
    assert json.loads(printed(CTX_x=text)) == {"x": wanted}


def test_names_that_no_shell_has() -> None:
    assert json.loads(printed(**{"CTX_stage1.x y": "1", 'CTX_"q"': "2"})) == {"stage1.x y": 1, '"q"': 2}


def test_a_large_value() -> None:
    rows = [[number, "x\ty", None] for number in range(5000)]
    assert json.loads(printed(CTX_rows=json.dumps(rows))) == {"rows": rows}


def test_only_some_keys_in_any_case() -> None:
    """`bash ctx_shell_helper.sh metrics user`."""
    values = {"CTX_METRICS": "[1]", "CTX_user": "{}", "CTX_more": "1"}
    assert json.loads(printed("metrics", "USER", **values)) == {"METRICS": [1], "user": {}}
    assert json.loads(printed("--exclude", "More", **values)) == {"METRICS": [1], "user": {}}
    done = typed("ctx_shell_helper", "metrics", "absent", **values)
    assert (done.returncode, done.stdout) == (1, "") and "CTX_absent" in done.stderr


def test_other_forms() -> None:
    values = {"CTX_a": "x, y", "CTX_b": '{"c": [1, 2]}'}
    rows = list(csv.reader(io.StringIO(printed("--format", "csv", **values))))
    assert rows == [["key", "value"], ["a", "x, y"], ["b", '{"c": [1, 2]}']]
    done = typed("ctx_shell_helper", "--strict", **values)
    assert (done.returncode, done.stdout) == (1, "") and "x, y" in done.stderr


@needs_jq
def test_indented() -> None:
    assert '    "c": [\n      1' in printed("--indent", CTX_b='{"c": [1, 2]}')


@pytest.mark.parametrize("words", [["--wrong"], ["--format"], ["--format", "xml"]], ids=" ".join)
def test_wrong_words(words: list[str]) -> None:
    done = typed("ctx_shell_helper", *words)
    assert done.returncode == 1 and words[-1] in done.stderr and done.stdout == ""


def test_sourced_it_only_defines_its_function() -> None:
    """`source scriptlets/python/core/ctx_shell_helper.sh && echo "$CTX_FOO"`."""
    line = 'source scriptlets/python/core/ctx_shell_helper.sh && echo "$CTX_FOO" && ctx_json; echo "here $(ctx_json x)"'
    done = subprocess.run(["bash", "-c", line], cwd=ROOT / "modules", capture_output=True, text=True,
                          env=plain_environment(CTX_FOO="[1]"), timeout=60)
    assert done.stdout == '[1]\n{\n  "FOO": [1]\n}\nhere \n'


def test_help() -> None:
    assert "--exclude KEY" in printed("--help") == printed("-h")
