"""What the plan is said to order, against every way in which it can run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from octo.engine.dag import Dag, Limits, Unit
from octo.engine.graph import StepSpec
from octo.engine.order import Order
from tests.engine.dag_kit import step


@st.composite
def plans(draw: st.DrawFn, most: int = 6) -> list[StepSpec]:
    """Plans without cycles; a step may depend on one that stands behind it."""
    count = draw(st.integers(2, most))
    rank = draw(st.permutations(range(count)))
    made = []
    for number in range(count):
        lower = [other for other in range(count) if rank[other] < rank[number]]
        needs = draw(st.sets(st.sampled_from(lower), max_size=2)) if lower else set()
        kind = draw(st.sampled_from(["parallel", "parallel", "alone", "background"]))
        made.append(step(f"s{number}", after=[f"s{need}" for need in sorted(needs)], p=kind == "parallel",
                         background=kind == "background"))
    return made


def replay(steps: list[StepSpec], moves: tuple[str, ...]) -> tuple[Dag, Unit | None]:
    """The plan after some moves, and the unit that may start next."""
    dag = Dag(steps, Limits())
    for move in moves:
        if move == "start":
            unit = dag.next()
            assert unit is not None
            dag.start(unit)
            if steps[unit.position].background:
                dag.met(unit.position)
        else:
            unit = Unit(int(move))
            dag.stop(unit)
            dag.met(unit.position)
    return dag, dag.next()


def side_by_side(steps: list[StepSpec]) -> set[tuple[int, int]]:
    """Pairs (a, b) where b was seen to start while a had not ended, in any run, however slow the engine is."""
    found: set[tuple[int, int]] = set()
    seen: set[tuple[frozenset[int], frozenset[int]]] = set()

    def go(moves: tuple[str, ...], started: frozenset[int], ended: frozenset[int]) -> None:
        if (started, ended) in seen:
            return
        seen.add((started, ended))
        dag, following = replay(steps, moves)
        for unit in list(dag.running):
            go((*moves, str(unit.position)), started, ended | {unit.position})
        if following is not None:
            new = following.position
            found.update((other, new) for other in range(len(steps)) if other not in ended and other != new)
            go((*moves, "start"), started | {new}, ended)

    go((), frozenset(), frozenset())
    return found


def pairs(count: int) -> Iterator[tuple[int, int]]:
    return ((one, other) for one in range(count) for other in range(one))


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@example([step("s0", p=True, after="s2"), step("s1"), step("s2", background=True), step("s3", p=True)])
@given(plans())
def test_ordered_is_never_said_of_steps_that_can_run_side_by_side(steps: list[StepSpec]) -> None:
    order, seen = Order(steps), side_by_side(steps)
    for one, other in pairs(len(steps)):
        if order.ordered(one, other):
            assert (one, other) not in seen or (other, one) not in seen, (one, other)
            first, second = (one, other) if order.before(other) >> one & 1 else (other, one)
            assert (first, second) not in seen


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(plans())
def test_what_depends_on_a_step_or_stands_behind_a_wall_is_ordered(steps: list[StepSpec]) -> None:
    """Of two foreground steps that never run side by side at least one depends on the other, or there is a wall."""
    order, seen = Order(steps), side_by_side(steps)
    for one, other in pairs(len(steps)):
        if steps[one].background or steps[other].background or order.ordered(one, other):
            continue
        if not steps[one].parallel or not steps[other].parallel:
            continue  # only parallel steps are ever asked about
        assert (one, other) in seen or (other, one) in seen


def test_a_chain_is_ordered_from_end_to_end() -> None:
    steps = [step(f"s{number}", p=True, after=[f"s{number - 1}"] if number else ()) for number in range(3000)]
    order = Order(steps)
    assert order.ordered(0, 2999) and order.ordered(1500, 2)
    assert not Order([step("a", p=True), step("b", p=True)]).ordered(0, 1)


def test_a_wall_orders_what_stands_around_it() -> None:
    steps = [step("a", p=True), step("wall"), step("b", p=True)]
    assert Order(steps).ordered(0, 2)
    late = [step("a", p=True), step("wall", after="c"), step("b", p=True), step("c", p=True)]
    assert not Order(late).ordered(0, 2)  # b may start before the wall is ready


def test_a_step_that_does_not_run_orders_nothing() -> None:
    chain = [step("a", p=True), step("b", p=True, after="a"), step("c", p=True, after="b")]
    assert Order(chain).ordered(0, 2)
    assert not Order(chain, out=["b"]).ordered(0, 2)
    walled = [step("a", p=True), step("wall"), step("b", p=True)]
    assert not Order(walled).without(["wall"]).ordered(0, 2)
