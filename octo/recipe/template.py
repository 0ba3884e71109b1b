"""The one template language of recipes: jinja2, sandboxed, where undefined is an error.

A text that is one `{{ … }}` and nothing else keeps the type of its value; any other text gives text. Templates read:
what changes ctx, a list or a dict is out of their reach. jinja2 is imported when the first template is met.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

from octo.errors import OctoError, nearest

NAMES = ("ctx", "params", "steps", "item", "index", "run")
"""What a step's templates know."""

HOOK_NAMES = (*NAMES, "step", "status", "error")
"""What a hook's templates know."""

_READING = frozenset(
    "copy count get get_history index items keys last_modified plain snapshot to_json to_md values".split()
)


class TemplateFailed(OctoError):
    """A template could not be rendered; the message has its text and the reason."""


def has_template(value: Any) -> bool:
    """Whether a text in it has to be rendered."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value or "{#" in value
    if isinstance(value, Mapping):
        return any(has_template(item) or has_template(key) for key, item in value.items())
    return isinstance(value, (list, tuple)) and any(has_template(item) for item in value)


def render(value: Any, names: Mapping[str, Any]) -> Any:
    """`value` with every template in it rendered, once; what has none is given back as it is."""
    if isinstance(value, str):
        return _run(_of_text, value, names) if has_template(value) else value
    if isinstance(value, Mapping):
        return {render(key, names): render(item, names) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [render(item, names) for item in value]
    return value


def evaluate(expression: Any, names: Mapping[str, Any]) -> Any:
    """The value of an expression, which stands with or without braces; what is no text is rendered."""
    if not isinstance(expression, str):
        return render(expression, names)
    return _run(_of_expression, expression.strip(), names)


def syntax_mistakes(value: Any, known: Collection[str] | None = None) -> list[str]:
    """What is wrong with the templates in `value`, as messages; with `known`, names that are not among these too."""
    return [message for text in _texts(value) for message in _mistakes(text, known, expression=False)]


def expression_mistakes(expression: str, known: Collection[str] | None = None) -> list[str]:
    """What is wrong with an expression, as messages."""
    return _mistakes(expression.strip(), known, expression=True)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if has_template(value):
            yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def _run(made: Callable[[str], Callable[[Mapping[str, Any]], Any]], text: str, names: Mapping[str, Any]) -> Any:
    try:
        return made(text)(names)
    except OctoError:
        raise
    except Exception as error:  # whatever a filter or a value's own methods raise
        raise TemplateFailed(f"the template {_shown(text)} failed: {_reason(error)}") from error


@lru_cache(maxsize=1)
def _environment() -> Any:
    return sandbox(finalize=_finished)


def sandbox(**options: Any) -> Any:
    """A new jinja2 environment whose templates only read, with these options; for steps that have templates too."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    from octo.live import LiveDict, LiveList

    class Environment(ImmutableSandboxedEnvironment):
        """Attributes of ctx are its keys, except for the methods that only read."""

        def getattr(self, obj: Any, attribute: str) -> Any:
            if isinstance(obj, LiveDict) and attribute not in _READING:
                try:
                    return obj[attribute]
                except KeyError:
                    return self._missing(obj, attribute)
            if isinstance(obj, Mapping) and attribute not in obj and not hasattr(type(obj), attribute):
                return self._missing(obj, attribute)
            return super().getattr(obj, attribute)

        def getitem(self, obj: Any, argument: Any) -> Any:
            if isinstance(obj, Mapping) and isinstance(argument, str) and argument not in obj:
                return self._missing(obj, argument)
            return super().getitem(obj, argument)

        def _missing(self, obj: Any, name: str) -> Any:
            return self.undefined(f"there is no {name!r} in it", obj=obj, name=name)

        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            if isinstance(obj, (LiveDict, LiveList)) and attr not in _READING:
                return False
            return super().is_safe_attribute(obj, attr, value)

    made = Environment(undefined=StrictUndefined, keep_trailing_newline=True, **options)
    made.filters["tojson"] = _json  # jinja2's own is for HTML: it writes & as \\u0026
    return made


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(_finished(value), indent=indent, ensure_ascii=False)


def _finished(value: Any) -> Any:
    """What a template gives, as plain data: later changes of ctx must not change it."""
    from jinja2 import Undefined

    from octo.live import LiveDict, LiveList

    if isinstance(value, (LiveDict, LiveList)):
        return value.plain()
    if isinstance(value, Undefined):
        str(value)  # raises, and says what is undefined
    if isinstance(value, str):
        return str.__str__(value)  # some filters give a kind of text that no JSON takes
    if isinstance(value, Mapping):
        return {key: _finished(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, range, Iterator)):
        return [_finished(item) for item in value]
    return value


@lru_cache(maxsize=8192)
def _of_text(text: str) -> Callable[[Mapping[str, Any]], Any]:
    inner = _single(text)
    if inner is not None:
        return _of_expression(inner)
    template = _environment().from_string(text)
    return lambda names: template.render(names)


@lru_cache(maxsize=8192)
def _of_expression(text: str) -> Callable[[Mapping[str, Any]], Any]:
    inner = _single(text)
    if inner is None and has_template(text):
        raise TemplateFailed(f"{_shown(text)} is not one expression; write it without braces, or with one pair")
    compiled = _compiled(text if inner is None else inner)
    return lambda names: _finished(compiled(**names))


@lru_cache(maxsize=8192)
def _compiled(expression: str) -> Any:
    return _environment().compile_expression(expression, undefined_to_none=False)


def _single(text: str) -> str | None:
    """The expression of a text that is one `{{ … }}` and nothing else."""
    if not (text.startswith("{{") and text.endswith("}}")):
        return None
    from jinja2 import nodes

    body = _environment().parse(text).body
    if len(body) != 1 or not isinstance(body[0], nodes.Output) or len(body[0].nodes) != 1:
        return None
    if isinstance(body[0].nodes[0], nodes.TemplateData):
        return None
    inner = text[2:-2]
    inner = inner[1:] if inner[:1] in "+-" else inner  # {{- and -}} are about blanks
    return inner[:-1] if inner[-1:] in ("+", "-") else inner


def _mistakes(text: str, known: Collection[str] | None, *, expression: bool) -> list[str]:
    from jinja2 import TemplateError, meta

    if expression and not text:
        return ["the expression is empty"]
    inner: str | None = None
    try:
        if expression:
            inner = _single(text)
            if inner is None and has_template(text):
                return [f"{_shown(text)} is not one expression; write it without braces, or with one pair"]
            source = "{{ (" + (text if inner is None else inner) + "\n) }}"
        else:
            source = text
        tree = _environment().parse(source)
        strange = _strange(tree)
        if expression and not strange:
            _compiled(text if inner is None else inner)
        used = meta.find_undeclared_variables(tree) if known is not None and not strange else set()
    except (TemplateError, TemplateFailed) as error:
        return [f"the template {_shown(text)} cannot be read: {_reason(error)}"]
    except (RecursionError, MemoryError, ValueError, OverflowError, SyntaxError) as error:
        return [f"the template {_shown(text)} cannot be read: {type(error).__name__}"]
    if strange:
        return [f"the template {_shown(text)} {each}" for each in strange]
    unknown = sorted(used.difference(known or ()).difference(_environment().globals))
    return [
        f"the template {_shown(text)} uses {name}, which is not known here{_near(name, known or ())}"
        for name in unknown
    ]


def _strange(tree: Any) -> list[str]:
    """Filters and tests that there are not: jinja2 finds these only when it compiles."""
    from jinja2 import nodes

    environment = _environment()
    found = []
    for kind, each, there in (("filter", nodes.Filter, environment.filters), ("test", nodes.Test, environment.tests)):
        for node in tree.find_all(each):
            if node.name not in there:
                found.append(f"uses the {kind} {node.name}, which there is not{_near(node.name, there, listed=False)}")
    return found


def _near(name: str, known: Collection[str], *, listed: bool = True) -> str:
    return nearest(name, known) or (f"; there are {', '.join(known)}" if listed else "")


def _reason(error: BaseException) -> str:
    message = " ".join(str(getattr(error, "message", None) or error).split())
    plain = {
        "chunk after expression": "there is more than one expression",
        "unexpected 'end of template'": "it ends too early",
        "Expected an expression, got 'end of print statement'": "there is no expression between the braces",
        "Expected an expression, got 'end of statement block'": "an expression is missing",
    }
    return plain.get(message, message) or type(error).__name__


def _shown(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= 80 else one_line[:79] + "…"
