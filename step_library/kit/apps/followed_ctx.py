"""Which ctx a dashboard shows: the step's own, that of the run it was started in, that of an instance elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from octo.access import Access
from octo.context import Context
from octo.store import Author, ParameterStore, current_instance
from step_library.kit.values.ctx_values import Ctx


@dataclass(frozen=True)
class Followed:
    """`instance`: whose ctx it is; None for one in this program's memory."""

    ctx: Ctx
    instance: Path | None

    @property
    def label(self) -> str:
        """For people."""
        return f"instance {self.instance}" if self.instance else "this program's ctx"


def followed(ctx: Ctx, who: str, instance: str | None = None, *, writes: bool = False) -> Followed:
    """The ctx to show. In a run, and for a program that one of its steps has started, it is live by the run's file.

    UsageError where `instance` is none. Changes through it are made in the name of `who`; a step that `writes` keeps
    its own handle, so that its changes are undone when it fails.
    """
    if instance is not None:
        return _opened(Path(instance).absolute(), who)
    here = current_instance()
    if writes and in_a_run(ctx):
        return Followed(ctx, here)
    if here is not None and (in_a_run(ctx) or (is_typed(ctx) and not ctx)):
        return _opened(here, who)
    return Followed(ctx, None)


def in_a_run(ctx: Ctx) -> bool:
    """`ctx` is a step's handle."""
    return isinstance(ctx, Context) and ctx.in_a_run


def is_typed(ctx: Ctx) -> bool:
    """The step was called from a command line, by itself, and not from a program or a recipe."""
    return click.get_current_context(silent=True) is not None and not in_a_run(ctx)


def _opened(instance: Path, who: str) -> Followed:
    # not Context.open: a dashboard may outlive the step that started it, whose call may write no more then
    store = ParameterStore(instance)
    return Followed(Context.on(Access(store._state_file, Author(who), later=False)), instance)


def keys_of(ctx: Mapping[str, object]) -> list[str]:
    """The keys that are there now, while others may add to them."""
    return [str(key) for key in list(ctx)]
