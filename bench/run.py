#!/usr/bin/env python3
"""Print the budget table: each figure beside its yardstick, measured in the same run.

python bench/run.py                      everything (about 45 minutes)
python bench/run.py --quick              everything, tiny: shows that it runs, the figures mean nothing
python bench/run.py --only step burr     some groups of lines
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.clock import summary  # noqa: E402
from bench.lines import Found, Line, Measurement, lines, measurements  # noqa: E402
from bench.table import markdown, verdict  # noqa: E402


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    groups = list(dict.fromkeys(line.group for line in lines()))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", action="extend", metavar="GROUP", default=[], help=" ".join(groups))
    parser.add_argument("--quick", action="store_true", help="tiny sizes and times")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there as well")
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()), help="the disk to measure on")
    asked = parser.parse_args(argv)
    asked.only = [name for words in asked.only for name in words.split(",") if name]
    unknown = [name for name in asked.only if name not in groups]
    if unknown:
        parser.error(f"no such group: {', '.join(unknown)}; there are {', '.join(groups)}")
    if not asked.dir.is_dir():
        parser.error(f"{asked.dir} is not a directory")
    return asked


def file_system(directory: Path) -> str:
    import psutil

    mounts = {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}
    here = directory.resolve()
    return next((mounts[str(place)] for place in [here, *here.parents] if str(place) in mounts), "unknown")


def processor() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def surroundings(directory: Path) -> dict[str, str]:
    """What the figures depend on beside the code."""
    versions = []
    for name in (
        "octo-step-engine",
        "filelock",
        "orjson",
        "numpy",
        "openpyxl",
        "langgraph",
        "langgraph-checkpoint-sqlite",
        "apache-burr",
    ):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "date": datetime.datetime.now().isoformat(" ", "minutes"),
        "machine": f"{os.cpu_count()} x {processor()}, {platform.system()} {platform.release()}",
        "disk": f"{file_system(directory)} at {directory}",
        "python": platform.python_version(),
        "packages": ", ".join(versions),
    }


def measure(measurement: Measurement, directory: Path) -> Found:
    """One measurement in its own process and directory; both are gone when this returns."""
    where = Path(tempfile.mkdtemp(dir=directory))
    order = {"call": measurement.call, "options": measurement.options, "where": str(where)}
    path = os.pathsep.join([str(ROOT), str(ROOT / "modules"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    child = subprocess.Popen(
        [sys.executable, "-m", "bench.child", json.dumps(order)],
        env={**os.environ, "PYTHONPATH": path},
        cwd=where,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that what it starts itself can be ended with it
    )
    try:
        out, errors = child.communicate()
    finally:
        end(child)
        shutil.rmtree(where, ignore_errors=True)
        if hasattr(os, "sync"):
            os.sync()  # what this one left to be written must not be in the way of the next
    if child.returncode:
        print(errors, file=sys.stderr)
        last = (errors.strip().splitlines() or [f"exit {child.returncode}"])[-1]
        return {"missing": last}
    answer: Found = json.loads(out.strip().splitlines()[-1])
    return answer


def measure_in_turn(names: Sequence[str], everything: dict[str, Measurement], directory: Path) -> dict[str, Found]:
    """Those of one series, each several times, one after another: what else the machine does hits all of them."""
    answers: dict[str, list[Found]] = {name: [] for name in names}
    for _ in range(everything[names[0]].rounds):
        for name in names:
            answers[name].append(measure(everything[name], directory))
    found = {}
    for name, each in answers.items():
        missing = next((answer for answer in each if "missing" in answer), None)
        found[name] = missing or {**summary([answer["seconds"] for answer in each]),
                                  "memory": summary([answer["bytes"] for answer in each])}
    return found


def end(child: subprocess.Popen[str]) -> None:
    """End a measurement's process and the processes that it started."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    child.kill()
    child.wait()


def needed(chosen: Iterable[Line]) -> list[str]:
    """The measurements of these lines, each once, a yardstick right before what is held against it first."""
    names = [name for line in chosen for name in (line.yardstick, line.plus, line.figure) if name]
    return list(dict.fromkeys(names))


def as_json(chosen: list[Line], results: dict[str, Found], about: dict[str, str]) -> dict[str, Any]:
    """The table's lines with their ratios and verdicts, and every figure of every measurement."""
    judged = []
    for line in chosen:
        found = verdict(line, results) or {"ratio": None, "met": None}
        names = {key: getattr(line, key) for key in ("group", "what", "figure", "yardstick", "bar")}
        judged.append({**names, "ratio": found["ratio"], "met": found["met"]})
    return {"about": about, "lines": judged, "measurements": results}


def main(argv: Sequence[str] | None = None) -> int:
    asked = arguments(argv)
    about = surroundings(asked.dir)
    if file_system(asked.dir) in ("tmpfs", "ramfs"):
        print(f"bench: {asked.dir} is memory, not a disk; choose one with --dir", file=sys.stderr)
    chosen = [line for line in lines() if not asked.only or line.group in asked.only]
    everything = measurements(asked.quick)
    results: dict[str, Found] = {}
    names = needed(chosen)
    interrupted = False
    try:
        with tempfile.TemporaryDirectory(prefix="octo-bench-", dir=asked.dir, ignore_cleanup_errors=True) as directory:
            for number, name in enumerate(names, 1):
                print(f"[{number}/{len(names)}] {name}", file=sys.stderr, flush=True)
                series = everything[name].series
                if not series:
                    results[name] = measure(everything[name], Path(directory))
                elif name not in results:
                    same = [other for other in names if everything[other].series == series]
                    results |= measure_in_turn(same, everything, Path(directory))
    except KeyboardInterrupt:
        interrupted = True  # what was measured until now is printed all the same
        chosen = [line for line in chosen if {line.figure, line.yardstick, line.plus} - {""} <= set(results)]
    for key, value in about.items():
        print(f"- {key}: {value}")
    print("- a step's time: from one body to the next (a body is one `n += 1`); of ready-made steps: CPU time; "
          "ratio: line / yardstick")
    if asked.quick:
        print("- QUICK: sizes and times are cut to a fraction of what the lines say; no figure here counts")
    print()
    print(markdown(chosen, results))
    if asked.json:
        asked.json.write_text(json.dumps(as_json(chosen, results, about), indent=2) + "\n", encoding="utf-8")
    failed = [name for name, found in results.items() if "median" not in found]
    for name in failed:
        print(f"bench: {name} was not measured: {results[name]['missing']}", file=sys.stderr)
    if interrupted:
        print("bench: interrupted", file=sys.stderr)
        return 130
    return 1 if any("is not installed" not in results[name]["missing"] for name in failed) else 0


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupted)  # so that the child and its directory go as well
    sys.exit(main())
