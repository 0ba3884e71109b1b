"""Fixtures for all tests."""

from __future__ import annotations

import signal
from pathlib import Path

import hypothesis
import pytest

# `make test &` in a script starts us with Ctrl-C ignored, and the programs that tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

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
