"""Replies kept by what was asked, in ctx["llm_cache"] or a folder, so that the same question is paid for once."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from octo.context import Context
from step_library.kit.files.file_io import write_whole
from step_library.kit.llm.backend import Backend, Reply, Request
from step_library.kit.values.ctx_copies import table
from step_library.kit.values.ctx_values import Ctx
from step_library.kit.values.json_values import canonical

CACHE = "llm_cache"
IN_CTX = "ctx"


def digest(backend: Backend, request: Request) -> str:
    """One name for all equal questions to one service: model, messages and options."""
    asked = [backend.name, backend.place, request.model, [dict(message) for message in request.messages],
             dict(request.options)]
    return hashlib.sha256(canonical(asked).encode()).hexdigest()[:32]


class ReplyCache:
    """`where` is "ctx", a folder, or None for no cache. Entries stay when the step that made them fails."""

    def __init__(self, ctx: Ctx, where: str | None, seconds: float | None) -> None:
        self._ctx, self._seconds = ctx, seconds
        self._folder = Path(where) if where and where != IN_CTX else None
        self._on = where is not None
        if self._on and self._folder is None:
            table(ctx, CACHE)  # ShapeError where something else stands there

    def get(self, name: str) -> Reply | None:
        """The reply of that name, where there is one that is not too old."""
        entry = self._entry(name) if self._on else None
        try:
            if entry is None or (self._seconds is not None and time.time() - entry["made"] >= self._seconds):
                return None
            return Reply(str(entry["text"]), int(entry["prompt_tokens"]), int(entry["completion_tokens"]),
                         bool(entry["estimated"]), str(entry["finish_reason"]))
        except (KeyError, TypeError, ValueError):  # not one of ours: ask again
            return None

    def put(self, name: str, model: str, reply: Reply) -> None:
        """Keep a reply."""
        if not self._on:
            return
        entry = {**asdict(reply), "model": model, "made": time.time()}
        if self._folder is not None:
            write_whole(self._folder / f"{name}.json", [json.dumps(entry, ensure_ascii=False).encode()])
        elif isinstance(self._ctx, Context):
            self._ctx.record(CACHE, entry, id=name)
        else:
            self._ctx.setdefault(CACHE, {})[name] = entry

    def _entry(self, name: str) -> Mapping[str, Any] | None:
        if self._folder is None:
            found: Any = table(self._ctx, CACHE).get(name)
        else:
            try:
                found = json.loads((self._folder / f"{name}.json").read_bytes())
            except (OSError, ValueError):
                found = None
        return found if isinstance(found, Mapping) else None
