"""Where the nodes of a large picture go: layer after layer from left to right, and back on the next line.

Graphviz lays out a chain of a hundred nodes as one strip and a fan of a hundred as one line; neither can be
read. Here layers are stacked in columns, the columns run in lines like the furrows of a field, so that arrows
between neighbours stay short, and Graphviz only draws the arrows. Small pictures are Graphviz's alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

# A graph of at most this many layers, and this many nodes in each, reads well as Graphviz lays it out.
MOST_LAYERS = 13
WIDEST_LAYER = 8
PICTURE_SHAPE = 1.6  # width by height
GAP_X, GAP_Y, GAP_LINE = 60.0, 26.0, 38.0  # points

Size = tuple[float, float]


def layers(names: list[str], arrows: Iterable[tuple[str, str]]) -> list[list[str]]:
    """The nodes in layers: each after all that lead to it, arrows that close a loop left out."""
    forward: dict[str, list[str]] = {name: [] for name in names}
    for source, target in arrows:
        if source != target and target not in forward[source]:
            forward[source].append(target)
    level = dict.fromkeys(names, 0)
    order = _order_without_loops(names, forward)
    for name in order:
        for target in forward[name]:
            level[target] = max(level[target], level[name] + 1)
    # What nothing leads to stands right before what it leads to, not far off at the start.
    reached = {target for targets in forward.values() for target in targets}
    for name in order[::-1]:
        if name not in reached and forward[name] and name != names[0]:
            level[name] = min(level[target] for target in forward[name]) - 1
    result: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name in names:
        result[level[name]].append(name)
    return result


def is_small(layered: list[list[str]]) -> bool:
    return len(layered) <= MOST_LAYERS and max(map(len, layered), default=0) <= WIDEST_LAYER


def places(
    layered: list[list[str]], arrows: Iterable[tuple[str, str]], size: dict[str, Size]
) -> dict[str, Size]:
    """The centre of each node in points, for nodes of the given width and height."""
    ordered = _near_their_sources(layered, list(arrows))
    stacked = _columns(ordered, size)
    lines = _lines(stacked, size)
    place: dict[str, Size] = {}
    y = 0.0
    pitch = _pitch(size)
    for number, line in enumerate(lines):
        height = max(_height(column, size) for column in line)
        for index, column in enumerate(line):
            slot = index if number % 2 == 0 else len(lines[0]) - 1 - index
            top = y - (height - _height(column, size)) / 2
            for name in column:
                place[name] = (slot * pitch, top - size[name][1] / 2)
                top -= size[name][1] + GAP_Y
        y -= height + GAP_LINE
    return place


def _order_without_loops(names: list[str], forward: dict[str, list[str]]) -> list[str]:
    """A topological order; the arrows that would close a loop are taken out of `forward`."""
    finished: list[str] = []
    open_: set[str] = set()
    seen: set[str] = set()
    for start in names:
        stack = [(start, iter(list(forward[start])))] if start not in seen else []
        seen.add(start)
        open_.add(start)
        while stack:
            name, targets = stack[-1]
            for target in targets:
                if target in open_:
                    forward[name].remove(target)
                elif target not in seen:
                    seen.add(target)
                    open_.add(target)
                    stack.append((target, iter(list(forward[target]))))
                    break
            else:
                open_.discard(name)
                finished.append(name)
                stack.pop()
        open_.clear()
    return finished[::-1]


def _near_their_sources(layered: list[list[str]], arrows: list[tuple[str, str]]) -> list[list[str]]:
    """Each layer in the order of the places of the nodes that lead to it: fewer crossings."""
    sources: dict[str, list[str]] = {}
    for source, target in arrows:
        sources.setdefault(target, []).append(source)
    at: dict[str, float] = {}
    result = []
    for layer in layered:
        centre = {}
        for index, name in enumerate(layer):
            known = [at[s] for s in sources.get(name, []) if s in at]
            centre[name] = sum(known) / len(known) if known else index - (len(layer) - 1) / 2
        ordered = sorted(layer, key=centre.__getitem__)
        at.update({name: index - (len(layer) - 1) / 2 for index, name in enumerate(ordered)})
        result.append(ordered)
    return result


def _pitch(size: dict[str, Size]) -> float:
    return max(width for width, _ in size.values()) + GAP_X


def _height(column: list[str], size: dict[str, Size]) -> float:
    return sum(size[name][1] + GAP_Y for name in column) - GAP_Y


def _columns(layered: list[list[str]], size: dict[str, Size]) -> list[list[str]]:
    """Columns of layers; one too high to look at is spread over several side by side."""
    widest = max(map(len, layered))
    row = max(height for _, height in size.values()) + GAP_Y
    highest = max(4, math.ceil(math.sqrt(widest * _pitch(size) / row / PICTURE_SHAPE)))
    result = []
    for layer in layered:
        count = math.ceil(len(layer) / highest)
        each = math.ceil(len(layer) / count)
        result += [layer[i : i + each] for i in range(0, len(layer), each)]
    return result


def _lines(columns: list[list[str]], size: dict[str, Size]) -> list[list[list[str]]]:
    """The columns in lines of equal length, as many as make the picture's shape."""

    def cut(count: int) -> list[list[list[str]]]:
        length = math.ceil(len(columns) / count)
        return [columns[i : i + length] for i in range(0, len(columns), length)]

    def misfit(lines: list[list[list[str]]]) -> float:
        width = len(lines[0]) * _pitch(size)
        height = sum(max(_height(c, size) for c in line) + GAP_LINE for line in lines)
        return abs(math.log(width / height / PICTURE_SHAPE))

    return min(map(cut, range(1, len(columns) + 1)), key=misfit)
