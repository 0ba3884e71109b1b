"""The one list of what may stand in a recipe: the model, the JSON Schema and the reference page are made from it.

A field has its Python type (for the model and the schema), the same in words (for messages and the page), what it
means, and an example in YAML. Nothing here knows YAML or how a step is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field as Bound

Name = Annotated[str, Bound(min_length=1, pattern=r"^[^,\[\]{}/\\\x00-\x1f\x7f]+$")]
Text = Annotated[str, Bound(min_length=1)]
Names = Text | list[Text]
Scalar = str | bool | int | float | None
Values = dict[str, Any]
Count = Annotated[int, Bound(ge=1)]
Above = Annotated[float, Bound(gt=0)]
Least = Annotated[float, Bound(ge=0)]

PYTHON, SHELL, ALL = "python", "shell", "all"


@dataclass(frozen=True, eq=False)
class Field:
    """One field. `fields` are those of a mapping that it takes; `default` is what holds where it is not given."""

    name: str
    type: Any
    expects: str
    help: str
    example: str
    on: str = ALL
    default: str = ""
    in_defaults: bool = True
    in_hooks: bool = False
    fields: tuple[Field, ...] = ()
    required: bool = False
    steps: bool = False  # its value is one hook, or a list of them


RETRY = (
    Field("attempts", Count, "a whole number from 1", "All tries together, the first one too.", "3", required=True),
    Field("delay", Least, "seconds, a number from 0", "The wait before the second try.", "0.5", default="0"),
    Field("backoff", Least, "a number from 0", "What the wait is multiplied by after each try.", "2", default="1"),
    Field("max_delay", Least, "seconds, a number from 0", "The longest wait.", "60", default="3600"),
    Field(
        "exceptions",
        Names,
        "the name of an exception type, or a list of them",
        "Only these, and types made from them, are tried again. Without it: all.",
        "[ConnectionError, TimeoutError]",
    ),
)

SUCCESS = (
    Field("ctx_has_keys", Names, "a ctx key, or a list of them", "Keys that ctx must have afterwards.", "[rows]"),
    Field(
        "exit_codes",
        int | list[int],
        "a whole number, or a list of them",
        "Exit codes that count as success.",
        "[0, 1]",
        default="0",
    ),
)

RESOURCES = (
    Field("cpu", Above, "a number of cores above 0", "Cores.", "2"),
    Field("mem", Count | Text, 'bytes, or text such as "2GiB" or "500 MB"', "Memory.", "2GiB"),
)

STEP = (
    Field(
        "name",
        Name,
        "text without , [ ] { } / \\",
        "What the step is called everywhere; unique in the recipe.",
        "load",
        required=True,
        in_defaults=False,
    ),
    Field(
        "idx",
        int,
        "a whole number",
        "Order only: where every step has one, steps are taken by it and not as they stand.",
        "1",
        in_defaults=False,
    ),
    Field(
        "type",
        Literal["python", "shell"],
        "python or shell",
        "What the step's body is.",
        "python",
        default="shell where cmd stands, else python",
        in_hooks=True,
    ),
    Field(
        "module",
        Text,
        "the name of a Python module, as text",
        "The module of the function. Without function: its run.",
        "my_steps.load",
        PYTHON,
        in_hooks=True,
    ),
    Field(
        "function",
        Text,
        "the name of a function or class, as text",
        'A function or class of the module. Without module: "package.module:name", or a library step\'s name.',
        "run",
        PYTHON,
        default="run",
        in_hooks=True,
    ),
    Field(
        "params",
        Values,
        "a mapping of parameters to values",
        "What the function is given, by name. The same may stand as a mapping in args.",
        "{path: in.csv}",
        PYTHON,
        in_hooks=True,
    ),
    Field(
        "cmd",
        Text,
        "the name of a program, as text",
        "One program, never a command line. With a slash it is looked for below the working directory, the recipe's "
        "folder and Octo's modules, else on PATH.",
        "scripts/load.sh",
        SHELL,
        in_hooks=True,
    ),
    Field(
        "args",
        list[Any] | dict[str, Any],
        "a list",
        "Of a shell step: the program's arguments, each passed as the text that stands in the file. Of a python step: "
        "a list is passed by position, without ctx; a mapping is the same as params.",
        "[--rows, 100]",
        in_hooks=True,
    ),
    Field(
        "cwd", Text, "a directory, as text", "Where the program runs.", "work", SHELL, "the run's own", in_hooks=True
    ),
    Field(
        "env",
        dict[str, Scalar],
        "a mapping of names to text",
        "Environment variables, beside those that Octo was started with.",
        "{MODE: fast}",
        SHELL,
        in_hooks=True,
    ),
    Field("stdin_file", Text, "a file, as text", "What the program reads.", "in.txt", SHELL, "nothing", in_hooks=True),
    Field(
        "stdout_to_ctx",
        Text,
        "a ctx key, as text",
        "The ctx key that takes the program's whole output, as text (at most 16 MiB).",
        "listing",
        SHELL,
        in_hooks=True,
    ),
    Field(
        "shell_env_keys",
        Names,
        "a ctx key, or a list of them",
        "ctx keys that the program gets as CTX_<key>; lists and mappings as JSON.",
        "[rows]",
        SHELL,
        in_hooks=True,
    ),
    Field(
        "depends_on",
        Names,
        "the name of a step, or a list of names",
        "Steps that must have ended before this one starts.",
        "[load, clean]",
        in_defaults=False,
    ),
    Field(
        "after",
        Names,
        "the name of a step, or a list of names",
        "The same as depends_on; where both stand, both hold.",
        "load",
        in_defaults=False,
    ),
    Field(
        "when",
        bool | int | float | Text,
        "an expression, with or without braces",
        "The step is skipped where this is false when its turn comes.",
        "ctx.rows | length > 0",
        in_hooks=True,
    ),
    Field(
        "for_each",
        list[Any] | Text,
        "a list, or an expression for one",
        "The step runs once for each item; item and index are its names in templates.",
        "ctx.files",
        in_defaults=False,
    ),
    Field("collect", Text, "a ctx key, as text", "The ctx key that takes the results of for_each, in order.", "sums"),
    Field(
        "parallel",
        bool,
        "true or false",
        "The step may run together with other parallel ones; with for_each, its items too.",
        "true",
        default="false",
    ),
    Field(
        "background",
        bool,
        "true or false",
        "The step runs as long as the run does; what depends on it waits only for its start.",
        "true",
        default="false",
    ),
    Field(
        "requires_process",
        bool,
        "true or false",
        "The same as executor: process.",
        "true",
        default="false",
        in_hooks=True,
    ),
    Field(
        "executor",
        Literal["thread", "process"],
        "thread or process",
        "Where the body runs: in this process, or in a worker process.",
        "process",
        default="thread",
        in_hooks=True,
    ),
    Field(
        "retry",
        Count | dict[str, Any],
        "a number of attempts from 1, or a mapping with attempts",
        "How often, and after what wait, a failed step is tried again.",
        "{attempts: 3, delay: 0.5}",
        default="1",
        in_hooks=True,
        fields=RETRY,
    ),
    Field(
        "timeout",
        Above | Text,
        "seconds, a number above 0, or a template for one",
        "Seconds for each attempt.",
        "60",
        in_hooks=True,
    ),
    Field(
        "allow_failure",
        bool,
        "true or false",
        "A failure of this step is told, and the run goes on.",
        "true",
        default="false",
    ),
    Field(
        "success",
        dict[str, Any],
        "a mapping with ctx_has_keys or exit_codes",
        "What must hold at the end for the step to have succeeded.",
        "{ctx_has_keys: [rows]}",
        in_hooks=True,
        fields=SUCCESS,
    ),
    Field(
        "on_success",
        dict[str, Any] | list[dict[str, Any]],
        "a step without a name, or a list of them",
        "Run once the step has succeeded.",
        '{function: "my_steps.tell:done"}',
        steps=True,
    ),
    Field(
        "on_failure",
        dict[str, Any] | list[dict[str, Any]],
        "a step without a name, or a list of them",
        "Run once the step has failed for good; its templates know step, status and error.",
        '{cmd: notify, args: ["{{ step }}", "{{ error }}"]}',
        steps=True,
    ),
    Field(
        "cache_key",
        Scalar,
        "text",
        "Where an earlier run in the instance ended this step well with the same key, parameters and code, its "
        "changes are applied again and it does not run.",
        '"{{ ctx.date }}"',
    ),
    Field(
        "breakpoint",
        bool | Literal["entry", "exit"],
        "true, false, entry or exit",
        "The run pauses before (true, entry) or after (exit) the step.",
        "true",
        default="false",
    ),
    Field(
        "on_conflict",
        Literal["first", "last"],
        "first or last",
        "Which step's value stands where parallel steps set one place in ctx. Without it: the second fails.",
        "last",
    ),
    Field(
        "stop_timeout",
        Least,
        "seconds, a number from 0",
        "How long a background step has for stopping.",
        "10",
        default="10",
    ),
    Field(
        "resources",
        dict[str, Any],
        "a mapping with cpu or mem",
        "What the step needs: parallel steps start only while the sums fit the machine.",
        "{cpu: 2, mem: 2GiB}",
        fields=RESOURCES,
    ),
)

DEFAULTS = tuple(field for field in STEP if field.in_defaults)
HOOK = tuple(field for field in STEP if field.in_hooks)

RECIPE = (
    Field(
        "steps", list[dict[str, Any]], "a list of steps", "The steps, each a mapping with a name.", "", required=True
    ),
    Field(
        "defaults",
        dict[str, Any],
        "a mapping of step fields",
        "Values for every step that does not give the field itself; a step's own value replaces it whole. Any "
        "step field but name, idx, depends_on, after and for_each.",
        "{timeout: 60}",
        fields=DEFAULTS,
    ),
    Field("ctx", Values, "a mapping of keys to values", "What ctx starts with; --set key=value wins.", "{rows: []}"),
    Field("max_parallel", Count, "a whole number from 1", "How many steps run together at most.", "4", default="32"),
    Field(
        "on_conflict",
        Literal["first", "last"],
        "first or last",
        "The same for every step that does not say it itself.",
        "last",
    ),
    Field(
        "keep_going",
        bool,
        "true or false",
        "After a failure go on with all that does not depend on the failed step.",
        "true",
        default="false",
    ),
    Field(
        "jobs_timeout",
        Least,
        "seconds, a number from 0",
        "How long the run waits at its end for jobs that steps started.",
        "60",
        default="60",
    ),
    Field(
        "on_success",
        dict[str, Any] | list[dict[str, Any]],
        "a step without a name, or a list of them",
        "Run when the whole run has ended well.",
        '{function: "my_steps.tell:done"}',
        steps=True,
    ),
    Field(
        "on_failure",
        dict[str, Any] | list[dict[str, Any]],
        "a step without a name, or a list of them",
        "Run when the run has failed.",
        "{cmd: notify}",
        steps=True,
    ),
    Field("metadata", Any, "anything", "Free; metadata.name names a recipe from standard input.", "{name: report}"),
    Field("test_meta", Any, "anything", "Free, as metadata.", "{test_id: T-1}"),
)

OWN_KEYS = "x-"
"""Keys that begin so are the user's."""
