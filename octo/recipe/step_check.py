"""One step of the file -> a `Step`, with everything that is wrong in it."""

from __future__ import annotations

from typing import Any

from octo.recipe.fields import DEFAULTS, HOOK, PYTHON, SHELL, STEP, Field
from octo.recipe.model import Step
from octo.recipe.nodes import Map
from octo.recipe.shape import Notes, check_shape
from octo.recipe.shell_check import check_shell
from octo.recipe.sizes import machine_cores, machine_memory, parse_size, spell_size
from octo.recipe.step_made import made
from octo.recipe.step_values import FIELDS, Reading, Use, Values
from octo.recipe.template_check import check_templates, known_names

_NOT_IN_HOOKS = {name: f"a hook has no {name}" for name, each in FIELDS.items() if not each.in_hooks}
_NOT_IN_DEFAULTS = {name: f"{name} cannot be a default" for name, each in FIELDS.items() if not each.in_defaults}


def read_defaults(mapping: Map, reading: Reading) -> None:
    """Check the defaults and keep them for the steps."""
    reading.defaults = check_shape(mapping, DEFAULTS, reading.notes, "defaults: ", others=_NOT_IN_DEFAULTS)
    reading.defaults_map = mapping
    values = Values(reading.defaults, mapping, Reading(reading.notes), True)
    _check_pairs(values, reading, "defaults: ")
    _check_values(values, reading, "defaults: ", hook=False, known_items=True)
    _hooks(values, reading, "defaults: ", "on_success")
    _hooks(values, reading, "defaults: ", "on_failure")


def read_step(mapping: Map, reading: Reading, where: str, *, hook: bool = False) -> Step:
    """A step as the engine takes it. Where something is wrong, it is noted and left out."""
    notes = reading.notes
    fields: tuple[Field, ...] = HOOK if hook else STEP
    own = check_shape(mapping, fields, notes, where, others=_NOT_IN_HOOKS if hook else None)
    values = Values(own, mapping, reading, hook)
    kind_known = values.get("type") is not None or mapping.get("type") is None
    _check_pairs(values, reading, where)
    if kind_known:
        _check_kind(values, notes, where)
    _check_values(values, reading, where, hook=hook)
    step = made(values, mapping)
    reading.needs_lines[id(step)] = values.line("depends_on" if "depends_on" in own else "after")
    step.on_success = _hooks(values, reading, where, "on_success")
    step.on_failure = _hooks(values, reading, where, "on_failure")
    if step.kind == "python" and step.target and kind_known:
        params = values.get("params", values.get("args"))
        line = values.line("function" if "function" in values.all else "module")
        args_line = values.line("params" if "params" in values.all else "args")
        known = known_names(values, hook, "for_each" in own)
        reading.uses.append(Use(step, where, line, args_line, params if isinstance(params, Map) else None, known))
    return step


def _hooks(values: Values, reading: Reading, where: str, name: str) -> list[Step]:
    return read_hooks(values.get(name), values.home(name), name, reading, where)


def read_hooks(value: Any, home: Map, name: str, reading: Reading, where: str) -> list[Step]:
    """The steps of a hook field."""
    each = value if isinstance(value, list) else [] if value is None else [value]
    return [read_step(hook, reading, f"{where}{name}: ", hook=True) for hook in each if isinstance(hook, Map)]


def _check_kind(values: Values, notes: Notes, where: str) -> None:
    """Fields of the other type, and what the type cannot do without."""
    kind, mapping = values.kind, values.mapping
    body = {"cmd"} if kind == SHELL else {"module", "function"}
    has_body = bool(body & set(values.all)) or any(mapping.get(name) is not None for name in body)
    strange = [name for name in mapping if name in FIELDS and FIELDS[name].on not in ("all", kind)]
    if kind == SHELL and isinstance(values.get("args"), dict):
        notes.add(values.line("args"), f"{where}args of a shell step is a list: args: [--key, value]")
    if not has_body and strange and "type" not in mapping:
        notes.add(mapping.line, f"{where}cmd is missing: the program to run ({strange[0]} is a field of shell steps)")
        return
    for name in strange:
        why = "" if "type" in mapping else " (it has no cmd)" if kind == PYTHON else " (it has a cmd)"
        other = FIELDS[name].on
        notes.add(mapping.lines[name], f"{where}{name} is a field of {other} steps; this is a {kind} step{why}")
    if not has_body and not strange:
        missing = (
            "cmd is missing: the program to run" if kind == SHELL else "module or function is missing: what to call"
        )
        notes.add(mapping.line, f"{where}{missing}")


def _check_pairs(values: Values, reading: Reading, where: str) -> None:
    """Fields that cannot stand together."""
    notes, own = reading.notes, values.mapping
    if own.get("params") is not None and own.get("args") is not None and values.kind == PYTHON:
        notes.add(own.lines["args"], f"{where}params and args both say what the function is given; keep one of them")
        values.all.pop("args", None)
    if values.own.get("requires_process") is True and values.own.get("executor") == "thread":
        notes.add(own.lines["executor"], f"{where}requires_process: true and executor: thread cannot both hold")
    if "collect" in values.own and "for_each" not in values.own and where != "defaults: ":
        notes.add(own.lines["collect"], f"{where}collect needs for_each: it takes the results of its items")


def _check_values(values: Values, reading: Reading, where: str, *, hook: bool, known_items: bool = False) -> None:
    """What the types alone do not say. Values from the defaults are checked there."""
    notes, own = reading.notes, values.own

    def wrong(name: str, message: str) -> None:
        notes.add(values.mapping.lines[name], f"{where}{message}")

    check_templates(values, notes, where, hook, known_items or "for_each" in own)
    timeout = own.get("timeout")
    if isinstance(timeout, str) and "{{" not in timeout:
        wrong("timeout", f'timeout must be a number of seconds, not the text "{timeout}"')
    if values.kind == SHELL:
        check_shell(values, reading, where)
    elif "exit_codes" in own.get("success", ()) and where != "defaults: ":
        wrong("success", "success: exit_codes is for shell steps; this is a python step")
    _check_resources(values, reading, wrong)
    env = own.get("env")
    if not isinstance(env, Map):
        return
    for name in env:
        if "=" in name or "\0" in name:
            notes.add(env.lines[name], f"{where}env: {name!r} cannot be the name of a variable")


def _check_resources(values: Values, reading: Reading, wrong: Any) -> None:
    asked = values.own.get("resources")
    if not isinstance(asked, dict):
        return
    cpu, mem = asked.get("cpu"), asked.get("mem")
    if cpu is not None:
        reading.cores = reading.cores or machine_cores()
        if cpu > reading.cores:
            wrong("resources", f"resources: cpu: {cpu} is more than the {reading.cores} cores of this machine")
    if mem is not None:
        size = parse_size(mem)
        reading.memory = reading.memory or machine_memory()
        if size is None:
            wrong("resources", f'resources: mem: "{mem}" is no size; write bytes, or text such as "2GiB" or "500 MB"')
        elif size > reading.memory:
            wrong("resources", f"resources: mem: {mem} is more than the {spell_size(reading.memory)} of this machine")
