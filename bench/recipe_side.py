"""Recipes as they are measured: many trivial steps, trivial steps in a process of their own, work for several CPUs."""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from bench.ballast import ballast
from bench.clock import summary
from bench.octo_side import command


def recipe(where: Path, name: str, steps: list[dict[str, Any]]) -> Path:
    import yaml

    path = where / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"steps": steps}, sort_keys=False), encoding="utf-8")
    return path


def _trivial(steps: int, form: str) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for number in range(steps):
        step: dict[str, Any] = {"name": f"s{number}", "module": "bench.recipe_bodies", "function": "nothing"}
        if form == "at once":
            step["parallel"] = True
        elif number:
            step["depends_on"] = f"s{number - 1}"
        made.append(step)
    return made


def trivial(where: Path, *, steps: int, form: str, times: int) -> dict[str, Any]:
    """Seconds for one step of a run with so many, from the first record of the run to its last. Nothing is drawn:
    the picture of one run, which another process draws, would still be in the making in the next."""
    from octo.recipe.run import run_recipe

    path = recipe(where, "trivial", _trivial(steps, form))
    os.chdir(where)
    values = []
    for number in range(times):
        result = run_recipe(path, instance=where / f"run{number}", draw=False)
        assert result.status == "COMPLETE_SUCCESS", result.reasons
        values.append(result.seconds / steps)
    return summary(values)


def whole_process(where: Path, *, steps: int, form: str, times: int) -> dict[str, Any]:
    """`octo run recipe.yaml`, from start to exit, with its log and its picture."""
    path = recipe(where, "trivial", _trivial(steps, form))
    values = []
    for number in range(times):
        before = time.perf_counter()
        subprocess.run([*command(), "run", str(path), "--instance", f"run{number}"], check=True,
                       stdout=subprocess.DEVNULL, cwd=where)
        values.append(time.perf_counter() - before)
    return summary(values)


def process_step(where: Path, *, steps: int, mib: float = 0.0) -> dict[str, Any]:
    """From one body in a worker to the next, the worker being warm: all that the engine and the worker do."""
    from octo.recipe.run import run_recipe
    from octo.store import ParameterStore

    first = {"name": "s0", "module": "bench.recipe_bodies", "function": "moment", "executor": "process"}
    path = recipe(where, "process", [first, *({**first, "name": f"s{number}"} for number in range(1, steps + 5))])
    os.chdir(where)
    values = {"ballast": ballast(mib, "rows")} if mib else {}
    result = run_recipe(path, instance=where / "run", values=values)
    assert result.status == "COMPLETE_SUCCESS", result.reasons
    found = ParameterStore(where / "run").get("steps")
    moments = [found[f"s{number}"]["result"] for number in range(4, steps + 5)]
    return summary([after - before for before, after in itertools.pairwise(moments)])


def cpu_bound(where: Path, *, count: int, rounds: int, processes: bool, times: int) -> dict[str, Any]:
    """Seconds for so many CPU-bound steps: in processes side by side, or one after another in the engine's."""
    from octo.recipe.run import run_recipe

    step: dict[str, Any] = {"module": "bench.recipe_bodies", "function": "work", "params": {"rounds": rounds}}
    if processes:
        step |= {"parallel": True, "executor": "process"}
    path = recipe(where, "cpu", [{"name": f"s{number}", **step} for number in range(count)])
    os.chdir(where)
    values = []
    for number in range(times):
        result = run_recipe(path, instance=where / f"run{number}", draw=False)
        assert result.status == "COMPLETE_SUCCESS", result.reasons
        values.append(result.seconds)
    return summary(values)
