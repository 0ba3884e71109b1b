"""A step's parameters as a plain table: what there is, of which type, with which default.

The table stands beside the step's function, put there by `@scriptlet`, and is checked on every way in:
recipes, the command line and a call from Python.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, overload

from octo.errors import OctoError, nearest

from .value_types import READERS, WRONG, read, type_names, type_text

Target = TypeVar("Target", bound=Callable[..., Any])
Groups = Sequence[Sequence[str]]
TABLE = "__octo_params__"


class _Required:
    def __repr__(self) -> str:
        return "required"


REQUIRED: Any = _Required()


class ParamError(OctoError, ValueError, TypeError):
    """A step was given a parameter that it does not have, or a value of the wrong type."""

    exit_code = 2

    def __str__(self) -> str:
        return self.message


class MissingParam(ParamError, KeyError):
    """A step was not given a parameter that it needs."""


@dataclass(frozen=True)
class Param:
    """One parameter of a step. Without a default it is required.

    `type` is a name ("list", "dict", "str", "int", "float", "bool", "number", "null", "path", "callable",
    "template", "any"), a Python class, "list[str]" and the like, or several of them: "str | null", a tuple.
    A "template" is handed over as it stands in the recipe: the step itself renders it.
    `required_when`: it is required where other parameters have one of these values: `{"action": ["save", "delete"]}`.
    `group` is a heading for those of one purpose where a step has many; they stand one after the other.
    """

    name: str
    type: Any = "any"
    default: Any = REQUIRED
    help: str = ""
    aliases: tuple[str, ...] | list[str] = ()
    choices: Collection[Any] | None = None
    required_when: Mapping[str, Collection[Any]] = field(default_factory=dict)
    group: str = ""

    def __post_init__(self) -> None:
        unknown = [name for name in type_names(self.type) if name not in READERS]
        if unknown:
            near = nearest(unknown[0], READERS)
            raise ParamError(f"parameter {self.name!r}: there is no type {unknown[0]!r}{near}")

    @property
    def required(self) -> bool:
        """It has no default."""
        return self.default is REQUIRED

    def value(self, given: Any) -> Any:
        """The value as the step gets it; ParamError where it does not fit."""
        if given is None and self.default is None:
            return None
        found = read(self.type, given)
        if found is WRONG:
            raise ParamError(f"parameter {self.name!r} is to be {type_text(self.type)}, not {_short(given)}")
        if self.choices is not None and found not in self.choices:
            allowed = ", ".join(map(repr, self.choices))
            near = nearest(given, [c for c in self.choices if isinstance(c, str)]) if isinstance(given, str) else ""
            raise ParamError(f"parameter {self.name!r} is to be one of {allowed}, not {_short(given)}{near}")
        return found

    def mistakes_around_templates(self, given: Any) -> list[str]:
        """What is wrong in a value that has templates in it, as far as that can be told before they are rendered."""
        return []

    def __str__(self) -> str:
        kind = "" if type_text(self.type) == "any" else f": {type_text(self.type)}"
        return f"{self.name}{kind}" if self.required else f"{self.name}{kind} = {self.default!r}"


def grouped(group: str, *params: Param) -> tuple[Param, ...]:
    """The same parameters under a heading."""
    return tuple(replace(param, group=group) for param in params)


@dataclass(frozen=True)
class Table:
    """The parameters of one step. `keeps_unknown`: what is not in it is handed over as it is.

    `one_of`: of each group exactly one is to be given, `any_of`: at least one; null where that is the default is none.
    """

    params: tuple[Param, ...]
    keeps_unknown: bool = False
    one_of: tuple[tuple[str, ...], ...] = ()
    any_of: tuple[tuple[str, ...], ...] = ()
    _names: dict[str, Param] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names: dict[str, Param] = {}
        for param in self.params:
            for name in (param.name, *param.aliases):
                if name in names:
                    raise ParamError(f"two parameters of a step are called {name!r}")
                names[name] = param
        object.__setattr__(self, "_names", names)
        own = {param.name for param in self.params}
        grouped = [name for group in (*self.one_of, *self.any_of) for name in group]
        for name in [*grouped, *(name for param in self.params for name in param.required_when)]:
            if name not in own:
                raise ParamError(f"a rule of a step's parameters names {name!r}, which is none of them")

    def fill(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """The parameters under their first names, converted, defaults added. Raises the first mistake."""
        found: dict[str, Any] = {}
        used: dict[str, str] = {}
        for name, value in (given or {}).items():
            param = self._names.get(name)
            if param is None:
                if not self.keeps_unknown:
                    raise ParamError(self._unknown(name))
                found[name] = value
            elif param.name in used:
                raise ParamError(_twice(used[param.name], name))
            else:
                used[param.name] = name
                found[param.name] = param.value(value)
        for param in self.params:
            if param.name not in used:
                if param.required:
                    raise MissingParam(self._missing(param))
                default = param.default
                found[param.name] = copy.deepcopy(default) if isinstance(default, (list, dict)) else default
        for error in self._unmet({name: found[name] for name in used}):
            raise error
        return found

    def mistakes(self, given: Mapping[str, Any], templated: Collection[str] = ()) -> list[str]:
        """All that does not fit. The values of `templated` names are not known yet, or not all of them."""
        found: list[str] = []
        used: dict[str, str] = {}
        for name, value in given.items():
            param = self._names.get(name)
            if param is None:
                if not self.keeps_unknown:
                    found.append(self._unknown(name))
                continue
            if param.name in used:
                found.append(_twice(used[param.name], name))
            used[param.name] = name
            if name in templated:
                found += param.mistakes_around_templates(value)
                continue
            try:
                param.value(value)
            except OctoError as error:
                found.append(error.message)
        missing = (param for param in self.params if param.required and param.name not in used)
        found += [self._missing(param) for param in missing]
        unknown = {name for name, given_as in used.items() if given_as in templated}
        return found + [error.message for error in self._unmet({name: given[used[name]] for name in used}, unknown)]

    def rules(self) -> list[str]:
        """What the groups ask for, a sentence each."""
        return ([f"One of these is required: {', '.join(group)}." for group in self.one_of]
                + [f"At least one of these is required: {', '.join(group)}." for group in self.any_of])

    def _unmet(self, given: Mapping[str, Any], unknown: Collection[str] = ()) -> Iterator[ParamError]:
        """Which rules are broken; of what is `unknown` the value is not known yet."""
        there = {name for name, value in given.items()
                 if name in unknown or value is not None or self._names[name].default is not None}
        for group in (*self.one_of, *self.any_of):
            found = [name for name in group if name in there]
            if not found:
                others = f"; or give {' or '.join(group[1:])}" if group[1:] else ""
                yield MissingParam(self._missing(self._names[group[0]]) + others)
            elif len(found) > 1 and group in self.one_of and not any(name in unknown for name in found):
                yield ParamError(f"{found[0]!r} and {found[1]!r} are two ways to say one thing: give one of them")
        for param in self.params:
            if param.required_when and param.name not in there and not any(n in unknown for n in param.required_when):
                now = {name: given.get(name, self._names[name].default) for name in param.required_when}
                if all(now[name] in values for name, values in param.required_when.items()):
                    why = ", ".join(f"{name} {value!r}" for name, value in now.items())
                    yield MissingParam(f"{self._missing(param)} ({why} needs it)")

    def __str__(self) -> str:
        return ", ".join([*map(str, self.params), *(["..."] if self.keeps_unknown else [])])

    def _unknown(self, name: str) -> str:
        has = f"; it takes: {self}" if self.params else "; it takes none"
        return f"unknown parameter {name!r}{nearest(name, self._names) or has}"

    def _missing(self, param: Param) -> str:
        return f"parameter {param.name!r} is missing" + (f": {param.help}" if param.help else "")


@overload
def scriptlet(
    target: Target, *, params: Iterable[Param] | None = None, keeps_unknown: bool = False, one_of: Groups = (),
    any_of: Groups = ()
) -> Target: ...
@overload
def scriptlet(
    target: None = None, *, params: Iterable[Param] | None = None, keeps_unknown: bool = False, one_of: Groups = (),
    any_of: Groups = ()
) -> Callable[[Target], Target]: ...
def scriptlet(target: Any = None, *, params: Iterable[Param] | None = None, keeps_unknown: bool = False,
              one_of: Groups = (), any_of: Groups = ()) -> Any:
    """Declare the parameters of a step's function or class; a decorator, bare or called.

    Every call then checks and completes them. Bare, it takes them from the function's own signature.
    `one_of=[("fn", "expr")]`: exactly one of a group is to be given; `any_of`: at least one.
    """

    def declare(target: Any) -> Any:
        is_class = isinstance(target, type)
        body = target.run if is_class else target
        listed = _from_signature(body) if params is None else tuple(params)
        if listed is None:
            return target  # it takes what it gets
        table = Table(listed, keeps_unknown, tuple(map(tuple, one_of)), tuple(map(tuple, any_of)))
        checked = _checking(body, table)
        if is_class:
            target.run = checked
            setattr(target, TABLE, table)
            return target
        setattr(checked, TABLE, table)
        return checked

    return declare if target is None else declare(target)


def table_of(target: Any) -> Table | None:
    """The table that a function or class declares."""
    return getattr(target, TABLE, None)


def params_of(target: Any) -> tuple[Param, ...] | None:
    """The parameters that a function or class declares; None where it declares none."""
    table = table_of(target)
    return None if table is None else table.params


def _from_signature(body: Callable[..., Any]) -> tuple[Param, ...] | None:
    import inspect

    names = [p for p in inspect.signature(body).parameters.values() if p.name not in ("self", "ctx", "context")]
    if any(p.name == "params" or p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in names):
        return None
    return tuple(Param(p.name, default=REQUIRED if p.default is p.empty else p.default) for p in names)


def _checking(body: Callable[..., Any], table: Table) -> Callable[..., Any]:
    """The body behind the check of its parameters, wherever in the call they stand."""
    import inspect

    signature = inspect.signature(body)
    names = list(signature.parameters)
    if "params" in names:
        place = names.index("params")

        @functools.wraps(body)
        def whole(*args: Any, **more: Any) -> Any:
            if len(args) > place:
                args = (*args[:place], table.fill(args[place]), *args[place + 1 :])
            else:
                more["params"] = table.fill(more.get("params"))
            return body(*args, **more)

        return whole
    handles = {name for name in ("self", "ctx", "context") if name in names}

    @functools.wraps(body)
    def single(*args: Any, **more: Any) -> Any:
        bound = signature.bind_partial(*args)
        given = {name: value for name, value in bound.arguments.items() if name not in handles}
        rest = {name: value for name, value in more.items() if name in handles}
        twice = given.keys() & more.keys()
        if twice:
            raise ParamError(f"parameter {min(twice)!r} is given twice")
        filled = table.fill({**given, **{name: value for name, value in more.items() if name not in handles}})
        front = [value for name, value in bound.arguments.items() if name in handles]
        if any(name in handles for name in list(bound.arguments)[len(front) :]):
            rest |= {name: bound.arguments[name] for name in handles if name in bound.arguments}
            front = []
        return body(*front, **rest, **filled)

    return single


def _twice(first: str, second: str) -> str:
    return f"{first!r} and {second!r} are one parameter: give one of them"


def _short(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({'null' if value is None else type(value).__name__})"
