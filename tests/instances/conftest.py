"""The instances are run as they are in the repository, but from a copy: a run rewrites its parameter file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octo import Engine, ParameterStore

ROOT = Path(__file__).resolve().parents[2]
PARAMETER_FILE = ".octo_step_engine_parameters.json"


class Copy:
    """A copy of one instance, with the step libraries where its parameter file says that they are."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def set(self, **groups: dict[str, Any]) -> None:
        store = ParameterStore(self.directory)
        for group, values in groups.items():
            for key, value in values.items():
                store.set(group, key, value)

    def run(self) -> Any:
        return Engine(self.directory).run()

    @property
    def state(self) -> dict[str, Any]:
        """What stands in the JSON, read as any other program would."""
        state: dict[str, Any] = json.loads((self.directory / PARAMETER_FILE).read_text(encoding="utf-8"))
        return state

    def run_killed_when(self, enough: Callable[[dict[str, Any]], bool]) -> None:
        """`octo run` in a process of its own, killed as soon as the state is `enough`."""
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT), str(ROOT / "modules")]))
        command = [sys.executable, "-m", "octo", "run", str(self.directory)]
        output = self.directory.with_suffix(".output")
        with output.open("wb") as file:
            run = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
        try:
            until = time.monotonic() + 30
            while not enough(self.state):
                assert run.poll() is None, output.read_text(encoding="utf-8")
                assert time.monotonic() < until, "the run never came that far"
                time.sleep(0.01)
        finally:
            run.kill()
            run.wait()


@pytest.fixture
def instance(tmp_path: Path) -> Callable[[str], Copy]:
    def copy(name: str) -> Copy:
        directory = tmp_path / "instances" / name
        shutil.copytree(ROOT / "instances" / name, directory)
        if not (tmp_path / "step_library").exists():
            shutil.copytree(ROOT / "step_library", tmp_path / "step_library")
        return Copy(directory)

    return copy
