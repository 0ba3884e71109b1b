"""When a scheduled job is due: every so often, at a time of day, at a moment, or by a cron expression."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from octo.errors import InvalidValue, NotAvailable, nearest

SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
NAMES = ("interval", "at", "cron", "repeat", "run_now")
_SHORT = re.compile(r"(\d+(?:\.\d+)?) ?([smhd])")
_ISO = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_TIME_OF_DAY = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


@dataclass(frozen=True)
class Timing:
    """One of `interval` (seconds), `at` and `cron`; `daily` repeats a time of day, `run_now` begins with a call."""

    interval: float | None = None
    at: str = ""
    cron: str = ""
    daily: bool = False
    run_now: bool = False

    @staticmethod
    def of(setting: Mapping[str, Any]) -> Timing:
        """From `{interval: 60 | "5m" | "PT5M"}`, `{at: "HH:MM"}` or `{cron: "*/5 * * * *"}`.

        With `at` also `repeat: daily`, with any of them `run_now`. InvalidValue says what is wrong.
        """
        unknown = next((name for name in setting if name not in NAMES), None)
        if unknown is not None:
            raise InvalidValue(f"a schedule has no {unknown!r}{nearest(str(unknown), NAMES)}")
        given = [name for name in ("interval", "at", "cron") if setting.get(name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise InvalidValue(f"a schedule has one of interval, at and cron, not {found}")
        repeat = setting.get("repeat")
        if repeat is not None and (repeat not in ("once", "daily") or given != ["at"]):
            raise InvalidValue(f"repeat is once or daily, and goes with at; not {repeat!r} with {given[0]}")
        run_now = setting.get("run_now") or False
        if not isinstance(run_now, bool):
            raise InvalidValue(f"run_now is true or false, not {run_now!r}")
        value = setting[given[0]]
        made = Timing(
            interval=seconds_of(value) if given == ["interval"] else None,
            at=str(value).strip() if given == ["at"] else "",
            cron=str(value).strip() if given == ["cron"] else "",
            daily=repeat == "daily", run_now=run_now,
        )
        if run_now and not made.repeats:
            raise InvalidValue(f"run_now goes with what repeats; at: {value!r} is one call")
        if made.interval is None:
            if made.next_time(time.time()) is None:
                raise InvalidValue(f"{given[0]}: {value!r} has no time that is still to come")
            if made.daily and not _TIME_OF_DAY.fullmatch(made.at):
                raise InvalidValue(f"repeat: daily needs a time of day such as 15:30, not {made.at!r}")
        return made

    @property
    def repeats(self) -> bool:
        """There is no last call."""
        return not self.at or self.daily

    def next_time(self, now: float) -> float | None:
        """The next moment after `now`, in epoch seconds; None where there is none. Not for `interval`."""
        if self.cron:
            return _cron_time(self.cron, now)
        found = _TIME_OF_DAY.fullmatch(self.at)
        if not found:
            moment = _moment(self.at)
            return moment if moment > now else None
        hour, minute, second = (int(part or 0) for part in found.groups())
        if hour > 23 or minute > 59 or second > 59:
            raise InvalidValue(f"at: {self.at!r} is no time of day; they go from 00:00 to 23:59:59")
        day = date.fromtimestamp(now)
        while True:  # today or tomorrow
            due = _after(datetime(day.year, day.month, day.day, hour, minute, second), now)
            if due is not None:
                return due
            day += timedelta(days=1)


def seconds_of(value: Any) -> float:
    """Seconds of a number, of text such as 90s, 5m, 2h, 1d, and of an ISO 8601 duration such as PT5M."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        found = float(value)
    else:
        text = str(value).strip()
        short, iso = _SHORT.fullmatch(text.lower()), _ISO.fullmatch(text.upper())
        if short:
            found = float(short[1]) * SECONDS[short[2]]
        elif iso and any(iso.groups()):
            found = sum(float(part or 0) * SECONDS[unit] for part, unit in zip(iso.groups(), "dhms", strict=True))
        else:
            raise InvalidValue(f"interval is a number of seconds, or text such as 5m or PT5M, not {value!r}")
    if not 0 < found < float("inf"):
        raise InvalidValue(f"interval is more than 0 seconds, not {value!r}")
    return found


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError, OSError):
        raise InvalidValue(f"at is a time such as 15:30, or a moment such as 2031-01-31 15:30, not {text!r}") from None


def _after(local: datetime, now: float) -> float | None:
    """A local time in epoch seconds if it is after now. When clocks are set back, a time comes twice."""
    for fold in (0, 1):
        found = local.replace(fold=fold).timestamp()
        if found > now:
            return found
    return None


def _cron_time(text: str, now: float) -> float | None:
    try:
        from cronsim import CronSim, CronSimError
    except ImportError:
        raise NotAvailable("cron expressions need cronsim",
                           hints=["pip install 'octo-step-engine[schedule]'"]) from None
    try:
        for local in CronSim(text, datetime.fromtimestamp(now)):
            due = _after(local, now)
            if due is not None:
                return due
    except CronSimError as error:
        raise InvalidValue(f"cron: {text!r}: {error}; it is such as */5 * * * *") from None
    return None


def next_call(timing: Timing, last: float | None = None) -> tuple[float, float] | None:
    """When the next call is due, by time.monotonic() and in epoch seconds; None where there is none.

    `last` is when the one before began, None in front of the first.
    """
    if last is not None and not timing.repeats:
        return None
    now, clock = time.monotonic(), time.time()
    if timing.interval is not None:
        moment = next_turn(now if last is None else last, timing.interval)
        return moment, clock + moment - now
    due = timing.next_time(clock)
    return None if due is None else (now + due - clock, due)


def next_turn(last: float, interval: float) -> float:
    """The first moment of the row last + interval, last + 2 * interval, … to come: late ones are not made up for."""
    missed = max(0.0, (time.monotonic() - last) // interval)
    return last + (missed + 1) * interval
