"""Back to a snapshot, but only when a key of ctx, such as errors, says that something went wrong."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from octo.context import Context
from octo.errors import MissingKey, ShapeError, StepFailed, nearest
from octo.scriptlet import Param, call, scriptlet
from step_library.kit.files.snapshots import encoded, load, newest, write
from step_library.kit.records.records import append, check_list, now_text
from step_library.kit.values.ctx_copies import (
    CHECKPOINT_META,
    CHECKPOINTS,
    changes,
    copied_ctx,
    one_change,
    plan,
    put_back,
    table,
)
from step_library.kit.values.ctx_values import Ctx, described, plain


@scriptlet(
    params=[
        Param("snapshot", "str | null", None, "the snapshot file; of a folder the newest with an automatic name",
              ("file", "out")),
        Param("errors_key", "str", "errors", "key of ctx that says whether to go back: when it is there and not empty"),
        Param("checkpoint", "str | null", None, "go back to this checkpoint of ctx_checkpoint instead of a file"),
        Param("back", "int", 0, "where snapshot is a folder: this many before the newest"),
        Param("keys", "list[str] | null", None, "put back only these keys; all others in ctx stay"),
        Param("exclude", "list[str]", [], "leave these keys of ctx as they are"),
        Param("preview", "bool", False, "change nothing: the result has as would_change what would"),
        Param("backup", "str | null", None, "write ctx as it was to this file before"),
        Param("clear_errors", "bool", False, "drop errors_key afterwards where the snapshot has errors itself"),
        Param("after", "callable | null", None, "function that is called after a rollback, with the arguments snapshot "
              "and errors"),
        Param("stop", "bool", False, "fail after a rollback, which stays, so that the run stops"),
    ],
    one_of=[("snapshot", "checkpoint")],
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """If `ctx[errors_key]` is not empty, replace ctx by the snapshot; return {rolled_back: whether}.

    The errors are kept: ctx['rollback_history'] gets {timestamp, snapshot, errors_key, errors, keys}. The snapshot is
    checked whole before ctx is touched: FileNotFoundError, JSONDecodeError, or ShapeError (a TypeError and a
    ValueError) where it is no JSON object. Without errors it is not opened and need not be there; the parameter is
    required all the same. Where the snapshot has errors too, so that the next call would roll back again, the result
    has errors_in_snapshot. Checkpoints and rollback points stay.
    """
    key = params["errors_key"]
    if not ctx.get(key):
        return {"rolled_back": False}
    check_list(ctx, "rollback_history")
    errors = copy.deepcopy(plain(ctx, key))
    name, data, keys = _source(ctx, params)
    with one_change(ctx):
        new = plan(ctx, data, where=f"the snapshot {name}", keys=keys, exclude=params["exclude"])
        if params["preview"]:
            return {"rolled_back": False, "would_change": changes(ctx, new)}
        if params["backup"]:
            write(params["backup"], encoded(copied_ctx(ctx), packed=params["backup"].endswith(".gz")))
        again = bool(new.get(key))
        if params["clear_errors"]:
            new.pop(key, None)
        put_back(ctx, new)
        append(ctx, "rollback_history", {
            "timestamp": now_text(), "snapshot": name, "errors_key": key, "errors": errors,
            "keys": [each for each in data if (keys is None or each in keys) and each not in params["exclude"]]})
    if params["after"]:
        call(params["after"], ctx, {"snapshot": name, "errors": errors})
    if params["stop"]:
        if isinstance(ctx, Context):
            ctx.checkpoint()
        raise StepFailed(f"ctx was rolled back to {name}, for ctx[{key!r}] had {described(errors)}")
    return {"rolled_back": True, **({"errors_in_snapshot": True} if again and not params["clear_errors"] else {})}


def _source(ctx: Ctx, params: dict[str, Any]) -> tuple[str, dict[str, Any], list[str] | None]:
    """The name of what to go back to, its data, and the keys to put back."""
    name, keys = params["checkpoint"], params["keys"]
    if name is not None:
        points = table(ctx, CHECKPOINTS)
        if name not in points:
            raise MissingKey(f"there is no checkpoint {name!r}{nearest(name, points)}")
        data = plain(ctx, CHECKPOINTS)[name]
        if not isinstance(data, dict):
            raise ShapeError(f"ctx['{CHECKPOINTS}'][{name!r}] is no checkpoint, but {described(data)}")
        return f"checkpoint {name}", data, keys or table(ctx, CHECKPOINT_META).get(name, {}).get("keys")
    path = params["snapshot"]
    if Path(path).is_dir():
        path = newest(path, params["back"])
    return path, load(path), keys


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_rollback")
