"""The reference page of the ready-made steps, `docs/steps.md`, made from their own declarations."""

from __future__ import annotations

import inspect
import sys
from itertools import groupby

from octo.param import Param
from octo.value_types import type_text

from .ready_steps import CodeModule, ReadyStep, code_modules, ready_programs, ready_steps

HEAD = """# Ready-made steps

Each is a step of a recipe by its name alone (`function: ctx_stats`), a function in Python
(`from step_library.data import ctx_stats; ctx_stats.run(ctx, {...})`), and a command (`octo exec ctx_stats --help`).
`ctx` may be a plain dict or a `Context`. Parameters are checked before a recipe runs.

<!-- made by tools/write_pages.py from the steps themselves -->
"""


def steps_page() -> str:
    """The whole page, as Markdown."""
    found = [HEAD]
    for theme, steps in groupby(ready_steps(), lambda step: step.theme):
        about = inspect.cleandoc(sys.modules[f"step_library.{theme}"].__doc__ or "").split("\n", 1)[0]
        found.append(f"## {theme}\n\n{about}\n")
        found += [_section(step) for step in steps]
        found += [_code_section(module) for module in code_modules(theme)]
    found.append("## shell\n\nPrograms for shell steps, under the path that the documents name; they need bash.\n")
    found += [f"### {step.name}\n\n`cmd: {step.cmd}`\n\n```text\n{step.doc}\n```\n" for step in ready_programs()]
    return "\n".join(found)


def _section(step: ReadyStep) -> str:
    lines = [f"### {step.name}\n", f"{step.does}\n", f"{step.doc}\n"]
    for group, params in groupby(step.params, lambda param: param.group):
        head = f"| parameter | type | default | {group} |" if group else "| parameter | type | default | |"
        lines += ["\n".join([head, "|---|---|---|---|", *map(_row, params)]) + "\n"]
    lines += [f"{rule}\n" for rule in step.rules]
    return "\n".join(lines)


def _code_section(module: CodeModule) -> str:
    """What is no step, but for a step's own code."""
    parts = [f"`{head}`\n\n{doc}\n" for head, doc in module.described().items()]
    return "\n".join([f"### {module.name}\n", f"{module.does}\n", f"It is no step, but for a step's own code: "
                      f"`{module.use}`.\n", *parts])


def _row(param: Param) -> str:
    names = ", ".join(f"`{name}`" for name in (param.name, *param.aliases))
    default = "required" if param.required else f"`{param.default!r}`" if param.default is not None else ""
    choices = "" if param.choices is None else f" ({', '.join(map(str, param.choices))})"
    needed = "".join(f"; required where `{name}` is {' or '.join(f'`{value!r}`' for value in values)}"
                     for name, values in param.required_when.items())
    cells = (names, type_text(param.type), default, param.help + choices + needed)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
