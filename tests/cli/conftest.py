"""Real commands on real instances: `octo("run", "it")` is `octo run it` typed in an empty directory."""

from __future__ import annotations

import io
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from octo.cli.main import cli

LIBRARY = Path(__file__).parent / "library"


@dataclass
class Typed:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def next(self) -> list[str]:
        """The commands that the message says can be typed next."""
        text = self.err if "next:\n" in self.err else self.out
        return [line.strip() for line in text.partition("next:\n")[2].splitlines()]


Octo = Callable[..., Typed]


@pytest.fixture
def octo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Octo:
    """Types a command in `tmp_path`, in this process (fast)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OCTO_DEBUG", raising=False)

    def type_command(*words: object, code: int | None = 0) -> Typed:
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
            cli([str(word) for word in words])
        typed = Typed(end.value.code, *(stream.buffer.getvalue().decode() for stream in (out, err)))
        assert code is None or typed.code == code, (
            f"octo {words} ended with {typed.code}\n{typed.out}\n{typed.err}"
        )
        return typed

    return type_command


@pytest.fixture
def it(octo: Octo) -> str:
    """The name of a new instance of the counting library: start, count (again and again), judge."""
    octo("init", "it", "--library", LIBRARY)
    return "it"


@pytest.fixture
def start(checkout: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts a command in a process of its own."""

    def start_command(*words: str, **kwargs: Any) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(checkout), str(checkout / "modules")]),
            **kwargs.pop("env", {}),
        }
        kwargs = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "cwd": tmp_path,
            **kwargs,
        }
        return subprocess.Popen([sys.executable, "-m", "octo", *words], env=environment, **kwargs)

    return start_command


# -- recipes

BODIES = '''
import os, time
def nothing():
    pass
def load(ctx, n=3):
    print("loading")
    ctx["rows"] = list(range(n))
def square(ctx, item):
    return item * item
def total(ctx):
    ctx["total"] = sum(ctx["squares"])
def fail(ctx):
    if not os.path.exists("fixed"):
        ctx["half"] = 1
        raise ValueError("no data")
def flaky(ctx):
    with open("tries", "a") as file:
        file.write("x")
    if os.path.getsize("tries") < 3:
        raise OSError("not yet")
def wait(ctx):
    open("begun", "w").close()
    end = time.monotonic() + 30
    while not os.path.exists("go") and time.monotonic() < end:
        time.sleep(0.02)
def watch(ctx):
    ctx.stop.wait(30)
'''
NUMBERS = itertools.count()
Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a recipe; `M:` in it is a module with the bodies above, of its own for each test."""
    module = f"recipe_bodies_{next(NUMBERS)}"
    (tmp_path / f"{module}.py").write_text(BODIES)

    def write_recipe(*steps: str, name: str = "demo.yaml", top: str = "") -> str:
        lines = "".join(f"- {{{step}}}\n" for step in steps)
        (tmp_path / name).write_text(f"{top}steps:\n{lines}".replace("M:", f"{module}:"))
        return name

    return write_recipe


@pytest.fixture
def chain(write: Write) -> str:
    return write(
        "name: load, function: 'M:load'",
        "name: square, function: 'M:square', params: {item: '{{ item }}'}, "
        "for_each: ctx.rows, parallel: true, collect: squares",
        "name: total, function: 'M:total'",
    )
