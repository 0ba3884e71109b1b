"""ctx as text for others: environment variables for programs, tables in Markdown and HTML for reports."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from typing import Any


def expose_for_shell(ctx: Mapping[str, Any], keys: Iterable[str], prefix: str = "") -> dict[str, str]:
    """The values of `keys` as environment variables: lists and dicts as JSON, all else as `str` spells it.

    >>> expose_for_shell(ctx, ["foo", "LIST"])
    {'foo': '999', 'LIST': '[1, 2, 3]'}

    The name is the key itself, behind `prefix`; a key that is not there is left out.
    """
    names = [keys] if isinstance(keys, str) else keys
    return {prefix + key: _text(ctx[key]) for key in names if key in ctx}


def to_md(values: Mapping[str, Any]) -> str:
    """A Markdown table with a row for each key."""
    return "\n".join(["| key | value |", "| --- | --- |", *(
        f"| {markdown_cell(key)} | {markdown_cell(_text(value))} |" for key, value in values.items()
    )]) + "\n"


def to_html(values: Mapping[str, Any]) -> str:
    """An HTML table with a row for each key; what is in the values is shown as it is, never taken for markup."""
    rows = "".join(f"<tr><th>{html.escape(key)}</th><td>{html.escape(_text(value))}</td></tr>\n"
                   for key, value in values.items())
    return f"<table>\n<tr><th>key</th><th>value</th></tr>\n{rows}</table>\n"


def markdown_cell(text: str) -> str:
    """Text in one cell of a Markdown table, shown as it is whatever stands in it."""
    text = html.escape(text, quote=False).replace("\\", "\\\\").replace("|", "\\|")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "<br>")


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, (dict, list, tuple)) else str(value)
