"""What is wrong in a shell step: a command line in `cmd`, a shell's sign among the arguments."""

from __future__ import annotations

import shlex

from octo.recipe.nodes import Seq
from octo.recipe.shape import shown
from octo.recipe.step_values import Reading, Values

_OPERATORS = {
    "<": "stdin_file: FILE gives the program its input",
    ">": "stdout_to_ctx: KEY takes the output",
    ">>": "stdout_to_ctx: KEY takes the output",
    "|": "make two steps of it",
    "&&": "make two steps of it",
    ";": "make two steps of it",
}


def check_shell(values: Values, reading: Reading, where: str) -> None:
    notes = reading.notes
    cmd, cwd = values.own.get("cmd", ""), values.get("cwd", "")
    if len(cmd.split()) > 1 and "{{" not in cmd + cwd and "{%" not in cmd + cwd:
        folders = [folder / cwd for folder in reading.folders] + reading.folders
        if not any((folder / cmd).exists() for folder in folders):
            notes.add(values.line("cmd"), where + blank_in_cmd(cmd))
    given = values.own.get("args")
    args = given if isinstance(given, Seq) else Seq(0)
    for index, arg in enumerate(args):
        line = args.lines[index]
        if isinstance(arg, (dict, list)):
            notes.add(line, f"{where}an argument is one text; item {index + 1} of args is {shown(arg)}")
        elif arg in _OPERATORS:
            notes.add(line, where + operator_in_args(arg))
    for name in ("cmd", "cwd", "stdin_file"):
        if "\0" in str(values.own.get(name, "")):
            notes.add(values.line(name), f"{where}{name} holds a NUL character")
    if any(isinstance(arg, str) and "\0" in arg for arg in args):
        notes.add(values.line("args"), f"{where}args hold a NUL character")


def blank_in_cmd(cmd: str) -> str:
    """The mistake of a whole command line in `cmd`, with the way to write it."""
    try:
        program, *args = shlex.split(cmd)
    except ValueError:
        program, *args = cmd.split()
    listed = ", ".join(_in_yaml(arg) for arg in args)
    return f"cmd is one program, not a command line; write cmd: {_in_yaml(program)} and args: [{listed}]"


def operator_in_args(arg: str) -> str:
    """The mistake of a shell's sign among the arguments, with the way out."""
    way = f'{_OPERATORS[arg]}, or cmd: sh and args: [-c, "…"]'
    return f'no shell runs here, so "{arg}" in args would be a mere argument; {way}'


def _in_yaml(text: str) -> str:
    simple = text and all(letter.isalnum() or letter in "-_./+=" for letter in text) and not text[0].isdigit()
    return text if simple else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
