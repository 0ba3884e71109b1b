"""A recipe to start from: commented, valid as it stands, with a step for each library step that was named."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from octo.errors import UsageError, quoted
from octo.recipe.nodes import Source

_HEAD = """\
# {name}: say here what this recipe is for.
#
#   {validate}   finds every mistake in it, and runs nothing
#   {run}   runs it, and goes on where it stopped
#
# Every field is explained in docs/recipes.md; `octo recipe schema` is for editors.

metadata:
  name: {quoted}

# Values that ctx, the data shared by all steps, starts with (--set key=value wins).
ctx:
  greeting: Hello

# A field given here holds for every step that does not give it itself.
# defaults:
#   timeout: 60

steps:
"""

_SAMPLE = """\
  # A Python step: a function, and what it is given. A list in args is passed by position.
  - name: greet
    function: "builtins:print"
    args: ["{{ ctx.greeting }}"]

  # A shell step: one program and its arguments, each passed as it stands. No shell reads them.
  - name: compute
    cmd: python
    args: [-c, "print(6 * 7)"]
    stdout_to_ctx: answer
    depends_on: greet

  # Values of ctx and results of steps are there in {{ … }}.
  - name: tell
    function: "builtins:print"
    args: ["the answer is {{ ctx.answer }}"]
    depends_on: compute
    # retry: {attempts: 3, delay: 1}
    # when: ctx.answer | int > 0
"""

_STEP_TAIL = """\
    # retry: {attempts: 3, delay: 1}
    # timeout: 60
"""

_EXAMPLES: dict[str, Any] = {
    "list": [],
    "dict": {},
    "int": 1,
    "float": 1.0,
    "number": 1,
    "bool": True,
    "null": None,
    "callable": "builtins:print",
    "template": "{{ value }}",
    "path": "file.txt",
}


def recipe_file(name: str) -> Path:
    """Where the recipe of that name is written: a name without `.yaml` or `.yml` gets the first."""
    path = Path(name)
    if not path.name or name.endswith(("/", "\\")) or not name.isprintable():
        raise UsageError(f"{name!r} is no name of a file; such as report or report.yaml")
    return path if path.suffix in (".yaml", ".yml") else path.with_name(path.name + ".yaml")


def new_recipe(path: Path, steps: Sequence[str] = ()) -> str:
    """The text of a new recipe, which was checked; `UsageError` where a step is not there."""
    from octo.recipe.check import check
    from octo.resolve import on_path, run_path

    head = _HEAD.format(
        name=path.stem,
        quoted=json.dumps(path.stem, ensure_ascii=False),
        validate=f"octo validate {quoted(path)}",
        run=f"octo run {quoted(path)}",
    )
    places = run_path(path.absolute().parent, Path.cwd())
    with on_path(places):
        text = head + ("\n".join(_steps(steps)) if steps else _SAMPLE)
        check(Source(text, path.absolute(), path), path=places)
    return text


def _steps(targets: Sequence[str]) -> list[str]:
    from octo.resolve import resolve

    used: list[str] = []
    parts = []
    for target in targets:
        found = resolve(target)
        base = target.rpartition(":")[0] if target.endswith(":run") else target
        stem = base.replace(":", ".").rpartition(".")[2] or "step"
        name, number = stem, 2
        while name in used or name in ("ctx", "engine", "steps", "breakpoints", "global_parameters"):
            name, number = f"{stem}_{number}", number + 1
        parts.append(_step(name, target, found, used[-1] if used else ""))
        used.append(name)
    return parts


def _step(name: str, target: str, found: Callable[..., Any], after: str) -> str:
    said = inspect.cleandoc(getattr(found, "__doc__", None) or "").split("\n")[0].strip()
    lines = [f"  # {said}"] if said else []
    lines += [f"  - name: {name}", f"    function: {json.dumps(target)}"]
    needed = _needed(found)
    params = [_param(param, param.required or param.name in needed) for param in _params(found)]
    if any(not line.lstrip().startswith("#") for line in params):
        lines.append("    params:")
    elif params:
        lines.append("    # params:")
    lines += params
    if after:
        lines.append(f"    depends_on: {after}")
    return "\n".join(lines) + "\n" + _STEP_TAIL


def _params(found: Callable[..., Any]) -> Sequence[Any]:
    """The declared parameters, else those of the signature."""
    from octo.scriptlet import Param, params_of

    declared = params_of(found)
    if declared is not None:
        return declared
    body = found.run if inspect.isclass(found) and hasattr(found, "run") else found
    try:
        signature = inspect.signature(body)
    except (TypeError, ValueError):
        return ()
    return [
        Param(each.name) if each.default is each.empty else Param(each.name, default=each.default)
        for each in signature.parameters.values()
        if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        and each.name not in ("self", "ctx", "context", "params")
    ]


def _needed(found: Callable[..., Any]) -> set[str]:
    """The first of each group of parameters of which one is required, and those required by the others' defaults."""
    from octo.param import table_of

    table = table_of(found)
    if table is None:
        return set()
    chosen = {param.name: next(iter(param.choices), None) if param.required and param.choices else param.default
              for param in table.params}
    groups = {group[0] for group in (*table.one_of, *table.any_of)}
    return groups | {param.name for param in table.params if param.required_when
                     and all(chosen[name] in values for name, values in param.required_when.items())}


def _param(param: Any, needed: bool) -> str:
    """One line of `params:`; what has a default is a comment."""
    about = " ".join(str(param.help).split())
    if needed:
        value = next(iter(param.choices)) if param.choices else _example(param)
        return f"      {param.name}: {_json(value)}  # {about or 'required: put your value here'}"
    return f"      # {param.name}: {_json(param.default)}" + (f"  # {about}" if about else "")


def _example(param: Any) -> Any:
    """A value that the parameter takes, so that the file is valid as it stands."""
    first = param.type[0] if isinstance(param.type, (tuple, list)) and param.type else param.type
    kind = first if isinstance(first, str) else getattr(first, "__name__", "")
    return _EXAMPLES.get(kind.partition("|")[0].partition("[")[0].strip(), "value")


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return json.dumps(str(value), ensure_ascii=False)
