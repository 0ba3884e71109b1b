"""Worker processes: what a body sees, what comes back, and what happens when one of the two sides dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from octo.errors import BodyFailed, CutOff, InvalidValue, StepTimeout, UsageError
from octo.executors.workers import Workers
from octo.store import Author
from tests.executors.kit import CHECKOUT, Place, is_gone, number_in, until


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path, {"n": 1}, size=2)
    yield place
    place.workers.close(0)


def test_value_and_changes_come_back_and_nothing_is_written_by_the_worker(place: Place) -> None:
    result = place.run("count", params={"by": 2})
    assert result.value == {"n": 3}
    assert result.ops == [{"op": "set", "path": ["ctx", "n"], "value": 3, "old": 1}]
    assert place.file.read(("ctx", "n")) == 1


def test_each_body_sees_what_changed_since_the_last_one(place: Place) -> None:
    for expected in (2, 3, 4):
        result = place.run("count", params={})
        assert result.value == {"n": expected}
        place.apply(result.ops)
    with place.file.transaction("someone") as tx:
        tx.set(("ctx", "n"), 40)
    assert place.run("count", params={}).value == {"n": 41}
    assert place.run("count", params={}).value == {"n": 41}  # what was not applied did not happen


def test_a_worker_is_used_again(place: Place) -> None:
    pids = {place.run("pid").value for _ in range(5)}
    assert len(pids) == 1 and os.getpid() not in pids


def test_bodies_run_at_the_same_time(place: Place) -> None:
    found: list[bool] = []
    names = [("a", "b"), ("b", "a")]
    threads = [threading.Thread(target=lambda pair=pair: found.append(place.run("together", *pair).value))
               for pair in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True, True]


def test_one_beyond_the_size_leaves_room_for_the_others(tmp_path: Path) -> None:
    place = Place(tmp_path, {}, size=1)
    stop = threading.Event()
    thread = threading.Thread(target=lambda: place.run("wait_for_stop", stop=stop, beyond=True))
    thread.start()
    try:
        until((tmp_path / "waiting").exists)
        assert place.run("later", 1).value == 1
    finally:
        stop.set()
        thread.join()
        place.workers.close()


def test_everything_printed_comes_line_by_line(place: Place) -> None:
    place.run("talk")
    assert sorted(place.lines) == sorted(
        ["from print", "from stderr", "from a child", "bad byte \N{REPLACEMENT CHARACTER}", "INFO from a logger",
         "no end of line"])
    assert place.run("stdin").value == ""


@pytest.mark.slow
def test_a_body_that_closes_its_output_costs_its_worker_only(place: Place) -> None:
    assert place.run("close_output").value == "closed"
    assert place.run("later", 2).value == 2


def test_an_exception_comes_with_its_type_bases_and_the_users_traceback(place: Place) -> None:
    with pytest.raises(BodyFailed) as caught:
        place.run("fail")
    error = caught.value
    assert (error.type_name, error.message) == ("KeyError", "'nope'")
    assert error.bases == ("LookupError", "Exception", "BaseException")
    assert 'raise KeyError("nope")' in error.traceback_text and str(CHECKOUT / "octo") not in error.traceback_text
    assert [(op["path"], op["values"]) for op in error.ops] == [(["ctx", "errors"], ["kept"])]
    assert place.run("count", params={}).value == {"n": 2}


def test_what_was_done_before_a_checkpoint_comes_back(place: Place) -> None:
    with pytest.raises(BodyFailed) as caught:
        place.run("checkpoint")
    assert [op["path"] for op in caught.value.ops] == [["ctx", "before"]]


def test_sys_exit_is_a_failure_and_no_death(place: Place) -> None:
    with pytest.raises(BodyFailed) as caught:
        place.run("leave", 3)
    assert (caught.value.type_name, caught.value.message) == ("SystemExit", "3")


def test_a_name_that_is_not_there(place: Place) -> None:
    with pytest.raises(BodyFailed) as caught:
        place.run("cuont")
    assert caught.value.type_name == "NameNotFound" and "count" in caught.value.message


def test_values_that_are_no_json(place: Place) -> None:
    result = place.run("a_set")
    assert result.value is None and result.other["type"] == "set" and result.other["size"] > 0
    with pytest.raises(InvalidValue, match="params/when"):
        place.run("count", params={"when": {1}})


def test_coroutines_and_positional_arguments(place: Place) -> None:
    assert place.run("later", 2**70).value == 2**70


def test_the_program_itself_is_not_there(place: Place) -> None:
    with pytest.raises(UsageError, match="module of its own"):
        place.workers.run("__main__:main", author=Author("step"))


def test_each_body_starts_where_the_run_does(place: Place) -> None:
    assert [place.run("where").value for _ in range(2)] == [str(place.directory)] * 2


def test_a_body_writes_in_its_steps_name(place: Place) -> None:
    assert place.run("author", author=Author("load[3]", 4, 5, place.instance)).value == f"4:5:load[3]|{place.instance}"


def test_the_documented_class_writes_to_the_instance_at_once(place: Place) -> None:
    """And the copy of ctx that the body works on stays as it was."""
    result = place.run("documented", params={})
    assert result.value == 1
    assert place.file.read(("mine", "k")) == 1
    (change,) = [line for line in place.file.lines() if "ops" in line and line["ops"][-1]["path"] == ["mine", "k"]]
    assert (change["who"], change["call"]) == ("step", 1)


def test_history_goes_back_before_the_worker(place: Place) -> None:
    assert place.run("history").value == [["start", 1], ["step", 5]]


@pytest.mark.parametrize(("how", "said"), [("exit", "ended with exit code 7"), ("kill", "was ended by SIGKILL")])
def test_a_death_is_told_and_the_worker_replaced(place: Place, how: str, said: str) -> None:
    with pytest.raises(CutOff, match=said):
        place.run("die", how)
    assert place.run("later", 1).value == 1


def test_a_worker_that_died_while_idle_is_replaced_without_a_word(place: Place) -> None:
    pid = place.run("pid").value
    os.kill(pid, signal.SIGKILL)
    until(lambda: is_gone(pid))
    assert place.run("pid").value != pid


def test_an_exit_in_the_body_is_not_taken_for_an_idle_death(place: Place, tmp_path: Path) -> None:
    place.run("later", 1)
    with pytest.raises(CutOff, match="exit code 0"):
        place.run("die_once", str(tmp_path / "once"))
    assert place.run("die_once", str(tmp_path / "once")).value == "second"


@pytest.mark.slow
def test_a_timeout_ends_the_worker_and_its_children(place: Place) -> None:
    place.run("later", 1)
    with pytest.raises(StepTimeout, match="time-out of 2 s"):
        place.run("hang", timeout=2)
    assert "hanging" in place.lines
    for name in ("pid", "child"):
        pid = number_in(place.directory / name)
        until(lambda pid=pid: is_gone(pid))
    assert place.run("later", 1).value == 1


def test_a_stop_request_reaches_the_body(place: Place) -> None:
    stop = threading.Event()
    threading.Thread(target=lambda: (until((place.directory / "waiting").exists), stop.set()), daemon=True).start()
    assert place.run("wait_for_stop", stop=stop).value is True
    assert place.run("later", 1).value == 1


def test_a_body_that_does_not_heed_the_request_is_ended(place: Place) -> None:
    stop = threading.Event()
    threading.Thread(target=lambda: (number_in(place.directory / "pid"), stop.set()), daemon=True).start()
    with pytest.raises(CutOff, match=r"did not within 0.1 s"):
        place.run("hang", stop=stop, stop_timeout=0.1)
    assert is_gone(number_in(place.directory / "pid"))


def test_close_ends_what_still_runs(place: Place) -> None:
    errors: list[BaseException] = []

    def hang() -> None:
        try:
            place.run("hang")
        except CutOff as error:
            errors.append(error)

    thread = threading.Thread(target=hang)
    thread.start()
    pids = [number_in(place.directory / name) for name in ("pid", "child")]
    place.workers.close()
    thread.join(60)
    assert len(errors) == 1
    until(lambda: all(is_gone(pid) for pid in pids))
    with pytest.raises(CutOff, match="run has ended"):
        place.run("later", 1)


def test_close_leaves_no_idle_worker(place: Place) -> None:
    pid = place.run("pid").value
    place.workers.close()
    assert is_gone(pid)


def test_usage_is_that_of_the_body(place: Place) -> None:
    place.run("later", 1)
    big, small = place.run("eat").usage, place.run("later", 1).usage
    assert big.cpu >= 0.1 and big.wall >= 0.1
    assert big.rss > (80 << 20)
    if sys.platform == "linux":
        assert small.rss < big.rss - (40 << 20)


ENGINE = """
import sys, threading
from pathlib import Path
from octo.executors.workers import Workers
from octo.store import Author
here = Path(sys.argv[1])
workers = Workers(here / "it", [str(here)], str(here))
workers.run("bodies:count", params={}, author=Author("idle", instance=here / "it"))
idle = workers.run("bodies:pid", author=Author("idle", instance=here / "it")).value
threading.Thread(target=workers.run, args=("bodies:together",),
                 kwargs={"args": ["one", "never"], "author": Author("x", instance=here / "it")}).start()
workers.run("bodies:hang", author=Author("x", instance=here / "it"), on_line=print)
"""


@pytest.mark.faults
def test_when_the_engine_is_killed_no_process_is_left(tmp_path: Path) -> None:
    Place(tmp_path, {}).workers.close()
    engine = subprocess.Popen([sys.executable, "-c", ENGINE, str(tmp_path)], cwd=CHECKOUT)
    try:
        pids = [number_in(tmp_path / name) for name in ("pid", "child")]
        until((tmp_path / "one").exists)
        pids += [process.pid for process in psutil.Process(engine.pid).children(recursive=True)]
        assert len(set(pids)) >= 3
    finally:
        engine.kill()
        engine.wait()
    until(lambda: all(is_gone(pid) for pid in pids))


def test_ending_a_program_without_close_leaves_no_worker(tmp_path: Path) -> None:
    Place(tmp_path, {}).workers.close()
    source = ENGINE.rpartition("threading.Thread")[0] + "print(idle)"
    ended = subprocess.run([sys.executable, "-c", source, str(tmp_path)], cwd=CHECKOUT, capture_output=True, text=True,
                           check=True)
    until(lambda: is_gone(int(ended.stdout)))


def test_a_module_of_the_user_with_a_common_name_is_not_in_the_way(tmp_path: Path) -> None:
    place = Place(tmp_path, {})
    (tmp_path / "queue.py").write_text("raise RuntimeError('this is not yours')")
    try:
        assert place.run("later", 1).value == 1
    finally:
        place.workers.close()


def test_a_worker_that_cannot_start_says_why(tmp_path: Path) -> None:
    place = Place(tmp_path, {})
    workers = Workers(place.instance, [], str(tmp_path / "nowhere"))
    with pytest.raises(CutOff, match="(?s)could not be started.*nowhere"):
        workers.run("bodies:pid", author=Author("step"))
    workers.close()


def test_two_workers_at_once_start_while_others_run(tmp_path: Path) -> None:
    """Many threads ask at once; each gets its own answer."""
    place = Place(tmp_path, {}, size=3)
    answers: dict[int, int] = {}

    def ask(number: int) -> None:
        answers[number] = place.run("later", number).value

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    place.workers.close()
    assert answers == {number: number for number in range(20)}
