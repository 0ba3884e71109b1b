"""How the command line writes for people: messages, tables, JSON, values, times.

Plain text only; what needs a terminal (the live line) is in `reporter`.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from octo.errors import UsageError, quoted

LONG_VALUE = 60
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_IN_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


_program = ""


def write_file(path: Path, text: str) -> None:
    """Write a file that was asked for, its folders too; UsageError, with its name, where that cannot be."""
    from octo.store.files import write_whole

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, [text.encode()])
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from None


def program_is(typed: str) -> None:
    """What the command `octo` is to be called in messages, where this program is another one."""
    global _program
    _program = typed


def program() -> str:
    """How this program was called, so that the commands in its messages can be typed as they stand."""
    if _program:
        return _program
    called = sys.argv[0] if sys.argv else ""
    name = Path(called).stem
    if name == "__main__" and Path(called).parent.name == "octo":
        by_path = sys.modules["__main__"].__spec__ is None
        return f"{quoted(sys.orig_argv[0])} {quoted(called) if by_path else '-m octo'}"
    if name != "octo" or not os.path.dirname(called):
        return "octo"
    import shutil

    on_path = shutil.which("octo")
    return "octo" if on_path and os.path.realpath(on_path) == os.path.realpath(called) else quoted(called)


def as_called(command: str) -> str:
    """The command `octo …` the way the user has to type it."""
    return program() + command[4:] if command.startswith("octo ") else command


def print_error(message: str, next_commands: Sequence[str] = ()) -> None:
    """One message on stderr, and what can be typed next."""
    click.echo(f"octo: {message}", err=True)
    print_next(next_commands, err=True)


def print_next(commands: Sequence[str], *, err: bool = False) -> None:
    """The commands that can be typed next, one a line."""
    if commands:
        click.echo("\n".join(["next:", *(f"  {as_called(command)}" for command in commands)]), err=err)


def print_json(value: Any, *, indent: int = 2) -> None:
    """Print a value as JSON; characters that the stream cannot show are escaped."""
    click.echo(json.dumps(value, indent=indent, ensure_ascii=not can_show("é→", sys.stdout), default=str))


def print_value(value: Any, *, as_json: bool) -> None:
    """Print one value: text bare (unless JSON is asked for), else JSON."""
    if isinstance(value, str) and not as_json:
        click.echo(value, color=True)  # as it is: click would leave colours out of what goes into a file
    else:
        print_json(value, indent=4)


def shorten(value: Any, width: int = LONG_VALUE) -> str:
    """A value as one short line of JSON."""
    dots = "…" if can_show("…", sys.stdout) else "..."
    if (
        isinstance(value, (dict, list)) and len(value) > width
    ):  # a million rows are not written to show 60 letters
        return f"{{{dots} {len(value)} keys}}" if isinstance(value, dict) else f"[{dots} {len(value)} items]"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= width else text[: width - len(dots)] + dots


def can_show(text: str, stream: TextIO | Any) -> bool:
    """Whether the stream's encoding has these characters."""
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Columns that line up; those in `right` (numbers) to the right. On a terminal a line is never broken."""
    lines = [list(header), *([as_text(cell, one_line=True) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    shown = []
    for line in lines:
        cells = [
            cell.rjust(widths[column]) if column in right else cell.ljust(widths[column])
            for column, cell in enumerate(line)
        ]
        shown.append("  ".join(cells).rstrip())
    if sys.stdout.isatty():
        columns = os.get_terminal_size(sys.stdout.fileno()).columns
        if columns > 3:  # a terminal that does not know its size says 0
            shown = [line if len(line) <= columns else line[: columns - 3] + "..." for line in shown]
    return "\n".join(shown)


def as_text(said: str, *, one_line: bool = False) -> str:
    """What a program says may hold anything: colours go, other control characters are shown as Python writes them.

    Ends of lines and tabs stay, but in `one_line`.
    """
    pattern = _CONTROL if one_line else _CONTROL_IN_LINES
    return pattern.sub(lambda found: repr(found[0])[1:-1], click.unstyle(said))


def duration(seconds: float) -> str:
    """A time span for people: 0.3 ms, 12 ms, 3.2 s, 4 min 05 s, 2 h 07 min."""
    if seconds < 0.001:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def moment(seconds: float) -> str:
    """A point in time, in the local time zone: today's without the date."""
    local = time.localtime(seconds)
    clock = time.strftime("%H:%M:%S", local)
    today = time.localtime()
    return clock if local[:3] == today[:3] else time.strftime("%Y-%m-%d ", local) + clock


def counted(number: int, what: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
