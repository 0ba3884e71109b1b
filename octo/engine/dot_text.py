"""Names, labels and figures as text that is safe in DOT, whatever a person has put into them."""

from __future__ import annotations

import html
import re
from collections.abc import Collection
from typing import Any

import graphviz

WRAP = 24  # characters


def clean(value: object) -> str:
    """Text without what XML and UTF-8 cannot hold."""
    text = str(value).encode("utf-8", "replace").decode("utf-8")
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]", "?", text)


def literal(value: object) -> str:
    """Text for a label or tooltip that Graphviz shows as it is."""
    text: str = graphviz.escape(clean(value))
    return text


def as_html(value: object) -> str:
    return html.escape(clean(value)).replace("\n", "<BR/>")


def identifier(name: str, number: int, reserved: Collection[str]) -> str:
    """The node's name in the DOT text: its own where that is plain, for ports and HTML have their signs."""
    plain = re.fullmatch(r"[\w. -]+", name) and clean(name) == name and name not in reserved
    return name if plain else f"node {number}"


def shown_name(name: str) -> str:
    """The name, a long one broken after an underscore, space, dot or hyphen."""
    lines = [""]
    for part in re.split(r"(?<=[_ .-])", clean(name)):
        if lines[-1] and len(lines[-1]) + len(part) > WRAP:
            lines.append("")
        lines[-1] += part
    return "<BR/>".join(map(as_html, lines))


def label_as_html(label: str, name: str) -> str:
    """A label with Graphviz's escapes as HTML-like text."""

    def escape(match: re.Match[str]) -> str:
        sign = match.group(1)
        breaks = {"n": "<BR/>", "l": '<BR ALIGN="LEFT"/>', "r": '<BR ALIGN="RIGHT"/>', "N": as_html(name)}
        return breaks.get(sign, sign)

    return re.sub(r"\\(.)", escape, as_html(label)) or " "


def attributes(attrs: dict[str, Any]) -> dict[str, str]:
    """A node's or arrow's own Graphviz attributes as text that can be quoted."""
    result = {}
    for key, value in attrs.items():
        text = clean(str(value).lower() if isinstance(value, bool) else value)
        if (len(text) - len(text.rstrip("\\"))) % 2:
            text += "\\"
        result[str(key)] = text
    return result


def duration(seconds: float) -> str:
    """A time for people: `0.4 ms`, `2.5 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.2g} ms"
    if seconds < 99.5:
        return f"{seconds:.2f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def amount(size: int) -> str:
    """Bytes for people: `840 KiB`, `12 MiB`, `1.5 GiB`."""
    value = float(size)
    for unit in ("B", "KiB", "MiB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
