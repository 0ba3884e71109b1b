"""`octo list`: which steps, libraries and instances there are."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from octo.cli.command import Subcommands, command, debug_option, examples_epilog, json_option
from octo.cli.instance import instances_below, is_instance, octo_command, open_instance
from octo.cli.libraries import Listed, graphs, known_libraries, libraries_below, short_name
from octo.cli.printing import print_json, print_next, table
from octo.cli.ready_steps import code_modules, described_program, described_step, ready_programs, ready_steps
from octo.errors import OctoError, UsageError

if TYPE_CHECKING:
    from octo.engine.graph import NodeSpec


@click.group(
    "list",
    cls=Subcommands,
    epilog=examples_epilog(["octo list libraries", "octo list steps machine_check", "octo list instances"]),
)
@debug_option
@click.pass_context
def list_command(ctx: click.Context) -> None:
    """List steps, libraries or instances."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@command(
    "steps",
    "octo list steps",
    "octo list steps data",
    "octo list steps machine_check",
    "octo list steps my_check",
    group=list_command,
)
@click.argument("where", metavar="[THEME|LIB|DIR]", required=False)
@json_option
def steps_command(where: str | None, as_json: bool) -> None:
    """List the ready-made steps for recipes, and the nodes of step libraries; or those of one theme or library."""
    ready, code, programs = ready_steps(where), code_modules(where), ready_programs(where)
    listed = [] if (ready or code or programs) and where is not None else graphs(where)
    if as_json:
        print_json(
            [
                {
                    "step": node.name,
                    "library": each.path,
                    "does": does(node),
                    "file": str(node.path),
                    "line": node.line,
                }
                for each in listed
                if each.graph is not None
                for node in each.graph.nodes.values()
            ]
            + [described_step(step) for step in ready]
            + [{"step": each.name, "library": each.theme, "does": each.does, "code": each.use} for each in code]
            + [described_program(step) for step in programs]
        )
        return
    rows = [
        (node.name, short_name(each.path), does(node))
        for each in listed
        if each.graph is not None
        for node in each.graph.nodes.values()
    ]
    library = [(step.name, step.theme, step.does) for step in ready]
    library += [(each.name, each.theme, f"{each.does} For a step's own code.") for each in code]
    rows += sorted(library, key=lambda row: (row[1], row[0]))
    rows += [(step.name, step.theme, step.does) for step in programs]
    if rows:
        click.echo(table(("step", "library", "what it does"), rows))
        from_recipe = where is not None and is_instance(where)
        shown = rows[-1][0] if ready or programs else rows[0][0]
        print_next([octo_command("show", shown, *(["--library", where] if where and from_recipe else []))])
    else:
        click.echo("no steps here")
    _print_problems(listed)


@command("libraries", "octo list libraries", group=list_command)
@click.argument("where", metavar="[DIR]", required=False)
@json_option
def libraries_command(where: str | None, as_json: bool) -> None:
    """List the step libraries below DIR; without it, below this directory and those installed with Octo."""
    if where is not None and not Path(where).is_dir():
        raise UsageError(f"there is no directory {where}")
    paths = known_libraries() if where is None else list(libraries_below(where))
    if as_json:
        print_json([{"library": path, "modules": _modules(path)} for path in paths])
    elif paths:
        click.echo(table(("library", "steps"), [(short_name(path), _steps_text(path)) for path in paths]))
        print_next([octo_command("init", "my_run", "--library", short_name(paths[0]))])
    else:
        click.echo("no step libraries (directories with step_node_*.py) here")


@command("instances", "octo list instances", "octo list instances work", group=list_command)
@click.argument("where", metavar="[DIR]", required=False, default=".")
@json_option
def instances_command(where: str, as_json: bool) -> None:
    """List the instances below a directory (without one: below this one), with the state of each."""
    if not Path(where).is_dir():
        raise UsageError(f"there is no directory {where}")
    rows = [(path, *_state_of(path)) for path in instances_below(where)]
    if as_json:
        print_json([{"instance": path, "state": state, "node": node} for path, state, node in rows])
    elif rows:
        click.echo(table(("instance", "state", "node"), rows))
        print_next([octo_command("status", rows[0][0])])
    else:
        click.echo("no instances here")
        print_next(["octo list libraries"])


def _print_problems(listed: list[Listed]) -> None:
    for each in listed:
        if each.problem:
            click.echo(f"octo: {each.path} cannot be loaded: {each.problem}", err=True)


def _modules(path: str) -> list[str]:
    return sorted(file.stem for file in Path(path).glob("step_node_*.py"))


def _steps_text(path: str) -> str:
    """The modules of a library, without what their names begin with."""
    names = [name.removeprefix("step_node_") for name in _modules(path)]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _state_of(directory: str) -> tuple[str, str]:
    """State and node of an instance; what is wrong where it cannot be read."""
    from octo.cli.status import read_status

    try:
        status = read_status(open_instance(directory), directory)
    except OctoError as error:
        return "cannot be read", error.message.split("\n")[0]
    return "interrupted" if status.interrupted else status.state, status.node


def does(node: NodeSpec) -> str:
    """What a node does, or what a recipe's step calls."""
    return summary(node.cls) if node.cls is not object else node.module


def summary(thing: Any) -> str:
    """The first line of a docstring, empty where there is none of its own."""
    doc = inspect.cleandoc(getattr(thing, "__doc__", None) or "")
    return doc.split("\n", 1)[0]
