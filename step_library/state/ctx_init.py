"""Keys of ctx set to a fresh empty list, or to a value of their own, at the start of a recipe."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from octo.errors import ShapeError, UsageError, nearest
from octo.scriptlet import Param, scriptlet
from octo.value_types import WRONG, read
from step_library.kit.files.snapshots import in_json
from step_library.kit.formats.json_and_yaml import read_mapping
from step_library.kit.records.records import append, check_list, now_text
from step_library.kit.values.ctx_copies import one_change, table
from step_library.kit.values.ctx_values import Ctx, described

EMPTY: dict[str, Any] = {"list": [], "dict": {}, "str": "", "int": 0, "float": 0.0, "number": 0, "bool": False,
                         "null": None, "any": None}


@scriptlet(
    params=[
        Param("keys", "list[str] | dict | null", None, "keys to create or to reset, each to []; or key: value"),
        Param("init", "dict | null", None, "further keys with the value to start with"),
        Param("schema", "dict | str | null", None, "further keys with their type (list, dict, str, int, float, number, "
              "bool, null, any), or a JSON or YAML file of these: the empty value of the type, where keys and init "
              "give none; kept in ctx['types']"),
        Param("fail_on_exists", "bool", False, "refuse if a key is there already, instead of a reset"),
        Param("keep_existing", "bool", False, "leave a key that is there as it is"),
        Param("nested", "bool", False, "a dot in a key leads into a dict: stats.cpu"),
        Param("log", "bool", False, "tell of each key in ctx['init_log']"),
    ],
    any_of=[("keys", "init", "schema")],
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Set each key to a list or value of its own, WHATEVER WAS THERE; all other keys stay.

    Returns {initialized: names}. Raises KeyError where neither keys, init nor schema is given, ShapeError (a
    ValueError) for a value that is not of the type that schema states, UsageError for a key that exists under
    fail_on_exists. Nothing is changed then.
    """
    values = _values(params)
    names = list(params["keys"]) if isinstance(params["keys"], list) else []
    names += [name for name in values if name not in names]
    for name in names:
        if not isinstance(name, str) or not name:
            raise ShapeError(f"keys: a key of ctx is text, and not empty, not {described(name)}")
    types = _types(params["schema"])
    if types and "types" not in names:
        table(ctx, "types")
    if params["log"] and "init_log" not in names:
        check_list(ctx, "init_log")
    with one_change(ctx):
        there = {name: _has(ctx, name, params["nested"]) for name in names}
        if params["fail_on_exists"] and any(there.values()):
            raise UsageError(f"ctx has {', '.join(name for name in names if there[name])} already; nothing was changed")
        made: list[str] = []
        for name in dict.fromkeys(names):
            if there[name] and params["keep_existing"]:
                continue
            _set(ctx, name, copy.deepcopy(values[name]), params["nested"])
            made.append(name)
        for name in made if params["log"] else ():
            append(ctx, "init_log", {"timestamp": now_text(), "key": name, "existed": there[name]})
        if types:
            ctx.setdefault("types", {}).update(types)  # so that steps beside each other may add theirs
    return {"initialized": names}


def _values(params: Mapping[str, Any]) -> dict[str, Any]:
    """Each key with its value, checked."""
    keys, types = params["keys"], _types(params["schema"])
    given = {**(keys if isinstance(keys, Mapping) else {}), **(params["init"] or {})}
    values = {**{name: copy.deepcopy(EMPTY[kind]) for name, kind in types.items()},
              **{name: copy.deepcopy(EMPTY[types.get(name, "list")]) for name in keys or () if name not in given},
              **in_json(given, "init")}
    for name, kind in types.items():
        if read(kind, values[name]) is WRONG:
            raise ShapeError(f"init: {name!r} is to be {kind}, as schema says, not {described(values[name])}")
    return values


def _types(schema: Mapping[str, Any] | str | None) -> dict[str, str]:
    where = "schema"
    if isinstance(schema, str):
        where, schema = f"schema {schema}", read_mapping(schema, "schema")
    if not isinstance(schema, Mapping) and schema is not None:
        raise ShapeError(f"{where} is to be a dict of key: type, not {described(schema)}")
    found = {}
    for name, kind in (schema or {}).items():
        text = kind.__name__ if isinstance(kind, type) else kind
        text = {"NoneType": "null", "none": "null", None: "null"}.get(text, text)
        if text not in EMPTY:
            raise ShapeError(f"{where}: {name!r} has a type that there is not: {kind!r}"
                             f"{nearest(str(kind), EMPTY) or '; there are ' + ', '.join(EMPTY)}")
        found[name] = text
    return found


def _has(ctx: Mapping[str, Any], name: str, nested: bool) -> bool:
    if not nested:
        return name in ctx
    here: Any = ctx
    parts = name.split(".")
    for depth, part in enumerate(parts):
        if not isinstance(here, Mapping):
            raise ShapeError(f"keys: {name!r} leads into ctx[{'.'.join(parts[:depth])!r}], which is {described(here)}")
        if not part:
            raise ShapeError(f"keys: {name!r} has an empty part")
        if part not in here:
            return False
        here = here[part]
    return True


def _set(ctx: Any, name: str, value: Any, nested: bool) -> None:
    *above, last = name.split(".") if nested else [name]
    here = ctx
    for part in above:
        here = here.setdefault(part, {})
    here[last] = value


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_init")
