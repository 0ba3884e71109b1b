"""What may be kept, and that large values are written in pieces as they would be at once."""

from __future__ import annotations

import enum
import json
import math
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from octo.errors import InvalidValue
from octo.store import LockedJson, ParameterStore, checked, dumps, loads, spell
from octo.store import values as values_module
from octo.store.values import copied, pieces
from tests.store.states import other_json


class Text(str):
    pass


class Point(NamedTuple):
    x: int
    y: int


class Colour(enum.IntEnum):
    RED = 1


class Kind(str, enum.Enum):
    A = "a"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ((1, (2,)), [1, [2]]),
        (Point(1, 2), [1, 2]),
        (OrderedDict(b=1, a=Text("x")), {"b": 1, "a": "x"}),
        (defaultdict(None, {"a": (1,)}), {"a": [1]}),
        ({Text("key"): 1}, {"key": 1}),
        (Colour.RED, 1),
        (Kind.A, "a"),
        (10**40, 10**40),
        (-(2**64), -(2**64)),
        (1e308, 1e308),
        (-0.0, -0.0),
        ("ü€😀\0\x7f", "ü€😀\0\x7f"),
        ([None, True, False, "", {}, []], [None, True, False, "", {}, []]),
    ],
)
def test_what_is_kept_is_plain_and_read_back_as_it_was(value: Any, kept: Any, tmp_path: Path) -> None:
    data = LockedJson(tmp_path / "a.json", default={})
    data.set("a", value)
    on_disk = json.loads((tmp_path / "a.json").read_text())
    for there in (data.get("a"), other_json(tmp_path / "a.json").get("a"), on_disk["a"]):
        assert repr(there) == repr(kept)


def test_numpy_scalars_become_plain() -> None:
    numpy = pytest.importorskip("numpy")
    value = [numpy.float64(1.5), numpy.float32(0.5), numpy.int64(3), numpy.uint8(4), numpy.bool_(True), numpy.str_("x"),
             numpy.array(7)]
    assert repr(checked(value)) == "[1.5, 0.5, 3, 4, True, 'x', 7]"
    for wrong in (numpy.array([1, 2]), numpy.float64("nan"), numpy.datetime64("2020-01-01"), numpy.complex128(1)):
        with pytest.raises(InvalidValue):
            checked(wrong)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, object(), {1: 2}, {None: 1}, b"bytes", {1, 2}, 1j,
                                   "\ud800", {"\udfff": 1}, Text("\ud800"), 10**5000, print, range(3)],
                         ids=lambda value: type(value).__name__)
def test_what_is_refused_is_named_with_its_place(value: Any, store: ParameterStore) -> None:
    number = store.seq
    with pytest.raises(InvalidValue, match="^ctx/rows/3/when") as caught:
        store.set("ctx", {"rows": [1, 2, 3, {"when": value}]})
    assert isinstance(caught.value, ValueError)
    with pytest.raises(InvalidValue, match="^ctx/a/b"):
        store.set("ctx", "a", "b", value)
    with pytest.raises(InvalidValue, match="^ctx/list"):
        store.append("ctx", "list", values=[value])
    assert store.seq == number
    assert "ctx" not in store.read()


def test_too_deep_or_within_itself() -> None:
    value: Any = []
    for _ in range(150):
        value = [value]
    assert checked(value) == value
    for _ in range(100):
        value = {"a": value}
    with pytest.raises(InvalidValue, match="200 levels"):
        checked(value)
    itself: dict[str, Any] = {}
    itself["a"] = [itself]
    with pytest.raises(InvalidValue, match="holds itself"):
        checked(itself)


def test_the_deepest_value_can_be_read_back(tmp_path: Path) -> None:
    data = LockedJson(tmp_path / "a.json", default={})
    value: Any = []
    for _ in range(198):
        value = [value]
    data.set("a", value)
    assert other_json(tmp_path / "a.json").read() == {"a": value}
    (tmp_path / "a.json").write_text(json.dumps({"a": value, "b": 1}))
    assert data.read() == {"a": value, "b": 1}


def test_a_copy_shares_nothing() -> None:
    value: Any = {"a": [{"b": [1]}], "c": "text"}
    copy = copied(value)
    copy["a"][0]["b"].append(2)
    assert value["a"][0]["b"] == [1]
    inner = [1]
    plain = checked({"a": inner})
    inner.append(2)
    assert plain == {"a": [1]}


def test_places_are_spelt_with_slashes() -> None:
    assert spell(("rows", 3, "when")) == "rows/3/when"
    assert spell(()) == ""


@pytest.mark.parametrize("text", [b"", b"{", b"[1,]", b"NaN", b'{"a": Infinity}', b"[1e999, 12345678901234567890123]",
                                  b'["\\ud800", 12345678901234567890123]', b"\xff", b"[" * 2000])
def test_what_is_no_json_cannot_be_read(text: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        loads(text)


def test_whole_numbers_of_any_size_stay_exact() -> None:
    for number in (2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**19, 10**100, -(10**4000)):
        assert loads(dumps({"a": [number], "b": "x"})) == {"a": [number], "b": "x"}
        assert loads(dumps([number], indent=True)) == [number]


LARGE: list[Any] = [
    {f"key {n}": {"rows": list(range(50)), "text": "x" * 300, "empty": {}, "none": []} for n in range(300)},
    [[n, str(n), {"a": n}] for n in range(9000)],
    {"text": "ü\"\\\n" * 400_000, "after": 1},
    ["y" * 3_000_000, {"deep": [["z" * 2_000_000]]}],
    {"a": {"b": {"c": [{"d": list(range(20_000))}, 1, {}]}}},
    {"  ": ["  "] * 5000},
]


@pytest.mark.parametrize("indent", [True, False])
@pytest.mark.parametrize("value", LARGE, ids=range(len(LARGE)))
def test_pieces_are_what_would_be_written_at_once(value: Any, indent: bool) -> None:
    parts = list(pieces(value, indent=indent))
    assert len(parts) > 3
    assert b"".join(parts) == dumps(value, indent=indent)


def test_pieces_with_numbers_beyond_64_bits() -> None:
    value = {"a": [10**30] * 5000, "b": [1e16] * 5000}
    assert loads(b"".join(pieces(value, indent=True))) == value


def test_no_piece_is_large() -> None:
    for value in LARGE:
        assert max(map(len, pieces(value, indent=False))) < 8 << 20
    assert values_module._weight({"a": "x" * 2560}, 100) == 13


@pytest.mark.parametrize(
    ("items", "odd"),
    [
        ([1.5] * 100, math.nan),
        ([1e308] * 100, math.inf),
        ([-1] * 100, 1 << 20_000),
        (["a"] * 100, "\ud800"),
        ([True, None] * 50, {1}),
        ([{"a": 1}] * 100, object()),
    ],
    ids=["floats", "large floats", "whole numbers", "texts", "truths", "dicts"],
)
def test_a_long_list_or_dict_of_one_kind_is_checked_as_a_short_one(items: list[Any], odd: Any) -> None:
    as_dict = {f"k{place}": item for place, item in enumerate(items)}
    for value, copy in ((items, checked(items)), (tuple(items), checked(tuple(items))), (as_dict, checked(as_dict))):
        assert copy == (as_dict if value is as_dict else items) and copy is not value
        assert type(copy) is (dict if value is as_dict else list)
    with pytest.raises(InvalidValue, match="^70: "):
        checked([*items[:70], odd, *items[70:]])
    with pytest.raises(InvalidValue, match="^odd: "):
        checked({**as_dict, "odd": odd})
    with pytest.raises(InvalidValue, match="is not text"):
        checked({**as_dict, 5: 1})
    with pytest.raises(InvalidValue, match="lone surrogate"):
        checked({**as_dict, "\udfff": items[0]})
    assert checked(["ü", *map(str, range(100))])[0] == "ü"
