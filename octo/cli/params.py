"""`octo params`: the groups of an instance's JSON, one of them, or one value; and changing a value."""

from __future__ import annotations

from typing import Any

import click

from octo.cli.command import Text, ValueCommand, command, json_option
from octo.cli.instance import directory_argument, octo_command, open_instance
from octo.cli.printing import print_json, print_value
from octo.errors import UsageError, nearest


def _complete_name(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Groups, or the keys of the group that was typed; reads the JSON only."""
    import json
    from pathlib import Path

    from octo.cli.instance import PARAMETER_FILE

    try:
        names: Any = json.loads((Path(ctx.params["directory"]) / PARAMETER_FILE).read_text("utf-8"))
        if param.name == "key":
            names = names[ctx.params["group"]]
        return [name for name in names if name.startswith(incomplete)]
    except (OSError, ValueError, KeyError, TypeError):
        return []


@command(
    "params",
    "octo params my_check",
    "octo params my_check limits cpu_percent",
    "octo params my_check limits cpu_percent 95",
    "octo params my_check global_parameters run_step_count -i",
    "octo params my_check label serial 007 --string",
    cls=ValueCommand,
)
@directory_argument
@click.argument("group", metavar="[GROUP", required=False, shell_complete=_complete_name, type=Text())
@click.argument("key", metavar="[KEY", required=False, shell_complete=_complete_name, type=Text())
@click.argument("value", metavar="[VALUE]]]", required=False, type=Text())
@click.option("-i", "--increment", is_flag=True, help="Add 1 to the value.")
@click.option("-d", "--decrement", is_flag=True, help="Take 1 from the value.")
@click.option("--string", is_flag=True, help="VALUE is text, even if it looks like a number or JSON.")
@json_option
def params_command(
    directory: str,
    group: str | None,
    key: str | None,
    value: str | None,
    increment: bool,
    decrement: bool,
    string: bool,
    as_json: bool,
) -> None:
    """Show or change parameters.

    Without GROUP: everything. With VALUE, -i or -d: change the value and print the new one. A value keeps
    its type where the text can be read so; else it is JSON if it parses, else text. Negative numbers are
    values. A running instance may be changed as well.
    """
    from octo.documented import find, typed

    counts = increment or decrement
    if increment and decrement:
        raise UsageError("-i and -d contradict each other")
    if counts and (key is None or value is not None):
        raise UsageError("-i and -d take GROUP and KEY, and no VALUE")
    if string and value is None:
        raise UsageError("--string goes with a VALUE")
    store = open_instance(directory)
    state = store.read()
    if group is None:
        print_json(state, indent=4)
        return
    if value is None and not counts:
        try:
            print_value(find(state, group, key), as_json=as_json)
        except UsageError as error:
            error.hints.append(octo_command("params", directory, *([group] if group in state else [])))
            raise
        return
    assert key is not None
    old_group = state.get(group, {})
    if not isinstance(old_group, dict):
        raise UsageError(f"'{group}' is a single value, not a group of keys")
    _say_what_is_new(state, group, key)
    if counts:
        new: Any = store.increment(group, key, by=1 if increment else -1)
    else:
        assert value is not None
        new = value if string else typed(value, old_group.get(key))
        store.set(group, key, new)
    print_value(new, as_json=as_json)


def _say_what_is_new(state: dict[str, Any], group: str, key: str) -> None:
    """A new group or key is allowed, and may be a slip of the finger."""
    if group not in state:
        click.echo(f"octo: '{group}' is a new group{nearest(group, state)}", err=True)
    elif key not in state[group]:
        click.echo(f"octo: '{key}' is a new key of '{group}'{nearest(key, state[group])}", err=True)
