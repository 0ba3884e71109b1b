"""What went wrong in a step, as data: for `last_error`, events and the log."""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from typing import Any

from octo.errors import BodyFailed

from .graph import NodeSpec

TRACEBACK_KEPT = 20_000
"""Characters of a traceback that are kept, from its end."""


def describe(spec: NodeSpec, state: str, error: BaseException, visit: int) -> dict[str, Any]:
    """The error as it stands in `last_error` and in events."""
    try:
        message = str(error)
    except Exception as problem:
        message = f"(its message cannot be had: {type(problem).__name__})"
    name = type(error).__name__
    if isinstance(error, BodyFailed):  # it happened in another process
        name, text = error.type_name, error.traceback_text
    else:
        text = "".join(traceback.format_exception(type(error), error, _own_frames(error)))
    return {
        "node": spec.name,
        "module": spec.module,
        "state": state,
        "type": name,
        "message": _writable(message),
        "traceback": _writable(text)[-TRACEBACK_KEPT:],
        "visit": visit,
        "time": time.time(),
        "ctx_undone": [],
    }


def _writable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def _own_frames(error: BaseException) -> Any:
    """The traceback from where the user's code begins: how the engine came there helps nobody."""
    trace = error.__traceback__
    here = str(Path(__file__).parent.parent)
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(here):
        trace = trace.tb_next
    return trace
