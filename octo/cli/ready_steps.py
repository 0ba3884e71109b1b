"""The ready-made steps for recipes: what there is by theme, and what each does and takes."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from octo.param import Param, params_of, table_of
from octo.resolve import resolve
from octo.shared_names import SHELL_FOLDERS, library_steps, shell_steps


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

    @property
    def rules(self) -> list[str]:
        """What is required of several parameters together, a sentence each."""
        table = table_of(self.target)
        return [] if table is None else table.rules()


@dataclass(frozen=True)
class CodeModule:
    """A module of the library that is no step but for a step's own code, such as ctx_file_lock."""

    name: str
    theme: str
    module: str

    @property
    def does(self) -> str:
        """In one line."""
        return inspect.cleandoc(sys.modules[self.module].__doc__ or "").split("\n", 1)[0]

    @property
    def use(self) -> str:
        """How a step's code gets it."""
        return f"from {self.module} import {', '.join(self.parts)}"

    @property
    def parts(self) -> dict[str, Any]:
        """Name -> function or class, those that it means for others."""
        module = sys.modules[self.module]
        return {name: getattr(module, name) for name in getattr(module, "__all__", ())}

    def described(self) -> dict[str, str]:
        """`name(signature)` -> what it does."""
        return {_head(name, part): inspect.cleandoc(part.__doc__ or "")
                for name, part in self.parts.items()
                if not (isinstance(part, type) and (issubclass(part, Exception) or is_dataclass(part)))}


def _head(name: str, part: Any) -> str:
    """`name(path, timeout=60.0)`."""
    found = inspect.signature(part)
    plain = [param.replace(annotation=param.empty) for param in found.parameters.values()]
    return f"{name}{found.replace(parameters=plain, return_annotation=found.empty)}"


def code_modules(theme: str | None = None) -> list[CodeModule]:
    """All of them, or those of one theme."""
    found = [CodeModule(name, module.split(".")[1], module) for name, module in library_steps().items()
             if not hasattr(import_module(module), "run")]
    return sorted((each for each in found if theme in (None, each.theme)), key=lambda each: (each.theme, each.name))


def code_module(name: str) -> CodeModule | None:
    """The one of that name."""
    return next((each for each in code_modules() if each.name == name), None)


def ready_steps(theme: str | None = None) -> list[ReadyStep]:
    """All of them by theme and name, or those of one theme; none where there is no such theme."""
    found = [(module.split(".")[1], name, module) for name, module in library_steps().items()
             if hasattr(import_module(module), "run")]
    return [ReadyStep(name, of, module, resolve(name)) for of, name, module in sorted(found) if theme in (None, of)]


def ready_step(name: str) -> ReadyStep | None:
    """The one of that name."""
    module = library_steps().get(name)
    if module is None or not hasattr(import_module(module), "run"):
        return None
    return ReadyStep(name, module.split(".")[1], module, resolve(name))


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
                **({"required_when": param.required_when} if param.required_when else {}),
            }
            for param in step.params
        },
        "rules": step.rules,
    }


# --- programs for shell steps


@dataclass(frozen=True)
class ShellStep:
    """A program of the library for shell steps."""

    name: str
    theme: str
    file: str

    @property
    def doc(self) -> str:
        """The comment that the file begins with, below its first line."""
        lines = []
        for line in Path(self.file).read_text(encoding="utf-8").splitlines()[1:]:
            if not line.startswith("#"):
                break
            lines.append(line[1:].removeprefix(" "))
        return "\n".join(lines).strip()

    @property
    def does(self) -> str:
        """In one line."""
        return self.doc.split("\n", 1)[0]

    @property
    def cmd(self) -> str:
        """As a recipe names it."""
        return f"{SHELL_FOLDERS[0]}/{Path(self.file).name}"


def ready_programs(theme: str | None = None) -> list[ShellStep]:
    """All of them by name, or those of one theme."""
    found = [ShellStep(name, Path(file).parent.name, file) for name, file in shell_steps().items()]
    return [step for step in found if theme in (None, step.theme)]


def described_program(step: ShellStep) -> dict[str, Any]:
    """As plain data."""
    return {"step": step.name, "library": step.theme, "does": step.does, "file": step.file, "line": 1,
            "cmd": step.cmd, "doc": step.doc}
