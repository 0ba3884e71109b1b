"""When scheduled jobs are due."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from octo.errors import InvalidValue
from octo.executors.timing import Timing, seconds_of


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A zone whose clocks are set back in October and forward in March."""
    if not hasattr(time, "tzset"):
        pytest.skip("the zone of a process cannot be set here")
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def next_time(now: str, **setting: Any) -> str:
    found = Timing.of(setting).next_time(epoch(now))
    return "" if found is None else datetime.fromtimestamp(found).isoformat(" ")


@pytest.mark.parametrize(("now", "setting", "due"), [
    ("2025-06-01 12:00", {"at": "15:30"}, "2025-06-01 15:30:00"),
    ("2025-06-01 15:30", {"at": "15:30"}, "2025-06-02 15:30:00"),
    ("2025-12-31 23:59:59", {"at": "9:00:05", "repeat": "daily"}, "2026-01-01 09:00:05"),
    ("2025-06-01 12:00", {"at": "2099-01-31T15:30"}, "2099-01-31 15:30:00"),
    ("2025-06-01 12:00", {"at": "2099-01-31T14:30Z"}, "2099-01-31 15:30:00"),
    ("2025-06-01 12:02:30", {"cron": "*/5 * * * *"}, "2025-06-01 12:05:00"),
    ("2025-06-01 12:00", {"cron": "0 9 * * mon-fri"}, "2025-06-02 09:00:00"),
    ("2025-03-30 01:00", {"at": "02:30"}, "2025-03-30 03:30:00"),
])
def test_the_next_time(now: str, setting: dict[str, Any], due: str) -> None:
    assert next_time(now, **setting) == due


def test_each_time_is_after_now_when_clocks_are_set_back() -> None:
    now = epoch("2025-10-26 01:50")
    timing, found = Timing.of({"cron": "*/30 * * * *"}), []
    for _ in range(5):
        due = timing.next_time(now)
        assert due is not None and due > now
        found.append((due - epoch("2025-10-26 00:00+00:00")) / 60)
        now = due
    # each half hour of local time, the first pass of the hour that comes twice or the second
    assert found == sorted(found) and found[0] == 0 and len(set(found)) == 5


def test_a_moment_that_is_past_is_none() -> None:
    assert next_time("2099-01-31 15:30", at="2099-01-31 15:30") == ""


@pytest.mark.parametrize(("value", "seconds"), [
    (60, 60), (0.5, 0.5), ("90s", 90), ("5m", 300), ("2 h", 7200), ("1d", 86400), ("PT5M", 300), ("P1DT1H", 90000),
    ("pt1.5s", 1.5),
])
def test_durations(value: Any, seconds: float) -> None:
    assert seconds_of(value) == seconds


@pytest.mark.parametrize(("setting", "said"), [
    ({}, "one of interval, at and cron, not none"),
    ({"interval": 1, "at": "1:00"}, "not interval and at"),
    ({"interval": 0}, "more than 0"), ({"interval": "soon"}, "5m or PT5M"), ({"interval": "P"}, "5m or PT5M"),
    ({"interval": True}, "5m or PT5M"), ({"interval": float("nan")}, "more than 0"),
    ({"at": "24:00"}, "no time of day"), ({"at": "noon"}, "such as 15:30"),
    ({"at": "2001-01-01 10:00"}, "still to come"), ({"at": "2099-01-01 10:00", "repeat": "daily"}, "time of day"),
    ({"at": "10:00", "repeat": "weekly"}, "once or daily"), ({"interval": 1, "repeat": "daily"}, "goes with at"),
    ({"at": "10:00", "run_now": True}, "goes with what repeats"), ({"interval": 1, "run_now": "yes"}, "true or false"),
    ({"cron": "* * *"}, "such as"), ({"cron": "0 0 31 2 *"}, "cron"), ({"evry": 1}, "no 'evry'"),
])
def test_mistakes(setting: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidValue, match=said):
        Timing.of(setting)
