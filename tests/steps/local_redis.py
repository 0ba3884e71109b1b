"""A real Redis server for tests, on a socket file of its own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def local_redis(*options: str) -> Iterator[str]:
    """The URL of a server for the time of the block; it keeps nothing on disk."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("the program redis-server is not there")
    folder = Path(tempfile.mkdtemp(prefix="redis-"))  # not tmp_path: the path of a socket is short
    socket = folder / "redis.sock"
    server = subprocess.Popen([program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no",
                               "--dir", str(folder), *options], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        said = []
        for line in server.stdout:
            said.append(line)
            if "connections at" in line or "Ready to accept" in line:
                break
        else:
            raise AssertionError("redis-server did not start: " + "".join(said))
        yield f"unix://{socket}"
    finally:
        server.terminate()
        server.communicate(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)
