"""How a body ended, as data that can travel: its value, or the exception with the user's part of the traceback."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any

from octo.errors import BodyFailed, InvalidValue, OctoError
from octo.store import checked

PACKAGE = str(Path(__file__).resolve().parent.parent)
TRACEBACK_KEPT = 20_000
"""Characters of a traceback that are kept, from its end."""


def as_json(value: Any) -> tuple[Any, dict[str, Any] | None]:
    """The value as plain JSON and None; or, where it is none, None and its type and size in bytes."""
    try:
        return checked(value), None
    except InvalidValue:
        return None, {"type": type(value).__name__, "size": _size(value)}


def _size(value: Any) -> int:
    """What it holds where it says so (arrays and data frames), else what Python knows of the object itself."""
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size
    try:
        return sys.getsizeof(value)
    except Exception:  # the user's own __sizeof__
        return 0


def describe(error: BaseException) -> dict[str, Any]:
    """An exception of a body; `rebuilt` makes a BodyFailed of it in another process."""
    try:
        message = str(error.code) if isinstance(error, SystemExit) else str(error)
    except Exception as problem:
        message = f"(its message cannot be had: {type(problem).__name__})"
    text = "".join(traceback.format_exception(type(error), error, _users_frames(error)))
    return {
        "type": type(error).__name__,
        "message": _writable(message),
        "traceback": _writable(text)[-TRACEBACK_KEPT:],
        "bases": [cls.__name__ for cls in type(error).__mro__[1:] if cls is not object],
        "hints": [_writable(str(hint)) for hint in error.hints] if isinstance(error, OctoError) else [],
    }


def rebuilt(said: dict[str, Any], ops: list[dict[str, Any]]) -> BodyFailed:
    """The exception that `describe` described. `ops`: the changes that stay although the body failed."""
    error = BodyFailed(said["type"], said["message"], said["traceback"], said["bases"])
    error.hints = said["hints"]
    error.ops = ops
    return error


def _users_frames(error: BaseException) -> Any:
    """The traceback from where the user's code begins; whole where it never came so far."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(PACKAGE):
        trace = trace.tb_next
    return trace or error.__traceback__


def _writable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()
