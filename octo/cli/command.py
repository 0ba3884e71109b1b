"""The shape that every command has: `--help` with examples, `--debug`, `--json` where it prints data."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from octo.errors import UsageError, nearest

F = TypeVar("F", bound=Callable[..., Any])

_NEGATIVE_NUMBER = re.compile(r"-(\d|\.\d)")
# click takes whatever begins with "-" for an option; a negative number travels through its parser marked.
_MARK = "\0"

_debugging = False


def debugging(on: bool | None = None) -> bool:
    """Whether an error is to be shown with its traceback; `on` sets it."""
    global _debugging
    if on is not None:
        _debugging = on
    return _debugging


def _take_debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        debugging(True)


def debug_option(function: F) -> F:
    """`--debug`, which may stand before or after the command's name."""
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_take_debug,
        help="Show an error with its traceback.",
    )(function)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


class Text(click.ParamType):
    """A value as typed; `-5` is one as well (see `ValueCommand`)."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value.replace(_MARK, "", 1) if isinstance(value, str) else value


class ValueCommand(click.Command):
    """A command of values: negative numbers are values, not options. Its arguments are of type `Text`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        marked = [_MARK + arg if _NEGATIVE_NUMBER.match(arg) else arg for arg in args[:end]]
        try:
            return super().parse_args(ctx, marked + args[end:])
        except click.NoSuchOption as error:
            raise click.UsageError(
                f"{error.format_message()} Put -- before a value that begins with a dash.", ctx
            ) from error


class Subcommands(click.Group):
    """A command whose next word says what to do; alone it shows its help."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invoke_without_command, self.no_args_is_help = True, False

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and not args[0].startswith("-"):
            raise UsageError(
                f"{self.name} has no '{args[0]}'{nearest(args[0], self.commands)}",
                hints=[f"{ctx.command_path} --help"],
            )
        return super().resolve_command(ctx, args)


def examples_epilog(examples: Sequence[str]) -> str:
    """The end of a command's `--help`: commands that can be typed, one a line, not wrapped."""
    return "\n".join(
        ["\b", "Examples:" if len(examples) > 1 else "Example:", *(f"  {line}" for line in examples)]
    )


def command(
    name: str, *examples: str, cls: type[click.Command] = click.Command, group: click.Group | None = None
) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a command of a function. Its docstring is the help; `examples` end the help."""

    def make(function: Callable[..., Any]) -> click.Command:
        made = click.command(name, cls=cls, epilog=examples_epilog(examples))(debug_option(function))
        if group is not None:
            group.add_command(made)
        return made

    return make
