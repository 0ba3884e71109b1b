"""The bodies of a recipe's steps: a Python function or class by name, or one program."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octo.context import expose_for_shell
from octo.engine.unit import replay
from octo.engine.work import Call
from octo.errors import BodyFailed, CtxClash, InvalidValue, OctoError, StepFailed, UsageError, nearest
from octo.resolve import fingerprint, resolve
from octo.scriptlet import call as call_body
from octo.scriptlet import params_of
from octo.shared_names import SHELL_FOLDERS, below, modules_directory, shell_step, shell_steps
from octo.store.author import ENVIRONMENT_NAME
from octo.store.undo import touching

from .model import Step
from .shell_check import blank_in_cmd
from .template import has_template, render

if TYPE_CHECKING:
    from octo.executors.workers import Workers

MOST_IN_ENVIRONMENT = 128 << 10
"""Bytes of one value that a program can be given in its environment (Linux takes no more)."""


@dataclass
class Surroundings:
    """What the bodies of one run share. `folders`: where programs named with a slash are looked for, in order."""

    instance: Path
    directory: str
    folders: list[Path]
    path: list[str]
    _workers: list[Workers] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def workers(self) -> Workers:
        """Started when the first step needs one."""
        with self._lock:
            if not self._workers:
                from octo.executors.workers import Workers

                self._workers.append(Workers(self.instance, self.path, self.directory))
            return self._workers[0]

    def close(self) -> None:
        for workers in self._workers:
            workers.close()
        self._workers.clear()


class PythonBody:
    """A function or class that a step names."""

    def __init__(self, step: Step, around: Surroundings) -> None:
        self.step, self._around = step, around
        self._templated = has_template(step.params) or has_template(step.positional)

    @cached_property
    def target(self) -> Callable[..., Any]:
        return resolve(self.step.target)

    @cached_property
    def _unrendered(self) -> set[str]:
        return {param.name for param in params_of(self.target) or () if param.type == "template"}

    def arguments(self, names: Mapping[str, Any]) -> Any:
        """What a cached result depends on."""
        return self.step.target, *self._given(names)

    def _given(self, names: Mapping[str, Any]) -> tuple[Any, Any]:
        """Params and positional arguments, rendered."""
        params, positional = self.step.params, self.step.positional
        if self._templated:
            if params is not None:
                params = {
                    key: value if key in self._unrendered else render(value, names) for key, value in params.items()
                }
            positional = render(positional, names)
        return params, positional

    def run(self, call: Call, names: dict[str, Any], timeout: float | None) -> Any:
        params, positional = self._given(names)
        if self.step.executor == "process":
            return self._in_a_process(call, params, positional, timeout)
        if timeout is None:
            return call_body(self.target, call.ctx, params, positional)
        return call.within(timeout, lambda: call_body(self.target, call.ctx, params, positional))

    def _in_a_process(self, call: Call, params: Any, positional: Any, timeout: float | None) -> Any:
        background = self.step.background
        call.usage = {}
        try:
            done = self._around.workers.run(
                self.step.target,
                params=params,
                args=positional,
                author=call.author,
                timeout=timeout,
                stop=call.stop,
                stop_timeout=self.step.stop_timeout if background else None,
                on_line=call.say,
                tracked=self.step.parallel and not background,
                beyond=background,
            )
        except BodyFailed as error:
            call.usage = error.usage
            self._apply(call, error.ops)  # records, and what stood before a checkpoint there
            if any(not op.get("record") for op in error.ops):
                call.ctx.checkpoint()
            raise
        self._apply(call, done.ops)
        call.usage = done.usage.as_dict()
        return done.value if done.other is None else done.other

    def _apply(self, call: Call, ops: list[dict[str, Any]]) -> None:
        if ops:
            try:
                with call.ctx._access.changing() as tx:
                    replay(tx, ops)
            except InvalidValue as error:
                raise _clash(call, ops, error) from None

    def fingerprint(self) -> str:
        return fingerprint(self.target)


def _clash(call: Call, ops: list[dict[str, Any]], error: InvalidValue) -> CtxClash:
    """What a step did to its copy of ctx fits no more: others changed there what it is about, or what held that."""
    me, places = call.author, [tuple(op["path"]) for op in ops]
    others = {
        line["who"]: None
        for line in call.ctx._access.file.lines()
        if line.get("seq", 0) > me.call and line.get("call") != me.call
        for op in line.get("ops", ())
        if op["path"][:1] == ["ctx"] and touching(op["path"], places)
    }
    return CtxClash(
        f"{' and '.join([*others, me.who])} changed one place in ctx at the same time, and what {me.who} did to its "
        f"copy does not fit any more: {error.message}; let one depend on the other"
    )


def _text(value: Any) -> str:
    """As `shell_env_keys` spells it."""
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)


class ShellBody:
    """One program with its arguments; never a command line."""

    def __init__(self, step: Step, around: Surroundings) -> None:
        self.step, self._around = step, around

    def arguments(self, names: Mapping[str, Any]) -> Any:
        """What a cached result depends on."""
        step = self.step
        return {
            "cmd": render(step.cmd, names),
            "cwd": render(step.cwd, names),
            "env": render(step.env, names),
            "stdin_file": render(step.stdin_file, names),
        }, self._words(names)

    def _words(self, names: Mapping[str, Any]) -> list[str]:
        return [_text(word) for word in render(self.step.args, names)]

    def run(self, call: Call, names: dict[str, Any], timeout: float | None) -> Any:
        from octo.executors.program import run_program

        step = self.step
        cwd = os.path.join(self._around.directory, str(render(step.cwd, names) or ""))
        stdin = render(step.stdin_file, names)
        call.usage = {}
        done = run_program(
            [*self.program(str(render(step.cmd, names)), cwd), *self._words(names)],
            cwd=cwd,
            env=self._environment(call, names),
            stdin_file=os.path.join(self._around.directory, str(stdin)) if stdin else None,
            capture=step.stdout_to_ctx is not None,
            on_line=call.say,
            timeout=timeout,
            stop=call.stop if step.background else None,
            stop_timeout=step.stop_timeout,
        )
        call.usage = done.usage.as_dict()
        if done.stopped:
            return {"exit_code": done.exit_code}
        if step.stdout_to_ctx is not None:
            call.ctx.set(step.stdout_to_ctx, done.output)
        if done.exit_code not in step.success.get("exit_codes", [0]):
            raise StepFailed(f"{step.cmd} {done.ending}")
        return {"exit_code": done.exit_code}

    def program(self, cmd: str, cwd: str) -> list[str]:
        """What runs it: the file, with a slash in `cwd` or one of the folders, else on PATH (the system looks).

        A program of the library is given to bash: the mark that makes it executable may be lost on its way here.
        """
        has_blank = any(char.isspace() for char in cmd)
        if "/" not in cmd and os.sep not in cmd and not has_blank:
            return [cmd]
        found = self._below(cmd, cwd)
        if found is None:
            if has_blank:
                raise UsageError(f"cmd {cmd!r}: there is no file of this whole name; {blank_in_cmd(cmd)}")
            near = nearest(cmd, (f"{SHELL_FOLDERS[0]}/{name}.sh" for name in shell_steps()))
            raise UsageError(f"cmd {cmd}: there is no such file below {', '.join(map(str, self._folders(cwd)))}{near}")
        return ["bash", str(found)] if str(found) == shell_step(cmd) else [str(found)]

    def _folders(self, cwd: str) -> list[Path]:
        own = Path(self._around.directory, cwd)
        return list(dict.fromkeys([own, *self._around.folders]))

    def _below(self, cmd: str, cwd: str) -> Path | None:
        """The user's own file, else the library's."""
        found = next((folder / cmd for folder in self._folders(cwd) if (folder / cmd).is_file()), None)
        if found is None or below(str(found), modules_directory()):
            library = shell_step(cmd)
            return Path(library) if library else found
        return found

    def _environment(self, call: Call, names: Mapping[str, Any]) -> dict[str, str]:
        environment = dict(os.environ)
        beside = os.path.dirname(sys.executable)
        environment["PATH"] = os.pathsep.join([beside, environment.get("PATH", "")])
        exposed = expose_for_shell(call.ctx, self.step.shell_env_keys, prefix="CTX_")
        for key, value in exposed.items():
            if len(f"{key}={value}".encode(errors="replace")) >= MOST_IN_ENVIRONMENT:
                raise OctoError(
                    f"shell_env_keys: {key.removeprefix('CTX_')} is larger than "
                    f"{MOST_IN_ENVIRONMENT >> 10} KiB, too large for an environment variable; "
                    "write it to a file"
                )
        environment |= exposed
        environment |= {key: _text(value) for key, value in render(self.step.env, names).items()}
        environment[ENVIRONMENT_NAME] = call.author.to_environment()
        return environment

    def fingerprint(self) -> str:
        is_known = not has_template(self.step.cmd) and not has_template(self.step.cwd)
        found = self._below(self.step.cmd, self.step.cwd or "") if is_known else None
        if found is None:
            return ""
        import hashlib

        return hashlib.sha256(found.read_bytes()).hexdigest()


Body = PythonBody | ShellBody


def body_of(step: Step, around: Surroundings) -> Body:
    return PythonBody(step, around) if step.kind == "python" else ShellBody(step, around)
