"""Take back what one call of a step's method did to the shared data; what others did meanwhile stays."""

from __future__ import annotations

from typing import Any

from octo.errors import InvalidValue

from .changes import Op, Tree, diff
from .transaction import Transaction
from .values import spell

Line = dict[str, Any]


def undo_call(tx: Transaction, lines: list[Line], call: int, scope: str) -> list[str]:
    """Undo call number `call` inside the group `scope`; returns the places that were put back.

    `lines` are the journal's since the call began. Records (`ctx.record`) stay. What another's change
    cannot be laid on any more is noted in the result, in brackets.
    """
    lines = _since_checkpoint(lines, call)
    mine = [op for line in lines if line.get("call") == call for op in line["ops"] if _counts(op, scope)]
    if not mine:
        return []
    places = list(dict.fromkeys(spell(op["path"]) for op in mine))
    others = [op for line in lines for op in line["ops"]
              if _inside(op, scope) and (line.get("call") != call or op.get("record"))]
    if any(_related(op["path"], other["path"]) for op in mine for other in others):
        return places + _replay(tx, lines, call, scope)
    for op in reversed(mine):
        _invert(tx, op)
    return places


def _since_checkpoint(lines: list[Line], call: int) -> list[Line]:
    """Only what came after the newest `ctx.checkpoint()` of the call."""
    for index in range(len(lines) - 1, -1, -1):
        if lines[index].get("checkpoint") == call:
            return lines[index + 1 :]
    return lines


def _inside(op: Op, scope: str) -> bool:
    return not op["path"] or op["path"][0] == scope


def _counts(op: Op, scope: str) -> bool:
    return _inside(op, scope) and not op.get("record") and not _makes_group(op, scope)


def _makes_group(op: Op, scope: str) -> bool:
    """The empty group itself stays: what others put into it meanwhile needs it."""
    return op["path"] == [scope] and _makes_dict(op)


def _makes_dict(op: Op) -> bool:
    return op["op"] == "set" and op["value"] == {} and "old" not in op


def _related(a: list[Any], b: list[Any]) -> bool:
    shorter = min(len(a), len(b))
    return a[:shorter] == b[:shorter]


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


def _replay(tx: Transaction, lines: list[Line], call: int, scope: str) -> list[str]:
    """Go back to where the call began, then lay the changes of others on that again, in order."""
    now = tx.peek(())
    tree = Tree(now)
    tree.freeze()
    for line in reversed(lines):
        for op in reversed(line["ops"]):
            if _inside(op, scope):
                tree.revert(op)
    notes = []
    for line in lines:
        for op in line["ops"]:
            if not _inside(op, scope) or (line.get("call") == call and _counts(op, scope)):
                continue
            if _makes_dict(op) and type(tree.find(op["path"])) is dict:
                continue  # it was made because it was missing: what is back in it stays
            try:
                tree.apply(op)
            except (InvalidValue, KeyError):
                notes.append(f"({spell(op['path'])}: the {op['op']} by {line['who']} does not fit any more)")
    for op in diff(now, tree.root):
        if _inside(op, scope):
            tx.apply(op)
    return notes
