"""The command `octo`: finds the command that was typed, runs it, and turns errors into one message.

A command's module is imported only when the command is used, so `octo --help` stays fast. Exit codes:
0 done, 1 the run failed, 2 wrong usage or input, 3 paused, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click

from octo import __version__
from octo.cli.command import debug_option, debugging, examples_epilog
from octo.cli.printing import counted, print_error
from octo.cli.streams import prepare_streams
from octo.errors import LibraryError, OctoError, RecipeError, UsageError, nearest, quoted

# command: (module below octo.cli, what it does), in the order in which a new user needs them
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("init", "Make an instance of a step library."),
    "run": ("run", "Run an instance or a recipe, or carry on where it stopped."),
    "step": ("run", "Run the next step (or N steps), then pause."),
    "status": ("status", "Show where an instance is and what to type next."),
    "params": ("params", "Show or change parameters."),
    "ctx": ("ctx", "Show or change the shared data of the steps."),
    "break": ("breakpoints", "Set, clear or list breakpoints."),
    "graph": ("graph", "Draw an instance, a step library or a recipe."),
    "report": ("report", "Show timings, memory, resources and audit of an instance."),
    "logs": ("logs", "Print what the steps of the newest run printed and logged."),
    "history": ("history", "Show who changed what, when."),
    "at": ("history", "Print the state as it was after change SEQ."),
    "fork": ("history", "Make a new instance of the state at change SEQ."),
    "reset": ("init", "Make the next run start afresh."),
    "recover": ("init", "Mend an instance whose files are damaged."),
    "list": ("listing", "List steps, libraries or instances."),
    "validate": ("validate", "Find every mistake in recipes; nothing is run."),
    "recipe": ("recipe", "Make a recipe, put recipes together, print the schema."),
    "show": ("show", "Show what a step does and takes."),
    "exec": ("exec", "Run one ready-made step alone."),
    "completion": ("completion", "Print the shell completion script."),
}

EXAMPLES = (
    "octo list libraries",
    "octo init my_check --library machine_check",
    "octo run my_check",
    "octo status my_check",
    "octo run recipe.yaml",
)


class Octo(click.Group):
    """The group of all commands; imports one only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"octo.cli.{COMMANDS[cmd_name][0]}")
        found: click.Command = getattr(module, f"{cmd_name}_command")
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            raise _no_command(name)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, does) for name, (_, does) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=does)
            for name, (_, does) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _discard_output()
            return 0
        except click.UsageError as error:
            if error.ctx is None and ctx.invoked_subcommand:  # such as an option without its value
                found = self.get_command(ctx, ctx.invoked_subcommand)
                error.ctx = click.Context(found, ctx, ctx.invoked_subcommand) if found else ctx
            raise

    def main(  # type: ignore[override]
        self, args: Any = None, prog_name: str | None = None, standalone_mode: bool = True, **extra: Any
    ) -> Any:
        def call() -> Any:
            return super(Octo, self).main(args, prog_name or "octo", standalone_mode=False, **extra)

        return run_and_exit(call) if standalone_mode else call()


def _no_command(name: str) -> UsageError:
    path = Path(name)
    if path.is_dir() or (path.is_file() and path.suffix in (".yaml", ".yml")):
        what, typed = "directory" if path.is_dir() else "recipe", f"octo run {quoted(name)}"
        return UsageError(f"{name} is a {what}, and the command comes first: {typed}", hints=[typed, "octo --help"])
    return UsageError(f"there is no command {name}{nearest(name, COMMANDS)}", hints=["octo --help"])


def run_and_exit(call: Callable[[], Any]) -> NoReturn:
    """Call, print one message where it fails, and end the process with the right code."""
    debugging(os.environ.get("OCTO_DEBUG", "") not in ("", "0"))
    prepare_streams()
    try:
        result = call()
        code = result if isinstance(result, int) else 0
    except click.exceptions.Abort:
        print_error("stopped by Ctrl-C")
        code = 130
    except Exception as error:
        if debugging():
            _print_traceback()
        message, hints, code = _told(error)
        print_error(message, hints)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
    sys.exit(code)


def _told(error: Exception) -> tuple[str, list[str], int]:
    """An error as a message, what can be typed next, and the exit code."""
    if isinstance(error, click.ClickException):
        return *_usage_message(error), 2
    if isinstance(error, LibraryError):
        return *_library_message(error), error.exit_code
    if isinstance(error, RecipeError):
        told = [str(problem) for problem in error.problems]  # from the line's first letter on, as editors take it
        return "\n".join([f"the recipe has {counted(len(told), 'mistake')}:", *told]), error.hints, error.exit_code
    if isinstance(error, OctoError):
        return error.message, error.hints, error.exit_code
    if isinstance(error, OSError):
        denied = isinstance(error, PermissionError) and error.filename and os.name != "nt"
        hints = [f"ls -ld {quoted(Path(os.fsdecode(error.filename)).absolute().parent)}"] if denied else []
        return f"{error.filename or 'system'}: {error.strerror or error}", hints, 1
    return (
        f"a mistake in Octo itself: {type(error).__name__}: {error}. Please report it with the traceback "
        "that the same command shows with --debug",
        [],
        1,
    )


def _discard_output() -> None:
    """The reader, such as `head`, has seen enough: what is still in the buffer goes nowhere."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_traceback() -> None:
    import traceback

    traceback.print_exc()


def _library_message(error: LibraryError) -> tuple[str, list[str]]:
    """All that is wrong with a step library, one problem a line."""
    problems = [f"  {problem}" for problem in error.problems]
    return "\n".join([f"the step library has {counted(len(problems), 'mistake')}:", *problems]), error.hints


def _usage_message(error: click.ClickException) -> tuple[str, list[str]]:
    """What click found wrong in the command line, and what to type instead."""
    message = " ".join(error.format_message().split())
    ctx = getattr(error, "ctx", None)
    if ctx is None:
        return message, ["octo --help"]
    hints = [f"{ctx.command_path} --help"]
    param = getattr(error, "param", None)
    if isinstance(error, click.MissingParameter) and param is not None and param.name == "directory":
        message = "which instance? Give its directory"
        if param.metavar == "DIR|RECIPE":
            message += ", or the file of a recipe"
        if Path(".octo_step_engine_parameters.json").exists():
            hints.insert(0, f"{ctx.command_path} .")
    return message, hints


@click.group(
    "octo",
    cls=Octo,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples_epilog(EXAMPLES),
    no_args_is_help=False,
    invoke_without_command=True,
)
@click.option("--version", is_flag=True, help="Print the version and end.")
@debug_option
@click.pass_context
def cli(ctx: click.Context, version: bool) -> None:
    """Run step machines whose whole state is a file that you can read."""
    if version:
        click.echo(f"octo {__version__}")
        ctx.exit()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> NoReturn:
    """The entry point of the command `octo`."""
    cli()
    raise AssertionError("the command ends the process")
