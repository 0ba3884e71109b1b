"""Whose turn it is, against a model that is worked out anew from the rules at each step."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octo.engine.dag import Dag, Limits, Unit
from octo.engine.graph import StepSpec
from tests.engine.dag_kit import step


class Model:
    """What has happened, and by that what the rules let start."""

    def __init__(self, steps: list[StepSpec], limits: Limits, met: set[str]) -> None:
        self.steps, self.limits = steps, limits
        self.met, self.over = set(met), set(met)
        self.items: dict[str, list[int]] = {}
        self.started: set[Unit] = set()
        self.running: list[Unit] = []

    def ready(self) -> list[Unit]:
        found = []
        for position, spec in enumerate(self.steps):
            if spec.name in self.over or not set(spec.needs) <= self.met:
                continue
            units = [Unit(position, index) for index in self.items.get(spec.name, [-1])]
            found += [unit for unit in units if unit not in self.started]
        return found

    def next(self) -> Unit | None:
        running = [self.steps[unit.position] for unit in self.running]
        if any(not spec.parallel for spec in running):
            return None
        for unit in self.ready():
            spec = self.steps[unit.position]
            if spec.background:
                return unit
            if not spec.parallel:
                return None if running else unit
            if not running or (
                len(running) < self.limits.steps
                and sum(other.lane == spec.lane for other in running) < self.limits.lanes.get(spec.lane, 99)
                and sum(other.cpu for other in running) + spec.cpu <= self.limits.cpu
                and sum(other.mem for other in running) + spec.mem <= self.limits.mem
            ):
                return unit
        return None


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[StepSpec], Limits, set[str]]:
    count = draw(st.integers(1, 8))
    rank = draw(st.permutations(range(count)))
    made = []
    for number in range(count):
        lower = [other for other in range(count) if rank[other] < rank[number]]
        needs = draw(st.sets(st.sampled_from(lower), max_size=2)) if lower else set()
        kind = draw(st.sampled_from(["parallel", "parallel", "alone", "background"]))
        more = {"items": [1]} if kind != "background" and draw(st.integers(0, 4)) == 0 else {}
        made.append(step(f"s{number}", after=[f"s{need}" for need in sorted(needs)], p=kind == "parallel",
                         background=kind == "background", lane=draw(st.sampled_from(["thread", "process"])),
                         cpu=draw(st.sampled_from([0.0, 0.5, 1.0])), mem=draw(st.sampled_from([0.0, 3.0])), **more))
    limits = Limits(draw(st.integers(1, 4)), {"process": draw(st.integers(1, 2))}, draw(st.sampled_from([1.0, 2.0])),
                    draw(st.sampled_from([4.0, 9.0])))
    met = set()
    for number in sorted(range(count), key=lambda number: rank[number]):
        if set(made[number].needs) <= met and draw(st.integers(0, 4)) == 0:
            met.add(f"s{number}")
    return made, limits, met


@pytest.mark.slow
@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(plans(), st.data())
def test_the_plan_does_what_the_rules_say(plan: tuple[list[StepSpec], Limits, set[str]], data: st.DataObject) -> None:
    steps, limits, met = plan
    dag, model = Dag(steps, limits, met), Model(steps, limits, met)
    while True:
        unit = dag.next()
        assert unit == model.next()
        if unit is not None:
            spec = steps[unit.position]
            dag.start(unit)
            model.started.add(unit)
            if spec.background:
                dag.met(unit.position)
                model.met.add(spec.name)
                model.over.add(spec.name)
                continue
            model.running.append(unit)
            if spec.fans_out and unit.item < 0:
                count = data.draw(st.integers(1, 3))
                dag.stop(unit)
                model.running.remove(unit)
                dag.fan_out(unit.position, range(count))
                model.items[spec.name] = list(range(count))
            if data.draw(st.booleans()):
                continue
        if not model.running:
            if unit is None:
                break
            continue
        ends = data.draw(st.sampled_from(model.running))
        spec = steps[ends.position]
        dag.stop(ends)
        model.running.remove(ends)
        if ends.item >= 0:
            model.items[spec.name].remove(ends.item)
            if model.items[spec.name]:
                continue
        model.over.add(spec.name)
        if data.draw(st.integers(0, 5)) == 0:
            dag.failed(ends.position)
        else:
            dag.met(ends.position)
            model.met.add(spec.name)
    left = {spec.name for spec in dag.left()}
    assert left == {spec.name for spec in steps} - model.over
    assert left == {spec.name for spec in dag.never()}  # what did not run waits for what failed
    assert all(dag.unmet(steps[int(name[1:])]) for name in left)


def test_a_background_step_needs_no_room() -> None:
    dag = Dag([step("a", p=True), step("b", p=True), step("server", background=True)], Limits(steps=1))
    dag.start(dag.next() or Unit(9))
    assert dag.has_room() and dag.next() == Unit(2)
    assert dag.next() is None


def test_a_full_lane_holds_up_only_its_own() -> None:
    steps = [step("p1", p=True, lane="process"), step("p2", p=True, lane="process"), step("t", p=True)]
    dag = Dag(steps, Limits(lanes={"process": 1}))
    started = []
    while (unit := dag.next()) is not None:
        dag.start(unit)
        started.append(unit.position)
    assert started == [0, 2]


@pytest.mark.parametrize("asked", [{"cpu": 2.0}, {"mem": 10.0}])
def test_what_asks_for_too_much_runs_when_nothing_else_does(asked: dict[str, float]) -> None:
    dag = Dag([step("small", p=True, cpu=0.5, mem=1.0), step("large", p=True, **asked)], Limits(cpu=1.0, mem=5.0))
    dag.start(dag.next() or Unit(9))
    assert dag.next() is None
    dag.stop(Unit(0))
    dag.met(0)
    assert dag.next() == Unit(1)
