"""The programs of the library for shell steps, run as a person types them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from octo.shared_names import shell_steps

ROOT = Path(__file__).resolve().parents[2]

needs_bash = pytest.mark.skipif(shutil.which("bash") is None or os.name == "nt", reason="needs bash")


def plain_environment(**more: str) -> dict[str, str]:
    """What programs need to be found and to write text, and nothing of ctx."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SCREENDIR", "TERM") if name in os.environ}
    return {**kept, **more}


def typed(name: str, *words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """`bash NAME.sh WORDS…` with these variables."""
    return subprocess.run(["bash", shell_steps()[name], *words], cwd=cwd, env=plain_environment(**environment),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
