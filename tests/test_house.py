"""The rules of the house hold: imports in `octo/` go down only, and `modules/` holds no logic."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

# From the ground up. A room may import the floors below its own.
FLOORS = [
    ["errors"],
    ["store"],
    ["access", "context", "ctx_changes", "ctx_check", "ctx_merge", "ctx_take", "ctx_text", "live", "place",
     "scriptlet", "resolve", "param", "registry", "binding", "value_types", "run_path", "shared_names", "documented"],
    ["executors"],
    ["engine"],
    ["recipe"],
    ["ui", "server", "flows", "isolate", "report"],
    ["cli"],
]
FLOOR = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
# What step authors touch is one floor of modules that know each other; other rooms of one floor are apart.
NEIGHBOURS = FLOOR["context"]
# `octo` itself and `python -m octo` only open doors.
DOORS = {"__init__", "__main__"}


def imported(path: Path, checkout: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything of `octo` that the module imports, wherever in it."""
    package = path.relative_to(checkout).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            start = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{start}.{alias.name}" for alias in node.names] if start == "octo" else [start]
        else:
            continue
        yield from ((node.lineno, name) for name in names if name.split(".")[0] == "octo")


def room_of(path: Path, checkout: Path) -> str:
    return path.relative_to(checkout / "octo").with_suffix("").parts[0]


def test_imports_go_down_only(checkout: Path) -> None:
    upward = []
    for path in sorted((checkout / "octo").rglob("*.py")):
        room = room_of(path, checkout)
        if room in DOORS:
            continue
        for line, name in imported(path, checkout):
            other = name.split(".")[1] if "." in name else ""
            if other not in FLOOR:
                continue  # a name that `octo` itself gives, such as its version
            same = other == room or (FLOOR[other] == FLOOR[room] == NEIGHBOURS)
            if not same and FLOOR[other] >= FLOOR[room]:
                upward.append(f"{path.relative_to(checkout)}:{line}: {room} imports {name}")
    assert not upward, "\n".join(upward)


def test_every_room_has_a_floor(checkout: Path) -> None:
    rooms = {room_of(path, checkout) for path in (checkout / "octo").rglob("*.py")} - DOORS
    assert rooms <= set(FLOOR), "give the new room a floor in this test and in CONTRIBUTING.md"


@pytest.mark.slow
def test_only_doors_import_from_octo_itself(checkout: Path) -> None:
    """`from octo import Engine` inside the package would import upward through the front door."""
    through_the_door = [
        f"{path.relative_to(checkout)}:{line}: {name}"
        for path in sorted((checkout / "octo").rglob("*.py"))
        if room_of(path, checkout) not in DOORS
        for line, name in imported(path, checkout)
        if "." in name and name.split(".")[1] not in FLOOR and not name.split(".")[1].startswith("__")
    ]
    assert not through_the_door, "\n".join(through_the_door)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import octo.engine.graph", ["octo.engine.graph"]),
        ("from octo.engine import graph", ["octo.engine"]),
        ("from octo import engine", ["octo.engine"]),
        ("from .lock import Lock", ["octo.store"]),
        ("from ..errors import OctoError", ["octo.errors"]),
        ("from .. import engine", ["octo.engine"]),
        ("def late():\n    from octo.cli import main", ["octo.cli"]),
        ("import os, orjson", []),
    ],
)
def test_the_check_sees_every_way_to_import(source: str, names: list[str], tmp_path: Path) -> None:
    module = tmp_path / "octo" / "store" / "sample.py"
    module.parent.mkdir(parents=True)
    module.write_text(source, encoding="utf-8")
    found = [name.removesuffix(".lock") for _, name in imported(module, tmp_path)]
    assert found == names


def test_modules_hold_no_logic(checkout: Path) -> None:
    """An import name of the documents imports, names and starts; it defines nothing."""
    for path in sorted((checkout / "modules").rglob("*.py")):
        defined = [
            node.name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        ]
        assert not defined, f"{path.relative_to(checkout)} defines {defined}: move it into octo/"
