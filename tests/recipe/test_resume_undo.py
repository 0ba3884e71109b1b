"""`--resume-from` as a property: ctx is what it would be if the steps had run only the second time."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .runs import Project

BODIES = """
    import json
    def change(ctx, changes):
        for kind, key, value in changes:
            if kind == "set":
                ctx[key] = value
            elif kind == "delete":
                ctx[key] = None
                del ctx[key]
            elif kind == "increment":
                ctx.increment(key, value)
            elif kind == "append":
                ctx.append(key, value)
            elif kind == "inside":
                ctx["dict"][key] = value
            elif kind == "deep":
                ctx["dict"]["list"].append(value)
    def step(ctx, name):
        with open("plan.json") as file:
            change(ctx, json.load(file)[name])
"""
NUMBERS = st.integers(0, 9)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["set", "increment"]), st.sampled_from(["n1", "n2"]), NUMBERS),
        st.tuples(st.just("append"), st.sampled_from(["l1", "l2"]), NUMBERS),
        st.tuples(st.just("set"), st.sampled_from(["l1", "l2"]), st.lists(NUMBERS, max_size=2)),
        st.tuples(st.just("delete"), st.sampled_from(["n1", "n2", "l1", "l2"]), NUMBERS),
        st.tuples(st.just("inside"), st.sampled_from(["x", "y"]), NUMBERS),
        st.tuples(st.just("deep"), st.just(""), NUMBERS),
    ),
    max_size=4,
)
NAMES = ["a", "b", "c", "d"]


@st.composite
def cases(draw: Any) -> dict[str, Any]:
    needs = {name: draw(st.lists(st.sampled_from(NAMES[:index]), unique=True)) if index else []
             for index, name in enumerate(NAMES)}
    plans = [{name: draw(CHANGES) for name in NAMES} for _ in range(2)]
    return {"needs": needs, "first": plans[0], "second": plans[1], "edit": draw(CHANGES),
            "again": draw(st.sampled_from(NAMES))}


def _behind(needs: dict[str, list[str]], first: str) -> set[str]:
    if not any(needs.values()):
        return set(NAMES[NAMES.index(first):])
    found = {first}
    for name in NAMES:
        if not found.isdisjoint(needs[name]):
            found.add(name)
    return found


def _result(folder: Path, case: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    project = Project(folder)
    project.bodies(BODIES)
    steps = [f"  - {{name: {name}, module: BODY, function: step, params: {{name: {name}}}, "
             f"depends_on: {json.dumps(case['needs'][name])}}}" for name in NAMES]
    project.recipe("ctx: {n1: 1, l1: [0], dict: {list: []}}\nsteps:\n" + "\n".join(steps) + "\n")
    project.write("plan.json", json.dumps(first))
    assert project.run().status == "COMPLETE_SUCCESS"
    person = project.edit()
    for kind, key, value in case["edit"]:
        if kind == "set":
            person[key] = value
        elif kind == "increment":
            person.increment(key, value)
        elif kind == "append":
            person.append(key, value)
        elif kind == "inside":
            person["dict"][key] = value
    project.write("plan.json", json.dumps(case["second"]))
    result = project.run(resume_from=case["again"])
    assert result.status == "COMPLETE_SUCCESS", result.error
    return project.ctx


@pytest.mark.slow
@given(cases())
@settings(max_examples=30)
def test_as_if_those_steps_had_run_only_the_second_time(case: dict[str, Any]) -> None:
    again = _behind(case["needs"], case["again"])
    without = {name: [] if name in again else changes for name, changes in case["first"].items()}
    with TemporaryDirectory() as folder:
        got = _result(Path(folder) / "got", case, case["first"])
        wanted = _result(Path(folder) / "wanted", case, without)
    assert got == wanted
