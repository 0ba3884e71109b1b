"""A model's reply as a step keeps it: text, or the JSON in it, checked and worked on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from octo.errors import InvalidValue, ShapeError
from octo.store import checked
from step_library.kit.llm.failures import BadReply
from step_library.kit.values.ctx_values import described
from step_library.kit.values.rules import Test, problems, tests_of

FORMATS = ("text", "json", "list", "dict")
KINDS = {"list": list, "dict": dict}


def parsed_as(wanted: str, text: str) -> Any:
    """A reply as parse_output wants it; BadReply where it is none."""
    if wanted == "text":
        return text
    value = parsed(text)
    if wanted in KINDS and not isinstance(value, KINDS[wanted]):
        raise BadReply(f"parse_output: the reply is to be a {wanted}, but it is {described(value)}")
    return value


def tests_for(settings: Mapping[str, Any]) -> list[Test]:
    """What schema asks of a reply; ParamError where it is none."""
    return tests_of(settings["schema"], "schema") if settings["schema"] else []


def finished(settings: Mapping[str, Any], value: Any) -> Any:
    """A parsed reply, checked by schema and worked on by post_fn."""
    wrong = list(problems(tests_for(settings), value, "the reply"))
    if wrong:
        raise BadReply("schema: " + "; ".join(wrong[:10]))
    return value if settings["post_fn"] is None else worked_on(settings["post_fn"], value)


def joined(values: list[Any]) -> Any:
    """Replies to the pieces of one input as one: texts with an empty line between, lists one after the other."""
    if all(isinstance(value, str) for value in values):
        return "\n\n".join(values)
    if all(isinstance(value, list) for value in values):
        return [each for value in values for each in value]
    return values


def worked_on(post_fn: Callable[[Any], Any], value: Any) -> Any:
    """What post_fn makes of a value; ShapeError where ctx cannot hold it."""
    made = post_fn(value)
    try:
        return checked(made)
    except InvalidValue as error:
        raise ShapeError(f"post_fn returned {described(made)}, which ctx cannot hold: {error.message}") from None


def parsed(text: str) -> Any:
    """The JSON of a reply, alone or in its first ``` block; BadReply where there is none."""
    try:
        return _json(text)
    except ValueError as error:
        first = error
    for block in text.split("```")[1::2]:
        language, _, body = block.partition("\n")
        if language.strip().lower() in ("", "json"):
            try:
                return _json(body)
            except ValueError:
                pass
    raise BadReply(f"parse_output: the reply is no JSON ({first}); it begins {text[:80]!r}")


def _json(text: str) -> Any:
    def refused(name: str) -> Any:
        raise ValueError(f"{name} is no JSON")

    try:
        return checked(json.loads(text, parse_constant=refused))
    except RecursionError:
        raise ValueError("it is nested too deep") from None
