"""Jobs behind the steps: their states and records, cancelling, periodic ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from octo.errors import UsageError
from octo.executors.jobs import RUNNING, Job, JobPool, Limit, current_job, default_pool, is_live
from octo.executors.timing import Timing
from octo.store import Author, running_step, writing_as
from tests.executors.kit import until

LONG = 60.0


@pytest.fixture
def records() -> list[tuple[str, dict[str, Any]]]:
    return []


@pytest.fixture
def pool(records: list[tuple[str, dict[str, Any]]]) -> Iterator[JobPool]:
    pool = JobPool(4, record=lambda id, entry: records.append((id, entry)))
    yield pool
    pool.close()


def statuses(records: list[tuple[str, dict[str, Any]]], id: str) -> list[str]:
    return [entry["status"] for name, entry in records if name == id]


def test_a_job_and_its_record(pool: JobPool, records: list[tuple[str, dict[str, Any]]]) -> None:
    job = pool.submit(lambda x, y: x + y, 2, 3, job_id="add")
    assert job.result(LONG) == 5 and job.status == "done"
    assert statuses(records, "add") == ["queued", "running", "done"]
    last = records[-1][1]
    assert last["result"] == 5 and last["start"] <= last["end"] and "error" not in last


def test_a_failure_is_kept_and_raised(pool: JobPool, records: list[tuple[str, dict[str, Any]]]) -> None:
    job = pool.submit(lambda: 1 / 0, job_id="bad")
    with pytest.raises(ZeroDivisionError):
        job.result(LONG)
    assert records[-1][1]["status"] == "error" and records[-1][1]["error"] == "division by zero"


def test_a_result_that_is_no_json_is_an_error(pool: JobPool) -> None:
    job = pool.submit(lambda: {1, 2})
    with pytest.raises(TypeError, match="no JSON value but set"):
        job.result(LONG)


def test_an_id_in_use_is_refused_until_its_job_has_ended(pool: JobPool) -> None:
    go = threading.Event()
    job = pool.submit(go.wait, LONG, job_id="one")
    with pytest.raises(UsageError, match="a job one is"):
        pool.submit(go.wait, job_id="one")
    go.set()
    job.result(LONG)
    assert pool.submit(lambda: 2, job_id="one").result(LONG) == 2


def test_no_more_at_once_than_allowed_and_in_order() -> None:
    pool = JobPool(2)
    lock, running, most, order = threading.Lock(), [0], [0], []
    both = threading.Barrier(2, timeout=LONG)

    def work(number: int) -> None:
        with lock:
            order.append(number)
            running[0] += 1
            most[0] = max(most[0], running[0])
        both.wait()
        with lock:
            running[0] -= 1

    jobs = [pool.submit(work, number) for number in range(8)]
    assert pool.wait(LONG)
    assert most[0] == 2 and [job.status for job in jobs] == ["done"] * 8
    assert [sorted(order[at : at + 2]) for at in range(0, 8, 2)] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    pool.close()


def test_cancel_a_queued_and_a_running_one(records: list[tuple[str, dict[str, Any]]]) -> None:
    pool = JobPool(1, record=lambda id, entry: records.append((id, entry)))
    begun, seen = threading.Event(), threading.Event()

    def long() -> None:
        job = current_job()
        assert job is not None
        begun.set()
        if job.stop.wait(LONG):
            seen.set()

    running = pool.submit(long, job_id="running")
    begun.wait(LONG)
    queued = pool.submit(lambda: None, job_id="queued")
    assert queued.cancel() and running.cancel() and not running.cancel()
    assert seen.wait(LONG)
    assert pool.submit(lambda: 3).result(LONG) == 3
    assert statuses(records, "queued") == ["queued", "cancelled"]
    assert statuses(records, "running") == ["queued", "running", "cancelled"]
    with pytest.raises(UsageError, match="cancelled"):
        running.result(LONG)
    pool.close()


def test_a_periodic_job_lives_until_it_is_cancelled(pool: JobPool) -> None:
    calls: list[int] = []
    job = pool.submit(lambda: calls.append(1), periodic=True, interval=0.01, name="tick")
    until(lambda: len(calls) >= 3)
    assert pool.wait(LONG)  # it is not waited for
    assert job.status == "running" and job.id.startswith("tick-")
    assert pool.cancel_all() == [job]
    assert job.status == "cancelled" and job.wait(0)


def test_a_periodic_job_is_called_also_while_others_are_busy() -> None:
    pool = JobPool(2)
    go, calls = threading.Event(), []
    job = pool.submit(lambda: calls.append(1), interval=0.01)
    until(lambda: calls)
    busy = pool.submit(go.wait, LONG)
    seen = len(calls)
    until(lambda: len(calls) > seen + 2)
    assert busy.status == RUNNING and job.status == RUNNING
    go.set()
    pool.close()


def test_a_periodic_job_that_fails_ends(pool: JobPool) -> None:
    def fail() -> None:
        raise ValueError("once")

    job = pool.submit(fail, interval=0.01)
    with pytest.raises(ValueError, match="once"):
        job.result(LONG)


def test_waiting_has_an_end(pool: JobPool) -> None:
    go = threading.Event()
    pool.submit(go.wait, LONG)
    assert not pool.wait(0.05)
    go.set()
    assert pool.wait(LONG)


def test_the_author_of_who_submitted_and_what_is_around() -> None:
    entered: list[str] = []

    @contextmanager
    def around(job: Job) -> Iterator[None]:
        entered.append(job.id)
        yield

    pool = JobPool(1, around=around)
    with writing_as(Author("load", 1, 2)):
        job = pool.submit(lambda: getattr(running_step(), "who", None), job_id="a")
    assert job.result(LONG) == "load" and entered == ["a"]
    pool.close()


def test_a_record_that_cannot_be_kept_does_not_hurt_the_job(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(id: str, entry: dict[str, Any]) -> None:
        raise OSError("disk full")

    pool = JobPool(1, record=refuse)
    assert pool.submit(lambda: 1, job_id="a").result(LONG) == 1
    assert "job a" in caplog.text
    pool.close()


def test_a_closed_pool_takes_no_more(pool: JobPool) -> None:
    pool.close()
    with pytest.raises(UsageError, match="no more jobs"):
        pool.submit(lambda: 1)


def test_outside_a_run_there_is_a_pool_too() -> None:
    assert default_pool() is default_pool()
    assert default_pool().submit(lambda: 1).result(LONG) == 1
    assert current_job() is None


def test_a_scheduled_job_tells_of_each_call_and_outlives_a_failure(
        pool: JobPool, records: list[tuple[str, dict[str, Any]]]) -> None:
    calls: list[int] = []

    def work() -> int:
        calls.append(1)
        if len(calls) == 2:
            raise ValueError("not now")
        return len(calls)

    job = pool.submit(work, job_id="tick", timing=Timing.of({"interval": 0.01}))
    until(lambda: len(records) >= 7)
    assert pool.wait(LONG) and job.cancel() and job.wait(LONG)
    entries = [entry for _, entry in records]
    assert [entry["status"] for entry in entries][:7] == [
        "queued", "running", "done", "running", "error", "running", "done"]
    assert entries[0]["start"] is None and entries[0]["next_run"] and entries[1]["next_run"] is None
    assert entries[2]["next_run"] > entries[2]["end"] - 0.01 and entries[2]["result"] == 1
    assert entries[4]["error"] == "not now" and "result" not in entries[4]
    assert entries[-1]["status"] == "cancelled" and entries[-1]["next_run"] is None
    assert [is_live(entry) for entry in (entries[0], entries[4], entries[-1])] == [True, True, False]


def test_one_call_at_a_time_of_the_clock(pool: JobPool, monkeypatch: pytest.MonkeyPatch) -> None:
    real, ahead = time.time, [0.0]
    monkeypatch.setattr("octo.executors.jobs.time.time", lambda: real() + ahead[0])
    monkeypatch.setattr("octo.executors.jobs.LOOK_AT_CLOCK", 0.01)
    later = datetime.fromtimestamp(real() + 3600).isoformat()
    job = pool.submit(lambda: "here", job_id="once", timing=Timing.of({"at": later}))
    assert not job.wait(0.05) and not job.periodic and job.status == "queued"
    ahead[0] = 3601.0  # the clock is set: what is due by it is not left to sleep
    assert job.result(LONG) == "here" and (job.status, job.runs, job.next_run) == ("done", 1, None)


def test_a_periodic_job_that_is_done(pool: JobPool) -> None:
    def work() -> int:
        job = current_job()
        assert job is not None
        job.finish()
        return 1

    job = pool.submit(work, periodic=True, interval=0.01)
    assert job.result(LONG) == 1 and job.status == "done"


def test_a_function_that_returns_as_soon_as_it_is_cancelled_has_not_ended_well(pool: JobPool) -> None:
    for _ in range(100):
        began = threading.Event()

        def work(began: threading.Event = began) -> None:
            job = current_job()
            began.set()
            assert job is not None and job.stop.wait(LONG)

        job = pool.submit(work)
        assert began.wait(LONG) and job.cancel() and job.status == "cancelled"


def test_a_limit_holds_the_others_back(pool: JobPool) -> None:
    limit, go = Limit(2), threading.Event()
    began: list[int] = []

    def work(number: int) -> int:
        began.append(number)
        assert go.wait(LONG)
        return number

    jobs = [pool.submit(work, number, job_id=f"j{number}", limit=limit) for number in range(5)]
    other = pool.submit(lambda: 1)
    assert other.result(LONG) == 1 and until(lambda: len(began) == 2)
    assert [job.status for job in jobs] == ["running", "running", "queued", "queued", "queued"]
    assert jobs[2].cancel()
    go.set()
    assert pool.wait(LONG) and sorted(began[:2]) == [0, 1] and sorted(began) == [0, 1, 3, 4]  # threads may overtake
    with pytest.raises(UsageError, match="at least one"):
        Limit(0)


def test_a_cancelled_job_keeps_its_turn_until_its_function_returns(pool: JobPool) -> None:
    limit, go, began = Limit(1), threading.Event(), threading.Event()

    def first() -> None:
        began.set()
        assert go.wait(LONG)

    one = pool.submit(first, limit=limit)
    two = pool.submit(go.is_set, limit=limit)
    assert began.wait(LONG) and one.cancel() and two.status == "queued"
    go.set()
    assert two.result(LONG) is True


def test_jobs_after_others(pool: JobPool) -> None:
    done: list[str] = []
    go = threading.Event()
    one = pool.submit(lambda: go.wait(LONG) and done.append("one"), job_id="one")
    two = pool.submit(lambda: 1 / 0, job_id="two")
    three = pool.submit(done.append, "three", after=[one])
    four = pool.submit(done.append, "four", after=[one, three])
    five = pool.submit(done.append, "five", after=[one, two], job_id="five")
    six = pool.submit(done.append, "six", after=[five])
    assert two.wait(LONG) and five.status == "queued" and done == []
    go.set()
    assert pool.wait(LONG) and four.result() is None and done == ["one", "three", "four"]
    with pytest.raises(UsageError, match="to come after job two, which ended as error"):
        five.result()
    with pytest.raises(UsageError, match="after job five"):
        six.result()
    with pytest.raises(UsageError, match="after job two"):
        pool.submit(done.append, "late", after=[two]).result(LONG)


def test_jobs_that_wait_for_jobs_beyond_the_size() -> None:
    pool = JobPool(1)
    job = pool.submit(lambda: pool.submit(lambda: 7, beyond=True).result(LONG))
    assert job.result(LONG) == 7
    pool.close()


def test_progress(pool: JobPool, records: list[tuple[str, dict[str, Any]]]) -> None:
    def work() -> None:
        job = current_job()
        assert job is not None
        job.report(50)
        with pytest.raises(UsageError, match="0 to 100"):
            job.report(101)

    pool.submit(work, job_id="p").result(LONG)
    assert [entry.get("progress") for _, entry in records] == [None, None, 50, 50]
