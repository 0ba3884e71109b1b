"""YAML events -> values, with every mistake of form and its place.

The values are built here, with a stack and not by recursion: YAML 1.2's few special words instead of 1.1's many (`on`,
`15:30` and `007` stay text), a key twice is a mistake, no tag makes an object, what aliases expand to is counted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from octo.errors import Problem, RecipeError
from octo.recipe.nodes import Map, Seq, Source

MAX_ALIASED = 100_000
"""Nodes that all aliases of a file may expand to: a few lines can otherwise become terabytes."""

MAX_DEPTH = 100
"""Levels of nesting, well below what the state file holds."""

MAX_DIGITS = 4_000
"""Of a whole number: Python reads little more, and the state file keeps no more."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_NOT_JSON = re.compile(r"\.(?:nan|NaN|NAN)|[-+]?\.(?:inf|Inf|INF)")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = ("", "~", "null")
_CORE_TAG = "tag:yaml.org,2002:"


def build(source: Source) -> Any:
    """The one document in the text; `RecipeError` with all mistakes of form."""
    return _Builder(source).build()


def is_special(text: str) -> bool:
    """Whether the text, without quotes, would be read as something other than text."""
    if text in _WORDS or text in _NULLS or text == _MERGE:
        return True
    return bool(_NUMBER.fullmatch(text) or _NOT_JSON.fullmatch(text))


@dataclass
class _Anchored:
    """What an anchor names: its value, the text of a scalar that is not text, and how many nodes it is."""

    value: Any
    text: str | None
    size: int
    done: bool = True


class _Open:
    """A mapping or list whose end has not been read yet."""

    __slots__ = ("value", "key", "key_line", "merges", "size", "anchor", "dropped")

    def __init__(self, value: Map | Seq, anchor: _Anchored | None) -> None:
        self.value = value
        self.key: str | None = None  # of a mapping: the key whose value comes next
        self.key_line = 0
        self.merges: list[tuple[Any, int]] = []
        self.size = 1
        self.anchor = anchor
        self.dropped = False  # a key that is a mistake: what follows it is read and thrown away


_MERGE = "<<"
_NOTHING = object()


class _Builder:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.anchors: dict[str, _Anchored] = {}
        self.aliased = 0
        self.stack: list[_Open] = []
        self.root: Any = _NOTHING

    def build(self) -> Any:
        try:
            for event in self._events():
                self._take(event)
        except _TooMuch:
            pass
        if self.problems:
            raise RecipeError(self.problems)
        return None if self.root is _NOTHING else self.root

    def _events(self) -> Iterator[Any]:
        try:
            yield from yaml.parse(self.source.text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line, mark.column) if mark is not None else (0, 0)
            at = self.source.text.splitlines()[line : line + 1]
            tab = bool(at) and at[0][column : column + 1] == "\t"
            self._problem(line + 1, f"column {column + 1}: {_plainer(error, tab)}")
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            self._problem(1, f"not YAML: {' '.join(str(error).split())}")

    def _problem(self, line: int, message: str) -> None:
        self.problems.append(Problem(self.source.shown, line, message))

    def _stop(self, line: int, message: str) -> None:
        self._problem(line, message)
        raise _TooMuch

    def _take(self, event: Any) -> None:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            line = event.start_mark.line + 1
            self._tag(event, line)
            if self._is_key():
                self._key(event, line)
                return
            value, text = self._scalar(event, line)
            if event.anchor is not None:
                self.anchors[event.anchor] = _Anchored(value, text, 1)
            self._add(value, text, line, 1)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._start(event, Map if kind is yaml.MappingStartEvent else Seq)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._end()
        elif kind is yaml.AliasEvent:
            self._alias(event)
        elif kind is yaml.DocumentStartEvent and self.root is not _NOTHING:
            self._stop(event.start_mark.line + 1, "a second document begins here; a recipe is one document")

    def _start(self, event: Any, make: Callable[[int], Map | Seq]) -> None:
        line = event.start_mark.line + 1
        self._tag(event, line)
        if len(self.stack) >= MAX_DEPTH:
            self._stop(line, f"nested more than {MAX_DEPTH} levels deep")
        if self._is_key():
            self._stop(
                line,
                f"column {event.start_mark.column + 1}: a key must be text, not a mapping or a list; "
                'put quotes around a template: "{{ … }}"',
            )
        value = make(line)
        anchor = None
        if event.anchor is not None:
            anchor = self.anchors[event.anchor] = _Anchored(value, None, 0, done=False)
        self.stack.append(_Open(value, anchor))

    def _end(self) -> None:
        done = self.stack.pop()
        if done.merges:
            _merge(done)
        if done.anchor is not None:
            done.anchor.size, done.anchor.done = done.size, True
        self._add(done.value, None, done.value.line, done.size)

    def _alias(self, event: Any) -> None:
        line = event.start_mark.line + 1
        found = self.anchors.get(event.anchor)
        if found is None:
            self._stop(line, f"there is no anchor &{event.anchor} above for *{event.anchor}")
            return
        if not found.done:
            self._stop(line, f"*{event.anchor} stands inside what it names")
        self.aliased += found.size
        if self.aliased > MAX_ALIASED:
            self._stop(line, f"the aliases of this file expand to more than {MAX_ALIASED:,} values")
        if self._is_key():
            key = found.value if found.text is None else found.text
            if not isinstance(key, str):
                self._stop(line, f"*{event.anchor} is no text and cannot be a key")
            self._open_key(key, line)
            return
        self._add(found.value, found.text, line, found.size)

    def _is_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].value, Map) and self.stack[-1].key is None

    def _key(self, event: Any, line: int) -> None:
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchored(event.value, None, 1)
        if event.value == _MERGE and not event.style:
            self.stack[-1].key, self.stack[-1].key_line = _MERGE, line
            self.stack[-1].dropped = False
            return
        self._open_key(event.value, line)

    def _open_key(self, key: str, line: int) -> None:
        top = self.stack[-1]
        top.key, top.key_line = key, line
        mapping = top.value
        assert isinstance(mapping, Map)
        top.dropped = key in mapping or not key
        if not key:
            self._problem(line, "a key is empty")
        elif top.dropped:
            self._problem(line, f"the key {key} stands twice in one mapping (first in line {mapping.lines[key]})")
        else:
            mapping.lines[key] = line

    def _add(self, value: Any, text: str | None, line: int, size: int) -> None:
        if not self.stack:
            self.root = value
            return
        top = self.stack[-1]
        top.size += size
        if isinstance(top.value, Seq):
            if text is not None:
                top.value.texts[len(top.value)] = text
            top.value.append(value)
            top.value.lines.append(line)
            return
        key, top.key = top.key, None
        assert key is not None
        if key == _MERGE and key not in top.value.lines:
            self._take_merge(top, value)
        elif not top.dropped:
            top.value[key] = value
            if text is not None:
                top.value.texts[key] = text

    def _take_merge(self, top: _Open, value: Any) -> None:
        sources = value if isinstance(value, Seq) else [value]
        if top.merges:
            self._problem(top.key_line, "the key << stands twice in one mapping; give it a list: <<: [*a, *b]")
        elif not sources or not all(isinstance(each, Map) for each in sources):
            self._problem(top.key_line, "<< takes a mapping or a list of mappings, such as *name")
        else:
            top.merges = [(each, top.key_line) for each in sources]

    def _tag(self, event: Any, line: int) -> None:
        tag = event.tag
        if tag is None:
            return
        shown = "!!" + tag[len(_CORE_TAG) :] if tag.startswith(_CORE_TAG) else tag
        shown = shown if shown.startswith("!") else f"!<{shown}>"
        named = re.match(r"!!?python/(?:name|object(?:/\w+)?|module):([\w.]+)$", shown)
        if named is None:
            self._problem(line, f"the tag {shown} means nothing here; leave it out, or put quotes around what is text")
            return
        module, _, name = named[1].rpartition(".")
        kinds = ("list", "dict", "str", "int", "float", "bool")
        if module or name in kinds:
            self._problem(line, f'the tag {shown} is refused; write the text "{module}{":" if module else ""}{name}"')
        else:
            self._problem(line, f'the tag {shown} is refused; name a function by text: "package.module:{name}"')

    def _scalar(self, event: Any, line: int) -> tuple[Any, str | None]:
        """The value, and its text where the value is no text."""
        text: str = event.value
        if event.style:  # None or '' for a plain scalar, as the parser likes it
            if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
                self._problem(line, "half of a surrogate pair is no character")
            return text, None
        if text in _WORDS:
            return _WORDS[text], text
        if text in _NULLS:
            return None, text
        if text[0] not in "-+.0123456789":
            return text, None
        if _NOT_JSON.fullmatch(text):
            self._problem(line, f"{text} is no JSON number; put quotes around it if it is meant as text")
            return None, text
        number = _NUMBER.fullmatch(text)
        if number is None:
            return text, None
        if number[1] is None and number[2] is None:
            if len(text) > MAX_DIGITS:
                self._problem(line, f"a whole number of more than {MAX_DIGITS:,} digits; put quotes around it")
                return 0, text
            return int(text), text
        value = float(text)
        if not math.isfinite(value):
            self._problem(line, f"{text[:40]} is too large for a number; put quotes around it if it is meant as text")
        return value, text


class _TooMuch(Exception):
    """Reading on makes no sense; the problem is noted."""


def _merge(done: _Open) -> None:
    """Put in what `<<` brings: the mapping's own keys win, then the earlier of the merged mappings."""
    mapping = done.value
    assert isinstance(mapping, Map)
    for source, _ in done.merges:
        for key, value in source.items():
            if key in mapping:
                continue
            mapping[key] = value
            mapping.lines[key] = source.lines[key]
            if key in source.texts:
                mapping.texts[key] = source.texts[key]


def _plainer(error: yaml.MarkedYAMLError, tab: bool) -> str:
    """libyaml's message, in words that say what to do where the cause is a common one."""
    problem = error.problem or "not YAML"
    if tab:
        return "a tab cannot indent YAML; use blanks"
    if "cannot start any token" in problem:
        return f"{problem}; put quotes around the text"
    if "mapping values are not allowed" in problem:
        return "a second ': ' in one line, or a line indented wrongly; put quotes around text that has ': ' in it"
    if problem == "could not find expected ':'":
        return "a ':' is missing after a key, or a line is indented wrongly"
    if problem.startswith("did not find expected") and error.context:
        return f"{error.context}: {problem} (look at the brackets, quotes and indentation here and above)"
    return f"{error.context}: {problem}" if error.context else problem
