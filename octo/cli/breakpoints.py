"""`octo break`: set, clear and list breakpoints."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from octo.cli.command import command, json_option
from octo.cli.instance import directory_argument, octo_command, open_instance
from octo.cli.libraries import library_of
from octo.cli.printing import print_json, print_next
from octo.errors import UsageError, nearest

if TYPE_CHECKING:
    from octo.engine.graph import Graph


def _complete_node(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    try:
        graph = library_of(open_instance(ctx.params["directory"]), ctx.params["directory"])
    except Exception:  # a completion must never print an error
        return []
    return [name for name in graph.nodes if name.startswith(incomplete)]


@command(
    "break",
    "octo break my_check",
    "octo break my_check judge",
    "octo break my_check judge --exit",
    "octo break my_check judge --clear",
    "octo break recipe.octo 'fetch[3]'",
)
@directory_argument
@click.argument("node", metavar="[NODE]", required=False, shell_complete=_complete_node)
@click.option("--entry", is_flag=True, help="Pause before step_entry (the default).")
@click.option(
    "--exit", "at_exit", is_flag=True, help="Pause before step_advance, when the step's work is done."
)
@click.option("--clear", is_flag=True, help="No breakpoints at NODE, whatever its library says.")
@json_option
def break_command(
    directory: str, node: str | None, entry: bool, at_exit: bool, clear: bool, as_json: bool
) -> None:
    """Set, clear or list breakpoints.

    Without NODE: the list. A running engine heeds what is set here. In a recipe NODE is a step, or an item of a step
    with for_each.
    """
    if node is None and (entry or at_exit or clear):
        raise UsageError("which node? Give NODE after DIR", hints=[octo_command("break", directory)])
    if clear and (entry or at_exit):
        raise UsageError("--clear takes both away; --entry and --exit set one")
    store = open_instance(directory)
    from octo.engine.breakpoints import breakpoints, set_breakpoint

    graph = library_of(store, directory)
    if node is not None:
        _check_name(graph, node, directory)
        if clear:
            set_breakpoint(store, None, node, entry=False, exit=False)
        else:
            set_breakpoint(
                store, None, node, entry=True if entry or not at_exit else None, exit=at_exit or None
            )
    found = {**breakpoints(store, graph), **_of_items(store.get("breakpoints", default={}), graph)}
    if node is not None:
        found = {node: found.get(node, (False, False))}
    if as_json:
        print_json({name: {"entry": flags[0], "exit": flags[1]} for name, flags in found.items()})
        return
    shown = [(name, _places(flags)) for name, flags in found.items() if any(flags) or node is not None]
    for name, places in shown:
        click.echo(f"{name}: {places}")
    if not shown:
        click.echo("no breakpoints")
        print_next([octo_command("break", directory, next(iter(graph.nodes), "NODE"))])


def _check_name(graph: Graph, node: str, directory: str) -> None:
    """UsageError unless it is a node or step, or an item (`name[3]`) of a step that fans out."""
    if node in graph.nodes:
        return
    name, bracket, index = node.partition("[")
    spec = graph.nodes.get(name)
    if bracket and spec is not None:
        if getattr(spec, "fans_out", False) and re.fullmatch(r"(0|[1-9][0-9]*)\]", index):
            return
        what = f"an item is written {name}[3]" if getattr(spec, "fans_out", False) else f"{name} has no for_each"
        raise UsageError(f"there is no item '{node}' in {directory}: {what}")
    what = "step" if any(hasattr(each, "needs") for each in graph.nodes.values()) else "node"
    raise UsageError(
        f"there is no {what} '{node}' in {directory}{nearest(node, graph.nodes)}",
        hints=[octo_command("list", "steps", directory)],
    )


def _of_items(group: Any, graph: Graph) -> dict[str, tuple[bool, bool]]:
    """The breakpoints at items of steps."""
    return {
        name: (bool(flags.get("entry")), bool(flags.get("exit")))
        for name, flags in (group.items() if isinstance(group, dict) else ())
        if isinstance(flags, dict) and name.partition("[")[1] and name.partition("[")[0] in graph.nodes
    }


def _places(flags: tuple[bool, bool]) -> str:
    places = [place for place, is_set in zip(("entry", "exit"), flags, strict=True) if is_set]
    return "breakpoint at " + " and ".join(places) if places else "no breakpoint"
