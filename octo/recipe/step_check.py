"""One step of the file -> a `Step`, with everything that is wrong in it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from octo.recipe import template
from octo.recipe.fields import DEFAULTS, HOOK, PYTHON, SHELL, STEP, Field
from octo.recipe.model import STOP_TIMEOUT, Step
from octo.recipe.reader import Map, Seq, plain
from octo.recipe.shape import Notes, check_shape, shown
from octo.recipe.sizes import machine_cores, machine_memory, parse_size, spell_size

_FIELDS = {each.name: each for each in STEP}
_NOT_IN_HOOKS = {name: f"a hook has no {name}" for name, each in _FIELDS.items() if not each.in_hooks}
_NOT_IN_DEFAULTS = {name: f"{name} cannot be a default" for name, each in _FIELDS.items() if not each.in_defaults}
# fields that say the same thing: a step's own one takes the place of all of them
SAME = ({"params", "args"}, {"executor", "requires_process"})
_RENDERED = ("params", "args", "cmd", "cwd", "env", "stdin_file", "cache_key")
_NEVER_RENDERED = ("name", "module", "function", "stdout_to_ctx", "shell_env_keys", "collect")
_OPERATORS = {
    "<": "stdin_file: FILE gives the program its input",
    ">": "stdout_to_ctx: KEY takes the output",
    ">>": "stdout_to_ctx: KEY takes the output",
    "|": "make two steps of it",
    "&&": "make two steps of it",
    ";": "make two steps of it",
}


@dataclass
class Use:
    """A Python function that a step names, and what the step gives it."""

    step: Step
    where: str
    line: int
    args_line: int
    params: Map | None
    known: tuple[str, ...] = ()


@dataclass
class Reading:
    """What is common to the steps of one file."""

    notes: Notes
    defaults: dict[str, Any] = field(default_factory=dict)
    defaults_map: Map | None = None
    uses: list[Use] = field(default_factory=list)
    needs_lines: dict[int, int] = field(default_factory=dict)  # id of a step: the line of its dependencies
    folders: list[Path] = field(default_factory=lambda: [Path.cwd()])
    cores: int = 0
    memory: int = 0


class _Values:
    """A step's own fields over the defaults; each knows the mapping that it stands in."""

    def __init__(self, own: dict[str, Any], mapping: Map, reading: Reading, hook: bool) -> None:
        self.mapping = mapping
        self.own = own
        self.all = dict(own)
        taken = set(mapping)
        for same in SAME:
            if taken & same:
                taken |= same
        self.kind = kind_of(mapping, {} if hook else reading.defaults)
        if not hook:
            for name, value in reading.defaults.items():
                on = "all" if name == "args" and self.kind == PYTHON else _FIELDS[name].on
                if name not in taken and on in ("all", self.kind):
                    self.all[name] = value
        self.defaults_map = reading.defaults_map

    def get(self, name: str, default: Any = None) -> Any:
        return self.all.get(name, default)

    def home(self, name: str) -> Map:
        """The mapping in which the field stands."""
        if name in self.own or self.defaults_map is None:
            return self.mapping
        return self.defaults_map

    def line(self, name: str) -> int:
        return self.home(name).lines.get(name, self.mapping.line)


def kind_of(own: dict[str, Any], defaults: dict[str, Any]) -> Literal["python", "shell"]:
    """Whether a step with these fields, over these defaults, is of Python or a program."""
    for values in (own, defaults):
        if values.get("type") in ("python", "shell"):
            kind: Literal["python", "shell"] = values["type"]
            return kind
        if values.get("cmd") is not None:
            return "shell"
        if values.get("module") is not None or values.get("function") is not None:
            return "python"
    return "python"


def read_defaults(mapping: Map, reading: Reading) -> None:
    """Check the defaults and keep them for the steps."""
    reading.defaults = check_shape(mapping, DEFAULTS, reading.notes, "defaults: ", others=_NOT_IN_DEFAULTS)
    reading.defaults_map = mapping
    values = _Values(reading.defaults, mapping, Reading(reading.notes), True)
    _check_pairs(values, reading, "defaults: ")
    _check_values(values, reading, "defaults: ", hook=False, known_items=True)
    _hooks(values, reading, "defaults: ", "on_success")
    _hooks(values, reading, "defaults: ", "on_failure")


def read_step(mapping: Map, reading: Reading, where: str, *, hook: bool = False) -> Step:
    """A step as the engine takes it. Where something is wrong, it is noted and left out."""
    notes = reading.notes
    fields: tuple[Field, ...] = HOOK if hook else STEP
    own = check_shape(mapping, fields, notes, where, others=_NOT_IN_HOOKS if hook else None)
    values = _Values(own, mapping, reading, hook)
    kind_known = values.get("type") is not None or mapping.get("type") is None
    _check_pairs(values, reading, where)
    if kind_known:
        _check_kind(values, notes, where)
    _check_values(values, reading, where, hook=hook)
    step = _made(values, mapping)
    reading.needs_lines[id(step)] = values.line("depends_on" if "depends_on" in own else "after")
    step.on_success = _hooks(values, reading, where, "on_success")
    step.on_failure = _hooks(values, reading, where, "on_failure")
    if step.kind == "python" and step.target and kind_known:
        params = values.get("params", values.get("args"))
        line = values.line("function" if "function" in values.all else "module")
        args_line = values.line("params" if "params" in values.all else "args")
        known = _known(values, hook, "for_each" in own)
        reading.uses.append(Use(step, where, line, args_line, params if isinstance(params, Map) else None, known))
    return step


def _hooks(values: _Values, reading: Reading, where: str, name: str) -> list[Step]:
    return read_hooks(values.get(name), values.home(name), name, reading, where)


def read_hooks(value: Any, home: Map, name: str, reading: Reading, where: str) -> list[Step]:
    """The steps of a hook field."""
    each = value if isinstance(value, list) else [] if value is None else [value]
    return [read_step(hook, reading, f"{where}{name}: ", hook=True) for hook in each if isinstance(hook, Map)]


def _check_kind(values: _Values, notes: Notes, where: str) -> None:
    """Fields of the other type, and what the type cannot do without."""
    kind, mapping = values.kind, values.mapping
    body = {"cmd"} if kind == SHELL else {"module", "function"}
    has_body = bool(body & set(values.all)) or any(mapping.get(name) is not None for name in body)
    strange = [name for name in mapping if name in _FIELDS and _FIELDS[name].on not in ("all", kind)]
    if kind == SHELL and isinstance(values.get("args"), dict):
        notes.add(values.line("args"), f"{where}args of a shell step is a list: args: [--key, value]")
    if not has_body and strange and "type" not in mapping:
        notes.add(mapping.line, f"{where}cmd is missing: the program to run ({strange[0]} is a field of shell steps)")
        return
    for name in strange:
        why = "" if "type" in mapping else " (it has no cmd)" if kind == PYTHON else " (it has a cmd)"
        other = _FIELDS[name].on
        notes.add(mapping.lines[name], f"{where}{name} is a field of {other} steps; this is a {kind} step{why}")
    if not has_body and not strange:
        missing = (
            "cmd is missing: the program to run" if kind == SHELL else "module or function is missing: what to call"
        )
        notes.add(mapping.line, f"{where}{missing}")


def _check_pairs(values: _Values, reading: Reading, where: str) -> None:
    """Fields that cannot stand together."""
    notes, own = reading.notes, values.mapping
    if own.get("params") is not None and own.get("args") is not None and values.kind == PYTHON:
        notes.add(own.lines["args"], f"{where}params and args both say what the function is given; keep one of them")
        values.all.pop("args", None)
    if values.own.get("requires_process") is True and values.own.get("executor") == "thread":
        notes.add(own.lines["executor"], f"{where}requires_process: true and executor: thread cannot both hold")
    if "collect" in values.own and "for_each" not in values.own and where != "defaults: ":
        notes.add(own.lines["collect"], f"{where}collect needs for_each: it takes the results of its items")


def _check_values(values: _Values, reading: Reading, where: str, *, hook: bool, known_items: bool = False) -> None:
    """What the types alone do not say. Values from the defaults are checked there."""
    notes, own = reading.notes, values.own

    def wrong(name: str, message: str) -> None:
        notes.add(values.mapping.lines[name], f"{where}{message}")

    _check_templates(values, notes, where, hook, known_items or "for_each" in own)
    timeout = own.get("timeout")
    if isinstance(timeout, str) and "{{" not in timeout:
        wrong("timeout", f'timeout must be a number of seconds, not the text "{timeout}"')
    if values.kind == SHELL:
        _check_shell(values, reading, where)
    _check_resources(values, reading, wrong)
    env = own.get("env")
    if not isinstance(env, Map):
        return
    for name in env:
        if "=" in name or "\0" in name:
            notes.add(env.lines[name], f"{where}env: {name!r} cannot be the name of a variable")


def _check_resources(values: _Values, reading: Reading, wrong: Any) -> None:
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


def _check_shell(values: _Values, reading: Reading, where: str) -> None:
    notes = reading.notes
    cmd, cwd = values.own.get("cmd", ""), values.get("cwd", "")
    if len(cmd.split()) > 1 and "{{" not in cmd + cwd and "{%" not in cmd + cwd:
        folders = [folder / cwd for folder in reading.folders] + reading.folders
        if not any((folder / cmd).exists() for folder in folders):
            notes.add(values.line("cmd"), where + blank_in_cmd(cmd))
    given = values.own.get("args")
    args = given if isinstance(given, Seq) else Seq(0)
    for index, arg in enumerate(args):
        line = args.lines[index]
        if isinstance(arg, (dict, list)):
            notes.add(line, f"{where}an argument is one text; item {index + 1} of args is {shown(arg)}")
        elif arg in _OPERATORS:
            notes.add(line, where + operator_in_args(arg))
    for name in ("cmd", "cwd", "stdin_file"):
        if "\0" in str(values.own.get(name, "")):
            notes.add(values.line(name), f"{where}{name} holds a NUL character")
    if any(isinstance(arg, str) and "\0" in arg for arg in args):
        notes.add(values.line("args"), f"{where}args hold a NUL character")


def blank_in_cmd(cmd: str) -> str:
    """The mistake of a whole command line in `cmd`, with the way to write it."""
    try:
        program, *args = shlex.split(cmd)
    except ValueError:
        program, *args = cmd.split()
    listed = ", ".join(_in_yaml(arg) for arg in args)
    return f"cmd is one program, not a command line; write cmd: {_in_yaml(program)} and args: [{listed}]"


def operator_in_args(arg: str) -> str:
    """The mistake of a shell's sign among the arguments, with the way out."""
    way = f'{_OPERATORS[arg]}, or cmd: sh and args: [-c, "…"]'
    return f'no shell runs here, so "{arg}" in args would be a mere argument; {way}'


def _in_yaml(text: str) -> str:
    simple = text and all(letter.isalnum() or letter in "-_./+=" for letter in text) and not text[0].isdigit()
    return text if simple else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _known(values: _Values, hook: bool, items: bool) -> tuple[str, ...]:
    """The names that templates of the step know."""
    names = template.HOOK_NAMES if hook else template.NAMES
    return names if items or hook else tuple(name for name in names if name not in ("item", "index"))


def check_params(use: Use, notes: Notes, declared: Mapping[str, str] | None) -> None:
    """The templates in a python step's params. `declared` are the types of the function's parameters: a "template"
    is rendered by the function, in its own way. Without them only mistakes of form are sure.
    """
    for name, value in (use.params or {}).items():
        if declared is not None and declared.get(name) == "template":
            continue
        assert use.params is not None
        for text, line in _texts(value, use.params.lines[name]):
            if template.has_template(text):
                for message in template.syntax_mistakes(text, None if declared is None else use.known):
                    notes.add(line, f"{use.where}params: {message}")


def _check_templates(values: _Values, notes: Notes, where: str, hook: bool, items: bool) -> None:
    known = _known(values, hook, items)
    for name in _RENDERED:
        if name in values.own and not (values.kind == PYTHON and isinstance(values.own[name], Map)):
            for text, line in _texts(values.own[name], values.line(name)):
                if template.has_template(text):
                    for message in template.syntax_mistakes(text, known):
                        notes.add(line, f"{where}{name}: {message}")
    timeout = values.own.get("timeout")
    for name, value, used in (
        ("when", values.own.get("when"), known),
        ("for_each", values.own.get("for_each"), ("ctx", "params", "steps", "run")),
        ("timeout", timeout if isinstance(timeout, str) and "{{" in timeout else None, known),
    ):
        if isinstance(value, str):
            for message in template.expression_mistakes(value, used):
                notes.add(values.line(name), f"{where}{name}: {message}")
        elif isinstance(value, list):
            for text, line in _texts(value, values.line(name)):
                for message in template.syntax_mistakes(text, used):
                    notes.add(line, f"{where}{name}: {message}")
    for name in _NEVER_RENDERED:
        if template.has_template(values.own.get(name)):
            notes.add(values.line(name), f"{where}{name} is taken as it stands; a template has no meaning in it")


def _texts(value: Any, line: int) -> Iterator[tuple[str, int]]:
    if isinstance(value, str):
        yield value, line
    elif isinstance(value, Map):
        for key, item in value.items():
            yield key, value.lines[key]
            yield from _texts(item, value.lines[key])
    elif isinstance(value, Seq):
        for item, at in zip(value, value.lines, strict=True):
            yield from _texts(item, at)


def _names(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _text(home: Map | Seq, key: Any, value: Any) -> str:
    """A scalar as the text that stands in the file."""
    return value if isinstance(value, str) else home.texts[key] if key in home.texts else ""


def _made(values: _Values, mapping: Map) -> Step:
    get = values.get
    kind = values.kind
    args = get("args")
    step = Step(kind=kind, line=mapping.line, name=get("name", ""), idx=get("idx"))
    if kind == "python":
        module, function = get("module"), get("function")
        step.target = f"{module}:{function or 'run'}" if module else function or ""
        given = get("params", args)
        step.params = plain(given) if isinstance(given, dict) else None
        step.positional = plain(given) if isinstance(given, list) else None
    else:
        step.cmd = get("cmd", "")
        if isinstance(args, Seq):
            step.args = [_text(args, index, arg) for index, arg in enumerate(args) if not isinstance(arg, (dict, list))]
        env = get("env")
        step.env = {key: _text(env, key, value) for key, value in env.items()} if isinstance(env, Map) else {}
        step.cwd, step.stdin_file, step.stdout_to_ctx = get("cwd"), get("stdin_file"), get("stdout_to_ctx")
        step.shell_env_keys = _names(get("shell_env_keys"))
    step.depends_on = list(dict.fromkeys([*_names(get("depends_on")), *_names(get("after"))]))
    step.when, step.for_each, step.collect = get("when"), plain(get("for_each")), get("collect")
    step.parallel, step.background = get("parallel", False), get("background", False)
    step.executor = "process" if get("requires_process") else get("executor", "thread")
    step.retry = _retry(get("retry"))
    step.timeout, step.allow_failure = get("timeout"), get("allow_failure", False)
    success = _filled(get("success", {}))
    step.success = {key: value if isinstance(value, list) else [value] for key, value in success.items()}
    if "cache_key" in values.all:
        step.cache_key = _text(values.home("cache_key"), "cache_key", get("cache_key"))
    pause = get("breakpoint", False)
    step.breakpoint_entry, step.breakpoint_exit = pause in (True, "entry"), pause == "exit"
    step.on_conflict, step.stop_timeout = get("on_conflict"), get("stop_timeout", STOP_TIMEOUT)
    resources = get("resources", {})
    step.cpu = resources.get("cpu")
    step.mem = parse_size(resources["mem"]) if resources.get("mem") is not None else None
    step.written = _written(values, step)
    return step


def _retry(given: Any) -> dict[str, Any] | None:
    if given is None or isinstance(given, int):
        return None if given is None else {"attempts": given}
    retry = _filled(given)
    if "exceptions" in retry:
        retry["exceptions"] = _names(retry["exceptions"])
    return retry


def _filled(mapping: dict[str, Any]) -> dict[str, Any]:
    """A mapping without the fields that hold nothing and those of the user."""
    return {key: plain(value) for key, value in mapping.items() if value is not None and not key.startswith("x-")}


def _written(values: _Values, step: Step) -> dict[str, Any]:
    """What was written, in one spelling: the same step written another way is the same."""
    spelt = ("name", "idx", "type", "module", "function", "params", "args", "depends_on", "after", "env", "cache_key")
    same = {"requires_process", "executor", "shell_env_keys"}
    written: dict[str, Any] = {"type": step.kind}
    if step.kind == "python":
        written["target"] = step.target
        if step.params is not None:
            written["params"] = plain(step.params)
        if step.positional is not None:
            written["args"] = plain(step.positional)
    else:
        written["args"] = list(step.args)
        written["env"] = dict(step.env)
        written["shell_env_keys"] = list(step.shell_env_keys)
    written["depends_on"] = list(step.depends_on)
    written["executor"] = step.executor
    if step.cache_key is not None:
        written["cache_key"] = step.cache_key
    for name, value in values.all.items():
        if name not in spelt and name not in same:
            written[name] = plain(value)
    return written
