"""Fixtures for all tests."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

# A shared or busy machine must not fail a property for being slow.
hypothesis.settings.register_profile("octo", deadline=None)
hypothesis.settings.load_profile("octo")


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the repository."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _no_surrounding_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that are themselves started by a step must not write in its name."""
    monkeypatch.delenv("OCTO_CALL", raising=False)
