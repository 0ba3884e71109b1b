"""Lists of ctx joined into one, in their order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any

from octo.errors import MissingKey, ShapeError, nearest
from octo.param import ParamError
from octo.scriptlet import Param, resolve, scriptlet
from step_library.kit.records.logged import LOG, logged
from step_library.kit.values.ctx_values import Ctx, described, plain_list, put
from step_library.kit.values.json_values import canonical, json_rows

Lists = list[list[Any]]


def _interleave(lists: Lists) -> list[Any]:
    absent = object()
    rounds = itertools.zip_longest(*lists, fillvalue=absent)
    return [row for one in rounds for row in one if row is not absent]


STRATEGIES: dict[str, Callable[[Lists], list[Any]]] = {
    "concat": lambda lists: list(itertools.chain.from_iterable(lists)),
    "interleave": _interleave,
    "zip": lambda lists: [list(rows) for rows in zip(*lists, strict=True)],
    "flatten": lambda lists: [each for rows in lists for row in rows
                              for each in (row if isinstance(row, list) else [row])],
}


@scriptlet(
    params=[
        Param("key1", "str | null", None, "key of ctx with the first list; one that is not there is an empty list"),
        Param("key2", "str | null", None, "key of ctx with the second list"),
        Param("out", "str", help="key of ctx for the joined list; what is there is replaced"),
        Param("keys", "list[str] | null", None, "instead of key1 and key2: any number of keys; batch_* stands for all "
              "that fit, in the order of ctx"),
        Param("merge_fn", "str | callable", "concat", "how: concat, interleave (a row of each in turn), zip (a row of "
              "all, as a list), flatten (lists in rows taken apart), or a function of the list of lists"),
        Param("deduplicate", "bool", False, "of equal rows keep the first"),
        Param("reverse", "bool", False, "the last list first"),
        Param("require", "bool", False, "a key that is not there is an error and no empty list"),
        Param("require_same_type", "bool", False, "all rows are to be of one JSON type"),
        Param("report", "bool", False, "return keys, counts and the number of duplicates as well"),
        LOG,
    ],
    one_of=[("key1", "keys"), ("key2", "keys")],
)
@logged(lambda ctx, params, result: f"{result['merged_len']} rows in {params['out']}")
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Put the rows of `ctx[key1]` and then those of `ctx[key2]` into a new list `ctx[out]`; `out` may be one of them.

    Returns `{"merged_len": n}`. Raises ShapeError where a value is no list (text is never taken apart), and where
    lists to zip differ in length.
    """
    keys = _keys(ctx, params)
    if params["reverse"]:
        keys.reverse()
    merge = _strategy(params["merge_fn"])
    missing = [key for key in keys if key not in ctx]
    if params["require"] and missing:
        raise MissingKey(f"ctx has no key {missing[0]!r}{nearest(missing[0], ctx)}")
    lists = [plain_list(ctx, key) if key in ctx else [] for key in keys]
    if params["merge_fn"] == "zip" and len({*map(len, lists)}) > 1:
        sizes = ", ".join(f"{key} {len(rows)}" for key, rows in zip(keys, lists, strict=True))
        raise ShapeError(f"merge_fn zip needs lists of one length; there are {sizes}")
    if params["require_same_type"]:
        _same_type(keys, lists)
    merged = merge([list(rows) for rows in lists])
    if not isinstance(merged, (list, tuple)):
        raise ShapeError(f"merge_fn is to return a list, not {described(merged)}")
    rows = json_rows(list(merged))
    kept = _unique(rows) if params["deduplicate"] else rows
    put(ctx, params["out"], kept)
    result: dict[str, Any] = {"merged_len": len(kept)}
    if params["report"]:
        result |= {"keys": keys, "counts": [*map(len, lists)], "missing": missing,
                   "duplicates": len(rows) - len(kept)}
    return result


def _keys(ctx: Ctx, params: dict[str, Any]) -> list[str]:
    if params["keys"] is None:
        return [params["key1"], params["key2"]]
    found: list[str] = []
    for key in params["keys"]:
        if key in ctx or not any(sign in key for sign in "*?["):
            found.append(key)
        else:
            found += [name for name in ctx if name != params["out"] and fnmatchcase(name, key)]
    return found


def _strategy(given: Any) -> Callable[[Lists], Any]:
    if not isinstance(given, str):
        found: Callable[[Lists], Any] = given
        return found
    if given in STRATEGIES:
        return STRATEGIES[given]
    if ":" not in given and "." not in given:
        near = nearest(given, STRATEGIES)
        raise ParamError(f"merge_fn: there is no {given!r}; there are {', '.join(STRATEGIES)}, and module:function"
                         f"{near}")
    return resolve(given)


def _same_type(keys: list[str], lists: Lists) -> None:
    first: tuple[str, type] | None = None
    for key, rows in zip(keys, lists, strict=True):
        for place, row in enumerate(rows):
            first = first or (f"ctx[{key!r}] row {place}", type(row))
            if type(row) is not first[1]:
                raise ShapeError(f"ctx[{key!r}]: row {place} is {described(row)}, but {first[0]} is a "
                                 f"{first[1].__name__}")


def _unique(rows: Iterable[Any]) -> list[Any]:
    found: dict[str, Any] = {}
    for row in rows:
        found.setdefault(canonical(row), row)
    return list(found.values())


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_merge")
