"""What is measured, and the lines of the table: one figure, the yardstick it is held against, its bar.

The bars are those of the design's budget table. A line's ratio is its own figure divided by its yardstick's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.ballast import MIB

Found = dict[str, Any]
Bar = Callable[..., bool]  # (own figure, yardstick's, with `plus` that one's too) -> met
GIB = 1024 * MIB
STEPS = {"ctx_stats": "numpy", "ctx_filter": "Python", "ctx_map": "Python", "ctx_indexer": "Python",
         "ctx_to_csv": "csv", "ctx_sqlite": "sqlite3", "ctx_excel": "openpyxl"}  # and what the same is written with


@dataclass(frozen=True)
class Measurement:
    call: str  # module.function in this package
    options: dict[str, Any] = field(default_factory=dict)
    series: str = ""  # those of one series take turns, each `rounds` times; their answers are `seconds` and `bytes`
    rounds: int = 1


@dataclass(frozen=True)
class Line:
    group: str  # what --only names
    what: str
    figure: str  # name of a measurement
    yardstick: str = ""  # name of another one
    bar: str = ""
    meets: Bar | None = None
    by: str = "median"  # which of the figures the ratio and the bar are about
    unit: str = "s"
    part: str = ""  # the figures lie one level deeper, under this key, where they do
    plus: str = ""  # name of a third measurement, which the bar allows for as well


def measurements(quick: bool) -> dict[str, Measurement]:
    """All measurements by name. `quick` cuts sizes and times to what shows that everything runs."""
    steps, times, small, large, rows = (50, 2, 0.02, 0.1, 1000) if quick else (1000, 30, 1, 100, 1_000_000)
    # Least length of a run (s); longer with the largest state, so that its view is rewritten meanwhile.
    seconds, long = (0.2, 0.2) if quick else (10.0, 30.0)
    crowd = {"processes": 2, "each": 25} if quick else {"processes": 4, "each": 2500}
    capped = {"most_seconds": 60.0, "most_disk": 5 * GIB}
    loop: dict[str, Any] = {"steps": steps, "seconds": seconds}
    found = {
        "disk": Measurement("yardsticks.disk_sync", {"seconds": seconds / 2}),
        "naive-engine": Measurement("yardsticks.naive_engine", loop),
        "naive-engine-1": Measurement("yardsticks.naive_engine", {**loop, "steps": 10, "mib": small}),
        "append-10": Measurement("octo_side.append", {"steps": steps, "seconds": 0, "rows": 10}),
        "append-many": Measurement("octo_side.append", {**loop, "rows": rows}),
        "increments": Measurement("octo_side.increments", crowd),
        "naive-increments": Measurement("yardsticks.naive_increments", crowd),
        "python": Measurement("yardsticks.python_start", {"times": times}),
        "help": Measurement("octo_side.command_line", {"arguments": ["--help"], "times": times}),
        "status": Measurement("octo_side.command_line", {"arguments": ["status", "DIR"], "times": times}),
        "memory": Measurement("octo_side.resident", {"steps": 20 * steps, "mib": large}),
        "json-load": Measurement("yardsticks.json_load", {"mib": large}),
    }
    recipe = {"steps": 20 if quick else 1000, "times": 1 if quick else 7}
    for form, mark in (("chain", "chain"), ("at once", "at-once")):
        found[f"recipe-{mark}"] = Measurement("recipe_side.trivial", {**recipe, "form": form})
        found[f"recipe-{mark}-process"] = Measurement("recipe_side.whole_process", {**recipe, "form": form})
    for mib, mark in ((0, "0"), (large, "100")):
        asked: dict[str, Any] = {"steps": 5 if quick else 300, "mib": mib}
        found[f"process-step-{mark}"] = Measurement("recipe_side.process_step", asked)
    burden = {"count": 2 if quick else 8, "rounds": 1000 if quick else 6_000_000, "times": 1 if quick else 3}
    found["cpu-one-by-one"] = Measurement("recipe_side.cpu_bound", {**burden, "processes": False})
    found["cpu-processes"] = Measurement("recipe_side.cpu_bound", {**burden, "processes": True})
    for job in STEPS:
        for form in ("direct", "dict", "Context", "plain"):
            table = {"job": job, "form": form, "rows": 2000 if quick else rows}
            found[f"{job}-{form}"] = Measurement("steps_side.once", table, job, 1 if quick else 3)
    for durability in ("step", "group"):
        order: dict[str, Any] = {**loop, "durability": durability}
        found[f"{durability}-0"] = Measurement("octo_side.counter", order)
        found[f"{durability}-1"] = Measurement("octo_side.counter", {**order, "mib": small})
        found[f"{durability}-100"] = Measurement("octo_side.counter", {**order, "seconds": long, "mib": large})
        found[f"{durability}-decider"] = Measurement("octo_side.decider", order)
    for other, call, order in (
        ("decider", "octo_side.decider", {**loop, "durability": "step"}),
        ("langgraph", "langgraph_loop.run", {"steps": steps}),
        ("burr", "burr_loop.run", {"steps": steps}),
    ):
        found[f"{other}-0"] = Measurement(call, order)
        found[f"{other}-1"] = Measurement(call, {**order, "mib": small})
        found[f"{other}-text-1"] = Measurement(call, {**order, "mib": small, "form": "text"})
        found[f"{other}-100"] = Measurement(call, {**order, "mib": large, **({} if other == "decider" else capped)})
    return found


def _seconds(most: float) -> Bar:
    return lambda own, other: own["median"] <= most


def _ratio(most: float, by: str = "median") -> Bar:
    return lambda own, other: own[by] <= most * other[by]


def _memory(by: str) -> Bar:
    return lambda own, other: own[by] <= 1.2 * other[by] + 30 * MIB


def _none(key: str) -> Bar:
    return lambda own, other: own[key] == 0


def _as_direct(own: Found, direct: Found, plain: Found | None = None) -> bool:
    return bool(own["median"] <= 1.3 * direct["median"] + (plain["median"] if plain else 0))


def _memory_as_direct(own: Found, direct: Found, plain: Found | None = None) -> bool:
    return bool(own["median"] <= 1.3 * direct["median"] + (plain["median"] if plain else 0) + 10 * MIB)


def _small_state() -> list[Line]:
    return [
        Line("step", "write + fdatasync of 100 bytes", "disk"),
        Line("step", "step, small state, durability step", "step-0", "", "<= 0.40 ms", _seconds(0.40e-3)),
        Line("step", "the same", "step-0", "disk", "<= 2x", _ratio(2)),
        Line("step", "the same with a step_advance", "step-decider", "disk"),
        Line("group", "naive engine, small state", "naive-engine"),
        Line("group", "step, small state, durability group", "group-0", "", "<= 0.15 ms", _seconds(0.15e-3)),
        Line("group", "the same", "group-0", "naive-engine", "< 0.1x", _ratio(0.1)),
        Line("group", "the same with a step_advance", "group-decider", "naive-engine"),
        Line("group", "naive engine, 1 MiB", "naive-engine-1"),
    ]


def _large_state() -> list[Line]:
    table = []
    for durability in ("step", "group"):
        for mib in (1, 100):
            figure, base = f"{durability}-{mib}", f"{durability}-0"
            what = f"step, {mib} MiB of ctx, durability {durability}"
            table.append(Line("large", what, figure, base, "<= 1.3x", _ratio(1.3)))
            table.append(Line("large", "the same", figure, "", "none > 50 ms", _none("stalls")))
    return table


def _rest() -> list[Line]:
    row = 'ctx["rows"].append(row)'
    return [
        Line("append", f"{row}, 10 rows there", "append-10"),
        Line("append", f"{row}, 10^6 rows there", "append-many", "append-10", "<= 2x", _ratio(2)),
        Line("append", "a whole step with it, 10^6 rows", "append-many", "append-10", part="step"),
        Line("increments", "naive increment, 4 processes x 2,500", "naive-increments", by="mean"),
        Line("increments", "increment_json_dict, the same", "increments", "naive-increments", "<= 0.5x",
             _ratio(0.5, "mean"), "mean"),
        Line("increments", "the same", "increments", "", "none lost", _none("lost"), "mean"),
        Line("cli", "python -c pass", "python"),
        Line("cli", "octo --help", "help", "python", "<= 0.10 s", _seconds(0.10)),
        Line("cli", "octo status DIR", "status", "python", "<= 0.15 s", _seconds(0.15)),
        Line("memory", "json.load of 100 MiB, at rest", "json-load", unit="MiB"),
        Line("memory", "run with 100 MiB of ctx, at rest", "memory", "json-load", "<= 1.2x + 30 MiB",
             _memory("median"), unit="MiB"),
        Line("memory", "the same, peak against peak", "memory", "json-load", "<= 1.2x + 30 MiB",
             _memory("worst"), "worst", unit="MiB"),
        Line("memory", "first run on a JSON of one line, peak", "memory", "json-load", by="worst", unit="MiB",
             part="first"),
    ]  # fmt: skip


def _recipes() -> list[Line]:
    return [
        Line("recipes", "recipe of 1,000 trivial steps, a chain: a step", "recipe-chain", "", "<= 0.3 ms",
             _seconds(0.3e-3)),
        Line("recipes", "the same, all at once: a step", "recipe-at-once", "", "<= 0.3 ms", _seconds(0.3e-3)),
        Line("recipes", "octo run of the chain, the whole process", "recipe-chain-process", "python", "<= 0.7 s",
             _seconds(0.7)),
        Line("recipes", "octo run of all at once, the whole process", "recipe-at-once-process", "python", "<= 0.7 s",
             _seconds(0.7)),
        Line("recipes", "trivial process step, warm worker", "process-step-0", "", "<= 5 ms", _seconds(5e-3)),
        Line("recipes", "the same with 100 MiB of ctx", "process-step-100", "process-step-0", "<= 5 ms",
             _seconds(5e-3)),
        Line("recipes", "8 CPU-bound steps, one after another", "cpu-one-by-one"),
        Line("recipes", "the same in processes, on all CPUs", "cpu-processes", "cpu-one-by-one"),
    ]  # fmt: skip


def _steps() -> list[Line]:
    table = []
    for job, by in STEPS.items():
        own = {form: f"{job}-{form}" for form in ("direct", "dict", "Context", "plain")}
        table += [
            Line("steps", f"{job}, the same with {by}", own["direct"]),
            Line("steps", f"{job} on a dict", own["dict"], own["direct"], "<= 1.3x", _as_direct),
            Line("steps", "one pass of ctx.plain()", own["plain"]),
            Line("steps", f"{job} on a Context", own["Context"], own["direct"], "<= 1.3x + plain", _as_direct,
                 plus=own["plain"]),
            Line("steps", "memory on a dict", own["dict"], own["direct"], "<= 1.3x + 10 MiB", _memory_as_direct,
                 unit="MiB", part="memory"),
            Line("steps", "memory on a Context", own["Context"], own["direct"], "<= 1.3x + plain + 10 MiB",
                 _memory_as_direct, unit="MiB", part="memory", plus=own["plain"]),
        ]
        if job == "ctx_excel":
            table.append(Line("steps", "the same, on a dict", own["dict"], "", "<= 200 MiB",
                              lambda own, other: own["worst"] <= 200 * MIB, unit="MiB", part="memory"))
    return table


def _others() -> list[Line]:
    table = []
    for other, name in (("langgraph", "LangGraph"), ("burr", "Burr")):
        for mark, weight, most in (
            ("0", "0 MiB", 0.5),
            ("1", "1 MiB of rows", 0.1),
            ("text-1", "1 MiB of text", 0.1),
            ("100", "100 MiB of rows", 0.0),
        ):
            bar, meets = (f"<= {most:g}x", _ratio(most)) if most else ("", None)
            table.append(Line(other, f"{name} step, {weight}", f"{other}-{mark}"))
            table.append(Line(other, f"Octo step, {weight}", f"decider-{mark}", f"{other}-{mark}", bar, meets))
    return table


def lines() -> list[Line]:
    """The table, in the order in which it is measured and printed."""
    return _small_state() + _large_state() + _rest() + _recipes() + _steps() + _others()
