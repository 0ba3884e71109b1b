"""Numbers among parameters that have a least value."""

from __future__ import annotations

from octo.param import ParamError


def at_least(name: str, value: int, least: int) -> int:
    """The value; ParamError (a ValueError) that names the parameter where it is less."""
    if value < least:
        raise ParamError(f"parameter {name!r} is to be {least} or more, not {value}")
    return value
