"""`octo logs`: what the steps of the newest run printed and logged; `-f` follows it."""

from __future__ import annotations

import sys
import time
from collections import deque
from pathlib import Path
from typing import TextIO

import click

from octo.cli.command import command
from octo.cli.instance import check_instance, directory_argument, octo_command, open_instance
from octo.errors import UsageError

POLL_SECONDS = 0.1


@command("logs", "octo logs my_check", "octo logs my_check -n 20", "octo logs my_check -f")
@directory_argument
@click.option("-f", "--follow", is_flag=True, help="Go on printing until the run ends (or Ctrl-C).")
@click.option("-n", "--lines", type=click.IntRange(min=0), help="Only the last N lines.")
def logs_command(directory: str, follow: bool, lines: int | None) -> None:
    """Print what the steps of the newest run printed and logged."""
    check_instance(directory)
    log = _newest_log(Path(directory))
    if log is None:
        raise UsageError(
            f"{directory} has no log yet: it has not run", hints=[octo_command("run", directory)]
        )
    with log.open(encoding="utf-8", errors="replace") as file:
        _print_rest(file, lines)
        if not follow:
            return
        store = open_instance(directory)
        while True:
            running = store.running() is not None  # asked before the last read, so that nothing is missed
            _print_rest(file)
            if not running:
                return
            time.sleep(POLL_SECONDS)


def _newest_log(directory: Path) -> Path | None:
    logs = [path for path in (directory / "Logs").glob("*.log") if path.name != "ctx_debug.log"]
    return max(logs, key=lambda path: path.stat().st_mtime_ns) if logs else None


def _print_rest(file: TextIO, lines: int | None = None) -> None:
    """Print what is in the file from here on; only its last `lines` where given."""
    if lines is not None:
        click.echo("".join(deque(file, maxlen=lines)), nl=False)
    while block := file.read(1 << 16):
        click.echo(block, nl=False)
    sys.stdout.flush()
