"""What is wrong in the templates of a step, each with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from octo.recipe import template
from octo.recipe.fields import PYTHON
from octo.recipe.nodes import Map, Seq
from octo.recipe.shape import Notes
from octo.recipe.step_values import Use, Values

_RENDERED = ("params", "args", "cmd", "cwd", "env", "stdin_file", "cache_key")
_NEVER_RENDERED = ("name", "module", "function", "stdout_to_ctx", "shell_env_keys", "collect")


def known_names(values: Values, hook: bool, items: bool) -> tuple[str, ...]:
    """The names that templates of the step know."""
    names = template.HOOK_NAMES if hook else template.NAMES
    return names if items and not hook else _of_the_whole_step(names)


def _of_the_whole_step(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in ("item", "index"))


def check_params(use: Use, notes: Notes, declared: Mapping[str, str] | None) -> None:
    """The templates in a python step's params. `declared` are the types of the function's parameters: a "template"
    is rendered by the function, in its own way. Without them only mistakes of form are sure.
    """
    for name, value in (use.params or {}).items():
        if declared is not None and declared.get(name) == "template":
            continue
        assert use.params is not None
        for text, line in texts_in(value, use.params.lines[name]):
            if template.has_template(text):
                for message in template.syntax_mistakes(text, None if declared is None else use.known):
                    notes.add(line, f"{use.where}params: {message}")


def check_templates(values: Values, notes: Notes, where: str, hook: bool, items: bool) -> None:
    known = known_names(values, hook, items)
    for name in _RENDERED:
        if name in values.own and not (values.kind == PYTHON and isinstance(values.own[name], Map)):
            for text, line in texts_in(values.own[name], values.line(name)):
                if template.has_template(text):
                    for message in template.syntax_mistakes(text, known):
                        notes.add(line, f"{where}{name}: {message}")
    timeout = values.own.get("timeout")
    for name, value, used in (
        ("when", values.own.get("when"), _of_the_whole_step(known)),  # asked once for all items
        ("for_each", values.own.get("for_each"), _of_the_whole_step(known)),
        ("timeout", timeout if isinstance(timeout, str) and "{{" in timeout else None, known),
    ):
        if isinstance(value, str):
            for message in template.expression_mistakes(value, used):
                notes.add(values.line(name), f"{where}{name}: {message}")
        elif isinstance(value, list):
            for text, line in texts_in(value, values.line(name)):
                for message in template.syntax_mistakes(text, used):
                    notes.add(line, f"{where}{name}: {message}")
    for name in _NEVER_RENDERED:
        if template.has_template(values.own.get(name)):
            notes.add(values.line(name), f"{where}{name} is taken as it stands; a template has no meaning in it")


def texts_in(value: Any, line: int) -> Iterator[tuple[str, int]]:
    if isinstance(value, str):
        yield value, line
    elif isinstance(value, Map):
        for key, item in value.items():
            yield key, value.lines[key]
            yield from texts_in(item, value.lines[key])
    elif isinstance(value, Seq):
        for item, at in zip(value, value.lines, strict=True):
            yield from texts_in(item, at)
