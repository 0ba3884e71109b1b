"""The class that the documents describe, `octo_step_engine_parameters`, and its command line.

Both read and change a JSON file of groups ({group: {key: value}}) under its lock file. `typed` and
`find` say how words of a command line become values and names; `octo params` uses them too.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from octo.errors import InvalidValue, OctoError, StoreError, UsageError, nearest
from octo.store import (
    LOCK_FILE,
    PARAMETER_FILE,
    LockedJson,
    ParameterStore,
    Transaction,
    current_instance,
    default_state,
)

FileName = str | os.PathLike[str]

TRUE_WORDS = {"true", "yes", "on", "1"}
FALSE_WORDS = {"false", "no", "off", "0"}


class octo_step_engine_parameters:
    """Reads, updates and counts in a parameter file, under its lock; for any number of threads and processes.

    The two default names, spelt exactly so, mean the instance of the step that runs here, else the
    current directory. Every other name is a file of its own, relative to the current directory.
    """

    def __init__(self) -> None:
        self._files: dict[Any, LockedJson] = {}  # kept open: a call then reads only what is new

    def get_default_param_dict(self) -> dict[str, Any]:
        """A new parameter file's content: `global_parameters` with its nine keys."""
        return default_state()

    def get_default_param_file_name(self) -> str:
        """`.octo_step_engine_parameters.json`"""
        return PARAMETER_FILE

    def get_default_param_lock_file_name(self) -> str:
        """`.octo_step_engine_parameters.lock`"""
        return LOCK_FILE

    def read_json_dict(
        self, default_dict: dict[str, Any], file_name: FileName, lock_file_name: FileName
    ) -> dict[str, Any]:
        """Everything in the file, as a copy; what `default_dict` has more is added to the copy only.

        A missing file is made from `default_dict`. Raises StoreError when the file cannot be had.
        """
        file = self._file(default_dict, file_name, lock_file_name)
        if not file.path.exists():
            with file.transaction():
                pass
        return _filled(file.read(), default_dict)

    def update_json_dict(
        self,
        default_dict: dict[str, Any],
        file_name: FileName,
        lock_file_name: FileName,
        main_key: str,
        sub_key: str,
        sub_value: Any,
    ) -> dict[str, Any]:
        """Set one value, making its group where it is missing; return the whole dict as it is then.

        Raises InvalidValue when JSON cannot hold the value, StoreError when the file cannot be had.
        """
        file = self._file(default_dict, file_name, lock_file_name)
        return _filled(_update(file, main_key, sub_key, lambda old: sub_value), default_dict)

    def increment_json_dict(
        self,
        default_dict: dict[str, Any],
        file_name: FileName,
        lock_file_name: FileName,
        main_key: str,
        sub_key: str,
        increment_bool: bool = True,
    ) -> dict[str, Any]:
        """Add 1 to a whole number (or take 1 away); return the whole dict as it is then.

        A missing key counts from 0. Raises InvalidValue when the value is not a whole number.
        """
        with self._file(default_dict, file_name, lock_file_name).transaction() as change:
            value = _group(change, main_key).get(sub_key, 0)
            if not isinstance(value, int) or isinstance(value, bool):
                what = _short(json.dumps(value, ensure_ascii=False))
                raise InvalidValue(f"{main_key}/{sub_key} cannot count: {what} is not a whole number")
            change.increment((main_key, sub_key), 1 if increment_bool else -1)
            state = change.get(())
        return _filled(state, default_dict)

    def dictionary_display(self, param_dictionary: dict[str, Any]) -> None:
        """Print the dict as indented JSON."""
        print(_as_json(param_dictionary))

    def _file(
        self, default_dict: dict[str, Any], file_name: FileName, lock_file_name: FileName
    ) -> LockedJson:
        key = current_instance(), os.getcwd(), file_name, lock_file_name
        if key not in self._files:
            path, lock = _place(file_name, PARAMETER_FILE), _place(lock_file_name, LOCK_FILE)
            self._files[key] = _open(path, lock, default_dict)
        return self._files[key]


def typed(text: str, old: Any = None) -> Any:
    """The value that a person means who types `text` where `old` is (None: nothing is there yet).

    It keeps the type of `old` when the text can be read so; else it is JSON if it parses; else text.
    """
    if isinstance(old, str):
        return text
    if isinstance(old, bool) and text.lower() in TRUE_WORDS | FALSE_WORDS:
        return text.lower() in TRUE_WORDS
    if isinstance(old, int) and not isinstance(old, bool) and re.fullmatch(r"[+-]?[0-9]{1,4000}", text):
        return int(text)
    if isinstance(old, float) and re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        if math.isfinite(float(text)):
            return float(text)
    try:
        return json.loads(text, parse_constant=_no_json_number, parse_float=_finite)
    except (ValueError, RecursionError):
        return text


def find(state: dict[str, Any], group: str, key: str | None = None) -> Any:
    """One group, or one value of it. Raises UsageError with the nearest name where there is none."""
    if group not in state:
        raise UsageError(f"there is no group '{group}'{_nearest(group, state)}")
    found = state[group]
    if key is None:
        return found
    if not isinstance(found, dict):
        raise UsageError(f"'{group}' is a single value, not a group of keys")
    if key not in found:
        raise UsageError(f"there is no key '{key}' in '{group}'{_nearest(key, found)}")
    return found[key]


def shown(value: Any) -> str:
    """What a person gets to see of a value: text bare, all else as JSON, groups indented."""
    return value if isinstance(value, str) else _as_json(value)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line of the class; returns the exit code (2: wrong usage or input)."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot show a character still gets the rest
            stream.reconfigure(errors="backslashreplace")
    try:
        print(_run(_arguments(argv)), flush=True)
    except OctoError as error:
        print(f"error: {error.message}", *error.hints, sep="\n  ", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # such as a directory that may not be entered
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


EXAMPLES = """\
examples:
  %(prog)s                                    all parameters of the instance in this directory
  %(prog)s DIR                                all parameters of the instance in DIR
  %(prog)s DIR global_parameters              one group
  %(prog)s DIR global_parameters run_step_count            one value
  %(prog)s DIR global_parameters run_step_count -5         set it
  %(prog)s DIR global_parameters run_step_count -i         count up; -d counts down
  %(prog)s DIR my_group label 007 --string    set it to the text 007

A value keeps its type when the text can be read so; else it is JSON if it parses; else text.
A directory without a parameter file gets one with the default parameters."""


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Show and change the parameters of a step engine instance, under its lock.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("directory", metavar="DIR", nargs="?", help="the instance (default: here)")
    parser.add_argument("group", metavar="GROUP", nargs="?", help="show this group only")
    parser.add_argument("key", metavar="KEY", nargs="?", help="show this value only")
    parser.add_argument("value", metavar="VALUE", nargs="?", help="set the value, and print it")
    count = parser.add_mutually_exclusive_group()
    count.add_argument("-i", "--increment", action="store_true", help="add 1, and print the new value")
    count.add_argument("-d", "--decrement", action="store_true", help="take 1 away, and print the new value")
    parser.add_argument("--string", action="store_true", help="VALUE is text, whatever it looks like")
    found, rest = parser.parse_known_intermixed_args(argv)
    # argparse takes -5 for a value, but -1e5 and the like for an unknown option
    if len(rest) == 1 and found.key is not None and found.value is None:
        if not isinstance(typed(rest[0]), str):
            found.value = rest.pop()
    if rest:
        parser.error(f"unknown: {' '.join(rest)} (a value that starts with a dash goes after --)")
    counts = found.increment or found.decrement
    if counts and (found.key is None or found.value is not None or found.string):
        parser.error("-i and -d take DIR GROUP KEY and no value")
    if found.string and found.value is None:
        parser.error("--string takes DIR GROUP KEY VALUE")
    return found


def _run(wanted: argparse.Namespace) -> str:
    directory = (
        current_instance() or Path.cwd() if wanted.directory is None else Path(wanted.directory).absolute()
    )
    if not directory.is_dir():
        what = "is a file, not a directory" if directory.exists() else "is not there"
        raise UsageError(f"{directory} {what}; DIR comes first, a dot for the current directory")
    parameters = octo_step_engine_parameters()
    names = parameters.get_default_param_dict(), directory / PARAMETER_FILE, directory / LOCK_FILE
    if wanted.increment or wanted.decrement:
        state = parameters.increment_json_dict(*names, wanted.group, wanted.key, wanted.increment)
    elif wanted.value is not None:
        text = wanted.value
        new_value = (lambda old: text) if wanted.string else (lambda old: typed(text, old))
        state = _update(parameters._file(*names), wanted.group, wanted.key, new_value)
    else:
        state = parameters.read_json_dict(*names)
    return shown(state if wanted.group is None else find(state, wanted.group, wanted.key))


def _open(path: Path, lock: Path, default_dict: dict[str, Any]) -> LockedJson:
    if not path.parent.is_dir():
        raise StoreError(f"{path} cannot be read or written: {path.parent} is not a directory")
    if path == path.with_name(PARAMETER_FILE) and lock == path.with_name(LOCK_FILE):
        return ParameterStore(path.parent, create=not path.exists(), default=default_dict)
    return LockedJson(path, lock_path=lock, default=default_dict)


def _place(name: FileName, default_name: str) -> Path:
    home = current_instance() if name == default_name else None
    return (home or Path.cwd()) / name


def _update(file: LockedJson, main_key: str, sub_key: str, new_value: Callable[[Any], Any]) -> dict[str, Any]:
    """Set a value that may depend on the old one (None where there is none); return the whole state."""
    with file.transaction() as change:
        old = _group(change, main_key).get(sub_key)
        change.set((main_key, sub_key), new_value(old))
        state: dict[str, Any] = change.get(())
    return state


def _group(change: Transaction, main_key: str) -> dict[str, Any]:
    """The group as it is, for looking at only; empty where it is missing."""
    group = change.peek((main_key,), {})
    if not isinstance(group, dict):
        raise InvalidValue(f"'{main_key}' is a single value, not a group of keys")
    return group


def _filled(state: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    """`state` with what `default` has more, group by group."""
    for key, value in default.items():
        if key not in state:
            state[key] = copy.deepcopy(value)
        elif isinstance(value, dict) and isinstance(state[key], dict):
            _filled(state[key], value)
    return state


def _nearest(name: str, names: dict[str, Any]) -> str:
    return nearest(name, names) or (f"; there are: {', '.join(names)}" if names else "; there is none yet")


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=4, ensure_ascii=False)


def _short(text: str, width: int = 60) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _no_json_number(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large")
    return number
