"""Whether one mapping of the file has the fields that it may have, with values of the right types, in plain words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from octo.errors import Problem, nearest
from octo.recipe.fields import OWN_KEYS, Field
from octo.recipe.model import flat_model
from octo.recipe.nodes import Map, Seq


class Notes:
    """The mistakes of one file, as they are found."""

    def __init__(self, shown: Path) -> None:
        self.shown = shown
        self.problems: list[Problem] = []

    def add(self, line: int, message: str) -> None:
        problem = Problem(self.shown, line, message)
        if problem not in self.problems:
            self.problems.append(problem)


def shown(value: Any) -> str:
    """A value of the file, for a message."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "nothing"}[value]
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"


def check_shape(
    mapping: Map, fields: tuple[Field, ...], notes: Notes, where: str, *, others: dict[str, str] | None = None
) -> dict[str, Any]:
    """The fields with their values, without those that are a mistake or hold nothing.

    `where` begins each message; `others` says of fields that exist elsewhere why they cannot stand here.
    """
    known = {each.name: each for each in fields}
    values = {}
    for key, value in mapping.items():
        if key in known:
            if value is not None:
                values[key] = value
        elif others is not None and key in others:
            notes.add(mapping.lines[key], f"{where}{others[key]}")
        elif not key.startswith(OWN_KEYS):
            notes.add(mapping.lines[key], f"{where}unknown field {key}{nearest(key, known)}")
    bad = _bad(values, fields)
    for name, place in bad.items():
        if name not in values:
            notes.add(mapping.line, f"{where}{name} is missing")
            continue
        line, message = _said(mapping, known[name], values.pop(name), place)
        notes.add(line, f"{where}{message}")
    for name, value in list(values.items()):
        if known[name].fields and known[name].name != "defaults" and isinstance(value, Map):
            before = len(notes.problems)
            check_shape(value, known[name].fields, notes, f"{where}{name}: ")
            if len(notes.problems) > before:
                del values[name]
    return values


def _bad(values: dict[str, Any], fields: tuple[Field, ...]) -> dict[str, tuple[Any, ...]]:
    """The fields that the model refuses, each with the place of the first mistake in it."""
    from pydantic import ValidationError

    try:
        flat_model(fields).__pydantic_validator__.validate_python(values)
    except ValidationError as error:
        found: dict[str, tuple[Any, ...]] = {}
        for each in error.errors(include_url=False, include_context=False, include_input=False):
            place = each["loc"]
            # the alternatives of a field are all told; the one that comes farthest is the one that was meant
            if len(place) > len(found.get(str(place[0]), ())):
                found[str(place[0])] = place
        return found
    return {}


def _said(mapping: Map, field: Field, value: Any, place: tuple[Any, ...]) -> tuple[int, str]:
    """Line and message for a value that is not as its field expects it."""
    line = mapping.lines[field.name]
    wrong = value
    if isinstance(value, Seq):
        index = next((part for part in place[1:] if isinstance(part, int) and part < len(value)), None)
        if index is not None:
            wrong = f"item {index + 1} is {shown(value[index])}{_advice(field, value[index])}"
            return value.lines[index], f"{field.name} must be {field.expects}; {wrong}"
    elif isinstance(value, Map):
        key = next((part for part in place[1:] if isinstance(part, str) and part in value), None)
        if key is not None:
            return value.lines[key], f"{field.name} must be {field.expects}; {key} is {shown(value[key])}"
    if field.name == "executor" and wrong == "dask":
        return line, "executor: dask is not there yet; use executor: process"
    return line, f"{field.name} must be {field.expects}, not {shown(wrong)}{_advice(field, wrong)}"


def _advice(field: Field, value: Any) -> str:
    if isinstance(value, str):
        if "true or false" in field.expects and value.lower() in ("yes", "no", "on", "off", "true", "false", "y", "n"):
            return f"; write {'true' if value.lower() in ('yes', 'on', 'true', 'y') else 'false'}, without quotes"
        if "number" in field.expects and value.replace(".", "", 1).isdigit():
            return "; write it without quotes"
        if " or " in field.expects and " a " not in f" {field.expects}":
            return nearest(value, field.expects.replace(",", " ").split())
    elif "text" in field.expects or "name" in field.expects:
        if isinstance(value, (bool, int, float)):
            return "; put quotes around it"
    return ""
