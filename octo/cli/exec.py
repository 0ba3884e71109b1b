"""`octo exec`: one ready-made step alone, and `python -m step_library.<theme>.<name>`, which is the same."""

from __future__ import annotations

import inspect
import json
import re
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from octo.cli.command import debug_option, examples_epilog
from octo.cli.printing import print_json, write_file
from octo.errors import BadJson, OctoError, StepFailed, UsageError, quoted
from octo.param import Param, table_of
from octo.value_types import type_text

_OPTION = re.compile(r"--|-[A-Za-z]")
_TEXTS = {"str", "path", "template", "callable"}
JOBS_TIMEOUT = 60.0
"""Seconds for which jobs that the step has left behind are waited for."""
_EXAMPLES = (
    "octo exec ctx_stats --help",
    "octo exec --ctx-file rows.json ctx_stats --key rows --out stats",
    "octo exec --ctx-file in.json --ctx-out out.json --json ctx_filter --type list",
)
_OURS = (
    click.Option(["--ctx-file"], metavar="FILE", help="JSON object to begin with as ctx; - is standard input."),
    click.Option(["--ctx-out"], metavar="FILE", help="Write the whole ctx there afterwards; - is standard output."),
    click.Option(["--jobs-timeout"], type=click.FloatRange(0, min_open=True), metavar="SECONDS",
                 help=f"Wait so long for finite jobs that the step leaves behind [{JOBS_TIMEOUT:g}]."),
    click.Option(["--json", "as_json"], is_flag=True, help="Print result and changes as one JSON object."),
)


class _Exec(click.Command):
    """What stands behind NAME is the step's."""

    allow_interspersed_args = False


def _exec(name: str, args: tuple[str, ...], **ours: Any) -> int:
    """Run one ready-made step alone, on a ctx of its own.

    Prints what the step returns and what it changed in ctx. `octo list steps` has the names, `octo exec NAME --help`
    a step's parameters. Behind NAME a parameter of the step wins over an option of Octo's of the same name.
    """
    return int(step_command(name, ours).main(list(args), f"octo exec {name}", standalone_mode=False) or 0)


exec_command = debug_option(
    _Exec(
        "exec",
        params=[
            *_OURS,
            click.Argument(["name"]),
            click.Argument(["args"], nargs=-1, type=click.UNPROCESSED, metavar="[--PARAMETER VALUE]..."),
        ],
        callback=_exec,
        help=_exec.__doc__,
        epilog=examples_epilog(_EXAMPLES),
    )
)


def step_main(name: str) -> None:
    """The command line of one step's own module."""
    from octo.cli.main import run_and_exit

    program = f"python -m {sys.modules['__main__'].__spec__.name}" if sys.modules["__main__"].__spec__ else name
    run_and_exit(lambda: step_command(name, {}).main(None, program, standalone_mode=False))


def step_command(name: str, ours: dict[str, Any]) -> click.Command:
    """The command of one step; `ours` are Octo's options that stood in front of its name."""
    from octo.resolve import resolve
    from octo.shared_names import shell_steps

    program = shell_steps().get(name.removesuffix(".sh"))
    if program is not None:
        raise UsageError(f"{name} is a program for shell steps, no function", hints=[f"bash {quoted(program)} -h"])
    target = resolve(name)
    table = table_of(target)
    if table is None:
        raise UsageError(f"{name} does not say which parameters it takes, so it cannot be run from here")
    options = [_Given(param) for param in table.params]
    taken = {opt for option in options for opt in option.opts}
    more = [option for option in _OURS if not taken.intersection(option.opts)]

    def run(**values: Any) -> int:
        settings = {key: values.get(key) or ours.get(key) for key in ("ctx_file", "ctx_out", "as_json", "jobs_timeout")}
        given = {param.name: values[option.name or ""] for param, option in zip(table.params, options, strict=True)
                 if values[option.name or ""] is not None}
        return _run(name, target, given, **settings)

    return _Step(
        name, params=[*options, *more], callback=run,
        help="\n\n".join([inspect.cleandoc(target.__doc__ or ""), *table.rules()]),
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


class _Step(click.Command):
    """A step's command: an option that is a list takes the words up to the next option, a bool may stand alone."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = [option for option in self.params if isinstance(option, _Given)]
        lists = {name for option in given if option.is_list for name in option.opts}
        flags = {name for option in given if option.is_flag_like for name in option.opts}
        found: list[str] = []
        words = iter(args)
        word = next(words, None)
        while word is not None:
            found.append(word)
            is_list, is_flag, word = word in lists, word in flags, next(words, None)
            if is_flag and (word is None or _OPTION.match(word)):
                found.append("true")
            values = []
            while is_list and word is not None and not _OPTION.match(word):
                values.append(word)
                word = next(words, None)
            found += [json.dumps([_json_or_text(value) for value in values])] if len(values) > 1 else values
        return super().parse_args(ctx, found)


class _Given(click.Option):
    """A parameter of a step as an option: `--out_key` and `--out-key`."""

    def __init__(self, param: Param) -> None:
        self.is_list = "list" in type_text(param.type)
        names = [name for each in (param.name, *param.aliases) for name in (f"--{each}", f"--{each.replace('_', '-')}")]
        self.is_flag_like = "bool" in type_text(param.type).split(" or ")
        kind = "[true|false]" if type_text(param.type) == "bool" else type_text(param.type).upper().replace(" OR ", "|")
        super().__init__(
            [*dict.fromkeys(names), f"p_{param.name}"],
            metavar=kind, help=help_of(param),
            callback=lambda context, option, text: None if text is None else value_of(param, text),
        )


def help_of(param: Param) -> str:
    """What a parameter is for, with its choices and its default."""
    found = param.help
    if param.choices is not None:
        found += f" ({' | '.join(map(str, param.choices))})"
    if param.required:
        return f"{found}  (required)"
    for name, values in param.required_when.items():
        found += f"  (required where {name} is {' or '.join(map(json.dumps, values))})"
    return found if param.default is None else f"{found}  [{json.dumps(param.default)}]"


def value_of(param: Param, text: str) -> Any:
    """What was typed, as the type of the parameter has it: text where it is text only, else JSON, else text.

    A list may be typed with commas: `--columns 0,2`; where text is right as well, which of both the type names first.
    """
    names = [one.partition("[")[0] for one in type_text(param.type).split(" or ") if one != "null"]
    if set(names) <= _TEXTS:
        return param.value(text)
    choices = [_json_or_text(text), text]
    if "list" in names and not text.lstrip().startswith("["):
        is_list = names[0] == "list" and choices[0] == text and "," in text
        choices.insert(0 if is_list else 1, [_json_or_text(part.strip()) for part in text.split(",")])
    for choice in choices:
        try:
            return param.value(choice)
        except OctoError:
            continue
    return param.value(choices[0])  # tells what is wrong


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _run(name: str, target: Any, params: dict[str, Any], ctx_file: str | None = None, ctx_out: str | None = None,
         as_json: bool | None = False, jobs_timeout: float | None = None) -> int:
    from octo.context import Context
    from octo.scriptlet import call

    before = _read(ctx_file) if ctx_file else {}
    ctx = Context(before, who=name)
    try:
        result = call(target, ctx, params)
    except OctoError:
        raise
    except Exception as error:
        told = _raised(name, error)
        if told is None:
            raise
        raise told from error
    _wait_for_jobs(name, result, JOBS_TIMEOUT if jobs_timeout is None else jobs_timeout)
    after = {key: ctx.plain(key) for key in ctx}
    changed = {key: value for key, value in after.items() if key not in before or before[key] != value}
    gone = [key for key in before if key not in after]
    if ctx_out == "-":
        print_json(after)
        return 0
    if ctx_out:
        write_file(Path(ctx_out), json.dumps(after, ensure_ascii=False, indent=1))
    if as_json:
        print_json({"result": result, "ctx": changed, "deleted": gone})
        return 0
    print_json({"result": result})
    for key, value in changed.items():
        click.echo(f"ctx {key}: {json.dumps(value, ensure_ascii=False)}")
    for key in gone:
        click.echo(f"ctx {key} is gone")
    return 0


def _raised(name: str, error: Exception) -> OctoError | None:
    """What the step, or a function that it was given, raised; of a function with its name and line.

    None where the error says all by itself, such as that of a file that is not there.
    """
    import sysconfig

    import octo
    import step_library
    from octo.shared_names import below

    def is_below(frame: traceback.FrameSummary, *folders: str) -> bool:
        return any(below(frame.filename, folder) for folder in folders)

    called = None
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if is_below(frame, octo.__path__[0], step_library.__path__[0]):
            break
        called = frame
    if called is None or is_below(called, sysconfig.get_path("stdlib")):
        if isinstance(error, OSError):
            return None
        who = name
    else:
        who = f"{name}: {called.name} ({Path(called.filename).name}, line {called.lineno})"
    what = f"{type(error).__name__}: {error}".removesuffix(": ")
    return StepFailed(f"{who} raised {what}; --debug shows the traceback")


def _wait_for_jobs(name: str, result: Any, timeout: float) -> None:
    """Stay for what the step has left behind: finite work so long, what repeats or has its time until Ctrl-C."""
    from octo.executors.jobs import LIVE, default_pool

    pool = default_pool()
    lasting = [job for job in pool.jobs() if job.status in LIVE and (job.periodic or job.timing)]
    if lasting:
        names = ", ".join(job.name or job.id for job in lasting)
        click.echo(f"{json.dumps(result, ensure_ascii=False, default=str)}\n{names}: until Ctrl-C", err=True)
    try:
        while any(not job.wait(0.5) for job in lasting):  # Windows sees Ctrl-C only between waits
            pass
    except KeyboardInterrupt:
        for job in lasting:
            job.cancel()
    if not pool.wait(timeout):
        left = ", ".join(job.id for job in pool.cancel_all())
        raise OctoError(f"jobs that {name} started were not done after {timeout:g} s (--jobs-timeout): {left}")


def _read(name: str) -> dict[str, Any]:
    from octo.store.values import loads

    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        found = loads(data)
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise BadJson(f"{name} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise UsageError(f"{name}: ctx is a JSON object, not {type(found).__name__}")
    return found
