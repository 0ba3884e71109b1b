"""An instance with ctx, a module of bodies beside it, and looks at processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from octo.executors.workers import Workers
from octo.store import Author, default_state
from octo.store.layout import instance_layout
from octo.store.state_file import StateFile, state_file

CHECKOUT = Path(__file__).resolve().parents[2]

BODIES = '''
import asyncio, logging, os, subprocess, sys, threading, time
from pathlib import Path

def count(ctx, params):
    ctx["n"] = ctx.get("n", 0) + params.get("by", 1)
    return {"n": ctx["n"]}

def talk():
    print("from print")
    print("from stderr", file=sys.stderr)
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    os.write(1, b"bad byte \\xff\\n")
    logging.getLogger("octo.step.talk").info("from a logger")
    sys.stdout.write("no end of line")

def stdin():
    return sys.stdin.read()

def fail(ctx):
    ctx["n"] = 99
    ctx.record("errors", "kept")
    raise KeyError("nope")

def checkpoint(ctx):
    ctx["before"] = 1
    ctx.checkpoint()
    ctx["after"] = 1
    raise ValueError("half way")

def leave(how):
    sys.exit(how)

def die(how):
    if how == "exit":
        os._exit(7)
    os.kill(os.getpid(), 9)

def die_once(marker):
    if not Path(marker).exists():
        Path(marker).touch()
        os._exit(0)
    return "second"

def pid():
    return os.getpid()

def where():
    here = os.getcwd()
    os.chdir("/")
    return here

def a_set():
    return {1, 2}

def history(ctx):
    ctx["n"] = 5
    return [[entry["who"], entry["value"]] for entry in ctx.get_history("n")]

def author():
    return os.environ["OCTO_CALL"]

def documented(ctx):
    from octo_step_engine_parameters import octo_step_engine_parameters
    store = octo_step_engine_parameters()
    files = store.get_default_param_file_name(), store.get_default_param_lock_file_name()
    store.increment_json_dict(store.get_default_param_dict(), *files, "mine", "k")
    return ctx["n"]

def wait_for_stop(ctx):
    Path("waiting").touch()
    return ctx.stop.wait(60)

def hang(with_child=True):
    if with_child:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
        Path("child").write_text(str(child.pid))
    Path("pid").write_text(str(os.getpid()))
    print("hanging")
    time.sleep(120)

def together(name, other):
    Path(name).touch()
    end = time.monotonic() + 60
    while not Path(other).exists() and time.monotonic() < end:
        time.sleep(0.01)
    return Path(other).exists()

async def later(x):
    await asyncio.sleep(0)
    return x

def eat():
    data = bytearray(80 << 20)
    data[::4096] = b"1" * len(data[::4096])
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass

def close_output():
    os.close(1)
    os.close(2)
    return "closed"
'''


class Place:
    """An instance in `directory`, and its workers."""

    def __init__(self, directory: Path, ctx: dict[str, Any], *, size: int | None = None) -> None:
        self.directory = directory
        self.instance = directory / "it"
        self.instance.mkdir()
        (directory / "bodies.py").write_text(BODIES, encoding="utf-8")
        self.file: StateFile = state_file(instance_layout(self.instance, default_state()))
        with self.file.transaction("start") as tx:
            tx.set(("ctx",), ctx)
        self.workers = Workers(self.instance, [str(directory)], str(directory), size=size)
        self.lines: list[str] = []

    def run(self, function: str, *args: Any, **options: Any) -> Any:
        options.setdefault("author", Author("step", 1, 1, self.instance))
        options.setdefault("on_line", self.lines.append)
        if args:
            options["args"] = list(args)
        return self.workers.run(f"bodies:{function}", **options)

    def apply(self, ops: list[dict[str, Any]]) -> None:
        with self.file.transaction("step") as tx:
            for op in ops:
                tx.apply(op)


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait for something that must come; its value."""
    give_up = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < give_up, "it never came"
        time.sleep(0.02)
    return value


def number_in(path: Path) -> int:
    """The number that a process writes into a file, when it is there."""
    return int(until(lambda: path.exists() and path.read_text()))


def is_gone(pid: int) -> bool:
    """Whether a process has ended; a zombie has."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
