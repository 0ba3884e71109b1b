"""The `Step` that the engine takes, made of a step's checked fields."""

from __future__ import annotations

from typing import Any

from octo.recipe.model import STOP_TIMEOUT, Step
from octo.recipe.nodes import Map, Seq, plain
from octo.recipe.sizes import parse_size
from octo.recipe.step_values import Values


def _names(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _text(home: Map | Seq, key: Any, value: Any) -> str:
    """A scalar as the text that stands in the file."""
    return value if isinstance(value, str) else home.texts[key] if key in home.texts else ""


def made(values: Values, mapping: Map) -> Step:
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


def _written(values: Values, step: Step) -> dict[str, Any]:
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
