"""A real PostgreSQL server for tests, in a temporary directory, reached by a socket there; skipped without one."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def local_postgres() -> Iterator[tuple[str, str]]:
    """A server for the time of the block: its URL, in which ${PG_PASSWORD} stands for the password, and that."""
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if os.name != "posix" or not places or not (places[-1] / "initdb").exists():
        pytest.skip("PostgreSQL is not installed")
    user = _other_user() if os.geteuid() == 0 else None  # root is refused
    password = secrets.token_hex(8)
    with tempfile.TemporaryDirectory(prefix="octo-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "password").write_text(password)
        if user is not None:
            shutil.chown(folder, user)
            shutil.chown(folder / "password", user)

        def run(program: str, *args: str) -> None:
            done = subprocess.run([places[-1] / program, *args], user=user, cwd=folder, timeout=120, check=False,
                                  capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
            if done.returncode:
                pytest.skip(f"{program} does not work here: {done.stderr.strip()[-300:]}")

        run("initdb", "-D", "data", "-U", "ann", "-A", "scram-sha-256", "--pwfile=password", "-E", "UTF8", "--no-sync")
        run("pg_ctl", "-D", "data", "-w", "-t", "60", "-l", "log", "-o",
            f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off", "start")
        try:
            yield f"postgresql://ann:${{PG_PASSWORD}}@/postgres?host={folder}", password
        finally:
            run("pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop")


def _other_user() -> str:
    import pwd

    known = {each.pw_name for each in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in known:
            return name
    pytest.skip("PostgreSQL does not run as root, and there is no other user")
