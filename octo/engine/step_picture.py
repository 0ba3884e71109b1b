"""A plan of steps and how far it is as the plain data that `octo.engine.dot` draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable
from typing import TYPE_CHECKING, Any

from octo.engine.dot_text import amount, duration
from octo.engine.graph import Graph, StepSpec
from octo.engine.step_book import (
    CACHED,
    DONE,
    ENDED_WELL,
    FAILED,
    LEFT_OUT,
    RUNNING,
    SKIPPED,
    STOPPED,
    WAITING,
)
from octo.engine.step_marks import StepMark, attempts_of

if TYPE_CHECKING:
    from octo.engine.marks import Marks

WORDS = {WAITING: "waiting", RUNNING: "running", DONE: "done", FAILED: "failed", SKIPPED: "skipped",
         LEFT_OUT: "left out", CACHED: "cached", STOPPED: "stopped"}
LIVE = ("", "STARTUP", "RUNNING")
MOST_ARROWS = 1500
"""More than these are too many to tell apart; what other arrows say already is not drawn then."""
FEWEST_TO_MEET = 3
"""So many steps on each side of a junction."""
MOST_WITH_USAGE = 60
"""In a picture of more steps, CPU time and memory are in the tooltips only."""


def describe_steps(graph: Graph, marks: Marks) -> dict[str, Any]:
    """Like `octo.engine.picture.describe_picture`, for a graph of steps."""
    steps = [spec for spec in graph.nodes.values() if isinstance(spec, StepSpec)]
    live = marks.state in LIVE
    arrows, kinds, junctions = _arrows(steps, marks.steps)
    return {
        "steps": True,
        "title": marks.title or graph.source.name,
        "state": _state(marks, steps, live),
        "nodes": [_node(spec, marks, live, len(steps) <= MOST_WITH_USAGE) for spec in steps],
        "arrows": arrows,
        "kinds": kinds,
        "junctions": junctions,
    }


def _state(marks: Marks, steps: list[StepSpec], live: bool) -> str:
    """How the run stands: `RUNNING, 3 of 8 steps done, 2 running`."""
    counts = Counter(_word(mark, live) for mark in marks.steps.values())
    if not counts:
        return f"{len(steps)} step{'s' * (len(steps) != 1)}"
    texts = [marks.state] if marks.state else []
    texts.append(f"{counts.pop('done', 0)} of {len(steps)} steps done")
    texts += [f"{counts[word]} {word}" for word in (*WORDS.values(), "cut off") if counts[word] and word != "waiting"]
    return ", ".join(texts)


def _word(mark: StepMark, live: bool) -> str:
    return "cut off" if mark.status == RUNNING and not live else WORDS[mark.status]


# -- nodes -----------------------------------------------------------------------------------------


def _node(spec: StepSpec, marks: Marks, live: bool, with_usage: bool) -> dict[str, Any]:
    mark = marks.steps.get(spec.name)
    entry, leave = marks.breakpoints.get(spec.name, (spec.entry_breakpoint, spec.exit_breakpoint))
    usage = _usage(mark) if mark else ""
    lines = _lines(spec, mark, live)
    told = [*lines, usage, mark.reason if mark else "", spec.module]
    return {
        "name": spec.name,
        "attrs": spec.attrs,
        "first": False,
        "active": True,
        "skip": False,
        "entry": entry,
        "exit": leave,
        "status": _word(mark, live).replace("cut off", "running") if mark else "",
        "traits": _traits(spec),
        "background": spec.background,
        "fan": spec.fans_out,
        "lines": [*lines, usage] if usage and with_usage else lines,
        "told": [text for text in told if text],
    }


def _traits(spec: StepSpec) -> str:
    """What kind of step it is, in words."""
    words = ["background"] if spec.background else ["parallel"] if spec.parallel else []
    if spec.fans_out:
        words.append("for each item")
    if spec.lane == "process":
        words.append("own process")
    return ", ".join(words)


def _lines(spec: StepSpec, mark: StepMark | None, live: bool) -> list[str]:
    """What happened, in words, below the step's name."""
    if mark is None:
        return []
    words = [_word(mark, live)]
    if mark.status == FAILED and spec.allow_failure:
        words[0] += " (allowed)"
    if mark.seconds is not None and mark.status not in (CACHED, SKIPPED, LEFT_OUT):
        words.append(duration(mark.seconds))
    attempts = attempts_of(spec.retry)
    if mark.attempt > 1 and mark.status != WAITING:
        words.append(f"try {mark.attempt} of {attempts}" if mark.attempt <= attempts else f"try {mark.attempt}")
    lines = [", ".join(words)]
    if mark.total is not None or mark.items:
        lines.append(_items(mark, live))
    if mark.status == FAILED and mark.error:
        lines.append(mark.error)
    return lines


def _items(mark: StepMark, live: bool) -> str:
    """`4 of 10 done, 2 running, 1 failed`."""
    counts = mark.counts
    done = sum(counts[status] for status in ENDED_WELL)
    texts = [f"{done} of {mark.total} done" if mark.total is not None else f"{done} done"]
    if counts[RUNNING]:
        texts.append(f"{counts[RUNNING]} {'running' if live else 'cut off'}")
    if counts[FAILED]:
        texts.append(f"{counts[FAILED]} failed")
    return ", ".join(texts)


def _usage(mark: StepMark) -> str:
    """CPU time and peak memory; `~` where other steps of the same process are in it."""
    about = "~" if mark.shared else ""
    texts = []
    if mark.cpu is not None:
        texts.append(f"CPU {about}{duration(mark.cpu)}")
    if mark.rss:
        texts.append(f"{about}{amount(mark.rss)}")
    return ", ".join(texts)


# -- arrows ----------------------------------------------------------------------------------------


def _arrows(
    steps: list[StepSpec], marks: dict[str, StepMark]
) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """The arrows, which kinds of them there are, and the junctions at which some of them meet."""
    specs = {spec.name: spec for spec in steps}
    pairs = [(spec.name, target) for spec in steps for target in spec.arrows if target in specs]
    kinds: list[str] = []
    junctions: list[str] = []
    stated = bool(pairs)
    if not stated:
        pairs = list_order(steps)
    else:
        if len(pairs) > MOST_ARROWS:
            before, pairs = len(pairs), without_shortcuts([spec.name for spec in steps], pairs)
            kinds = ["reduced"] * (len(pairs) < before)
        pairs, junctions = with_junctions(pairs, specs)
    met = {spec.name: _is_met(spec, marks.get(spec.name)) for spec in steps}
    for junction in junctions:
        met[junction] = all(met[source] for source, target in pairs if target == junction)
    arrows = []
    for source, target in pairs:
        kind = "order" if not stated else "met" if met[source] else "waits"
        kinds.append(kind)
        arrows.append({"source": source, "target": target, "key": target, "attrs": {}, "kind": kind,
                       "active": True, "count": 0, "dynamic": False, "end": False})
    return arrows, list(dict.fromkeys(kinds)), junctions


def with_junctions(
    arrows: list[tuple[str, str]], names: Container[str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Where several steps all wait for the same several steps, the arrows meet on the way: the new arrows and where."""
    needs: dict[str, dict[str, None]] = {}
    for source, target in arrows:
        needs.setdefault(target, {})[source] = None
    alike: dict[tuple[str, ...], list[str]] = {}
    for target, needed in needs.items():
        alike.setdefault(tuple(needed), []).append(target)
    result: list[tuple[str, str]] = []
    junctions: list[str] = []
    for sources, targets in alike.items():
        if len(sources) < FEWEST_TO_MEET or len(targets) < FEWEST_TO_MEET:
            result += [(source, target) for target in targets for source in sources]
            continue
        name = f"junction {len(junctions) + 1}"
        while name in names:
            name += " "
        junctions.append(name)
        result += [(source, name) for source in sources] + [(name, target) for target in targets]
    return result, junctions


def _is_met(spec: StepSpec, mark: StepMark | None) -> bool:
    """Whether what waits for the step may start."""
    if mark is None:
        return False
    if mark.status == RUNNING:
        return spec.background
    return mark.status in ENDED_WELL or (mark.status == FAILED and spec.allow_failure)


def list_order(steps: Iterable[StepSpec]) -> list[tuple[str, str]]:
    """Which steps follow which where only the order of the list says so: parallel neighbours run together.

    A background step starts in its turn, and nothing waits for its end.
    """
    arrows: list[tuple[str, str]] = []
    before: list[str] = []
    together: list[str] = []
    parallel = False
    for spec in steps:
        if spec.background:
            arrows += [(name, spec.name) for name in (together or before)[-1:]]
            continue
        if not (spec.parallel and parallel):
            before, together = together, []
        arrows += [(name, spec.name) for name in before]
        together.append(spec.name)
        parallel = spec.parallel
    return arrows


def without_shortcuts(names: list[str], arrows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The arrows without those that a way of several arrows says too."""
    number = {name: n for n, name in enumerate(names)}
    targets: dict[str, set[str]] = {name: set() for name in names}
    waits = Counter(target for _, target in set(arrows))
    for source, target in arrows:
        targets[source].add(target)
    order = [name for name in names if not waits[name]]
    for name in order:  # it grows on the way
        for target in targets[name]:
            waits[target] -= 1
            if not waits[target]:
                order.append(target)
    behind: dict[str, int] = {}
    kept: set[tuple[str, str]] = set()
    place = {name: n for n, name in enumerate(order)}
    for name in reversed(order):
        reached = 0
        for target in sorted(targets[name], key=place.__getitem__):
            if not reached >> number[target] & 1:
                kept.add((name, target))
                reached |= behind[target] | 1 << number[target]
        behind[name] = reached
    return [arrow for arrow in dict.fromkeys(arrows) if arrow in kept]
