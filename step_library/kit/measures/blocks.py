"""A measured block of code as people use it: by `with`, by `async with`, as a decorator, as a step of a recipe.

A decorator finds ctx in the arguments of each call, so none needs to exist where the function is defined.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from octo.errors import UsageError
from octo.scriptlet import Param, call
from step_library.kit.values.ctx_values import Ctx, described
from step_library.kit.work.callers import caller

Function = TypeVar("Function", bound=Callable[..., Any])


class Block:
    """What `step_timer(ctx, name)` and the others give: for `with`, `async with`, or in front of a function.

    Without ctx it is a decorator only. `opened(ctx, step, params)` begins one measurement; `params` are those of the
    call. With `result` what a decorated function returns is in the record too.
    """

    def __init__(self, name: str, ctx: Any, step: Any, opened: Callable[[Ctx, str, Any], AbstractContextManager[Any]],
                 *, result: bool = False) -> None:
        if isinstance(ctx, str) and step is None:
            ctx, step = None, ctx
        if not isinstance(step, str) or not step:
            raise UsageError(f"{name} needs the name of the step, as text, not {described(step)}")
        if ctx is not None and not isinstance(ctx, MutableMapping):
            raise UsageError(f"{name}: ctx is a dict or a Context, not {described(ctx)}")
        self._name, self._ctx, self._step, self._opened = name, ctx, step, opened
        self._keeps_result = result
        self._entered: dict[tuple[int, int], list[AbstractContextManager[Any]]] = {}
        """What each thread, or task, has open, innermost last: one block may be used by several at once."""

    def __enter__(self) -> dict[str, Any]:
        if self._ctx is None:
            raise UsageError(f"with {self._name}(…): give it ctx, then the name of the step")
        manager = self._opened(self._ctx, self._step, None)
        more: dict[str, Any] = manager.__enter__()
        self._entered.setdefault(caller(), []).append(manager)
        return more

    def __exit__(self, *how: Any) -> bool | None:
        me = caller()
        if me not in self._entered:  # it is ended by another than began it
            me = next(reversed(self._entered))
        manager = self._entered[me].pop()
        if not self._entered[me]:
            del self._entered[me]
        return manager.__exit__(*how)

    async def __aenter__(self) -> dict[str, Any]:
        return self.__enter__()

    async def __aexit__(self, *how: Any) -> bool | None:
        return self.__exit__(*how)

    def __call__(self, function: Function) -> Function:
        """Measure each call of the function, in the ctx that it is called with."""
        try:
            places = list(inspect.signature(function).parameters)
        except (ValueError, TypeError):
            places = []

        def begun(args: tuple[Any, ...], more: dict[str, Any]) -> AbstractContextManager[Any]:
            given = {**dict(zip(places, args, strict=False)), **more}
            rest = {name: value for name, value in given.items() if name not in ("self", "ctx", "context")}
            return self._opened(self._ctx_of(given, args), self._step, given.get("params", rest))

        def ended(record: dict[str, Any], result: Any) -> Any:
            if self._keeps_result:
                record["result"] = result
            return result

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapped(*args: Any, **more: Any) -> Any:
                with begun(args, more) as record:
                    return ended(record, await function(*args, **more))

        else:

            @functools.wraps(function)
            def wrapped(*args: Any, **more: Any) -> Any:
                with begun(args, more) as record:
                    return ended(record, function(*args, **more))

        return wrapped  # type: ignore[return-value]

    def _ctx_of(self, given: Mapping[str, Any], args: tuple[Any, ...]) -> Ctx:
        named: list[Any] = [given[name] for name in ("ctx", "context") if name in given]
        others = [] if self._ctx is not None else [*args[:1], getattr(args[0], "ctx", None) if args else None]
        for found in [*named, self._ctx, *others]:
            if isinstance(found, MutableMapping):
                return found
        raise UsageError(f"{self._name}({self._step!r}): the call has no ctx: give it a parameter ctx, or give ctx to "
                         f"the decorator")


# --- as steps of a recipe: a function, measured


RUN_PARAMS = (
    Param("fn", "callable", help="the function to be measured: a library step's name or module:function"),
    Param("args", "dict", {}, "its arguments, by name; a step gets them as its params"),
    Param("step", "str | null", None, "the name in the record; the function's own where there is none"),
)


def run_measured(ctx: Ctx, params: Mapping[str, Any], block: Callable[[Ctx, str], AbstractContextManager[Any]]) -> Any:
    """Call `fn` in a block; `{"step": …, "result": …}`."""
    fn = params["fn"]
    step = params["step"] or getattr(fn, "__name__", "step")
    if not params["step"] and step == "run":
        step = fn.__module__.rpartition(".")[2]
    with block(ctx, step) as record:
        result = call(fn, ctx, params["args"])
        if params.get("result"):
            record["result"] = result
    return {"step": step, "result": result}
