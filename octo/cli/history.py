"""`octo history`, `octo at`, `octo fork`: reads of the journal."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from octo.cli.command import Text, command, json_option
from octo.cli.instance import directory_argument, is_instance, octo_command, open_instance
from octo.cli.places import find_place, has_place
from octo.cli.printing import moment, print_json, print_next, shorten, table
from octo.errors import UsageError

if TYPE_CHECKING:
    from octo.store import Change, ParameterStore

# What the engine notes of its own position at every step: left out unless asked for.
ENGINE = "octo"
BOOKKEEPING = {
    "checkpoint",
    "current_step_module",
    "current_step_node",
    "current_step_state",
    "history_from",
    "recipe_path",
    "run_step_count",
    "step_engine_instance_path",
    "working_directory",
}


@command(
    "history",
    "octo history my_check",
    "octo history my_check ctx/rows --limit 5",
    "octo history my_check --all",
)
@directory_argument
@click.argument("path", metavar="[PATH]", required=False, default="", type=Text())
@click.option(
    "--limit", type=click.IntRange(min=0), default=30, show_default=True, help="The newest N; 0: all."
)
@click.option("--since", metavar="SEQ", type=click.IntRange(min=0), help="Only changes after number SEQ.")
@click.option("--all", "everything", is_flag=True, help="Also what the engine notes of its own position.")
@json_option
def history_command(
    directory: str, path: str, limit: int, since: int | None, everything: bool, as_json: bool
) -> None:
    """Show who changed what, when: the newest changes, or those of one place such as ctx/rows.

    The number at the left is what `octo at` and `octo fork` take.
    """
    store = open_instance(directory)
    place = find_place(store.read(), path, "the instance", directory, gone_is_fine=True)[0] if path else ()
    print_changes(
        store,
        place,
        limit=limit,
        since=since,
        as_json=as_json,
        directory=directory,
        everything=everything or bool(path),
    )


def print_changes(
    store: ParameterStore,
    place: tuple[Any, ...],
    *,
    limit: int,
    since: int | None,
    as_json: bool,
    directory: str,
    everything: bool = True,
) -> None:
    """Print the newest `limit` changes at or below `place`, oldest first."""
    from octo.store import spell

    wanted = spell(place)
    changes = [change for change in store.history(place[:1], since=since or 0) if _is_about(change, wanted)]
    if not everything:
        changes = [change for change in changes if not _is_bookkeeping(change)]
    left_out = max(0, len(changes) - limit) if limit else 0
    changes = changes[left_out:]
    if as_json:
        print_json([_as_dict(change) for change in changes])
        return
    if not changes:
        click.echo("no changes" + (f" of {wanted}" if place else ""))
        return
    if left_out:
        click.echo(f"({left_out:,} older changes are not shown; --limit 0 shows all)")
    rows = [
        (
            str(change.seq),
            moment(change.time),
            change.who,
            "/".join(map(str, change.path)),
            old_and_new(change),
        )
        for change in changes
    ]
    click.echo(table(("seq", "time", "who", "what", "change"), rows, right=(0,)))


def _is_about(change: Change, wanted: str) -> bool:
    """Whether it was made at the place or in it, or put or removed something with that place in it.

    By the text: of what is gone nobody knows whether `7` was a position or a key, and a key may hold a slash.
    """
    from octo.store import spell

    here = spell(change.path)
    if not wanted or f"{here}/".startswith(f"{wanted}/"):
        return True
    if here and not wanted.startswith(f"{here}/"):
        return False
    inside = wanted[len(here) + 1 :] if here else wanted
    return change.op in ("append", "splice") or has_place(change.value, inside) or has_place(change.old, inside)


def _is_bookkeeping(change: Change) -> bool:
    if change.who != ENGINE:
        return False
    return change.path[:1] in (("engine",), ("steps",)) or (len(change.path) == 2 and change.path[1] in BOOKKEEPING)


def _as_dict(change: Change) -> dict[str, Any]:
    from octo.store import MISSING

    found = {
        name: getattr(change, name) for name in ("seq", "time", "who", "op", "value", "old", "visit", "call")
    }
    found["path"] = list(change.path)
    return {name: value for name, value in found.items() if value is not MISSING}


def old_and_new(change: Change) -> str:
    """From what to what, on one line."""
    from octo.store import MISSING

    old = shorten(change.old, 30) if change.old is not MISSING else ""
    new = shorten(change.value, 40) if change.value is not MISSING else ""
    if change.op == "increment":
        return f"{change.value:+}"
    if change.op == "append":
        return "added " + _items(change.value)
    if change.op == "splice":
        gone, come = _items(change.old), _items(change.value)
        what = f"{gone} -> {come}" if come and gone else f"removed {gone}" if gone else f"put in {come}"
        return f"{what} at {change.start}"
    if change.op == "delete":
        return f"deleted (was {old})"
    return f"{old} -> {new}" if old else new


def _items(items: list[Any]) -> str:
    return shorten(items[0], 40) if len(items) == 1 else shorten(items, 40) if items else ""


def change_rows(ops: Iterable[dict[str, Any]]) -> str:
    """The difference between two states: + new, - gone, ~ changed."""
    lines = []
    for op in ops:
        path = "/".join(map(str, op["path"])) or "(everything)"
        if op["op"] == "delete":
            lines.append(f"- {path}: {shorten(op.get('old'))}")
        elif "old" in op:
            lines.append(f"~ {path}: {shorten(op['old'])} -> {shorten(op['value'])}")
        else:
            lines.append(f"+ {path}: {shorten(op['value'])}")
    return "\n".join(lines)


@command("at", "octo at my_check 42", "octo at my_check 42 ctx/rows")
@directory_argument
@click.argument("seq", type=click.IntRange(min=0))
@click.argument("path", metavar="[PATH]", required=False, default="", type=Text())
@json_option
def at_command(directory: str, seq: int, path: str, as_json: bool) -> None:
    """Print the state as it was after change SEQ, as JSON.

    `octo history` shows the numbers.
    """
    state = open_instance(directory).at(seq)
    print_json(find_place(state, path, f"the state at {seq}", directory)[1])


@command("fork", "octo fork my_check my_check-2 --at 42", "octo fork my_check my_check-2")
@directory_argument
@click.argument("new", metavar="NEW")
@click.option(
    "--at", "seq", metavar="SEQ", type=click.IntRange(min=0), help="The change to fork at; now, if left out."
)
@json_option
def fork_command(directory: str, new: str, seq: int | None, as_json: bool) -> None:
    """Make a new instance of the state at change SEQ.

    A run of NEW goes on from there; DIR stays as it is.
    """
    store = open_instance(directory)
    path = Path(new)
    if is_instance(path):
        raise UsageError(
            f"{new} is an instance already; give a new directory", hints=[octo_command("status", new)]
        )
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{new} is there already and is not empty; give a new directory")
    at = store.seq if seq is None else seq
    store.fork(path, at)
    if as_json:
        print_json({"directory": new, "seq": at, "time": time.time()})
        return
    click.echo(f"{new} is {directory} as it was after change {at}")
    print_next([octo_command("status", new), octo_command("run", new)])
