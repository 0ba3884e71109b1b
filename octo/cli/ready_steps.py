"""The ready-made steps for recipes: what there is by theme, and what each does and takes."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from octo.param import Param, params_of
from octo.resolve import resolve
from octo.shared_names import library_steps


@dataclass(frozen=True)
class ReadyStep:
    """A step of the library."""

    name: str
    theme: str
    module: str
    target: Callable[..., Any]

    @property
    def does(self) -> str:
        """In one line."""
        return inspect.cleandoc(sys.modules[self.module].__doc__ or self.doc).split("\n", 1)[0]

    @property
    def doc(self) -> str:
        return inspect.cleandoc(self.target.__doc__ or "")

    @property
    def params(self) -> tuple[Param, ...]:
        return params_of(self.target) or ()


def ready_steps(theme: str | None = None) -> list[ReadyStep]:
    """All of them by theme and name, or those of one theme; none where there is no such theme."""
    found = [(module.split(".")[1], name, module) for name, module in library_steps().items()
             if hasattr(import_module(module), "run")]  # others, such as ctx_file_lock, are for a step's own code
    return [ReadyStep(name, of, module, resolve(name)) for of, name, module in sorted(found) if theme in (None, of)]


def ready_step(name: str) -> ReadyStep | None:
    """The one of that name."""
    module = library_steps().get(name)
    return None if module is None else ReadyStep(name, module.split(".")[1], module, resolve(name))


def described_step(step: ReadyStep) -> dict[str, Any]:
    """As plain data."""
    code = inspect.unwrap(step.target)
    return {
        "step": step.name,
        "library": step.theme,
        "does": step.does,
        "file": inspect.getsourcefile(code),
        "line": code.__code__.co_firstlineno,
        "params": {
            param.name: {
                "type": str(param).partition(": ")[2].partition(" = ")[0] or "any",
                "required": param.required,
                **({} if param.required else {"default": param.default}),
                "help": param.help,
                "aliases": list(param.aliases),
                **({"group": param.group} if param.group else {}),
            }
            for param in step.params
        },
    }
