"""All of ctx written to a JSON file, to look at, to compare or to go back to."""

from __future__ import annotations

import time
from typing import Any

from octo.errors import ShapeError, UsageError
from octo.scriptlet import Param, call, scriptlet
from step_library.kit.files.snapshots import automatic, encoded, load, write, write_new
from step_library.kit.records.records import append, check_list, now_text
from step_library.kit.values.ctx_copies import changes, copied_ctx, one_change, plan, put_back
from step_library.kit.values.ctx_values import Ctx

FOLDER = "Data"


@scriptlet(
    params=[
        Param("out", "str | null", None, "file to write, relative to the working directory; without it "
              "Data/ctx_snapshot_<seconds since 1970>.json, with a counter where that is taken", ("file", "snapshot")),
        Param("folder", "str", FOLDER, "folder of the automatic names"),
        Param("keys", "list[str] | null", None, "only these keys"),
        Param("exclude", "list[str]", [], "not these keys, such as secrets"),
        Param("meta", "bool", False, "write {_meta: timestamp, created_by, recipe, ctx_keys; ctx_data: ctx}, which the "
              "steps that read snapshots understand"),
        Param("by", "str | null", None, "created_by of _meta, which is written then"),
        Param("recipe", "str | null", None, "recipe of _meta, which is written then"),
        Param("gzip", "bool", False, "write it compressed, as out that ends in .gz is; .gz is added to the name"),
        Param("max_bytes", "int | null", None, "refuse to write a larger file"),
        Param("retain", "int | null", None, "with an automatic name: keep this many snapshots of such names"),
        Param("diff_with", "str | null", None, "another snapshot; the result has as diff what changed since then"),
        Param("restore", "str | null", None, "write nothing, but make this snapshot the content of ctx"),
        Param("after", "callable | null", None, "function that is called with the argument snapshot, the path"),
        Param("audit", "bool", False, "tell of it in ctx['audit'], which the snapshot does not show yet"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Write ctx as one JSON object (indented, whole or not at all) and return {snapshot: path}.

    Checkpoints and rollback points that are kept in ctx are not written, nor is the history of a Context. What is no
    JSON (an object, NaN, a key that is no text) is a ShapeError (a TypeError and a ValueError) that names the place,
    and no file is written. Tuples are lists when they are read back.
    """
    if params["restore"]:
        return _restored(ctx, params["restore"])
    if params["audit"]:
        check_list(ctx, "audit")
    started = time.time()
    path, retain = params["out"], params["retain"]
    if retain is not None and (path or retain < 1):
        raise UsageError("retain counts snapshots of automatic names: leave out out" if path else
                         f"retain is to be 1 or more, not {retain}")
    data = copied_ctx(ctx, without=params["exclude"], keys=params["keys"])
    before = load(params["diff_with"]) if params["diff_with"] else None
    packed = params["gzip"] or bool(path and path.endswith(".gz"))
    content = encoded(data, _meta(params, data), packed=packed)
    if params["max_bytes"] is not None and len(content) > params["max_bytes"]:
        raise ShapeError(f"the snapshot would have {len(content):,} bytes, max_bytes is {params['max_bytes']:,}; "
                         "nothing was written")
    result: dict[str, Any] = {}
    if before is not None:
        result["diff"] = changes(before, data)
    if path:
        path += ".gz" if params["gzip"] and not path.endswith(".gz") else ""
        write(path, content)
    else:
        end = ".json.gz" if params["gzip"] else ".json"
        path = write_new(params["folder"], f"ctx_snapshot_{int(started)}", end, content)
        for old in automatic(params["folder"])[: -retain] if retain else []:
            old.unlink(missing_ok=True)
    if params["audit"]:
        append(ctx, "audit", {"step": "ctx_snapshot", "params": {"out": path}, "status": "success", "start": started,
                            "end": time.time(), "duration": time.time() - started})
    if params["after"]:
        call(params["after"], ctx, {"snapshot": path})
    return {"snapshot": path, **result}


def _meta(params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any] | None:
    if not (params["meta"] or params["by"] or params["recipe"]):
        return None
    return {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "created_by": params["by"] or
            "ctx_snapshot", "recipe": params["recipe"], "ctx_keys": list(data)}


def _restored(ctx: Ctx, path: str) -> dict[str, Any]:
    data = load(path)
    check_list(ctx, "restore_history")
    with one_change(ctx):
        put_back(ctx, plan(ctx, data, where=path))
        append(ctx, "restore_history", {"timestamp": now_text(), "file": path, "keys": list(data)})
    return {"restored": path, "keys": list(data)}


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_snapshot")
