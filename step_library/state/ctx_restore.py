"""A snapshot from a file made the content of ctx, whole or in part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octo.errors import ShapeError, UsageError, nearest
from octo.scriptlet import Param, scriptlet
from octo.value_types import READERS, WRONG, read, type_names, type_text
from step_library.kit.files.snapshots import encoded, load, write
from step_library.kit.records.records import append, check_list, now_text
from step_library.kit.values.ctx_copies import changes, copied_ctx, one_change, plan, put_back
from step_library.kit.values.ctx_values import Ctx, described


@scriptlet(
    params=[
        Param("file", "str", help="the snapshot: a JSON object, plain or with _meta and ctx_data, also gzipped",
              aliases=("snapshot", "out")),
        Param("keys", "list[str] | null", None, "take only these keys; all others in ctx stay"),
        Param("exclude", "list[str]", [], "leave these keys of ctx as they are"),
        Param("merge", "str | null", None, "let no key go, and merge dicts key by key; where both have a value, ctx's "
              "stands (first) or the snapshot's (last)", choices=("first", "last")),
        Param("types", "dict", {}, "key: type that the snapshot is to have (list, dict, str, int, float, number, bool, "
              "null), checked before anything is changed"),
        Param("backup", "str | null", None, "write ctx to this file before, to undo the restore with",
              ("backup_path", "backup_old")),
        Param("preview", "bool", False, "change nothing: the result has as would_change what would"),
        Param("record", "bool", False, "tell of it in ctx['restore_history'], which a restore does not undo"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Replace ctx by the snapshot: keys that it lacks go. Returns {restored: file, keys: its keys that were taken}.

    Checkpoints and rollback points in ctx stay. The file is checked whole before ctx is touched: FileNotFoundError,
    JSONDecodeError, ShapeError (a ValueError) where it is no JSON object or not of the types, KeyError where it lacks
    a key of keys. On a Context it is one change, and only what differs is in the history. What a run keeps to be
    resumed is not in snapshots: a resume does not undo a restore.
    """
    file, keys = params["file"], params["keys"]
    data = load(file)
    _check(data, params["types"], file)
    if params["record"]:
        check_list(ctx, "restore_history")
    taken = [key for key in data if (keys is None or key in keys) and key not in params["exclude"]]
    if params["backup"] and params["backup"] == file:
        raise UsageError(f"backup is to be another file than the snapshot {file}")
    with one_change(ctx):
        new = plan(ctx, data, where=f"the snapshot {file}", keys=keys, exclude=params["exclude"],
                   merge=params["merge"])
        if params["preview"]:
            return {"would_change": changes(ctx, new)}
        if params["backup"]:
            write(params["backup"], encoded(copied_ctx(ctx), packed=params["backup"].endswith(".gz")))
        put_back(ctx, new)
        if params["record"]:
            append(ctx, "restore_history", {"timestamp": now_text(), "file": file, "keys": taken})
    return {"restored": file, "keys": taken}


def _check(data: Mapping[str, Any], types: Mapping[str, Any], file: str) -> None:
    """All that is not of the wanted types, together."""
    wrong = []
    for key, kind in types.items():
        unknown = [name for name in type_names(kind) if name not in READERS]
        if unknown:
            raise ShapeError(f"types: {key!r} has a type that there is not: {unknown[0]!r}"
                             f"{nearest(unknown[0], READERS)}")
        if key not in data:
            wrong.append(f"{key!r} is missing")
        elif read(kind, data[key]) is WRONG:
            wrong.append(f"{key!r} is to be {type_text(kind)}, not {described(data[key])}")
    if wrong:
        raise ShapeError(f"the snapshot {file} does not fit types: {'; '.join(wrong)}")


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_restore")
