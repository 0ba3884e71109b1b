"""What the reader gives: plain values that know their line, and the text that they came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


class Map(dict[str, Any]):
    """A mapping: `lines` of its keys, `texts` = values that are not text, as they stand in the file."""

    __slots__ = ("line", "lines", "texts")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}
        self.texts: dict[str, str] = {}


class Seq(list[Any]):
    """A list: `lines` and `texts` of its items."""

    __slots__ = ("line", "lines", "texts")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []
        self.texts: dict[int, str] = {}


@dataclass(frozen=True)
class Source:
    """A recipe's text, and where it came from; `path` is None for what was read from a stream."""

    text: str
    path: Path | None
    shown: Path


def plain(value: Any) -> Any:
    """A copy of what was read as ordinary dicts and lists."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
