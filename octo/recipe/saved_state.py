"""`save_state` and `load_state`: the documents' way to keep ctx between two programs, as JSON.

An instance needs neither: it keeps ctx with every step. These are for programs that use a `Context` by themselves.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from octo.errors import BadJson, UsageError
from octo.store import checked, dumps
from octo.store.files import write_whole

STATE_FILE = "state.json"


def save_state(ctx: Mapping[str, Any], files_touched: Iterable[str | Path] = (), path: str | Path = STATE_FILE) -> Path:
    """Write ctx, and which files were written (with size and SHA-256), whole or not at all; gives the file."""
    target = Path(path).absolute()
    if isinstance(files_touched, (str, Path)):
        files_touched = [files_touched]
    files = [_described(Path(each)) for each in files_touched]
    state = {
        "saved": time.strftime("%Y-%m-%d %H:%M:%S"),
        "ctx": checked(dict(ctx)),
        "files_touched": [each["path"] for each in files],
        "files": files,
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, [dumps(state, indent=True)])
    return target


def load_state(path: str | Path = STATE_FILE) -> dict[str, Any]:
    """What `save_state` wrote: `ctx`, `files_touched`, `files`, `saved`."""
    import json

    target = Path(path)
    try:
        state = json.loads(target.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(
            f"there is no saved state {target.absolute()}; save_state(ctx, files_touched) writes it"
        ) from None
    except ValueError as error:
        raise BadJson(f"{target.absolute()} is no JSON: {error}") from None
    if not isinstance(state, dict) or not isinstance(state.get("ctx"), dict):
        raise BadJson(f"{target.absolute()} is no saved state: it has no mapping ctx")
    return state


def _described(path: Path) -> dict[str, Any]:
    """A file as it is now; without size and hash where it is not there."""
    found: dict[str, Any] = {"path": str(path)}
    if path.is_file():
        digest = hashlib.sha256()
        with path.open("rb") as file:
            for piece in iter(lambda: file.read(1 << 20), b""):
                digest.update(piece)
        found |= {"size": path.stat().st_size, "sha256": digest.hexdigest()}
    return found
