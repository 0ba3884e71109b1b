"""Octo's own figures, all through what a user would call."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench import clock, memory
from bench.ballast import row, write_state
from bench.clock import Loop, summary
from bench.together import increments_together

LIBRARIES = Path(__file__).parent / "library"
PARAMETERS = ".octo_step_engine_parameters.json"


def instance(
    where: Path, library: str, durability: str, ctx: dict[str, Any], mib: float = 0, form: str = "rows"
) -> Path:
    """An instance as a person would write it: a directory with the JSON."""
    directory = where / "instance"
    directory.mkdir()
    settings = {
        "step_engine_library_path": str(LIBRARIES / library),
        "step_engine_instance_path": "",
        "step_engine_state": "INACTIVE",
        "current_step_module": "",
        "current_step_node": "",
        "current_step_state": "INACTIVE",
        "first_step_module": "",
        "first_step_node": "",
        "run_step_count": 0,
        "durability": durability,
    }
    write_state(directory / PARAMETERS, {"global_parameters": settings}, ctx, mib, form)
    return directory


def walk(directory: Path, loop: Loop, steps: int | None = None) -> None:
    """Run the instance to its end, or so many steps; its count of them must be the one that was made here."""
    from octo import Engine, ParameterStore

    with ParameterStore(directory) as store:
        before = store.get("global_parameters", "run_step_count")
    clock.start(loop)
    result = Engine(directory).run(steps)
    if result.status != ("PAUSED" if steps else "COMPLETE_SUCCESS"):
        why = f"{result.error['type']}: {result.error['message']}" if result.error else result.reasons
        raise RuntimeError(f"the run ended as {result.status}: {why}")
    with ParameterStore(directory) as store:
        if store.get("global_parameters", "run_step_count") - before != len(loop.stamps):
            raise RuntimeError("the state's step count is not the number of steps that were made")


def counter(
    where: Path, *, durability: str, steps: int, seconds: float, mib: float = 0, form: str = "rows"
) -> dict[str, Any]:
    """The counter loop: one small change a step beside `mib` MiB of ctx that no step touches."""
    directory = instance(where, "counter", durability, {"n": 0}, mib, form)
    first = Loop(steps)
    walk(directory, first, steps)  # tells how many steps are needed
    loop = Loop(steps)
    walk(directory, loop, max(steps, int(seconds / statistics.fmean(first.steps_taken()))))
    return with_stalls(loop)


def decider(
    where: Path, *, durability: str, steps: int, seconds: float, mib: float = 0, form: str = "rows"
) -> dict[str, Any]:
    """The counter loop whose node decides in `step_advance` whether to go round again."""
    loop = Loop(steps, seconds)
    walk(instance(where, "decider", durability, {"n": 0}, mib, form), loop)
    return with_stalls(loop)


def with_stalls(loop: Loop) -> dict[str, Any]:
    return loop.summary() | {"stalls": sum(taken > 0.05 for taken in loop.steps_taken())}


def append(where: Path, *, rows: int, steps: int, seconds: float) -> dict[str, Any]:
    """`ctx["rows"].append(row)` once a step, `rows` rows there: times of the call, and of the steps."""
    directory = instance(where, "rows", "group", {"n": 0, "rows": [row(number) for number in range(rows)]})
    loop = Loop(steps, seconds)
    walk(directory, loop)
    found = summary(loop.calls)
    found["step"] = loop.summary()
    return found


class Weighed(Loop):
    """A loop that notes how much memory the process holds at each step."""

    def tick(self) -> None:
        self.resident = memory.resident()
        super().tick()


def first_opening(where: Path, *, mib: float) -> dict[str, Any]:
    """Memory of a run of one step on a JSON that another program wrote, on one line: there is no journal yet."""
    loop = Weighed(1)
    walk(instance(where, "counter", "group", {"n": 0}, mib), loop, 1)
    return memory.summary(loop.resident, "")


def resident(where: Path, *, steps: int, mib: float) -> dict[str, Any]:
    """Memory of the counter loop on an instance that has run before; under `first` that of the run before."""
    order = {"call": "octo_side.first_opening", "where": str(where), "options": {"mib": mib}}
    first = subprocess.run([sys.executable, "-m", "bench.child", json.dumps(order)], check=True, capture_output=True)
    loop = Weighed(steps)
    walk(where / "instance", loop, steps)
    found = memory.summary(loop.resident, f"{mib:g} MiB of ctx, {len(loop.stamps)} steps")
    return found | {"first": json.loads(first.stdout.splitlines()[-1])}


class DocumentedCounter:
    """The documented class, as a step node of the seeds uses it."""

    def __init__(self, directory: str) -> None:
        from octo_step_engine_parameters import octo_step_engine_parameters

        self.parameters = octo_step_engine_parameters()
        self.default = self.parameters.get_default_param_dict()
        self.file = str(Path(directory, self.parameters.get_default_param_file_name()))
        self.lock = str(Path(directory, self.parameters.get_default_param_lock_file_name()))

    def increment(self) -> None:
        self.parameters.increment_json_dict(
            self.default, self.file, self.lock, "global_parameters", "run_step_count", True
        )


def increments(where: Path, *, processes: int, each: int) -> dict[str, Any]:
    """`increment_json_dict` by several processes on one file, and how many of the increments were lost."""
    directory = instance(where, "counter", "group", {})
    found = increments_together(DocumentedCounter, directory, processes, each)
    counter = DocumentedCounter(str(directory))
    state = counter.parameters.read_json_dict(counter.default, counter.file, counter.lock)
    found["lost"] = found["expected"] - state["global_parameters"]["run_step_count"]
    return found


def command() -> list[str]:
    """How a user starts `octo`: the installed script of this Python, else the module."""
    beside = shutil.which("octo", path=str(Path(sys.executable).parent))
    return [beside] if beside else [sys.executable, "-m", "octo"]


def command_line(where: Path, *, arguments: list[str], times: int) -> dict[str, Any]:
    """The whole process, from start to exit. `DIR` among the arguments is an instance that ran 20 steps."""
    if "DIR" in arguments:
        directory = instance(where, "counter", "group", {"n": 0})
        walk(directory, Loop(20), 20)
        arguments = [str(directory) if argument == "DIR" else argument for argument in arguments]
    values = []
    for _ in range(times):
        before = time.perf_counter()
        subprocess.run([*command(), *arguments], check=True, stdout=subprocess.DEVNULL, cwd=where)
        values.append(time.perf_counter() - before)
    return summary(values)
