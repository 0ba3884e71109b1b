"""How the arguments of a step's body are found: by the names of its parameters, or as a list.

`ctx` or `context` is the handle on ctx, `params` the whole mapping, every other parameter gets its value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from octo.errors import nearest

from .param import MissingParam, ParamError

if TYPE_CHECKING:
    import inspect

HANDLES = ("ctx", "context")


class Shape:
    """What a function takes."""

    def __init__(self, function: Callable[..., Any], bound: bool) -> None:
        import inspect

        self.empty = inspect.Signature.empty
        self.signature: inspect.Signature | None
        try:
            self.signature = inspect.signature(function)
        except (TypeError, ValueError):  # some of Python's own do not tell
            self.signature = None
            self.parameters: list[inspect.Parameter] = []
            return
        self.parameters = list(self.signature.parameters.values())[1 if bound else 0 :]
        if bound:
            self.signature = self.signature.replace(parameters=self.parameters)

    @property
    def takes_whole(self) -> bool:
        return any(p.name == "params" for p in self.parameters)

    @property
    def keeps_rest(self) -> bool:
        return any(p.kind is p.VAR_KEYWORD for p in self.parameters)

    def single(self) -> list[inspect.Parameter]:
        """The parameters that get one value each, by name."""
        return [
            p
            for p in self.parameters
            if p.name not in (*HANDLES, "params") and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        ]


def invoke(
    shape: Shape,
    function: Callable[..., Any],
    ctx: Any,
    params: Mapping[str, Any] | None,
    args: Sequence[Any] | None,
) -> Any:
    """Call a function with its arguments by name; `args` as they are, without ctx."""
    if args is not None:
        return function(*args)
    params = {} if params is None else params
    if shape.signature is None:
        return function(**params)
    front: list[Any] = []
    named: dict[str, Any] = {}
    left = dict(params)
    for p in shape.parameters:
        if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL):
            continue
        if p.name in HANDLES:
            value = ctx
        elif p.name == "params":
            value = params
        elif p.name in left:
            value = left.pop(p.name)
        elif p.default is not p.empty:
            if p.kind is not p.POSITIONAL_ONLY:
                continue
            value = p.default
        else:
            raise MissingParam(f"{_called(function)}: parameter {p.name!r} is missing")
        if p.kind is p.POSITIONAL_ONLY:
            front.append(value)
        else:
            named[p.name] = value
    if shape.keeps_rest:
        named |= left
    elif left and not shape.takes_whole:
        raise ParamError(f"{_called(function)}: {unfit(shape, params)[0]}")
    return function(*front, **named)


def _called(function: Any) -> str:
    return str(getattr(function, "__qualname__", function))


def misplaced(shape: Shape, args: Sequence[Any]) -> list[str]:
    """What does not fit of a list in `args`."""
    if shape.signature is None:
        return []
    try:
        shape.signature.bind(*args)
    except TypeError as error:
        hint = ""
        if any(p.name in HANDLES for p in shape.parameters):
            hint = "; a list in args is passed without ctx: give params, or args as a mapping"
        return [f"the list in args does not fit: {error}{hint}"]
    return []


def unfit(shape: Shape, params: Mapping[str, Any]) -> list[str]:
    """What does not fit of a mapping of parameters."""
    if shape.signature is None:
        return []
    single = {p.name: p for p in shape.single()}
    found = []
    if not shape.takes_whole and not shape.keeps_rest:
        found = [f"unknown parameter {name!r}{nearest(name, single)}" for name in params if name not in single]
    missing = [name for name, p in single.items() if name not in params and p.default is p.empty]
    return found + [f"parameter {name!r} is missing" for name in missing]
