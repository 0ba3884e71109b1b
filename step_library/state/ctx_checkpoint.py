"""Named copies of ctx kept in ctx itself, or in files, and put back on request."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from octo.errors import MissingKey, ShapeError, UsageError, nearest
from octo.scriptlet import Param, scriptlet
from step_library.kit.files.snapshots import checked_name, encoded, load, write
from step_library.kit.records.records import now_text
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

ACTIONS = ("save", "restore", "save_file", "restore_file", "preview", "list", "delete", "prune")


@scriptlet(
    params=[
        Param("action", "str", help="save or restore a checkpoint in ctx, save_file or restore_file in a file, preview "
              "a restore, list them, delete one, or prune them", choices=ACTIONS),
        Param("name", "str | null", None, "name of the checkpoint",
              required_when={"action": [action for action in ACTIONS if action not in ("list", "prune")]}),
        Param("comment", "str", "", "note that list shows"),
        Param("keys", "list[str] | null", None, "save or restore only these keys; all others stay on restore"),
        Param("file", "str | null", None, "file for save_file and restore_file instead of Data/checkpoint_NAME.json"),
        Param("overwrite", "bool", True, "a save replaces the checkpoint of that name; false refuses"),
        Param("must_exist", "bool", False, "to restore a checkpoint that is not there is a KeyError"),
        Param("keep", "int | null", None, "after save, and for prune: keep the newest this many"),
        Param("max_age", "number | null", None, "after save, and for prune: drop those older than these seconds"),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Keep a deep copy of ctx in ctx['_checkpoints'][name] (without the checkpoints themselves), or put one back.

    Returns {checkpoint_saved: name}, {checkpoint_restored: name}, for files the same with file; preview {would_change},
    list {checkpoints}, delete {checkpoint_deleted}, prune {pruned: names}. A restore replaces ctx, and keeps all
    checkpoints; of one that was saved with keys it puts back these only. Restore of an unknown name leaves ctx
    alone and returns {error: 'No such checkpoint'}. Time and comment are in ctx['_checkpoint_meta'].
    """
    action, name = params["action"], params["name"]
    if params["keep"] is not None and params["keep"] < 0:
        raise UsageError(f"keep is to be 0 or more, not {params['keep']}")
    table(ctx, CHECKPOINTS), table(ctx, CHECKPOINT_META)
    with one_change(ctx):
        if action == "list":
            return {"checkpoints": _listed(ctx)}
        if action == "save_file":
            return _save_file(ctx, name, params)
        if action == "restore_file":
            return _restore(ctx, name, load(_file(name, params)), params["keys"], {"file": _file(name, params)})
        if action == "save":
            return _save(ctx, name, params)
        if action == "prune":
            return {"pruned": _pruned(ctx, params)}
        if name not in table(ctx, CHECKPOINTS):
            if params["must_exist"]:
                raise MissingKey(f"there is no checkpoint {name!r}{nearest(name, table(ctx, CHECKPOINTS))}")
            return {"error": "No such checkpoint"}
        if action == "delete":
            _drop(ctx, name)
            return {"checkpoint_deleted": name}
        data = plain(ctx, CHECKPOINTS)[name]
        if not isinstance(data, Mapping):
            raise ShapeError(f"ctx['{CHECKPOINTS}'][{name!r}] is no checkpoint, but {described(data)}")
        keys = params["keys"] or table(ctx, CHECKPOINT_META).get(name, {}).get("keys")
        if action == "preview":
            return {"would_change": changes(ctx, plan(ctx, data, where=f"the checkpoint {name!r}", keys=keys))}
        return _restore(ctx, name, data, keys, {})


def _save(ctx: Ctx, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    if not params["overwrite"] and name in table(ctx, CHECKPOINTS):
        raise UsageError(f"there is a checkpoint {name!r} already, and overwrite is false")
    copy = copied_ctx(ctx, keys=params["keys"])
    meta = {"timestamp": now_text(), "time": time.time(), "comment": params["comment"], "keys": params["keys"]}
    for key, value in ((CHECKPOINTS, copy), (CHECKPOINT_META, meta)):
        ctx.setdefault(key, {})
        ctx[key].pop(name, None)  # the newest stands last
        ctx[key][name] = value
    if params["keep"] is not None or params["max_age"] is not None:
        _pruned(ctx, params)
    return {"checkpoint_saved": name}


def _save_file(ctx: Ctx, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    file = _file(name, params)
    write(file, encoded(copied_ctx(ctx, keys=params["keys"]), packed=file.endswith(".gz")))
    return {"checkpoint_saved": name, "file": file}


def _restore(ctx: Ctx, name: str, data: Mapping[str, Any], keys: list[str] | None, more: dict[str, Any]
             ) -> dict[str, Any]:
    put_back(ctx, plan(ctx, data, where=f"the checkpoint {name!r}", keys=keys))
    return {"checkpoint_restored": name, **more}


def _pruned(ctx: Ctx, params: Mapping[str, Any]) -> list[str]:
    """Drop those that are too old, or too many; those without a time count as the oldest."""
    if params["keep"] is None and params["max_age"] is None:
        raise UsageError("prune needs keep or max_age")
    meta = table(ctx, CHECKPOINT_META)
    times = {name: meta.get(name, {}).get("time", 0.0) for name in table(ctx, CHECKPOINTS)}
    order = sorted(times, key=lambda name: times[name])  # stable: of one time the later save is the newer
    drop = order[: max(0, len(order) - params["keep"])] if params["keep"] is not None else []
    if params["max_age"] is not None:
        drop += [name for name in order if name not in drop and time.time() - times[name] > params["max_age"]]
    for name in drop:
        _drop(ctx, name)
    return drop


def _drop(ctx: Ctx, name: str) -> None:
    for key in (CHECKPOINTS, CHECKPOINT_META):
        if name in table(ctx, key):
            del ctx[key][name]


def _listed(ctx: Ctx) -> list[dict[str, Any]]:
    meta = table(ctx, CHECKPOINT_META)
    found = []
    for name, data in table(ctx, CHECKPOINTS).items():
        mine = meta.get(name, {})
        found.append({"name": name, "timestamp": mine.get("timestamp"), "comment": mine.get("comment", ""),
                      "keys": list(data)})
    return found


def _file(name: str, params: Mapping[str, Any]) -> str:
    return params["file"] or f"Data/checkpoint_{checked_name(name)}.json"


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_checkpoint")
