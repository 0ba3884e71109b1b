"""Who runs this code: a thread, and within it a task of asyncio."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress


def caller() -> tuple[int, int]:
    """The same for all that one thread does, or one task in it."""
    task = None
    if "asyncio" in sys.modules:
        with suppress(RuntimeError):  # no loop runs in this thread
            task = sys.modules["asyncio"].current_task()
    return threading.get_ident(), id(task) if task is not None else 0
