"""A recipe as the engine takes it, and the pydantic models of what stands in the file, made from the field list."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from octo.recipe.fields import HOOK, RECIPE, STEP, Field

if TYPE_CHECKING:
    from pydantic import BaseModel

JOBS_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0


@dataclass
class Step:
    """One step (or hook: without a name), defaults applied. What may hold templates is as written.

    `written` are its fields as they stand in the file, in one spelling: `type`, `target`, `params` or `args` and
    `depends_on` whatever way they were given. `line` is where the step begins. `success` has `ctx_has_keys` and
    `exit_codes`, as lists, where they are given.
    """

    name: str = ""
    idx: int | None = None
    kind: Literal["python", "shell"] = "python"
    target: str = ""
    params: dict[str, Any] | None = None
    positional: list[Any] | None = None
    cmd: str = ""
    args: list[str] = field(default_factory=list)
    cwd: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    stdin_file: str | None = None
    stdout_to_ctx: str | None = None
    shell_env_keys: list[str] = field(default_factory=list)
    depends_on: list[str] = field(default_factory=list)
    when: Any = None
    for_each: Any = None
    collect: str | None = None
    parallel: bool = False
    background: bool = False
    executor: Literal["thread", "process"] = "thread"
    retry: dict[str, Any] | None = None
    timeout: float | str | None = None
    allow_failure: bool = False
    success: dict[str, Any] = field(default_factory=dict)
    on_success: list[Step] = field(default_factory=list)
    on_failure: list[Step] = field(default_factory=list)
    cache_key: str | None = None
    breakpoint_entry: bool = False
    breakpoint_exit: bool = False
    on_conflict: Literal["first", "last"] | None = None
    stop_timeout: float = STOP_TIMEOUT
    cpu: float | None = None
    mem: int | None = None
    line: int = 1
    written: dict[str, Any] = field(default_factory=dict)


@dataclass
class Recipe:
    """A whole recipe without a mistake; `steps` in the order in which ready ones are taken."""

    path: Path | None
    text: str
    name: str
    steps: list[Step]
    ctx: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    metadata: Any = None
    max_parallel: int | None = None
    on_conflict: Literal["first", "last"] | None = None
    keep_going: bool = False
    jobs_timeout: float = JOBS_TIMEOUT
    on_success: list[Step] = field(default_factory=list)
    on_failure: list[Step] = field(default_factory=list)


@cache
def made_model(title: str, fields: tuple[Field, ...], *, deep: bool = False) -> type[BaseModel]:
    """The pydantic model of a mapping with these fields; nothing is turned into another type.

    A deep one has the mappings in it as models too (for the JSON Schema); a flat one is made in a moment.
    """
    from pydantic import ConfigDict, create_model
    from pydantic import Field as Description

    parts: dict[str, Any] = {}
    for each in fields:
        taken = _deep_type(each) if deep else each.type
        # a field that stands there with nothing is as good as not there
        parts[each.name] = (
            (taken, Description(..., description=each.help))
            if each.required
            else (taken | None, Description(None, description=each.help))
        )
    config = ConfigDict(strict=True, extra="forbid", protected_namespaces=(), hide_input_in_errors=True)
    made: type[BaseModel] = create_model(title, __config__=config, **parts)
    return made


def flat_model(fields: tuple[Field, ...]) -> type[BaseModel]:
    """What checks one mapping of the file, without what is in the mappings in it."""
    return made_model("Mapping", fields)


def _deep_type(each: Field) -> Any:
    if each.name == "retry":
        return each.type.__args__[0] | made_model("Retry", each.fields, deep=True)
    if each.fields:
        return made_model(each.name.title(), each.fields, deep=True)
    if each.steps:
        hook = made_model("Hook", HOOK, deep=True)
        return hook | list[hook]  # type: ignore[valid-type]
    if each.name == "steps":
        return list[made_model("Step", STEP, deep=True)]  # type: ignore[misc]
    return each.type


def recipe_model() -> type[BaseModel]:
    """A whole recipe file."""
    return made_model("Recipe", RECIPE, deep=True)
