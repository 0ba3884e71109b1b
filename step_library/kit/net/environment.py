"""Secrets of steps: parameters name them as ${NAME}, the environment has them, and no message shows them."""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from octo.errors import UsageError

NAMED = re.compile(r"\$\{(\w+)\}")


def with_secrets(value: Any, what: str) -> Any:
    """The value with each `${NAME}` in its texts replaced from the environment; UsageError names what is not set.

    `what` is the parameter that it stands in. The result is for the wire alone: it is never written to ctx.
    """
    if isinstance(value, str):
        return NAMED.sub(lambda found: _of(found[1], what), value)
    if isinstance(value, dict):
        return {key: with_secrets(each, what) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [with_secrets(each, what) for each in value]
    return value


def _of(name: str, what: str) -> str:
    found = os.environ.get(name)
    if not found:
        raise UsageError(f"{what}: the environment has no {name}", hints=[f"export {name}=…"])
    return found


def shown(url: str) -> str:
    """A URL as messages show it: without user, password, query and fragment, which may hold secrets.

    Give it the URL as it was given, with `${NAME}`: a path may hold secrets too.
    """
    if "@" in url and "://" not in url:
        return "the URL"
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "the URL"
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
