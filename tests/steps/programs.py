"""The programs of the library for shell steps, run as a person types them."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from octo.shared_names import shell_steps

ROOT = Path(__file__).resolve().parents[2]

needs_bash = pytest.mark.skipif(shutil.which("bash") is None or os.name == "nt", reason="needs bash")

needs_screen = pytest.mark.skipif(shutil.which("screen") is None or os.name == "nt", reason="needs GNU screen")


def plain_environment(**more: str) -> dict[str, str]:
    """What programs need to be found and to write text, and nothing of ctx."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SCREENDIR", "TERM") if name in os.environ}
    return {**kept, **more}


def typed(name: str, *words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """`bash NAME.sh WORDS…` with these variables."""
    return subprocess.run(["bash", shell_steps()[name], *words], cwd=cwd, env=plain_environment(**environment),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


class Screen:
    """Sessions that no other test sees."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str, code: int = 0) -> str:
        done = typed("screen_script", *words, cwd=self.folder, SHELL="/bin/sh")
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if code == 0 else done.stderr

    def until(self, path: str, text: str) -> str:
        """What stands in a file, once the text is in it."""
        give_up = time.monotonic() + 30
        while text not in (found := self.read(path)):
            assert time.monotonic() < give_up, found
            time.sleep(0.05)
        return found

    def read(self, path: str) -> str:
        file = self.folder / path
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
