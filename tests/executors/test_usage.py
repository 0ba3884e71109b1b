"""What a body in this process used."""

from __future__ import annotations

import time

from octo.executors.usage import EVERY, Meter, Usage


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_wall_cpu_and_memory() -> None:
    with Meter() as meter:
        burn(0.05)
        time.sleep(0.05)
    usage = meter.usage
    assert usage.cpu >= 0.05 and usage.wall >= 0.1 and usage.wall > usage.cpu
    assert usage.rss > 1 << 20 and not usage.shared
    assert set(usage.as_dict()) == {"wall", "cpu", "rss"}


def test_a_peak_between_start_and_end_is_seen() -> None:
    with Meter() as before:
        pass
    with Meter() as meter:
        data = bytearray(64 << 20)
        data[::4096] = b"1" * len(data[::4096])
        give_up = time.monotonic() + 60
        while meter.rss < before.usage.rss + (48 << 20) and time.monotonic() < give_up:
            time.sleep(EVERY)
        del data
    assert meter.usage.rss >= before.usage.rss + (48 << 20)


def test_bodies_that_overlap_say_so() -> None:
    with Meter() as alone:
        pass
    with Meter() as first, Meter() as second:
        pass
    with Meter() as again:
        pass
    assert [meter.usage.shared for meter in (alone, first, second, again)] == [False, True, True, False]
    assert first.usage.as_dict()["shared"] is True


def test_a_meter_ends_also_where_the_body_raises() -> None:
    meter = Meter()
    try:
        with meter:
            raise ValueError
    except ValueError:
        pass
    assert meter.usage.rss > 0
    with Meter() as next_one:
        pass
    assert not next_one.usage.shared


def test_memory_that_is_not_known_is_left_out() -> None:
    assert Usage(1.23456789, 0.5).as_dict() == {"wall": 1.234568, "cpu": 0.5}
