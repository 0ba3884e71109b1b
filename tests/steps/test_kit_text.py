"""Text with places for values."""

from __future__ import annotations

import pytest

from octo.errors import MissingKey, UsageError
from step_library.kit.text.placeholders import fill, places


def test_places_are_filled_by_names_keys_and_items() -> None:
    names = {"name": "Ann", "mean": 1 / 3, "ctx": {"rows": [[1, 2], {"a b": "x"}]}, "n": None}
    assert fill("{name} has {mean:.2f}, {ctx[rows][0][-1]}, {ctx[rows][1][a b]} {n} {{x}}", names) == (
        "Ann has 0.33, 2, x None {x}")
    assert fill("{name!r:>6}|{who|nobody}|{ctx[none]|}", names) == " 'Ann'|nobody|"
    assert places("{a} {b[c]} {a|x} {{d}}") == ["a", "b"]


@pytest.mark.parametrize(("text", "said"), [
    ("{nam}", "message: {nam}: there is no 'nam'; did you mean name?"),
    ("{name[x]}", "there is no 'x' in 'name'"),
])
def test_what_is_not_there_is_named(text: str, said: str) -> None:
    with pytest.raises(MissingKey) as raised:
        fill(text, {"name": "Ann"}, "message")
    assert said in raised.value.message


@pytest.mark.parametrize("text", ["{name.__class__}", "{}", "{name", "{name:.2f}", "{name[__class__}", "{0.x}"])
def test_attributes_and_slips_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        fill(text, {"name": "Ann"})


def test_what_has_no_value_may_stay_as_it_is() -> None:
    names = {"n": 3, "stage1.x": 4, "rows": [5]}
    for text, found in (
        ('{n} of {other}, {"n": {n}} {rows[0]:>2} {rows[7]}', '3 of {other}, {"n": 3}  5 {rows[7]}'),
        ("{stage1.x} {n.real} {n!r} {no!r:>5} {n|0} {no|0}", "4 {n.real} 3 {no!r:>5} 3 0"),
        ("open { n", "open { n"), ("{}", "{}"), ("{{n}}", "{n}"), ("", ""),
    ):
        assert fill(text, names, strict=False) == found
    assert fill("{stage1.x}", names) == "4"
