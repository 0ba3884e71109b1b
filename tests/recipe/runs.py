"""What the tests of running recipes share: a folder with a recipe and a module of bodies, run in this process."""

from __future__ import annotations

import itertools
import os
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from octo.context import Context
from octo.engine import RunResult
from octo.errors import OctoError
from octo.recipe.run import run_instance, run_recipe
from octo.store import ParameterStore

_numbers = itertools.count(1)


@contextmanager
def chdir(directory: Path) -> Iterator[None]:
    """Like contextlib.chdir, which Python 3.10 does not have."""
    before = os.getcwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


class Project:
    """A folder that recipes are run in. `BODY` in a recipe's text stands for the name of its module."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.module = f"bodies_{next(_numbers)}"

    def bodies(self, code: str) -> None:
        self.write(f"{self.module}.py", code)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).replace("BODY", self.module), encoding="utf-8")
        return path

    def recipe(self, text: str, name: str = "r.yaml") -> Path:
        return self.write(name, text)

    def run(self, name: str = "r.yaml", **options: Any) -> RunResult:
        with chdir(self.folder):
            return run_recipe(name, draw=False, **options)

    def go_on(self, directory: str = "r.octo", *more: Any) -> RunResult:
        from octo.recipe.run import Options

        with chdir(self.folder):
            return run_instance(directory, *(more or (None, Options(draw=False))))

    def refused(self, name: str = "r.yaml", **options: Any) -> OctoError:
        """The error with which the run is refused."""
        try:
            result = self.run(name, **options)
        except OctoError as error:
            return error
        raise AssertionError(f"it was not refused: {result}")

    # -- what came of it ---------------------------------------------------------------------------

    @property
    def instance(self) -> Path:
        return self.folder / "r.octo"

    @property
    def ctx(self) -> dict[str, Any]:
        found = ParameterStore(self.instance).read()["ctx"]
        assert isinstance(found, dict)
        return found

    @property
    def steps(self) -> dict[str, Any]:
        found = ParameterStore(self.instance).read()["steps"]
        assert isinstance(found, dict)
        return found

    @property
    def settings(self) -> dict[str, Any]:
        found = ParameterStore(self.instance).read()["global_parameters"]
        assert isinstance(found, dict)
        return found

    def status(self) -> dict[str, str]:
        return {name: entry["status"] for name, entry in self.steps.items()}

    def edit(self, who: str = "anna") -> Context:
        """ctx as a person changes it."""
        return Context.open(self.instance, who=who)

    def log(self, run_id: str) -> str:
        return (self.instance / "Logs" / f"{run_id}.log").read_text(encoding="utf-8")

    def lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text(encoding="utf-8").split() if path.exists() else []
