"""Tells those who asked about each record, once it is there, in the thread that made it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .history import Record
from .values import dumps, loads

if TYPE_CHECKING:
    from .author import Author

log = logging.getLogger("octo.store")

Listener = Callable[[Record], None]


def tell(listeners: list[Listener], seq: int, ops: list[Any], who: str, author: Author | None,
         when: float | None = None) -> None:
    """Call each with the record; what one raises is logged, and neither the writer nor the others notice."""
    line = {"seq": seq, "time": time.time() if when is None else when, "who": who,
            "visit": author.visit if author else 0, "call": author.call if author else 0}
    for listener in list(listeners):
        try:
            listener(Record.from_line({**line, "ops": loads(dumps(ops))}))  # each its own copy
        except Exception:
            log.exception("a subscriber of change %d by %s failed", seq, who)
