"""Mistakes that a person makes: one plain message, the nearest right name, what to type next, exit code 2."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from octo.store import ParameterStore

PLAIN = [
    # typed, what the message says, a command to type next
    ("stats it", "there is no command stats; did you mean status?", "octo --help"),
    ("it", "it is a directory, and the command comes first: octo run it", "octo --help"),
    ("lib/step.yaml", "there is no command lib/step.yaml", "octo --help"),
    ("r.yaml", "r.yaml is a recipe, and the command comes first: octo run r.yaml", "octo run r.yaml"),
    ("--stat", "No such option", "octo --help"),
    ("run it --only", "'--only' requires an argument", "octo run --help"),
    ("logs it -n", "'-n' requires an argument", "octo logs --help"),
    ("recipe new --from", "'--from' requires an argument", "octo recipe new --help"),
    ("status it --wach", "--watch", "octo status --help"),
    ("status", "which instance? Give its directory", "octo status --help"),
    ("status ti", "there is no directory ti; did you mean it?", "octo status it"),
    ("status nowhere", "there is no directory nowhere", "octo list instances"),
    ("status more", "more is not an instance; there are some in it: more/one, more/two", "octo status more/one"),
    ("run mroe/oen", "did you mean more/one?", "octo run more/one"),
    ("status empty", "empty is not an instance (it has no .octo_step_engine_parameters.json)", "octo list instances"),
    ("run file.txt", "file.txt is a file; an instance is a directory", None),
    ("run it/.octo_step_engine_parameters.json", "give its directory, it", None),
    ("status r.yaml", "an instance is a directory: r.octo, once it has run here", "octo run r.yaml"),
    ("ctx it.yaml get", "it.yaml is a recipe, and an instance is a directory; did you mean it.octo?",
     "octo ctx it.octo"),
    ("recipe merge r.yaml -o -", "-o takes the name of a file", None),
    ("run lib", "lib is a step library; a run needs an instance of it", "octo init lib_1 --library lib"),
    ("params it globl_parameters", "there is no group 'globl_parameters'; did you mean global_parameters?", None),
    ("params it global_parameters run_count", "did you mean run_step_count?", "octo params it global_parameters"),
    ("params it global_parameters first_step_node -i", "first_step_node", None),
    ("params it global_parameters run_step_count 1 -d", "-i and -d take GROUP and KEY, and no VALUE", None),
    ("params it global_parameters run_step_count -i -d", "contradict", None),
    ("params it global_parameters --string", "--string goes with a VALUE", None),
    ("params it global_parameters first_step_node -x", "Put -- before a value that begins with a dash", None),
    ("ctx get it", "DIR comes before the word that says what to do", "octo ctx it get"),
    ("ctx it gte", "ctx has no 'gte'; did you mean get?", "octo ctx --help"),
    ("ctx it get tempratures", "there is no 'tempratures' in ctx; did you mean temperatures?", "octo ctx it get"),
    ("ctx it get rows/7", "ctx/rows is a list of 2; it has no place '7'", "octo ctx it get rows"),
    ("ctx it get rows/x", "ctx/rows is a list of 2; it has no place 'x'", "octo ctx it get rows"),
    ("ctx it get rows/0/n/deep", "ctx/rows/0/n is a single value", "octo ctx it get rows/0/n"),
    ("ctx it set rows/5 1", "rows is a list of 2; it has no place '5'", None),
    ("ctx it set row/5 1", "there is no 'row' in ctx; did you mean rows?", None),
    ("ctx it delete rws", "did you mean rows?", "octo ctx it get"),
    ("break it step_node_cont", "there is no node 'step_node_cont' in it; did you mean step_node_count?", None),
    ("break it --entry", "which node? Give NODE after DIR", "octo break it"),
    ("break it step_node_count --clear --exit", "--clear takes both away", None),
    ("graph nothing", "there is no instance and no step library nothing", "octo list libraries"),
    ("graph empty", "empty is neither an instance nor a step library", None),
    ("graph it -o it.txt", ".txt", None),
    ("at it 9999", "there is no change 9999", None),
    ("at it x", "'x' is not a valid integer", "octo at --help"),
    ("fork it more/one", "more/one is an instance already", "octo status more/one"),
    ("fork it lib", "lib is there already and is not empty", None),
    ("fork it new --at 9999", "there is no change 9999", None),
    ("init it --library lib", "it is an instance already", "octo run it"),
    ("init new", "which step library? Give --library LIB", "octo list libraries"),
    ("init new --library lbi", "there is no step library lbi; did you mean lib?", "octo list libraries"),
    ("init new --library empty", "empty is not a step library: it has no step_node_*.py", "octo list libraries"),
    ("init new --library .", "there are some in it", None),
    ("init file.txt --library lib", "file.txt is a file", None),
    ("list stps", "list has no 'stps'; did you mean steps?", "octo list --help"),
    ("completion", "bash|zsh|fish", "octo completion --help"),
    ("completion bsh", "'bsh' is not one of 'bash', 'zsh', 'fish'", "octo completion --help"),
    ("list steps nowhere", "there is no step library nowhere", "octo list libraries"),
    ("list instances nowhere", "there is no directory nowhere", None),
    ("show step_node_cuont -l lib", "there is no step 'step_node_cuont'; did you mean step_node_count?",
     "octo list steps lib"),
    ("logs it", "it has no log yet: it has not run", "octo run it"),
    ("step it --steps 0", "--steps", "octo step --help"),
    ("run it extra", "unexpected extra argument", "octo run --help"),
]  # fmt: skip


@pytest.fixture
def place(it: str, octo: Any, tmp_path: Path) -> Path:
    """A directory with an instance `it`, two in `more`, a library, an empty directory and a file."""
    (tmp_path / "more").mkdir()
    octo("init", "more/one", "--library", os.path.join(os.path.dirname(__file__), "library"))
    octo("fork", "more/one", "more/two")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("text")
    (tmp_path / "it.yaml").touch()
    octo("fork", "it", "it.octo")
    (tmp_path / "r.yaml").write_text("steps: [{name: a, cmd: ls}]")
    (tmp_path / "lib").symlink_to(Path(__file__).parent / "library")
    with ParameterStore(it) as store:
        store.set("ctx", {"rows": [{"n": 1}, {"n": 2}], "temperatures": [20.5]})
    return tmp_path


@pytest.mark.parametrize(("typed", "says", "next_command"), PLAIN, ids=[typed for typed, _, _ in PLAIN])
def test_one_plain_message(place: Path, octo: Any, typed: str, says: str, next_command: str | None) -> None:
    before = sorted(str(path) for path in place.rglob("*"))
    result = octo(*typed.split(), code=2)
    assert result.out == ""
    assert result.err.startswith("octo: ") and says in result.err
    assert "Traceback" not in result.err and "Error:" not in result.err
    if next_command is not None:
        assert next_command in result.next
    assert sorted(str(path) for path in place.rglob("*")) == before, "a refused command made files"


def test_a_wrong_library_is_told_whole(octo: Any, it: str, tmp_path: Path) -> None:
    library = tmp_path / "wrong"
    library.mkdir()
    (library / "step_node_a.py").write_text("import nothing_of_that_name\n")
    (library / "step_node_b.py").write_text("class step_node_b:\n  step_execute = print\n  this is wrong\n")
    octo("params", it, "global_parameters", "step_engine_library_path", library)
    message = octo("run", it, code=2).err
    assert message.startswith("octo: the step library has 2 mistakes:\n")
    assert "step_node_a.py:1: " in message and "step_node_b.py:3: " in message
    assert "step_node_a.py:1: " in octo("graph", library, code=2).err


def test_a_library_that_is_gone(octo: Any, it: str) -> None:
    octo("params", it, "global_parameters", "step_engine_library_path", "../gone")
    result = octo("break", it, code=2)
    assert "the step library of it is not there" in result.err
    assert "octo list libraries" in result.next


def test_commands_to_type_next_are_quoted_for_the_shell(octo: Any, it: str) -> None:
    octo("fork", it, "with space")
    assert "octo status 'with space'" in octo("init", "with space", "--library", "x", code=2).next


def test_a_program_in_a_directory_with_a_space_is_quoted(octo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/a dir/bin/octo"])
    assert octo("status", "nowhere", code=2).next == ["'/a dir/bin/octo' list instances"]


def test_traceback_only_when_asked_for(octo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Traceback" not in octo("status", "nowhere", code=2).err
    assert "Traceback" in octo("--debug", "status", "nowhere", code=2).err
    assert "Traceback" in octo("status", "nowhere", "--debug", code=2).err
    assert "Traceback" not in octo("status", "nowhere", code=2).err
    monkeypatch.setenv("OCTO_DEBUG", "1")
    assert "Traceback" in octo("status", "nowhere", code=2).err


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read and write everything"
)
def test_a_directory_that_may_not_be_written(octo: Any, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    result = octo(
        "init", "closed/it", "--library", os.path.join(os.path.dirname(__file__), "library"), code=1
    )
    assert "closed" in result.err and "Permission denied" in result.err


@pytest.mark.slow
def test_json_that_cannot_be_read(octo: Any, it: str, tmp_path: Path) -> None:
    file = tmp_path / it / ".octo_step_engine_parameters.json"
    file.write_text(file.read_text()[:-20])
    os.utime(file, (1, 1))
    result = octo("status", it, code=2)
    assert "line" in result.err and "octo recover" in result.err


def test_reading_makes_no_file(octo: Any, tmp_path: Path) -> None:
    """As in a fresh clone: the JSON is there and nothing else."""
    (tmp_path / "fresh").mkdir()
    file = tmp_path / "fresh" / ".octo_step_engine_parameters.json"
    file.write_text('{"global_parameters": {"run_step_count": 1}, "ctx": {"a": 1}}')
    for words in ("status", "params", "history", "ctx"):
        octo(words, "fresh")
    octo("at", "fresh", 0, code=None)
    octo("logs", "fresh", code=2)
    octo("list", "instances")
    octo("params", "fresh", "nothing", code=2)
    assert list((tmp_path / "fresh").iterdir()) == [file]
