"""Rows on their way into ctx as plain JSON: no tuples, numpy scalars, NaN or infinities."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

PLAIN = {type(None), bool, int, str, list, dict}


def json_rows(rows: list[Any]) -> list[Any]:
    """The rows, with tuples as lists, numpy's scalars and arrays as Python's, NaN and infinities as null.

    Looks at the rows themselves and not inside them, which a Context does anyway; costs next to nothing where nothing
    is to do.
    """
    kinds = set(map(type, rows))
    if kinds <= PLAIN or (kinds == {float} and math.isfinite(sum(rows))):  # a sum is quicker than a look at each
        return rows
    return [_plain_row(row) for row in rows]


def _plain_row(row: Any) -> Any:
    if isinstance(row, tuple):
        return list(row)
    if hasattr(row, "tolist"):
        row = row.tolist()
    return None if isinstance(row, float) and not math.isfinite(row) else row


def json_cell(value: Any) -> Any:
    """A value from a file or database as JSON has it.

    Dates and times are ISO text, spans of time seconds, decimals numbers, bytes text (base64 where they are none),
    NaN and infinities null; of anything else its text.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): json_cell(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [json_cell(each) for each in value]
    if isinstance(value, (date, time)):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        whole = value.is_finite() and value == value.to_integral_value()
        return int(value) if whole else json_cell(float(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _text_of(bytes(value))
    return str(value)


def _text_of(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return base64.b64encode(data).decode()


def not_json(value: Any) -> str:
    """What in it is no JSON; "" where it is all JSON."""
    if value is None or isinstance(value, (bool, int, str)):
        return ""
    if isinstance(value, float):
        return "" if math.isfinite(value) else repr(value)
    if isinstance(value, Mapping):
        odd = next((key for key in value if not isinstance(key, str)), None)
        if odd is not None:
            return f"a key that is no text: {odd!r}"
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return f"a {type(value).__name__}"
    return next(filter(None, map(not_json, value)), "")


def canonical(value: Any) -> str:
    """One text for all equal values: JSON with sorted keys. As in JSON, true is not 1; 1.0 is the number 1."""
    return json.dumps(_whole_floats(value), sort_keys=True, default=repr)


def _whole_floats(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, (list, tuple)):
        return [_whole_floats(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key): _whole_floats(each) for key, each in value.items()}
    return value
