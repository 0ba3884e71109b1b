"""`octo ctx DIR get|set|delete|history|diff`: the shared data of the steps."""

from __future__ import annotations

from typing import Any

import click

from octo.cli.command import (
    Subcommands,
    Text,
    ValueCommand,
    command,
    debug_option,
    examples_epilog,
    json_option,
)
from octo.cli.history import change_rows, print_changes
from octo.cli.instance import directory_argument, is_instance, octo_command, open_instance
from octo.cli.places import find_place, new_place
from octo.cli.printing import print_json, print_value, shorten
from octo.errors import UsageError


class _AfterDirectory(Subcommands):
    """The words come after DIR."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        directory = ctx.params["directory"]
        if directory in self.commands and not is_instance(directory):
            raise UsageError(
                "DIR comes before the word that says what to do",
                hints=[octo_command("ctx", args[0], directory, *args[1:])],
            )
        return super().resolve_command(ctx, args)


@click.group(
    "ctx",
    cls=_AfterDirectory,
    epilog=examples_epilog(
        ["octo ctx my_check get", "octo ctx my_check get rows/3/cpu", "octo ctx my_check set tries 0"]
    ),
)
@directory_argument
@debug_option
@click.pass_context
def ctx_command(ctx: click.Context, directory: str) -> None:
    """Show or change the shared data of the steps.

    A PATH is a place in it, such as rows/3/cpu. A running instance may be changed as well.
    """
    ctx.obj = directory
    if ctx.invoked_subcommand is None:
        ctx.invoke(get_command)


def _inside(data: dict[str, Any], path: str) -> str:
    """The path as messages and the history spell it (`ctx/rows/3`) is taken too, unless ctx has a key `ctx`."""
    return path.removeprefix("ctx/") if "ctx" not in data else path


def _refuse_all(place: tuple[Any, ...]) -> None:
    """An empty PATH, say of an unset shell variable, is not meant as all of ctx."""
    if not place:
        raise UsageError("which place in ctx? Give a PATH such as rows/3/cpu")


path_argument = click.argument("path", metavar="PATH", type=Text())
optional_path = click.argument("path", metavar="[PATH]", required=False, default="", type=Text())


@command("get", "octo ctx my_check get", "octo ctx my_check get rows/3/cpu", group=ctx_command)
@optional_path
@json_option
@click.pass_obj
def get_command(directory: str, path: str = "", as_json: bool = False) -> None:
    """Print ctx, or one place in it."""
    data = open_instance(directory).get("ctx", default={})
    print_value(find_place(data, _inside(data, path), "ctx", directory)[1], as_json=as_json)


@command(
    "set",
    "octo ctx my_check set tries 0",
    "octo ctx my_check set rows/3/cpu -1.5",
    """octo ctx my_check set limits '{"cpu": 95}'""",
    cls=ValueCommand,
    group=ctx_command,
)
@path_argument
@click.argument("value", type=Text())
@click.option("--string", is_flag=True, help="VALUE is text, even if it looks like a number or JSON.")
@json_option
@click.pass_obj
def set_command(directory: str, path: str, value: str, string: bool, as_json: bool) -> None:
    """Set one place in ctx, and print the new value.

    A value keeps its type where the text can be read so; else it is JSON if it parses, else text.
    """
    from octo.documented import typed

    store = open_instance(directory)
    data = store.get("ctx", default={})
    place, old = new_place(data, _inside(data, path))
    _refuse_all(place)
    new = value if string else typed(value, old)
    store.set("ctx", *place, new)
    print_value(new, as_json=as_json)


@command("delete", "octo ctx my_check delete rows/3", group=ctx_command)
@path_argument
@json_option
@click.pass_obj
def delete_command(directory: str, path: str, as_json: bool) -> None:
    """Delete one place in ctx."""
    store = open_instance(directory)
    data = store.get("ctx", default={})
    place, old = find_place(data, _inside(data, path), "ctx", directory)
    _refuse_all(place)
    store.delete("ctx", *place)
    if as_json:
        print_json({"deleted": path, "old": old})
    else:
        click.echo(f"deleted {path} (was {shorten(old)})")


@command("history", "octo ctx my_check history rows", group=ctx_command)
@optional_path
@click.option(
    "--limit", type=click.IntRange(min=0), default=30, show_default=True, help="The newest N; 0: all."
)
@json_option
@click.pass_obj
def history_command(directory: str, path: str, limit: int, as_json: bool) -> None:
    """Show who changed ctx, or one place in it, and when."""
    store = open_instance(directory)
    data = store.get("ctx", default={})
    place = find_place(data, _inside(data, path), "ctx", directory, gone_is_fine=True)[0]
    print_changes(store, ("ctx", *place), limit=limit, since=None, as_json=as_json, directory=directory)


@command("diff", "octo ctx my_check diff 12 40", "octo ctx my_check diff 12", group=ctx_command)
@click.argument("seq1", type=click.IntRange(min=0))
@click.argument("seq2", metavar="[SEQ2]", required=False, type=click.IntRange(min=0))
@json_option
@click.pass_obj
def diff_command(directory: str, seq1: int, seq2: int | None, as_json: bool) -> None:
    """Show how ctx differs between two changes (SEQ2: now, if left out)."""
    from octo.store import diff

    store = open_instance(directory)
    before = store.at(seq1).get("ctx", {})
    after = store.get("ctx", default={}) if seq2 is None else store.at(seq2).get("ctx", {})
    ops: list[dict[str, Any]] = diff(before, after)
    if as_json:
        print_json(ops)
    elif ops:
        click.echo(change_rows(ops))
    else:
        click.echo("no difference")
