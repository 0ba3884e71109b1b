"""What was read, as YAML text again: values keep the text that they had, comments and anchors are lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from octo.recipe.build import is_special
from octo.recipe.nodes import Map, Seq

_SHORT = 70
_BREAKS = "\r\x85\u2028\u2029\ufeff"
# what other YAML readers do not take for text
_OTHERS = frozenset("yes no on off y n Yes No On Off YES NO ON OFF Y N Null NULL".split())


def write(value: Any) -> str:
    """YAML that the reader reads as the same value."""
    events = [
        yaml.StreamStartEvent(),
        yaml.DocumentStartEvent(explicit=False),
        *_events(value, None, 0),
        yaml.DocumentEndEvent(explicit=False),
        yaml.StreamEndEvent(),
    ]
    made: str = yaml.emit(events, width=110, allow_unicode=True)
    return made


def _events(value: Any, text: str | None, depth: int) -> Iterator[Any]:
    if isinstance(value, dict):
        texts = value.texts if isinstance(value, Map) else {}
        yield yaml.MappingStartEvent(None, None, True, flow_style=depth > 2 and _is_short(value))
        for key, item in value.items():
            yield from _events(key, None, depth + 1)
            yield from _events(item, texts.get(key), depth + 1)
        yield yaml.MappingEndEvent()
    elif isinstance(value, list):
        kept = value.texts if isinstance(value, Seq) else {}
        yield yaml.SequenceStartEvent(None, None, True, flow_style=depth > 1 and _is_short(value))
        for index, item in enumerate(value):
            yield from _events(item, kept.get(index), depth + 1)
        yield yaml.SequenceEndEvent()
    elif isinstance(value, str):
        yield yaml.ScalarEvent(None, None, (True, True), value, style=_style(value))
    else:
        yield yaml.ScalarEvent(None, None, (True, False), _spelt(value) if text is None else text or "null")


def _style(value: str) -> str | None:
    """Quotes where the text would be read as something else, here or elsewhere; None = as the emitter likes."""
    if any(letter in value for letter in _BREAKS):
        return '"'
    if "\n" in value:
        return "|" if "\n" in value.rstrip("\n") else None
    if is_special(value) or value in _OTHERS or value[:1].isdigit():
        return "'"
    return None


def _spelt(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    return text.replace("e", ".0e") if isinstance(value, float) and "e" in text and "." not in text else text


def _is_short(value: Any) -> bool:
    items = list(value.values()) if isinstance(value, dict) else value
    if any(isinstance(item, (dict, list)) or (isinstance(item, str) and "\n" in item) for item in items):
        return False
    keys = sum(len(key) + 2 for key in value) if isinstance(value, dict) else 0
    return keys + sum(len(str(item)) + 2 for item in items) <= _SHORT
