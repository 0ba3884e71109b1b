"""Jobs behind the steps: their states and records, cancelling, periodic ones."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
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
    monkeypatch.setattr("octo.executors.due.LOOK_AT_CLOCK", 0.01)
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


def test_a_scheduled_job_after_another_is_called_when_that_is_done(pool: JobPool) -> None:
    go, calls = threading.Event(), []
    first = pool.submit(go.wait, LONG)
    tick = pool.submit(lambda: calls.append(first.status), timing=Timing.of({"interval": 0.01}), after=[first])
    other = pool.submit(calls.append, "never", timing=Timing.of({"interval": 0.01}), after=[pool.submit(lambda: 1 / 0)])
    assert other.wait(LONG) and other.status == "error" and calls == []
    go.set()
    until(lambda: len(calls) >= 3)
    assert tick.cancel() and set(calls) == {"done"}


def test_jobs_that_repeat_beyond_the_size_are_called_again() -> None:
    pool = JobPool(1)
    calls: list[str] = []
    pool.submit(calls.append, "periodic", periodic=True, interval=0.01, beyond=True)
    pool.submit(calls.append, "scheduled", timing=Timing.of({"interval": 0.01, "run_now": True}), beyond=True)
    until(lambda: min(calls.count("periodic"), calls.count("scheduled")) >= 3)
    pool.close()
    assert set(calls) == {"periodic", "scheduled"} and [job.status for job in pool.jobs()] == ["cancelled", "cancelled"]


def test_a_scheduled_job_can_end_itself(pool: JobPool) -> None:
    def work() -> int:
        job = current_job()
        assert job is not None
        job.finish()
        return 7

    job = pool.submit(work, timing=Timing.of({"interval": 0.01}))
    assert job.result(LONG) == 7 and (job.status, job.runs, job.next_run) == ("done", 1, None)


def test_an_id_is_in_use_until_the_end_of_its_job_is_recorded() -> None:
    """Else that would come over what is recorded of the next one."""
    go, found = threading.Event(), []

    def record(id: str, entry: dict[str, Any]) -> None:
        if entry.get("result") == 1:
            assert go.wait(LONG)
        found.append((entry["status"], entry.get("result")))

    pool = JobPool(2, record=record)
    first = pool.submit(lambda: 1, job_id="same")
    until(lambda: first.status == "done")
    next_one = threading.Thread(target=lambda: pool.submit(lambda: 2, job_id="same").result(LONG))
    next_one.start()
    next_one.join(0.1)
    go.set()
    next_one.join(LONG)
    assert found[2:] == [("done", 1), ("queued", None), ("running", None), ("done", 2)]
    pool.close()


def test_a_job_may_be_cancelled_by_one_who_holds_what_its_record_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("octo.executors.job.RECORDED", 0.01)
    held, waits, found = threading.Lock(), threading.Event(), []

    def record(id: str, entry: dict[str, Any]) -> None:
        if entry["status"] == "running":
            waits.set()
            with held:
                pass
        found.append(entry["status"])

    pool = JobPool(1, record=record)
    with held:
        job = pool.submit(lambda: 1)
        assert waits.wait(LONG) and job.cancel() and job.status == "cancelled"
    assert job.wait(LONG) and found == ["queued", "running", "cancelled"]
    pool.close()


def test_those_that_come_after_a_cancelled_one_are_cancelled_with_it(
        pool: JobPool, records: list[tuple[str, dict[str, Any]]]) -> None:
    jobs = [pool.submit(threading.Event().wait, LONG, job_id="0")]
    for number in range(1, 20):
        jobs.append(pool.submit(lambda: None, job_id=str(number), after=[jobs[-1]]))
    pool.cancel_all()
    assert {job.status for job in jobs} == {"cancelled"}
    assert {entry["status"] for id, entry in records if id != "0"} == {"queued", "cancelled"}


def test_a_long_row_of_jobs_that_cannot_begin(pool: JobPool) -> None:
    go = threading.Event()
    job = first = pool.submit(lambda: go.wait(LONG) and 1 / 0)
    for _ in range(2000):
        job = pool.submit(lambda: None, after=[job])
    go.set()
    assert job.wait(LONG) and first.status == job.status == "error"


def test_a_system_without_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs take their turn in the threads that there are."""
    pool, real, left = JobPool(8), threading.Thread.start, [1]

    def start(thread: threading.Thread) -> None:
        if thread.name == "octo-job":
            left[0] -= 1
            if left[0] < 0:
                raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    jobs = [pool.submit(lambda: 1, beyond=number % 2 == 1) for number in range(10)]
    assert [job.result(LONG) for job in jobs] == [1] * 10
    left[0] = 100
    both = threading.Barrier(2, timeout=LONG)
    pair = [pool.submit(both.wait), pool.submit(both.wait)]
    assert sorted(job.result(LONG) for job in pair) == [0, 1]
    pool.close()


class Probe:
    """What many jobs at once did: how often each was called, when, and how many of each limit at the same time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now: Counter[Any] = Counter()
        self.most: Counter[Any] = Counter()
        self.calls: Counter[str] = Counter()
        self.faults: list[str] = []

    def work(self, id: str, groups: list[Any], before: list[Job], fails: bool, seconds: float) -> str:
        job = current_job()
        assert job is not None and job.id == id
        with self.lock:
            self.calls[id] += 1
            self.now.update([*groups, id])
            for group in [*groups, id]:
                self.most[group] = max(self.most[group], self.now[group])
            self.faults += [f"{id} began before {one.id}" for one in before if one.status != "done"]
        job.stop.wait(seconds)
        with self.lock:
            self.now.subtract([*groups, id])
        if fails:
            raise ValueError(id)
        return id


@pytest.mark.parametrize("seed", range(6))
def test_many_jobs_of_all_kinds_from_many_threads(seed: int) -> None:
    """None is lost, none is called twice, no limit is exceeded, none begins before those that it comes after."""
    probe, recorded, keeping = Probe(), {}, threading.Lock()

    def record(id: str, entry: dict[str, Any]) -> None:
        with keeping:
            recorded.setdefault(id, []).append(entry)

    pool = JobPool(4, record=record)
    limits = [Limit(1), Limit(2), Limit(3)]
    jobs: list[Job] = []
    repeating: set[str] = set()

    def submit_some(number: int) -> None:
        chance = random.Random(f"{seed} {number}")
        for place in range(60):
            id = f"{number}-{place}"
            limit = chance.choice([None, *limits])
            beyond = limit is not None and chance.random() < 0.4
            before = chance.sample(jobs[-20:], min(len(jobs[-20:]), chance.choice([0, 0, 1, 3])))
            before = [job for job in before if job.id not in repeating]
            more: dict[str, Any] = {"interval": 0.002} if (kind := chance.random()) < 0.05 else {}
            if 0.05 < kind < 0.1:
                more = {"timing": Timing.of({"interval": 0.002, "run_now": chance.random() < 0.5})}
            if more:
                repeating.add(id)
            groups = [*([] if limit is None else [limit]), *([] if beyond else [pool])]
            job = pool.submit(probe.work, id, groups, before, chance.random() < 0.05, chance.random() * 0.002,
                              job_id=id, limit=limit, beyond=beyond, after=before, **more)
            jobs.append(job)
            if chance.random() < 0.1:
                chance.choice(jobs).cancel()

    threads = [threading.Thread(target=submit_some, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert len(jobs) == 300 and pool.wait(LONG)
    pool.cancel_all()
    assert all(job.wait(LONG) for job in jobs) and until(lambda: not +probe.now)
    assert probe.faults == []
    assert all(probe.most[limit] <= limit.size for limit in limits) and probe.most[pool] <= 4
    for job in jobs:
        last = recorded[job.id][-1]
        assert last == job.as_dict() and last["status"] in ("done", "error", "cancelled")
        assert probe.most[job.id] <= 1
        if job.id not in repeating:
            assert probe.calls[job.id] <= 1 and (job.status != "done" or probe.calls[job.id] == 1)
            states = [entry["status"] for entry in recorded[job.id]]
            order = ["queued", "running", job.status]
            assert [state for state in order if state in states] == list(dict.fromkeys(states))
    assert all(limit._used == 0 and not [job for job in limit._waiting if job.status == "queued"] for limit in limits)
    assert pool.submit(lambda: 1, limit=limits[0]).result(LONG) == 1
    pool.close()
