"""A note beside a file that a step wrote: what it is, by whom, when."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from octo.store import running_step
from octo.store.values import dumps
from step_library.kit.files.file_io import write_whole
from step_library.kit.records.records import now_text


def write_sidecar(target: Path, **about: Any) -> None:
    """Write TARGET.meta.json: what is given, and time, process and the step that runs (null outside of one)."""
    step = running_step()
    note = {**about, "time": now_text(), "process": os.getpid(), "step": step.who if step else None}
    write_whole(target.with_name(f"{target.name}.meta.json"), [dumps(note, indent=True) + b"\n"])
