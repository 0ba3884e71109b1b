"""Several processes that increment one number in one file at the same time."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any, Protocol

from bench.clock import summary

ROUNDS = 3


class Counter(Protocol):
    def increment(self) -> None: ...


class CounterType(Protocol):
    def __call__(self, directory: str) -> Counter: ...


def _work(counter_type: CounterType, directory: str, each: int, gate: Any, answers: Any) -> None:
    try:
        counter = counter_type(directory)
        gate.wait()
        times = []
        began = time.monotonic()
        for _ in range(each):
            before = time.perf_counter()
            counter.increment()
            times.append(time.perf_counter() - before)
        answers.put((began, time.monotonic(), times))
    except BaseException as error:
        gate.abort()
        answers.put(f"{type(error).__name__}: {error}")
        raise


def increments_together(counter_type: CounterType, where: Path, processes: int, each: int) -> dict[str, Any]:
    """Three rounds of `each` increments by each process; the figures are those of the middle round.

    `median` and `worst` are of single calls; `mean` is the wall time of all, divided by their number.
    """
    rounds = [_round(counter_type, where, processes, each) for _ in range(ROUNDS)]
    middle = sorted(rounds, key=lambda found: float(found["mean"]))[ROUNDS // 2]
    return middle | {"expected": ROUNDS * processes * each}


def _round(counter_type: CounterType, where: Path, processes: int, each: int) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    gate, answers = context.Barrier(processes), context.Queue()
    work = (counter_type, str(where), each, gate, answers)
    workers = [context.Process(target=_work, args=work) for _ in range(processes)]
    for worker in workers:
        worker.start()
    found = [answers.get(timeout=600) for _ in workers]
    for worker in workers:
        worker.join()
    for problem in found:
        if isinstance(problem, str):
            raise RuntimeError(f"a process that increments ended with {problem}")
    answer = summary([value for _, _, times in found for value in times])
    answer["total"] = max(end for _, end, _ in found) - min(began for began, _, _ in found)
    answer["mean"] = answer["total"] / (processes * each)
    return answer
