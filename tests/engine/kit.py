"""Small instances for tests: a library written as text, an instance of it, runs here and in children."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from octo.engine import Engine, Event, RunResult
from octo.engine.init import init_instance
from octo.store import GLOBAL, JOURNAL_FILE, PARAMETER_FILE, ParameterStore

CHECKOUT = Path(__file__).resolve().parents[2]

PRELUDE = '''
import os, signal, sys, threading, time
from pathlib import Path
from octo.engine.node import StepNode

def say(text):
    """Leave a trace outside of the state: what was called, in order, also by runs that were killed."""
    with open("calls.txt", "a") as file:
        file.write(f"{text}\\n")

def said(text):
    return Path("calls.txt").read_text().splitlines().count(text) if os.path.exists("calls.txt") else 0

def once(name):
    """True the first time in the life of the instance."""
    if os.path.exists(name):
        return False
    Path(name).touch()
    return True

def die():
    os.kill(os.getpid(), signal.SIGKILL)
'''

RUN = """
import sys
from octo.engine.engine import Engine
result = Engine({instance!r}, draw=False).run()
print(result.status, result.ended_by, result.steps, flush=True)
raise SystemExit(result.exit_code)
"""


class Box:
    """An instance `it` with the library `library` in a directory of a test."""

    def __init__(self, directory: Path, source: str, *, prelude: str = PRELUDE) -> None:
        self.library = directory / "library"
        self.directory = directory / "it"
        self.library.mkdir(parents=True, exist_ok=True)
        self.write(source, prelude=prelude)
        self.events: list[Event] = []
        init_instance(self.directory, self.library)

    def write(self, source: str, module: str = "step_node_all", *, prelude: str = PRELUDE) -> None:
        """Write (or mend) a module of the library."""
        (self.library / f"{module}.py").write_text(prelude + textwrap.dedent(source), encoding="utf-8")

    def replace(self, old: str, new: str) -> None:
        """Mend the library's text."""
        path = self.library / "step_node_all.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    # -- runs

    def run(
        self,
        steps: int | None = None,
        *,
        subscribers: tuple[Callable[[Event], None], ...] = (),
        **options: Any,
    ) -> RunResult:
        """Run here; the events are in `events`."""
        self.events = []
        options.setdefault("draw", False)
        return Engine(self.directory, subscribers=[self.events.append, *subscribers], **options).run(steps)

    def start(self, code: str = RUN, **more: Any) -> subprocess.Popen[str]:
        """A run in a child process."""
        environment = {**os.environ, "PYTHONPATH": f"{CHECKOUT}{os.pathsep}{CHECKOUT / 'modules'}", **more}
        return subprocess.Popen(
            [sys.executable, "-c", code.replace("{instance!r}", repr(str(self.directory)))],
            env=environment,
            cwd=self.directory.parent,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def child(
        self, code: str = RUN, *, timeout: float = 60.0, **more: Any
    ) -> subprocess.CompletedProcess[str]:
        process = self.start(code, **more)
        out, err = process.communicate(timeout=timeout)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    # -- what there is to see

    @property
    def store(self) -> ParameterStore:
        return ParameterStore(self.directory)

    @property
    def state(self) -> dict[str, Any]:
        return dict(self.store.read())

    @property
    def ctx(self) -> dict[str, Any]:
        return dict(self.state.get("ctx", {}))

    @property
    def position(self) -> dict[str, Any]:
        return dict(self.state["engine"])

    def setting(self, key: str) -> Any:
        return self.state[GLOBAL].get(key)

    @property
    def count(self) -> int:
        """How many executed steps `run_step_count` tells."""
        return int(self.setting("run_step_count")) - 1

    @property
    def calls(self) -> list[str]:
        path = self.directory / "calls.txt"
        return path.read_text().splitlines() if path.exists() else []

    def clear_calls(self) -> None:
        (self.directory / "calls.txt").unlink(missing_ok=True)

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    @property
    def log(self) -> str:
        return "".join(path.read_text() for path in sorted((self.directory / "Logs").iterdir()))

    def records(self) -> list[dict[str, Any]]:
        """The journal's records (the lines that are no view's)."""
        lines = (self.directory / JOURNAL_FILE).read_text().splitlines()[1:]
        return [record for record in map(json.loads, lines) if "seq" in record]

    # -- a person

    @property
    def json(self) -> dict[str, Any]:
        """The file as a person sees it."""
        return dict(json.loads((self.directory / PARAMETER_FILE).read_text()))

    def edit(self, group: str, **values: Any) -> None:
        """Edit the JSON in an editor (no lock, no Octo)."""
        state = self.json
        state.setdefault(group, {}).update(values)
        (self.directory / PARAMETER_FILE).write_text(json.dumps(state, indent=4))

    def wait_for(self, text: str, timeout: float = 20.0) -> None:
        """Until a step has said `text`."""
        end = time.monotonic() + timeout
        while text not in self.calls:
            assert time.monotonic() < end, f"nobody said {text!r} in {timeout} s: {self.calls}"
            time.sleep(0.01)
