"""Who made a change: the context's step, the only running one, the environment's, or the program."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from octo.store import Author, ParameterStore, current_instance, running_step, writing_as
from octo.store import author as author_module


@pytest.fixture
def anonymous(store: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> ParameterStore:
    """A store without a name of its own."""
    monkeypatch.delenv("OCTO_CALL", raising=False)
    return ParameterStore(store.directory)


def last(store: ParameterStore) -> Any:
    return store.history(limit=1)[0]


def of_thread(work: Any) -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def test_the_step_of_this_context(anonymous: ParameterStore) -> None:
    anonymous.set("ctx", {})
    step = Author("load", 3, 2, anonymous.directory)
    with writing_as(step) as same:
        assert same is running_step() is step
        assert current_instance() == anonymous.directory
        anonymous.set("ctx", "a", 1)
        with writing_as(Author("inner", 4, 5)):
            anonymous.set("ctx", "b", 1)
        anonymous.set("ctx", "c", 1)
    found = [(c.who, c.visit, c.call) for c in anonymous.history(since=1)]
    assert found == [("load", 3, 2), ("inner", 0, 0), ("load", 3, 2)]
    assert running_step() is None
    assert current_instance() is None


def test_a_thread_of_the_only_running_step(anonymous: ParameterStore) -> None:
    step = Author("load", 3, 2, anonymous.directory)
    with writing_as(step):
        assert of_thread(running_step) is step
        of_thread(lambda: anonymous.set("ctx", "a", 1))
    assert last(anonymous).who == "load"


def test_a_thread_while_two_steps_run_is_nobodys(anonymous: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not guessed; nor does the environment of this process tell anything about it."""
    monkeypatch.setenv("OCTO_CALL", "1:1:outer|")
    with writing_as(Author("one")), writing_as(Author("two")):
        assert of_thread(running_step) is None
        of_thread(lambda: anonymous.set("ctx", "a", 1))
    assert last(anonymous).who == author_module.program()


def test_the_author_goes_with_an_exception(anonymous: ParameterStore) -> None:
    with pytest.raises(ValueError), writing_as(Author("load")):
        raise ValueError
    assert running_step() is None
    assert author_module._running == []


WRITES = "import sys; from octo.store import ParameterStore; ParameterStore(sys.argv[1]).set('ctx', 'a', 1)"


def run(arguments: list[str], call: str | None = None, **more: Any) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "OCTO_CALL"}
    if call is not None:
        environment["OCTO_CALL"] = call
    subprocess.run([sys.executable, *arguments], env=environment, check=True, **more)


def test_a_program_that_a_step_starts(anonymous: ParameterStore) -> None:
    step = Author("load | all: rows", 3, 2, anonymous.directory)
    run(["-c", WRITES, str(anonymous.directory)], step.to_environment())
    change = last(anonymous)
    assert (change.who, change.visit, change.call) == ("load | all: rows", 3, 2)


def test_a_program_that_a_step_of_another_instance_starts(anonymous: ParameterStore, tmp_path: Path) -> None:
    """The name stays, the call's number would mean nothing here."""
    run(["-c", WRITES, str(anonymous.directory)], Author("load", 3, 2, tmp_path).to_environment())
    change = last(anonymous)
    assert (change.who, change.visit, change.call) == ("load", 0, 0)


@pytest.mark.parametrize("text", ["", "nonsense", "1:2", "1:2:who", "x:2:who|", "1::who|", ":::|"])
def test_an_environment_that_says_nothing(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTO_CALL", text)
    assert running_step() is None


@pytest.mark.parametrize("instance", [None, Path("/some where/with|bar")])
def test_the_environment_keeps_all(instance: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Author("who", 1, 2, instance)
    monkeypatch.setenv("OCTO_CALL", step.to_environment())
    found = running_step()
    assert found is not None
    assert (found.visit, found.call) == (1, 2)
    if instance is None:
        assert found == step


def test_a_program_is_named_with_its_number(anonymous: ParameterStore, tmp_path: Path) -> None:
    script = tmp_path / "report.py"
    script.write_text(WRITES + "; import os; print(os.getpid())")
    done = subprocess.run([sys.executable, str(script), str(anonymous.directory)], capture_output=True, text=True,
                          env={k: v for k, v in os.environ.items() if k != "OCTO_CALL"}, check=True)
    assert last(anonymous).who == f"report.py[{done.stdout.strip()}]"


@pytest.mark.parametrize(("arguments", "name"), [
    (["/usr/bin/octo"], "octo"), (["/lib/octo/__main__.py", "get"], "octo"), (["-c"], "-c"), ([""], "python"),
    ([], "python")])
def test_names_of_programs(arguments: list[str], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", arguments)
    assert author_module.program() == f"{name}[{os.getpid()}]"


def test_a_name_given_stands_behind_the_steps(store: ParameterStore) -> None:
    store.set("ctx", "a", 1)
    assert last(store).who == "test"
    with writing_as(Author("load")):
        store.set("ctx", "a", 2)
        assert last(store).who == "load"
        with store.transaction(who="by hand") as tx:
            tx.set(("ctx", "a"), 3)
    assert last(store).who == "by hand"
