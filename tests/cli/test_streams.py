"""Standard streams that are closed, full, or in an encoding that lacks characters: the run goes on all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="streams are closed by a shell")

RECIPE = """\
steps:
  - {name: größe, module: builtins, function: print, args: [weit → breit]}
  - {name: says, cmd: echo, args: [from a program]}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def typed(recipe: Path, checkout: Path, how: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """`octo run r.yaml` with `how` behind it, such as `>&-`."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), **env}
    command = ["sh", "-c", f'exec "$0" -m octo run r.yaml {how}', sys.executable]
    return subprocess.run(command, cwd=recipe.parent, env=environment, capture_output=True, timeout=120)


def state(recipe: Path) -> Any:
    return json.loads((recipe.parent / "r.octo" / ".octo_step_engine_parameters.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("how", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams(recipe: Path, checkout: Path, how: str) -> None:
    done = typed(recipe, checkout, how)
    assert (done.returncode, done.stderr) == (0, b"")
    assert state(recipe)["global_parameters"]["step_engine_state"] == "COMPLETE_SUCCESS"
    for file in (recipe.parent / "r.octo").iterdir():
        assert file.is_dir() or b"from a program\n" not in file.read_bytes(), "what a program printed is in a file"


@pytest.mark.parametrize("encoding", ["ascii:strict", "ascii:surrogateescape", "latin-1:surrogateescape"])
def test_an_encoding_that_lacks_characters(recipe: Path, checkout: Path, encoding: str) -> None:
    done = typed(recipe, checkout, "", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"weit \\u2192 breit" in done.stdout and b"done: 2 steps" in done.stdout
