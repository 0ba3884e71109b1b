"""The body of a step: a function, a class with `run`, or anything that can be called, and how it is called.

This is the one place that knows how the arguments of a body are found and what counts as a failure.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from octo.errors import StepFailed

from .binding import HANDLES, Shape, invoke, misplaced, unfit
from .param import MissingParam, Param, ParamError, Table, params_of, scriptlet, table_of
from .registry import load_folder, register_scriptlet, registered
from .resolve import resolve

if TYPE_CHECKING:
    import logging

__all__ = [
    "BaseScriptlet",
    "MissingParam",
    "Param",
    "ParamError",
    "ScriptletResult",
    "call",
    "load_folder",
    "mistakes",
    "params_of",
    "register_scriptlet",
    "registered",
    "resolve",
    "scriptlet",
    "signature_of",
]


@dataclass
class ScriptletResult:
    """What a `run` may return to say outright how it went; `data` is the step's result."""

    success: bool = True
    data: Any = None
    message: str = ""


class BaseScriptlet:
    """A step as a class: `run(ctx, params)`, and `validate(ctx, params)` before it.

    `name`, `version`, `logger` and `get_execution_time()` work also where `__init__` does not call super.
    """

    version: str = "1.0"
    _began: float

    def __new__(cls, *args: Any, **more: Any) -> BaseScriptlet:
        made = super().__new__(cls)
        made._began = time.monotonic()
        return made

    @cached_property
    def name(self) -> str:
        """The scriptlet's name: its class's, until it sets another."""
        return type(self).__name__

    @cached_property
    def logger(self) -> logging.Logger:
        """A logger of the scriptlet's name."""
        import logging

        return logging.getLogger(f"scriptlets.{self.name}")

    def get_execution_time(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    def validate(self, ctx: Any, params: dict[str, Any]) -> Any:
        """Refuse to run, by an exception or by returning False."""
        return None

    def run(self, ctx: Any, params: dict[str, Any]) -> Any:
        """What the step does."""
        raise NotImplementedError(f"{type(self).__name__} has no run(ctx, params)")


# --- calling


def call(
    target: Callable[..., Any],
    ctx: Any,
    params: Mapping[str, Any] | None = None,
    args: Sequence[Any] | None = None,
) -> Any:
    """Call a step's body and give back its result. `args` are passed as they are, without ctx.

    Raises what the body raises, and StepFailed where what it returns says that it failed.
    """
    plan = _plan(target)
    if plan.simple and args is None:
        return _result(plan, target(ctx, {} if params is None else params))
    if plan.table is not None and args is None:
        params = plan.table.fill(params)
    if not plan.is_class:
        return _result(plan, invoke(plan.run, target, ctx, params, args))
    body = target()
    if isinstance(body, BaseScriptlet):
        body._began = time.monotonic()
    if plan.validate is not None:
        asked = _for_validate(plan, plan.validate, params, args)
        allowed = invoke(plan.validate, body.validate, ctx, asked, None)
        if _finished(allowed) is False:
            raise StepFailed(f"{plan.name}.validate refused to run it: it returned False")
    return _result(plan, invoke(plan.run, body.run, ctx, params, args))


def mistakes(
    target: Callable[..., Any],
    *,
    params: Mapping[str, Any] | None = None,
    args: Sequence[Any] | None = None,
    templated: Collection[str] = (),
) -> list[str]:
    """What does not fit between a body and its arguments, with its signature; found without calling it."""
    plan = _plan(target)
    if plan.is_class:
        unmade = _unmade(target)
        if unmade:
            return [unmade]
    if args is not None:
        found = misplaced(plan.run, args)
    elif plan.table is not None:
        found = plan.table.mistakes(params or {}, templated)
    else:
        found = unfit(plan.run, params or {})
    told = str(plan.table) if plan.table else ""
    return [text if told and told in text else f"{text} ({signature_of(target)})" for text in found]


def signature_of(target: Callable[..., Any]) -> str:
    """How a body is called, for messages: `load(path, rows=10)`, without ctx."""
    plan = _plan(target)
    if plan.table is not None:
        return f"{plan.name}({plan.table})"
    if plan.run.signature is None:
        return f"{plan.name}(...)"
    kept = [p for p in plan.run.signature.parameters.values() if p.name not in HANDLES]
    return f"{plan.name}{plan.run.signature.replace(parameters=kept, return_annotation=plan.run.empty)}"


class _Plan:
    """What is known of one target, found once."""

    def __init__(self, target: Callable[..., Any]) -> None:
        self.is_class = isinstance(target, type) and callable(getattr(target, "run", None))
        self.name = getattr(target, "__name__", None) or repr(target)
        if self.name == "run":  # each module of steps has one
            self.name = getattr(target, "__module__", self.name).rpartition(".")[2]
        self.table: Table | None = table_of(target)
        body = getattr(target, "run", target) if self.is_class else target
        self.run = Shape(body, self.is_class and not _is_static(target, "run"))
        validate = getattr(target, "validate", None) if self.is_class else None
        if validate is getattr(BaseScriptlet, "validate", None) or not callable(validate):
            validate = None
        self.validate = validate and Shape(validate, not _is_static(target, "validate"))
        names = [p.name if p.kind is p.POSITIONAL_OR_KEYWORD else "" for p in self.run.parameters]
        self.simple = not self.is_class and names in (["ctx", "params"], ["context", "params"])


_plans: weakref.WeakKeyDictionary[Any, _Plan] = weakref.WeakKeyDictionary()


def _plan(target: Callable[..., Any]) -> _Plan:
    try:
        return _plans[target]
    except (KeyError, TypeError):  # a TypeError: it cannot be a key, so it is looked at each time
        plan = _Plan(target)
    try:
        _plans[target] = plan
    except TypeError:
        pass
    return plan


def _is_static(cls: Any, name: str) -> bool:
    """A static method or class method: Python has taken `self` away already, or there is none."""
    for base in cls.__mro__:
        if name in vars(base):
            return isinstance(vars(base)[name], (staticmethod, classmethod))
    return False


def _for_validate(
    plan: _Plan, validate: Shape, params: Mapping[str, Any] | None, args: Sequence[Any] | None
) -> Mapping[str, Any]:
    """The parameters that `validate` asks for; those of a list under the names that `run` has for them."""
    given = params or {}
    if args is not None and plan.run.signature is not None:
        given = plan.run.signature.bind(*args).arguments
    if validate.takes_whole or validate.keeps_rest:
        return given
    asked = {p.name for p in validate.parameters}
    return {name: value for name, value in given.items() if name in asked}


# --- what came out


def _result(plan: _Plan, outcome: Any) -> Any:
    if outcome is None or type(outcome) is dict:
        return outcome
    outcome = _finished(outcome)
    if isinstance(outcome, ScriptletResult):
        if not outcome.success:
            raise StepFailed(f"{plan.name} failed: {outcome.message or _said(outcome.data)}")
        return outcome.data
    if plan.is_class and isinstance(outcome, int) and not isinstance(outcome, bool) and outcome != 0:
        raise StepFailed(f"{plan.name}.run returned {outcome}, which is not 0")
    return outcome


def _said(data: Any) -> str:
    return "it says no more" if data is None else repr(data)[:200]


def _finished(outcome: Any) -> Any:
    """What a coroutine gives, run to its end here; anything else as it is."""
    from types import CoroutineType

    if not isinstance(outcome, CoroutineType):
        return outcome
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(outcome)
    # called from a program that is itself asynchronous: its loop waits for us, so ours needs a thread
    import contextvars
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(contextvars.copy_context().run, asyncio.run, outcome).result()


def _unmade(cls: Any) -> str:
    if cls.run is BaseScriptlet.run:
        return f"class {cls.__name__} has no run(ctx, params)"
    try:
        import inspect

        inspect.signature(cls).bind()
    except TypeError as error:
        return f"class {cls.__name__} cannot be made without arguments: {error}"
    except ValueError:
        pass
    return ""


