"""Every error that Octo raises on purpose.

Each carries one plain message (what is wrong, and where) and, where that helps, the commands that a
person can type next. `exit_code` is what the command line ends with.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def quoted(path: object) -> str:
    """A path as it can be typed in a shell, for the commands in `hints`."""
    import shlex  # late: most commands end well

    return shlex.quote(str(path))


def nearest_name(name: str, known: Iterable[str]) -> str:
    """The known name that `name` may be a slip of; empty where none is near."""
    import difflib

    names = {candidate.casefold(): candidate for candidate in known}
    near = difflib.get_close_matches(name.casefold(), names, n=1, cutoff=0.5)
    return names[near[0]] if near else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean x?`, for the end of a message; nothing where no name is near."""
    near = nearest_name(name, known)
    return f"; did you mean {near}?" if near else ""


class OctoError(Exception):
    """Base of all of Octo's errors. `message` is for people; `hints` are commands to type next."""

    exit_code = 1

    def __init__(self, message: str, *, hints: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hints = list(hints)


class UsageError(OctoError):
    """The command or call was wrong: nothing was done."""

    exit_code = 2


class InvalidValue(OctoError, ValueError):
    """A value that cannot be kept as JSON, or not of the kind that the operation needs; names the place."""

    exit_code = 2


class StoreError(OctoError):
    """State could not be read or written. What was there before is still there."""


class LockTimeout(StoreError):
    """The lock was not had in time; the message names the holder where the system tells it."""


class DamagedJournal(StoreError):
    """The journal has a bad record before its end (checksum, gap or repeated number)."""


class BadJson(StoreError):
    """The JSON cannot be read; the message has line and column and the ways out."""

    exit_code = 2


class StaleView(OctoError):
    """A live list or dict whose place in the data is gone or now holds something else."""


class AttemptEnded(OctoError):
    """A write in the name of a call that already failed or timed out. Nothing was changed."""


class InstanceBusy(UsageError):
    """Another engine runs this instance."""


class NotAvailable(OctoError):
    """A part that is not installed or not there on this system; the message says how to get it."""


class StepFailed(OctoError):
    """A step method returned something other than 0."""


class StepTimeout(OctoError):
    """`step_execute` took longer than its time-out."""


class CtxClash(OctoError):
    """Two steps that the plan does not order set or deleted one place in ctx."""


class CutOff(OctoError):
    """What a step or job was doing ended in the middle: its process is gone."""


class BodyFailed(OctoError):
    """An exception of a body that ran in another process.

    `type_name` and `bases` (names, nearest first) are of the exception there, `traceback_text` is as printed there.
    """

    def __init__(self, type_name: str, message: str, traceback_text: str = "", bases: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.type_name = type_name
        self.traceback_text = traceback_text
        self.bases = tuple(bases)
        self.ops: list[dict[str, Any]] = []
        """What stays of its changes all the same: the records, and all that was there at its last checkpoint."""
        self.usage: dict[str, Any] = {}
        """What the body used until then."""


class NameNotFound(UsageError):
    """A module, function, class or step that is named by text is not there; the message has the nearest name."""


class MissingKey(OctoError, KeyError):
    """A step needs a key of ctx, or of a row, that is not there."""

    def __str__(self) -> str:  # a KeyError shows its message quoted
        return self.message


class ShapeError(OctoError, ValueError, TypeError):
    """A value in ctx is not of the shape that a step needs; says where, and what was found."""


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake found before a run, with its place."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


class _Mistakes(UsageError):
    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(str(p) for p in self.problems))


class LibraryError(_Mistakes):
    """All that is wrong with a step library, found together."""


class RecipeError(_Mistakes):
    """All that is wrong with a recipe, found together."""
