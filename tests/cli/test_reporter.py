"""What a person sees of a run: plain lines without a terminal, a live line on one."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from octo.cli.reporter import Reporter
from octo.engine.events import Event

NODE = "step_node_count"


class Screen(io.StringIO):
    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


def event(kind: str, node: str, visit: int = 1, **data: Any) -> Event:
    return Event(kind, time.time(), node, visit, data)


def visit(reporter: Reporter, node: str, number: int, seconds: float = 0.0002, skipped: bool = False) -> None:
    reporter(event("step_entered", node, number, resumed=False))
    reporter(event("step_executed", node, number, seconds=seconds, skipped=skipped))
    reporter(event("step_exited", node, number))
    reporter(event("arrow_taken", node, number, key="again", target=node))


def test_one_line_for_each_step() -> None:
    screen = Screen("utf-8")
    with Reporter(screen) as reporter:
        visit(reporter, "load", 1, 1.25)
        visit(reporter, "check", 2, 0.012)
        visit(reporter, "check", 3, 0.012)
        visit(reporter, "draw", 3, skipped=True)
        failed = {"type": "ValueError", "message": "no data\nat all"}
        reporter(
            event("step_failed", "fit", 4, error=failed, attempt=1, attempts=3, will_retry=True, delay=2.0)
        )
        reporter(event("step_failed", "fit", 4, error=failed, attempt=3, attempts=3, will_retry=False))
        reporter(event("breakpoint_hit", "report", 5, where="exit"))
    lines = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in screen.getvalue().splitlines()]
    assert [" ".join(line.split()) for line in lines] == [
        "✓ load 1.2 s",
        "✓ check 12 ms",
        "✓ check #2 12 ms",
        "• draw skipped",
        "✗ fit ValueError: no data (try 1 of 3 failed, again in 2.0 s)",
        "✗ fit ValueError: no data",
        "• report breakpoint at exit",
    ]


def test_ascii_where_the_stream_can_do_no_more() -> None:
    screen = Screen("ascii")
    with Reporter(screen) as reporter:
        for n in range(1, 60):
            visit(reporter, "count", n)
    assert screen.getvalue().isascii() and "+ count #2" in screen.getvalue()
    assert "... 39 more visits of count" in screen.getvalue()


def test_a_fast_loop_is_summed_up() -> None:
    screen = Screen("utf-8")
    with Reporter(screen) as reporter:
        for n in range(1, 10_001):
            visit(reporter, "count", n)
        visit(reporter, "new", 1)
        visit(reporter, "slow", 1, seconds=2.0)
    lines = screen.getvalue().splitlines()
    assert len(lines) < 40
    assert "slow" in lines[-1] and "new" in lines[-2] and "more visits of count" in lines[-3]
    told = sum(int(n.replace(",", "")) for n in re.findall(r"([\d,]+) more visit", screen.getvalue()))
    assert told + sum("✓ count" in line for line in lines) == 10_000


def test_ten_thousand_events_cost_next_to_nothing() -> None:
    """Not a timed test of the machine: 40,000 events in 5 s would be slow anywhere."""
    with Reporter(Screen("utf-8")) as reporter:
        start = time.process_time()
        for n in range(1, 10_001):
            visit(reporter, "count", n)
        assert time.process_time() - start < 5


# --- on a real terminal

pty = pytest.importorskip("pty")


class Terminal:
    """A pseudo terminal with what was written to it, and what a person sees in the end."""

    def __init__(self, words: list[str], cwd: Path, checkout: Path, **env: str) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(checkout), str(checkout / "modules")]),
            "TERM": "xterm-256color",
            "COLUMNS": "100",
            "LINES": "40",
            **env,
        }
        master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "octo", *words],
            stdin=slave, stdout=slave, stderr=slave, cwd=cwd, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.master = master

    def read(self) -> str:
        """Everything up to the end of the process."""
        data = b""
        while True:
            try:
                block = os.read(self.master, 1 << 16)
            except OSError:
                break
            if not block:
                break
            data += block
        os.close(self.master)
        self.code = self.process.wait(timeout=20)
        return data.decode("utf-8", "replace")


def seen(written: str) -> list[str]:
    """The lines on the screen: what a carriage return and an erased line leave."""
    written = re.sub(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]", "", written)
    lines = [""]
    for part in re.split(r"(\r\n|\n|\r|\x1b\[2K)", written):
        if part in ("\r\n", "\n"):
            lines.append("")
        elif part == "\x1b[2K":
            lines[-1] = ""
        elif part != "\r":
            lines[-1] += part
    return lines


@pytest.mark.slow
def test_live_line_on_a_terminal(octo: Any, it: str, tmp_path: Path, checkout: Path) -> None:
    octo("params", it, NODE, "rounds", 3)
    octo("params", it, NODE, "seconds", 0.35)
    octo(
        "params",
        it,
        NODE,
        "say",
        "a line of the step, with a [bold]tag[/bold] and a long tail " + "x" * 120 + "\n",
    )
    terminal = Terminal(["run", it], tmp_path, checkout)
    written = terminal.read()
    assert terminal.code == 0
    live = re.findall(r"[⠀-⣿] ", written)
    assert 5 <= len(live) <= 40, "about ten a second"
    assert f"{NODE} #2  running  " in re.sub(r"\x1b\[[0-9;]*m", "", written)
    lines = seen(written)
    said = [line for line in lines if "a line of the step" in line]
    assert said == ["a line of the step, with a [bold]tag[/bold] and a long tail " + "x" * 120] * 3
    assert not [line for line in lines if "running" in line], "the live line was left on the screen"
    assert sum("✓ step_node_count" in line for line in lines) == 3
    assert any(line.startswith("done: 5 steps in") for line in lines)


@pytest.mark.slow
def test_an_unfinished_line_of_a_step_is_left_alone(
    octo: Any, it: str, tmp_path: Path, checkout: Path
) -> None:
    """A progress bar or a question has no line end yet; the live line waits."""
    octo("params", it, NODE, "rounds", 2)
    octo("params", it, NODE, "seconds", 0.4)
    octo("params", it, NODE, "say", "50 % ")
    lines = seen(Terminal(["run", it], tmp_path, checkout).read())
    assert lines.count("50 % ") == 2


def test_a_dumb_terminal_gets_plain_lines(it: str, tmp_path: Path, checkout: Path) -> None:
    written = Terminal(["run", it], tmp_path, checkout, TERM="dumb").read()
    assert "\x1b" not in written and "✓ step_node_judge" in written


@pytest.mark.slow
def test_watch_on_a_terminal(octo: Any, it: str, start: Any, tmp_path: Path, checkout: Path) -> None:
    octo("params", it, NODE, "rounds", 10)
    octo("params", it, NODE, "seconds", 0.1)
    process = start("run", it)
    while octo("status", it, "--json").json["state"] != "RUNNING":
        time.sleep(0.02)
    terminal = Terminal(["status", it, "--watch"], tmp_path, checkout)
    written = terminal.read()
    assert terminal.code == 0 and "RUNNING at" in written and "COMPLETE_SUCCESS" in written
    process.communicate(timeout=20)
    assert process.returncode == 0


# --- steps side by side


class Emulated:
    """What stands on a terminal after each piece of output: lines, and where the cursor is."""

    def __init__(self) -> None:
        self.rows, self.at = [""], 0

    def write(self, text: str) -> None:
        for part in re.split(r"(\r\n|\n|\r|\x1b\[[0-9;?]*[A-Za-z])", text):
            if part in ("\r\n", "\n"):
                self.at += 1
                if self.at == len(self.rows):
                    self.rows.append("")
            elif part == "\x1b[2K":
                self.rows[self.at] = ""
            elif re.fullmatch(r"\x1b\[\d+A", part):
                self.at -= int(part[2:-1])
            elif part and part[0] not in "\r\x1b":
                self.rows[self.at] += part


@pytest.mark.slow
def test_a_live_line_for_each_step_that_runs(write: Any, tmp_path: Path, checkout: Path) -> None:
    (tmp_path / "slow_steps.py").write_text(
        "import time\n"
        "def work(ctx, word):\n"
        "    for n in range(6):\n"
        "        time.sleep(0.1)\n"
        "        print(word, end=' ')\n"
        "        print('says', n)\n"
    )
    steps = "".join(f"- {{name: {word}, function: 'slow_steps:work', params: {{word: {word}}}, parallel: true}}\n"
                    for word in ("left", "right"))
    (tmp_path / "demo.yaml").write_text("steps:\n" + steps)
    terminal = Terminal(["run", "demo.yaml"], tmp_path, checkout)
    written = terminal.read()
    assert terminal.code == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", written)
    line = r"[⠀-⣿] (left|right)  running .*\r?\n"
    assert re.search(line * 2 + "  0 of 2 steps are done", plain)
    screen = Emulated()
    screen.write(plain)
    for word in ("left", "right"):
        assert [row for row in screen.rows if row.startswith(f"{word} ") and "says" in row] == [
            f"{word} says {n}" for n in range(6)
        ]
        assert sum(f"✓ {word} " in row for row in screen.rows) == 1
    assert not [row for row in screen.rows if "running" in row or "of 2 steps" in row], "live lines were left"


def test_a_thousand_steps_of_a_recipe_are_summed_up(octo: Any, write: Any) -> None:
    recipe = write(*(f"name: s{n}, function: 'M:nothing', parallel: true" for n in range(200)))
    out = octo("run", recipe).out
    told = sum(int(n) for n in re.findall(r"(\d+) more steps? ended", out))
    assert told > 50 and told + out.count("✓ s") == 200
    assert "and 160 more: 160 DONE" in out


@pytest.mark.parametrize("columns", [0, 20])
def test_a_table_is_cut_to_the_terminal(octo: Any, tmp_path: Path, checkout: Path, columns: int) -> None:
    """One that does not know its size (0) cuts nothing."""
    import fcntl
    import struct
    import termios

    (tmp_path / "r.yaml").write_text("steps: [{name: long_name_of_a_step, cmd: echo, args: [a, b]}]", encoding="utf-8")
    whole = octo("run", "r.yaml", "--list-steps").out.splitlines()
    terminal = Terminal(["run", "r.yaml", "--list-steps"], tmp_path, checkout)
    fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    shown = terminal.read().splitlines()
    assert shown == (whole if not columns else [line[:17] + "..." for line in whole])
