"""From the DIR that was typed to an open instance, or to one message that says what to type instead.

Also what can be typed next where an instance stands. Commands are shown with DIR as it was typed.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from octo.errors import InstanceBusy, UsageError, nearest_name

if TYPE_CHECKING:
    from octo.store import ParameterStore

PARAMETER_FILE = ".octo_step_engine_parameters.json"
JOURNAL_FILE = ".octo_step_engine_parameters.journal"
FAILED, DONE, PAUSED = "COMPLETE_ERROR", "COMPLETE_SUCCESS", "PAUSED"
RUNNING_STATES = ("STARTUP", "RUNNING")


def _complete_directory(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="dir")]


directory_argument = click.argument("directory", metavar="DIR", shell_complete=_complete_directory)


def octo_command(name: str, directory: str, *words: str) -> str:
    """`octo NAME DIR …`, quoted for the shell."""
    return shlex.join(["octo", name, directory, *words])


def is_instance(directory: Path | str) -> bool:
    return (Path(directory) / PARAMETER_FILE).exists() or (Path(directory) / JOURNAL_FILE).exists()


def is_library(directory: Path | str) -> bool:
    return any(Path(directory).glob("step_node_*.py"))


def instances_below(root: Path | str, depth: int = 3) -> Iterator[str]:
    """The instances at or below `root`, by name; hidden directories and instances are not looked into."""
    if is_instance(root):
        yield str(root)
        return
    if depth == 0:
        return
    try:
        names = sorted(
            entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith(".")
        )
    except OSError:
        return
    for name in names:
        yield from instances_below(name if str(root) == "." else os.path.join(root, name), depth - 1)


def check_instance(directory: str) -> None:
    """UsageError, with the way out, unless `directory` is an instance."""
    path = Path(directory)
    if not path.exists():
        near = _nearest_path(path)
        if not near:
            raise UsageError(f"there is no directory {directory}", hints=["octo list instances"])
        raise UsageError(
            f"there is no directory {directory}; did you mean {near}?",
            hints=[octo_command(_command_name(), near) if is_instance(near) else "octo list instances"],
        )
    if not path.is_dir():
        if path.name.startswith(".octo_step_engine_"):
            parent = os.path.dirname(directory) or "."
            raise UsageError(f"{directory} is a file of an instance; give its directory, {parent}")
        if path.suffix in (".yaml", ".yml"):
            raise _recipe_given(directory, f"{path.stem}.octo")
        raise UsageError(f"{directory} is a file; an instance is a directory")
    if is_instance(path):
        return
    inside = list(instances_below(directory))
    if inside:
        shown = inside[:6] + ["…"] * (len(inside) > 6)
        raise UsageError(
            f"{directory} is not an instance; there {'is one' if len(inside) == 1 else 'are some'} in it: "
            + ", ".join(shown),
            hints=[octo_command(_command_name(), inside[0])],
        )
    if is_library(path):
        new = os.path.basename(os.path.abspath(path)) + "_1"
        raise UsageError(
            f"{directory} is a step library; a run needs an instance of it",
            hints=[octo_command("init", new, "--library", directory), octo_command("run", new)],
        )
    raise UsageError(
        f"{directory} is not an instance (it has no {PARAMETER_FILE})",
        hints=["octo list instances", octo_command("init", directory, "--library") + " LIBRARY"],
    )


def _recipe_given(recipe: str, instance: str) -> UsageError:
    if is_instance(instance):
        told = f"{recipe} is a recipe, and an instance is a directory; did you mean {instance}?"
        return UsageError(told, hints=[octo_command(_command_name(), instance)])
    told = f"{recipe} is a recipe, and an instance is a directory: {instance}, once it has run here"
    return UsageError(told, hints=[octo_command("run", recipe)])


def open_instance(directory: str) -> ParameterStore:
    """The instance's parameter store. UsageError, with the way out, where there is none."""
    check_instance(directory)
    from octo.store import ParameterStore

    return ParameterStore(directory)


def _command_name() -> str:
    ctx = click.get_current_context(silent=True)
    while ctx is not None and ctx.parent is not None and ctx.parent.parent is not None:
        ctx = ctx.parent
    return (ctx.info_name if ctx is not None else None) or "status"


def _nearest_path(path: Path) -> str:
    """`path` with each part that is not there replaced by the nearest name; empty where none is near."""
    found = Path(path.anchor)
    for part in path.relative_to(path.anchor).parts:
        if not (found / part).exists():
            try:
                names = [entry.name for entry in os.scandir(found) if entry.is_dir()]
            except OSError:
                return ""
            part = nearest_name(part, names)
            if not part:
                return ""
        found /= part
    return str(found)


def refuse_if_running(store: ParameterStore, directory: str, what: str) -> None:
    """InstanceBusy when an engine runs the instance now."""
    owner = store.running()
    if owner is not None:
        raise InstanceBusy(
            f"{directory} is run by {owner}; {what} when it has ended",
            hints=[octo_command("status", directory, "--watch")],
        )


def instance_commands(store: ParameterStore, directory: str) -> list[str]:
    """What can be typed next, by where the instance stands now."""
    return next_commands(
        directory,
        store.get("global_parameters", default={}),
        running=store.running() is not None,
        seq=store.seq,
        left_out=store._state_file.look(("steps",), has_left_out),
    )


def has_left_out(steps: Any) -> bool:
    """Whether --only or --skip left out some of these steps (the group `steps` of a recipe's instance)."""
    return isinstance(steps, dict) and any(entry.get("status") == "LEFT_OUT" for entry in steps.values())


def next_commands(
    directory: str, parameters: dict[str, Any], *, running: bool, seq: int, left_out: bool = False
) -> list[str]:
    """What can be typed next, by where the instance stands; `parameters` are its global_parameters.

    `left_out`: it is a recipe's, and some steps are still to be run.
    """
    node = parameters.get("current_step_node") or ""
    engine_state = parameters.get("step_engine_state")
    recipe = parameters.get("recipe_path")
    if running:
        return [octo_command("status", directory, "--watch"), octo_command("logs", directory, "-f")]
    if engine_state == DONE:
        again = [octo_command("run", directory)] if left_out else [_run_again(directory, recipe)] if recipe else []
        return [
            *again,
            octo_command("history", directory),
            octo_command("reset", directory),
            octo_command("fork", directory, free_name(directory), "--at", str(seq)),
        ]
    if engine_state == FAILED:
        return [
            octo_command("logs", directory),
            octo_command("history", directory),
            octo_command("ctx", directory, "get"),
            octo_command("run", directory),
        ]
    if engine_state == PAUSED:
        commands = [octo_command("run", directory), octo_command("step", directory)]
        ended_by = str(parameters.get("ended_by", ""))
        if "breakpoint" in ended_by and node:
            commands.append(octo_command("break", directory, node, "--clear"))
        if "limit" in ended_by:
            limits = [key for key in ("run_step_limit", "run_loop_limit") if parameters.get(key)]
            commands += [octo_command("params", directory, "global_parameters", key, "0") for key in limits]
        return [*commands, octo_command("status", directory), octo_command("ctx", directory, "get")]
    if engine_state in RUNNING_STATES:
        return [octo_command("run", directory), octo_command("logs", directory)]
    return [octo_command("run", directory), octo_command("graph", directory)]


def _run_again(directory: str, recipe: str) -> str:
    """The command for a new run of a recipe in its instance."""
    if not os.path.exists(recipe):  # the kept copy is run
        return octo_command("run", directory, "--restart")
    shown = os.path.relpath(recipe)
    usual = os.path.splitext(os.path.basename(recipe))[0] + ".octo"
    more = () if os.path.abspath(directory) == os.path.abspath(usual) else ("--instance", directory)
    return octo_command("run", recipe if shown.startswith("..") else shown, *more)


def free_name(directory: str) -> str:
    """A directory name beside `directory` that is not taken."""
    base = directory.rstrip("/" + os.sep) or directory
    if os.path.basename(base) in ("", ".", ".."):
        base = os.path.join("..", Path(directory).resolve().name)
    number = 2
    while os.path.lexists(f"{base}-{number}"):
        number += 1
    return f"{base}-{number}"
