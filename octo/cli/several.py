"""Options that take several values: `--only a b`, `--only a,b` and `--only a --only b` are the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click


class Several(click.Option):
    """An option whose value is a list; its command is a `SeveralCommand`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "multiple": True, "callback": _split})


def several_option(*names: str, **kwargs: Any) -> Callable[[Any], Any]:
    """Give a command such an option; the function gets a tuple, empty where it was not given."""
    return click.option(*names, cls=Several, **kwargs)


class SeveralCommand(click.Command):
    """A command in which a `Several` takes the words up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        several = {name for param in self.params if isinstance(param, Several) for name in param.opts}
        spread: list[str] = []
        taken: list[tuple[str, str]] = []  # option and value
        swallowed: list[tuple[str, str]] = []  # those after the first
        option = ""
        for index, word in enumerate(args):
            if word == "--":
                spread += args[index:]
                break
            if word.startswith("-") and word != "-":
                option = word if word in several else ""
                if not option:
                    spread.append(word)
                elif index + 1 == len(args) or (args[index + 1].startswith("-") and args[index + 1] != "-"):
                    spread.append(word)  # click says that a value is missing
                continue
            if not option:
                spread.append(word)
                continue
            spread += [option, word]
            if taken and args[index - 1] != option:
                swallowed.append((option, word))
            taken.append((option, word))
        _refuse_files(ctx, swallowed)
        try:
            return super().parse_args(ctx, spread)
        except click.MissingParameter:
            _refuse_files(ctx, taken)
            raise
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # click does not say whose option it is that lacks its value
            raise


def _refuse_files(ctx: click.Context, taken: list[tuple[str, str]]) -> None:
    for option, word in taken:
        if os.path.exists(word):
            raise click.UsageError(
                f"{word} was taken for a value of {option}, which takes all words up to the next option; "
                f"put it first: {ctx.command_path} {word} {option} ...",
                ctx,
            )


def _split(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    words = [word.strip() for each in value for word in each.split(",")]
    return tuple(dict.fromkeys(word for word in words if word))
