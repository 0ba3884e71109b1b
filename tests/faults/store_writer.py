"""Child processes of the store's fault tests. Run as a program: `store_writer.py WORKLOAD DIRECTORY [FAULT]`.

Each acknowledged change is told to the parent as a line on standard output before the next begins. FAULT is
`before:N`, `after:N` or `half:N`: the process kills itself around (or in the middle of) its N-th system call
that changes a file.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from octo.store import ParameterStore
from octo.store import state_file as state_file_module
from octo.store import view as view_module
from octo.store.author import Author

CHANGING = ("write", "replace", "ftruncate", "fsync", "fdatasync", "open", "utime", "fchmod", "unlink")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def plant_fault(kind: str, number: int) -> None:
    """Die at the `number`-th changing call from now on. Calls on standard output do not count."""
    from octo.store import exchange, files

    count = 0

    def wrapped(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def with_fault(*args: Any, **more: Any) -> Any:
            nonlocal count
            if name == "write" and args[0] == 1:
                return call(*args, **more)
            if name == "open" and not args[1] & os.O_CREAT:
                return call(*args, **more)
            count += 1
            if count == number:
                if kind == "before":
                    die()
                if kind == "half" and name == "write":
                    call(args[0], bytes(args[1])[: len(args[1]) // 2])
                    die()
            mine = count == number  # not one that this call makes in its turn
            try:
                return call(*args, **more)
            finally:
                if mine:
                    die()

        return with_fault

    for name in CHANGING:
        setattr(os, name, wrapped(name, getattr(os, name)))
    if swap := exchange._exchange_call():
        swap = wrapped("exchange", swap)
    exchange._exchange_call = lambda: swap  # type: ignore[assignment]
    files.sync_data = os.fdatasync
    setattr(state_file_module, "sync_data", os.fdatasync)  # noqa: B010


def tell(text: str) -> None:
    os.write(1, text.encode() + b"\n")


def small(directory: Path) -> None:
    """Every kind of change, each in the JSON when it returns."""
    store = ParameterStore(directory, create=True, who="writer")
    for n in range(4):
        store.set("ctx", "text", f"value {n}")
        tell(f"text {n}")
        store.increment("ctx", "n")
        tell(f"n {n + 1}")
        store.append("ctx", "rows", values=[n])
        tell(f"rows {n + 1}")
        with store.transaction() as tx:
            tx.increment(("ctx", "a"))
            tx.increment(("ctx", "b"), -1)
        tell(f"pair {n + 1}")
        store.splice("ctx", "rows", start=0, count=1, items=[0])
        store.set("ctx", "gone", 1)
        store.delete("ctx", "gone")
    store.close()


def compacting(directory: Path) -> None:
    store = ParameterStore(directory, create=True, who="writer")
    store.set("global_parameters", "history_limit", 5)
    for n in range(12):
        store.increment("ctx", "n")
        tell(f"n {n + 1}")
        with store.transaction() as tx:
            tx.increment(("ctx", "a"))
            tx.increment(("ctx", "b"), -1)
        tell(f"pair {n + 1}")
        if n % 4 == 3:
            store.compact()


def deferring(directory: Path) -> None:
    """As a running engine does it: the JSON lags behind, calls begin and end."""
    store = ParameterStore(directory, create=True, who="writer")
    file = store._state_file
    file.deferring = True
    for n in range(8):
        call = store.seq + 1
        with file.transaction("engine", later=True) as tx:
            tx.flags["begin"] = True
            tx.increment(("ctx", "n"))
        tell(f"n {n + 1}")
        with file.transaction("step", Author("step", 1, call), later=True) as tx:
            tx.increment(("ctx", "a"))
            tx.increment(("ctx", "b"), -1)
        tell(f"pair {n + 1}")
        with file.transaction("engine", later=True) as tx:
            tx.flags["end"] = call
            tx.flags["fence"] = call
        if n % 3 == 2:
            store.flush()
    store.flush()
    store.compact()


def large(directory: Path) -> None:
    """A JSON that is written in pieces, outside the lock."""
    view_module.PIECEWISE = 10_000
    store = ParameterStore(directory, create=True, who="writer")
    store.set("ctx", "large", {f"key {n}": ["x" * 100] * 5 for n in range(60)})
    for n in range(6):
        store.increment("ctx", "n")
        tell(f"n {n + 1}")
        with store.transaction() as tx:
            tx.increment(("ctx", "a"))
            tx.increment(("ctx", "b"), -1)
            tx.set(("ctx", "large", "key 3"), n)
        tell(f"pair {n + 1}")
    store.set("global_parameters", "history_limit", 2)
    store.compact()


def merging(directory: Path) -> None:
    """Edits of the JSON between our own changes."""
    import json

    store = ParameterStore(directory, create=True, who="writer")
    for n in range(8):
        store.increment("ctx", "n")
        tell(f"n {n + 1}")
        state = json.loads(store.path.read_bytes())
        state["ctx"]["person"] = state["ctx"].get("person", 0) + 1
        temporary = store.path.with_name("edited")
        with open(temporary, "w") as file:
            json.dump(state, file)
        os.replace(temporary, store.path)
        tell(f"person {n + 1}")


def endless(directory: Path) -> None:
    store = ParameterStore(directory, create=True, who="writer")
    store.set("global_parameters", "history_limit", 40)
    n = store.get("ctx", "n", default=0)
    pair = store.get("ctx", "a", default=0)
    while True:
        n += 1
        store.increment("ctx", "n")
        tell(f"n {n}")
        pair += 1
        with store.transaction() as tx:
            tx.increment(("ctx", "a"))
            tx.increment(("ctx", "b"), -1)
        tell(f"pair {pair}")
        if n % 50 == 0:
            store.compact()


WORKLOADS: dict[str, Callable[[Path], None]] = {
    "small": small, "compacting": compacting, "deferring": deferring, "large": large, "merging": merging,
    "endless": endless,
}


def main() -> None:
    workload, directory, *fault = sys.argv[1:]
    if fault:
        kind, _, number = fault[0].partition(":")
        plant_fault(kind, int(number))
    WORKLOADS[workload](Path(directory))


if __name__ == "__main__":
    main()
