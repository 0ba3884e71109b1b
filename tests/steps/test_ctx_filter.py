"""ctx_filter: which keys of ctx fit."""

from __future__ import annotations

from typing import Any

import pytest

from octo.context import Context
from octo.errors import OctoError, UsageError
from step_library.data import ctx_filter

CTX = {"raw_a": [1, 2, 3], "raw_b": {"k": 1}, "text": "raw", "n": 3, "yes": True, "none": None, "x": 1.5}


def is_long(key: str, value: Any) -> bool:
    return isinstance(value, list) and len(value) > 2


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return dict(CTX) if request.param == "dict" else Context(CTX)


@pytest.mark.parametrize(("params", "keys"), [
    ({}, list(CTX)),
    ({"pattern": ""}, list(CTX)),
    ({"pattern": "raw"}, ["raw_a", "raw_b"]),
    ({"pattern": ["_b", "tex"]}, ["raw_b", "text"]),
    ({"type": "list"}, ["raw_a"]),
    ({"type": list}, ["raw_a"]),
    ({"type": (list, dict)}, ["raw_a", "raw_b"]),
    ({"type": ["int", "null"]}, ["n", "none"]),
    ({"type": int}, ["n"]),
    ({"type": "number"}, ["n", "x"]),
    ({"regex": "^(n|x)$"}, ["n", "x"]),
    ({"pattern": "raw", "exclude": "_a"}, ["raw_b"]),
    ({"expr": "key == 'n' or value == 1.5"}, ["n", "x"]),
    ({"type": "list", "expr": "len(value) > 3"}, []),
    ({"fn": is_long}, ["raw_a"]),
    ({"pattern": "raw", "type": "str", "match": "any"}, ["raw_a", "raw_b", "text"]),
])
def test_what_fits(ctx: Any, params: dict[str, Any], keys: list[str]) -> None:
    assert ctx_filter.run(ctx, params) == {"filtered": "filtered_keys"}
    assert ctx["filtered_keys"] == keys


def test_what_an_earlier_call_wrote_is_not_looked_at(ctx: Any) -> None:
    for _ in range(2):
        ctx_filter.run(ctx, {"type": "list", "out": "found"})
        assert ctx["found"] == ["raw_a"]


def test_values_instead_of_keys(ctx: Any) -> None:
    ctx_filter.run(ctx, {"pattern": "raw_a", "mode": "dict", "out": "found"})
    assert ctx["found"] == {"raw_a": [1, 2, 3]}
    ctx_filter.run(ctx, {"pattern": "n", "type": "int", "mode": "pairs", "out": "pairs"})
    assert ctx["pairs"] == [["n", 3]]
    if isinstance(ctx, dict) and type(ctx) is dict:
        return
    assert ctx.last_modified("pairs") is not None


def test_a_value_that_the_expression_does_not_fit_does_not_count() -> None:
    ctx: dict[str, Any] = {"rows": [1, 2], "n": 3, "text": "ab", "none": None}
    ctx_filter.run(ctx, {"expr": "len(value) > 1"})
    assert ctx["filtered_keys"] == ["rows", "text"]
    ctx_filter.run(ctx, {"expr": "value > 2"})
    assert ctx["filtered_keys"] == ["n"]


def test_values_are_copies() -> None:
    ctx: dict[str, Any] = {"rows": [1]}
    ctx_filter.run(ctx, {"pattern": "rows", "mode": "dict", "out": "found"})
    ctx_filter.run(ctx, {"pattern": "rows", "mode": "pairs", "out": "pairs"})
    ctx["rows"].append(2)
    assert ctx["found"] == {"rows": [1]} and ctx["pairs"] == [["rows", [1]]]


@pytest.mark.parametrize(("params", "words"), [
    ({"type": "lst"}, "there is no type 'lst'; did you mean list?"),
    ({"regex": "("}, "regex '('"),
    ({"expr": "value >"}, "the expression 'value >' cannot be read"),
    ({"expr": "wert > 1"}, "it may use key, value and the functions abs"),
    ({"expr": "value.__class__"}, "the expression 'value.__class__'"),
    ({"expr": "key.upper() == 'N'"}, "attribute access not allowed"),
    ({"expr": "open('x')"}, "the expression"),
    ({"fn": "no_such:thing"}, "no_such"),
    ({"mode": "values"}, "one of 'keys', 'dict', 'pairs'"),
])
def test_mistakes(ctx: Any, params: dict[str, Any], words: str) -> None:
    with pytest.raises(OctoError) as caught:
        ctx_filter.run(ctx, params)
    assert words in str(caught.value) and "filtered_keys" not in ctx
    assert isinstance(caught.value, UsageError) or caught.value.exit_code == 2
