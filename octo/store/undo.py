"""Take back what calls of steps did to the shared data; what others did meanwhile stays.

Also the end of a transaction that fails in memory: take back its newest changes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

from octo.errors import InvalidValue

from .changes import MISSING, Op, Tree, diff
from .transaction import Transaction
from .values import dumps, loads, spell

Line = dict[str, Any]


LinesSince = Callable[[int], list[Line]]
"""The journal's lines behind a number."""


def undo_call(tx: Transaction, lines_since: LinesSince, call: int, scope: str) -> list[str]:
    """Undo call number `call` inside the group `scope`; what came before its newest `ctx.checkpoint()` stays.

    See `undo_calls` for the rest.
    """
    return undo_calls(tx, lines_since, [call], scope, from_checkpoint=True)


def undo_calls(tx: Transaction, lines_since: LinesSince, calls: Collection[int], scope: str, *,
               from_checkpoint: bool = False, keep: Callable[[Op], bool] | None = None) -> list[str]:
    """Undo all that `calls` did inside the group `scope`, as if they had never run; returns the places put back.

    With `from_checkpoint` only what each did after its newest `ctx.checkpoint()`. What others did since stays, in
    order. Records (`ctx.record`) stay, and ops of the calls for which `keep(op)` is true. Where one of the
    calls was undone before, that undo is left out too. What another's change cannot be laid on any
    more is noted in the result, in brackets.
    """
    lines = _lines_for(calls, lines_since)
    if from_checkpoint:
        lines = _since_checkpoints(lines, calls)
    calls = set(calls)
    going_whole = calls if keep is None else set()
    going = [
        (line, op, line.get("call") in calls and not (keep is not None and keep(op)), _undid(line, going_whole, calls))
        for line in lines for op in line.get("ops", ()) if _counts(op, scope)
    ]
    places = list(dict.fromkeys(spell(op["path"]) for _, op, mine, _ in going if mine))
    if not places:
        return []
    gone = {id(op) for _, op, mine, undid in going if mine or undid}
    undone = _undone_before(lines, calls, scope) | _dropped_before(lines, going_whole, scope)
    if _are_apart(lines, gone, undone, scope):
        for _, op, *_ in reversed(going):
            if id(op) in gone:
                _invert(tx, op)
        return places
    return places + _replay(tx, lines, gone | undone, scope)


def _since_checkpoints(lines: list[Line], calls: Collection[int]) -> list[Line]:
    """The same lines, where what each of `calls` did before its newest `ctx.checkpoint()` counts as done by others."""
    last = {line["checkpoint"]: index for index, line in enumerate(lines) if line.get("checkpoint") in calls}
    if not last:
        return lines
    return [{**line, "call": 0} if index <= last.get(line.get("call", 0), -1) else line
            for index, line in enumerate(lines)]


def _since_checkpoint(lines: list[Line], call: int) -> list[Line]:
    """Only what came after the newest `ctx.checkpoint()` of the call."""
    for index in range(len(lines) - 1, -1, -1):
        if lines[index].get("checkpoint") == call:
            return lines[index + 1 :]
    return lines


def _undone_in(line: Line) -> set[int]:
    return _fenced(line) | set(line["dropped"]["calls"] if "dropped" in line else ())


def _fenced(line: Line) -> set[int]:
    fence = line.get("fence", [])
    return set(fence) if isinstance(fence, list) else {fence}


def _undid(line: Line, going_whole: set[int], calls: set[int]) -> bool:
    """Whether the record undid calls of these only, or a part of calls that go as a whole."""
    fenced, dropped = _fenced(line), set(line["dropped"]["calls"]) if "dropped" in line else set()
    return bool(fenced) and fenced <= calls or bool(dropped) and dropped <= going_whole


def _undone_before(lines: list[Line], calls: set[int], scope: str) -> set[int]:
    """Ops of other calls that were undone since, and of those undos: together they did nothing.

    An undo put back what stood there then, which may be what the calls that go now had set.
    """
    found: set[int] = set()
    first = lines[0].get("seq", 0)
    for end, line in enumerate(lines):
        others = _fenced(line) - calls
        if not others or any(call < first for call in others):
            continue
        for call in others:
            for earlier in _since_checkpoint(lines[:end], call):
                if earlier.get("call") == call:
                    found.update(id(op) for op in earlier["ops"] if _counts(op, scope))
        found.update(id(op) for op in line["ops"] if _counts(op, scope))
    return found


def _dropped_before(lines: list[Line], calls: set[int], scope: str) -> set[int]:
    """Ops of calls other than `calls` in places where they have given way since, and those that took them back.

    The record of it says `dropped`: {calls, places}.
    """
    found: set[int] = set()
    for end, line in enumerate(lines):
        losers = set(line["dropped"]["calls"]) if "dropped" in line else set()
        if not losers - calls or min(losers) < lines[0].get("seq", 0):
            continue
        places = [tuple(place) for place in line["dropped"]["places"]]
        for earlier in lines[:end]:
            if earlier.get("call") in losers:
                found.update(id(op) for op in earlier["ops"] if _counts(op, scope) and touching(op["path"], places))
        found.update(id(op) for op in line["ops"] if _counts(op, scope))
    return found


def touching(path: Sequence[Any], places: Iterable[tuple[Any, ...]]) -> bool:
    """Whether a place lies at, inside or around one of `places`."""
    place = tuple(path)
    return any(place[: len(other)] == other or other[: len(place)] == place for other in places)


def _lines_for(calls: Collection[int], lines_since: LinesSince) -> list[Line]:
    """The lines since `calls` began, and since those calls did that were undone meanwhile, whole or in part.

    Such an undo may have written a list anew, with what `calls` had put into it.
    """
    first = min(calls)
    while True:
        lines = lines_since(first - 1)
        earlier = min((call for line in lines for call in _undone_in(line)), default=first)
        if earlier >= first:
            return lines
        first = earlier


def _inside(op: Op, scope: str) -> bool:
    return not op["path"] or op["path"][0] == scope


def _counts(op: Op, scope: str) -> bool:
    return _inside(op, scope) and not op.get("record") and not _makes_group(op, scope)


def _makes_group(op: Op, scope: str) -> bool:
    """The empty group itself stays: what others put into it meanwhile needs it."""
    return op["path"] == [scope] and _makes_dict(op)


def _makes_dict(op: Op) -> bool:
    return op["op"] == "set" and op["value"] == {} and "old" not in op


def _are_apart(lines: list[Line], gone: set[int], undone: set[int], scope: str) -> bool:
    """Whether nobody else changed what holds, is, or is in a place of `gone`, once it was touched.

    What was `undone` counts before that too: what the calls found there may be nobody's any more.
    """
    places: set[tuple[Any, ...]] = set()
    around: set[tuple[Any, ...]] = set()

    def is_near(path: tuple[Any, ...]) -> bool:
        return path in around or any(path[:length] in places for length in range(len(path) + 1))

    for op in _ops(lines, scope):
        path = tuple(op["path"])
        if id(op) in gone:
            places.add(path)
            around.update(path[:length] for length in range(len(path)))
        elif is_near(path):
            return False
    return not (undone and any(id(op) in undone and is_near(tuple(op["path"])) for op in _ops(lines, scope)))


def _ops(lines: list[Line], scope: str) -> Iterator[Op]:
    return (op for line in lines for op in line.get("ops", ()) if _inside(op, scope))


def _invert(tx: Transaction, op: Op) -> None:
    """The change that takes `op` back, where nobody else touched its place since."""
    kind, path = op["op"], tuple(op["path"])
    if kind == "splice":
        tx.splice(path, op["start"], len(op["items"]), op["old"])
    elif "old" in op:
        tx.set(path, op["old"])
    elif kind == "set" or op.get("new"):
        tx.delete(path)
    elif kind == "increment":
        tx.increment(path, -op["by"])
    else:
        count = len(op["values"])
        tx.splice(path, len(tx.peek(path)) - count, count, [])


def _replay(tx: Transaction, lines: list[Line], gone: set[int], scope: str) -> list[str]:
    """Go back to where the lines begin, then lay all that is not `gone` on that again, in order."""
    now = tx.peek(())
    tree = Tree(now)
    tree.freeze()
    for op in reversed(list(_ops(lines, scope))):
        tree.revert(op)
    notes = []
    for line in lines:
        for op in line.get("ops", ()):
            if not _inside(op, scope) or id(op) in gone:
                continue
            try:
                _lay_on(tree, op)
            except (InvalidValue, KeyError):
                notes.append(f"({spell(op['path'])}: the {op['op']} by {line['who']} does not fit any more)")
    for op in diff(now, tree.root):
        if _inside(op, scope):
            tx.apply(op)
    return notes


def _lay_on(tree: Tree, op: Op) -> None:
    """The change as its author meant it, on a state where other things were there before."""
    if "wanted" in op:  # a default: what is there stays
        if tree.find(op["path"]) is MISSING:
            tree.apply({"op": "set", "path": op["path"], "value": op["wanted"]})
    elif _makes_dict(op) and type(tree.find(op["path"])) is dict:
        pass  # it was made because it was missing: what is back in it stays
    elif op["op"] in ("increment", "append"):  # these begin what is missing, whoever came first then
        tree.apply({**op, "new": True})
    elif op["op"] == "splice" and op.get("record"):
        _take_again(tree, op)
    else:
        tree.apply(op)


def _take_again(tree: Tree, op: Op) -> None:
    """Take out, or replace, the very items that a record took: what stood in front of them may be gone or back.

    One that is not there any more was another's, who never ran.
    """
    there = tree.find(op["path"])
    if there is MISSING:
        return
    if type(there) is not list:
        raise InvalidValue(f"{spell(op['path'])} is not a list")
    for number, item in enumerate(op["old"]):
        instead = op["items"][number : number + 1]
        place = _place_of(item, there, op["start"] + (number if instead else 0))
        if place is not None:
            tree.apply({"op": "splice", "path": op["path"], "start": place, "count": 1, "items": instead})
            there = tree.find(op["path"])  # a frozen tree has a copy of it now


def _place_of(item: Any, there: list[Any], before: int) -> int | None:
    """Where an item is now that was at `before`: the nearest that is equal, of two the one in front."""
    for distance in range(max(before + 1, len(there) - before)):
        for place in (before - distance, before + distance):
            if 0 <= place < len(there) and there[place] == item and not diff(there[place], item):
                return place
    return None


class Mark:
    """How far a transaction has come (without one: its beginning)."""

    def __init__(self, tx: Transaction | None = None) -> None:
        self.ops = len(tx.ops) if tx else 0
        self.displaced = len(tx._tree.displaced) if tx else 0
        self.touches = len(tx.touches) if tx and tx.touches else 0


def take_back(tx: Transaction, mark: Mark) -> None:
    """Undo what the running transaction did since `mark`, and leave it out of the record."""
    tree = tx._tree
    for op in reversed(loads(dumps(tx.ops[mark.ops :]))):
        tree.revert(op)
    del tx.ops[mark.ops :]
    if tx.touches is not None:
        del tx.touches[mark.touches :]
    for back in reversed(tree.displaced[mark.displaced :]):
        back()
    del tree.displaced[mark.displaced :]
