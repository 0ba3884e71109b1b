"""ctx_debug_dump: ctx in a file."""

from __future__ import annotations

import gzip
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError, UsageError
from step_library.control import ctx_scheduler
from step_library.observe import ctx_debug_dump
from tests.executors.kit import until
from tests.recipe.runs import Project, chdir

CTX: dict[str, Any] = {"foo": [1, 2, 3], "bar": {"x": 1}}
Both = pytest.mark.parametrize("kind", [dict, Context])


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path) -> Iterator[None]:
    with chdir(tmp_path):
        yield


def loaded(name: str) -> Any:
    return json.loads(Path(name).read_text(encoding="utf-8"))


@Both
def test_the_whole_ctx_sorted(kind: Any) -> None:
    """The first documented example, which says so of the file in words."""
    ctx = kind(CTX)
    assert ctx_debug_dump.run(ctx, {"out": "Logs/ctx_dump.json"}) == {"dumped": "Logs/ctx_dump.json"}
    text = Path("Logs/ctx_dump.json").read_text()
    assert json.loads(text) == ctx == CTX and text.index('"bar"') < text.index('"foo"') and '\n  "bar": {' in text
    ctx["foo"] = "ü"
    ctx_debug_dump.run(ctx, {"out": "Logs/ctx_dump.json"})
    assert loaded("Logs/ctx_dump.json")["foo"] == "ü" and os.listdir("Logs") == ["ctx_dump.json"]
    ctx_debug_dump.run(kind(), {"out": "empty.json"})
    assert loaded("empty.json") == {}
    odd = {"big": 2**70, "list": [], "deep": {"b": 1, "a": None}}
    ctx_debug_dump.run(kind(odd), {"out": "odd.json"})
    assert Path("odd.json").read_text() == json.dumps(odd, indent=2, sort_keys=True) + "\n"


@Both
def test_names_made_by_it_are_always_new(kind: Any) -> None:
    names = {ctx_debug_dump.run(kind(CTX), params)["dumped"] for params in ({}, {"out": "auto"}, {})}
    assert len(names) == 3 and all(loaded(name) == CTX and name.startswith("Logs/ctx_dump_2") for name in names)
    name = ctx_debug_dump.run(kind(CTX), {"out": "Logs/periodic_ctx_{timestamp}_{step}_{{other}}.json"})["dumped"]
    assert name.endswith("_step_{other}.json") and str(int(time.time()))[:-3] in name
    with pytest.raises(MissingKey, match=r"out: \{datetme\}: there is no 'datetme'; did you mean datetime\?"):
        ctx_debug_dump.run(kind(CTX), {"out": "{datetme}.json"})


@Both
def test_some_keys_masked_and_packed(kind: Any) -> None:
    ctx = kind({**CTX, "conf": {"password": "x"}})
    name = ctx_debug_dump.run(ctx, {"out": "d.json.gz", "keys": ["conf", "foo"], "exclude_keys": ["foo"],
                                    "mask": True})["dumped"]
    assert json.loads(gzip.decompress(Path(name).read_bytes())) == {"conf": {"password": "****"}}


@Both
def test_with_an_envelope_and_compared(kind: Any) -> None:
    ctx_debug_dump.run(kind(CTX), {"out": "one.json.gz", "meta": True})
    found = ctx_debug_dump.run(kind({"foo": [1, 2, 4]}), {"out": "two.json", "meta": True, "compare": "one.json.gz"})
    assert [(op["op"], op["path"], op.get("value")) for op in found["diff"]] == [
        ("delete", "bar", None), ("set", "foo", [1, 2, 4])]
    assert set(loaded("two.json")) == {"_meta", "ctx_data"} and loaded("two.json")["_meta"]["run_id"] is None


def test_what_is_no_json_is_left_out_or_refused() -> None:
    ctx = {"good": [float("nan"), (1,)], "bad": {"x": [{1}]}, "fn": len}
    assert ctx_debug_dump.run(ctx, {"out": "d.json"}) == {"dumped": "d.json", "skipped": ["bad", "fn"]}
    assert loaded("d.json") == {"good": [None, [1]]}
    with pytest.raises(ShapeError, match="^bad/x/0: set is not a JSON value$"):
        ctx_debug_dump.run(ctx, {"out": "e.json", "strict": True})
    assert not Path("e.json").exists()


def test_old_ones_are_removed() -> None:
    names = [ctx_debug_dump.run({}, {})["dumped"] for _ in range(3)]
    ctx_debug_dump.run({}, {"out": "Logs/mine.json"})
    for name in [*names, "Logs/mine.json"]:
        os.utime(name, (0, 0))
    result = ctx_debug_dump.run({}, {"keep_days": 7})
    assert sorted(result["removed"]) == sorted(names)
    assert sorted(os.listdir("Logs")) == sorted([Path(result["dumped"]).name, "mine.json"])


@pytest.mark.parametrize(("params", "error", "words"), [
    ({"keys": ["fo"]}, MissingKey, "keys: ctx has no key 'fo'; did you mean foo?"),
    ({"exclude": ["foo"]}, OctoError, "did you mean exclude_keys?"),
    ({"keys": "foo"}, OctoError, "'keys'"),
    ({"compare": "none.json"}, UsageError, "compare: there is no file none.json"),
    ({"compare": "text.json"}, UsageError, "compare: text.json is no JSON"),
    ({"compare": "list.json"}, UsageError, "compare: list.json holds no ctx but list"),
    ({"out": "."}, UsageError, "is a folder"),
    ({"keep_days": -1}, UsageError, "keep_days is 0 or more"),
])
def test_mistakes(params: dict[str, Any], error: type[Exception], words: str) -> None:
    Path("text.json").write_text("{")
    Path("list.json").write_text("[]")
    with pytest.raises(error) as caught:
        ctx_debug_dump.run(dict(CTX), {"out": "d.json", **params})
    assert words in str(caught.value) and not Path("d.json").exists()


@pytest.mark.slow
def test_a_large_ctx_is_written() -> None:
    ctx = Context({"rows": [[number, str(number)] for number in range(100_000)]})
    ctx_debug_dump.run(ctx, {"out": "large.json"})
    assert len(loaded("large.json")["rows"]) == 100_000


@Both
def test_again_and_again_by_the_scheduler(kind: Any) -> None:
    """The fourth documented example: the scheduler gives ctx, and the name has its time, without a wrapper."""
    ctx = kind(CTX)
    ctx_scheduler.run(ctx, {"jobs": [{"job_id": "periodic_ctx_snapshot", "interval": 600, "run_now": True,
                                      "fn": "scriptlets.python.core.ctx_debug_dump.run",
                                      "args": {"out": "Logs/periodic_ctx_{timestamp}.json"}}]})
    until(lambda: ctx["jobs"]["periodic_ctx_snapshot"]["status"] == "done")
    assert ctx_scheduler.cancel(ctx, "periodic_ctx_snapshot")
    found = list(Path("Logs").glob("periodic_ctx_*.json"))
    assert found and all(re.fullmatch(r"periodic_ctx_\d+\.json", path.name) for path in found)
    assert all(loaded(str(path))["foo"] == [1, 2, 3] for path in found)


def test_before_the_error_goes_on_and_after_a_resume(tmp_path: Path) -> None:
    """The third documented example: what ctx was when a step failed."""
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        from scriptlets.python.core.ctx_debug_dump import run as dump
        def load(ctx):
            ctx["half"] = True
            try:
                if not Path("go").exists():
                    raise ValueError("not yet")
            except ValueError:
                dump(ctx, {"out": "Logs/error_ctx.json"})
                raise
    """)
    project.recipe("""
        steps:
          - {name: load, module: BODY, function: load}
          - {name: dump, function: ctx_debug_dump, params: {meta: true, out: Logs/end.json}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    assert json.loads((project.folder / "Logs/error_ctx.json").read_text())["half"] is True
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    end = json.loads((project.folder / "Logs/end.json").read_text())
    assert end["_meta"]["step"] == "dump" and end["_meta"]["run_id"] == project.settings["run_id"]
