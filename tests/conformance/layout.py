"""The directories that the documents take for granted, with the files that their examples need."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(__file__).resolve().parent / "data"

# What the demo recipe names and this part of Octo does not bring: as little as its steps need.
DEMO = {
    "scriptlets/python/steps/ctx_init.py": """\
def run(ctx, params):
    for key in params["keys"]:
        ctx[key] = []
    return {"initialized": params["keys"]}
""",
    "scriptlets/python/steps/ctx_row_updater.py": """\
import time


def run(ctx, params):
    while True:
        ctx.append(params["key"], [time.strftime("%H:%M:%S"), *[0.5] * params["n"]])
        if ctx.stop.wait(0.02):
            return {"updater": params["key"]}
""",
    "scriptlets/python/apps/hello_dash.py": """\
import time


def run(ctx, params):
    while not ctx[params["ctx_key"]]:
        time.sleep(0.01)
    print("rows seen on port", params["port"])
""",
    "scriptlets/shell/screen_script.sh": """\
#!/bin/sh
echo "session: $*"
""",
}


class Place:
    """A directory to type the documents' commands in.

    `whole`: it is the orchestrator's root itself, a copy of `modules/` with the user's files in it. Otherwise it has
    the user's files alone, and the scripts are named where they are installed.
    """

    def __init__(self, directory: Path, *, whole: bool, marked: bool = False) -> None:
        self.directory, self.whole, self.marked = directory, whole, marked
        if whole:
            left = shutil.ignore_patterns("__pycache__", "*.octo", ".*")
            shutil.copytree(ROOT / "modules", directory, dirs_exist_ok=True, ignore=left)

    def put(self, name: str, text: str) -> Path:
        """A file of the user's; with `marked`, each folder of his scriptlets has an `__init__.py`."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if path.suffix == ".sh":
            path.chmod(0o755)
        folder = path.parent
        while self.marked and folder != self.directory and name.startswith("scriptlets/"):
            (folder / "__init__.py").touch()
            folder = folder.parent
        return path

    def put_printed(self, printed: str, name: str) -> Path:
        """A file as the documents print it."""
        return self.put(name, (DATA / printed).read_text(encoding="utf-8"))

    def put_hello_world(self) -> None:
        self.put_printed("recipes/hello_world.yaml", "orchestrator/recipes/hello_world.yaml")
        self.put_printed("demo/hello_world.py.txt", "scriptlets/steps/hello_world.py")

    def put_demo(self) -> None:
        self.put_printed("recipes/demo_screen_dash_ctx.yaml", "recipes/demo_screen_dash_ctx.yaml")
        for name, text in DEMO.items():
            self.put(name, text)

    @property
    def environment(self) -> dict[str, str]:
        path = [str(ROOT)] if self.whole else [str(ROOT), str(ROOT / "modules")]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"}

    def script(self, name: str) -> str:
        return name if self.whole else str(ROOT / "modules" / name)

    def type(self, script: str, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """`python SCRIPT WORDS…`, which has to end with `code`."""
        done = subprocess.run(
            [sys.executable, self.script(script), *words],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
        )
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def program(self, text: str) -> list[str]:
        """What a Python program prints that lies in the directory."""
        self.put("program.py", text)
        done = subprocess.run(
            [sys.executable, "program.py"],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def state(self, name: str) -> dict[str, Any]:
        """The state of a recipe's instance, as any program reads it."""
        file = self.directory / f"{name}.octo" / ".octo_step_engine_parameters.json"
        state: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return state

    def ctx(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.state(name)["ctx"]
        return found

    def status(self, name: str) -> dict[str, str]:
        return {step: entry["status"] for step, entry in self.state(name)["steps"].items()}


def printed(name: str) -> str:
    """A Python program as the documents print it."""
    return (DATA / "programs" / f"{name}.py.txt").read_text(encoding="utf-8")
