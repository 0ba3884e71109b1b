"""Text with places for values, such as `{name}`, `{ctx[rows][0]}`, `{mean:.2f}`, `{name|nobody}`.

What `str.format` does, without attributes: a template can read the values that it is given and nothing else.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from octo.errors import MissingKey, UsageError, nearest

_PARSE = string.Formatter()


def fill(text: str, names: Mapping[str, Any], what: str = "template", shown: Callable[[str], str] = str, *,
         strict: bool = True) -> str:
    """The text with its places filled; `{{` and `}}` stand for braces.

    `{name}`, `{name[key][0]}`, `{name:.2f}`, `{name!r}`, `{name|used where there is none}`. MissingKey names the
    place that has no value, UsageError what is no place; `what` is the parameter that the text stands in. `shown`
    makes of a value's text what is to stand there, such as HTML. Not `strict`: what is no place, or has no value,
    stays as it is, as in text that has JSON in it.
    """
    return "".join(_filled(text, names, what, shown, strict))


def places(text: str, what: str = "template") -> list[str]:
    """The names that a text asks for, each once, without keys and defaults."""
    found = [_split(field, what)[0][0] for _, field, _, _ in _parsed(text, what) if field is not None]
    return list(dict.fromkeys(found))


def _filled(text: str, names: Mapping[str, Any], what: str, shown: Callable[[str], str],
            strict: bool) -> Iterator[str]:
    try:
        parsed = _parsed(text, what)
    except UsageError:
        if strict:
            raise
        yield text
        return
    for literal, field, spec, conversion in parsed:
        yield literal
        if field is None:
            continue
        try:
            yield _value_text(field, spec, conversion, names, what, shown)
        except (MissingKey, UsageError):
            if strict:
                raise
            inside = f":{fill(spec, names, what, strict=False)}" if spec else ""
            yield "{" + field + (f"!{conversion}" if conversion else "") + inside + "}"


def _value_text(field: str, spec: str | None, conversion: str | None, names: Mapping[str, Any], what: str,
                shown: Callable[[str], str]) -> str:
    """What stands in one place."""
    path, default = _split(field, what)
    if "." in path[0] and path[0] not in names:
        raise _no_place(field, what)
    try:
        value = _value(path, names)
    except MissingKey as error:
        if default is None:
            raise MissingKey(f"{what}: {{{field}}}: {error.message}") from None
        return default
    try:
        value = _PARSE.convert_field(value, conversion) if conversion else value
        return shown(format(value, fill(spec or "", names)))
    except (ValueError, TypeError) as error:
        raise UsageError(f"{what}: {{{field}:{spec}}}: {error}") from None


def _parsed(text: str, what: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(_PARSE.parse(text))
    except ValueError as error:
        raise UsageError(f"{what}: {error}; a brace that is to stay is written twice") from None


def _split(field: str, what: str) -> tuple[list[str], str | None]:
    """`a[b][0]|c` as (["a", "b", "0"], "c")."""
    name, bar, default = field.partition("|")
    first, *keys = name.strip().split("[")
    if not first.strip() or any(not key.endswith("]") for key in keys):
        raise _no_place(field, what)
    return [first.strip(), *(key[:-1].strip("'\"") for key in keys)], default if bar else None


def _no_place(field: str, what: str) -> UsageError:
    return UsageError(f"{what}: {{{field}}} is no place for a value: write {{name}} or {{name[key]}}")


def _value(path: list[str], names: Mapping[str, Any]) -> Any:
    first, *keys = path
    if first not in names:
        raise MissingKey(f"there is no {first!r}{nearest(first, names)}")
    value = names[first]
    for key in keys:
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, (list, tuple)) and key.lstrip("-").isdigit() and -len(value) <= int(key) < len(value):
            value = value[int(key)]
        else:
            near = nearest(key, map(str, value)) if isinstance(value, Mapping) else ""
            raise MissingKey(f"there is no {key!r} in {first!r}{near}")
    return value
