"""Fixtures for tests of state on disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from octo.store import RUN_LOCK_FILE, ParameterStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ParameterStore]:
    """A new instance."""
    with ParameterStore(tmp_path / "instance", create=True, who="test") as made:
        yield made


@pytest.fixture
def running(store: ParameterStore) -> Iterator[None]:
    """An engine runs the instance."""
    from filelock import FileLock

    with FileLock(store.directory / RUN_LOCK_FILE):
        yield


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What must look the same for a second must do so for 50 ms only."""
    monkeypatch.setattr("octo.store.view.Unsettled.PATIENCE", 0.05)


@pytest.fixture
def second() -> float:
    return time.monotonic()
