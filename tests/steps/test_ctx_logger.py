"""ctx_logger: the log in ctx, and its one writer."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import InvalidValue, OctoError, ShapeError, UsageError
from step_library.kit.records import records
from step_library.observe import ctx_logger
from tests.recipe.runs import Project


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return {} if request.param == "dict" else Context(who="load")


def plain(ctx: Any, key: str = "log") -> Any:
    return ctx.plain(key) if isinstance(ctx, Context) else ctx[key]


def test_entries_have_the_documented_fields(ctx: Any) -> None:
    for number in range(3):
        assert ctx_logger.run(ctx, {"msg": f"Processed record ID: {number} with result: ok"}) == {"log_len": number + 1}
    entry = plain(ctx)[2]
    assert list(entry) == ["timestamp", "level", "msg"] and entry["level"] == "INFO"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", entry["timestamp"])
    assert abs(records.as_moment(entry["timestamp"]) - time.time()) < 60
    if isinstance(ctx, Context):
        assert {change["who"] for change in ctx.get_history("log")} == {"load"}


def test_what_may_be_added(ctx: Any, tmp_path: Path) -> None:
    ctx["n"] = 3
    params = {"msg": 'rows: {n}, {other}, {"n": 1}', "use_template": True, "step": "load", "tags": ["a"], "iso": True,
              "level": "WARN", "emit": True, "strict": True, "file": str(tmp_path / "deep" / "log.txt")}
    ctx_logger.run(ctx, params)
    entry = plain(ctx)[0]
    assert (entry["msg"], entry["step"], entry["tags"]) == ('rows: 3, {other}, {"n": 1}', "load", ["a"])
    assert records.as_moment(entry["iso"]) == pytest.approx(entry["ts_epoch"], abs=1)
    event = plain(ctx, "events")[0]
    assert list(event) == ["event", "timestamp", "source", "payload"]
    assert (event["event"], event["source"]) == ("log", "load")
    assert event["payload"] == {"level": "WARN", "msg": entry["msg"]}
    ctx_logger.run(ctx, {**params, "level": "INFO"})
    assert len(plain(ctx, "events")) == 1
    lines = (tmp_path / "deep" / "log.txt").read_text().splitlines()
    assert len(lines) == 2 and lines[0].endswith(f"WARN [load] {entry['msg']}")


def test_only_the_newest_are_kept(ctx: Any) -> None:
    for number in range(5):
        assert ctx_logger.run(ctx, {"msg": number, "keep": 2})["log_len"] == min(number + 1, 2)
    assert [entry["msg"] for entry in plain(ctx)] == [3, 4]


def test_reading_the_log(ctx: Any, tmp_path: Path) -> None:
    ctx["log"] = [{"timestamp": 1.5, "event": "set", "value": "Bad"}, "odd",
                  {"timestamp": "2025-08-25 10:00:00", "level": "error", "msg": "bad"}]
    ctx_logger.run(ctx, {"msg": {"a": "good"}, "level": "INFO", "step": "x"})
    found = [entry.get("msg") for entry in ctx_logger.filter(ctx)]
    assert found == [None, "bad", {"a": "good"}]
    assert len(ctx_logger.filter(ctx, keyword="BAD")) == 2
    assert [e["msg"] for e in ctx_logger.filter(ctx, level="ERROR")] == ["bad"]
    assert len(ctx_logger.filter(ctx, level=["ERROR", "INFO"])) == 2
    assert [e["msg"] for e in ctx_logger.filter(ctx, at_least="WARN")] == ["bad"]
    assert len(ctx_logger.filter(ctx, since="2025-08-25")) == 2
    assert ctx_logger.filter(ctx, step="y") == []
    with pytest.raises(ShapeError, match="a time is epoch seconds or text"):
        ctx_logger.filter(ctx, since="yesterday")
    rows = list(csv.DictReader(Path(ctx_logger.export(ctx, tmp_path / "log.csv")).open()))
    assert list(rows[0])[:3] == ["timestamp", "level", "msg"] and rows[2]["msg"] == '{"a": "good"}'
    assert json.loads(Path(ctx_logger.export(ctx, tmp_path / "l.json", level="ERROR")).read_text())[0]["msg"] == "bad"
    assert len(Path(ctx_logger.export(ctx, tmp_path / "l.jsonl")).read_text().splitlines()) == 3
    assert "2025-08-25 10:00:00 error bad\n" in Path(ctx_logger.export(ctx, tmp_path / "l.txt")).read_text()
    assert ctx_logger.filter({}) == []


@pytest.mark.parametrize(("there", "params", "error", "words"), [
    ({}, {}, KeyError, "parameter 'msg' is missing"),
    ({}, {"msg": "x", "level": 3}, OctoError, "'level'"),
    ({}, {"msg": "x", "level": "EROR", "strict": True}, UsageError, "there is no 'EROR'; did you mean ERROR?"),
    ({}, {"msg": "x", "lvl": "INFO"}, OctoError, "did you mean level?"),
    ({}, {"msg": {1, 2}}, InvalidValue, "log/msg: set is not a JSON value"),
    ({}, {"msg": "x", "keep": 0}, UsageError, "at least one entry"),
    ({"log": "text"}, {"msg": "x"}, ShapeError, "ctx['log'] is to be a list of entries, not str 'text'"),
    ({"events": {}}, {"msg": "x", "level": "ERROR", "emit": True}, ShapeError, "ctx['events']"),
])
def test_mistakes(there: Any, params: dict[str, Any], error: type[Exception], words: str) -> None:
    for ctx in (dict(there), Context(there)):
        with pytest.raises(error) as caught:
            ctx_logger.run(ctx, params)
        assert words in str(caught.value) and ctx == there


def test_threads_lose_nothing(ctx: Any) -> None:
    def work() -> None:
        for _ in range(50):
            ctx_logger.run(ctx, {"msg": "m"})

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ctx["log"]) == 400


def test_several_threads_make_the_list_at_once() -> None:
    def work(ctx: Any) -> None:
        ready.wait()
        try:
            ctx_logger.run(ctx, {"msg": "m"})
        except Exception as error:
            failed.append(error)

    failed: list[Exception] = []
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(100):
            shared, ready = Context(), threading.Barrier(6, timeout=30)
            threads = [threading.Thread(target=work, args=(shared,)) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert not failed and len(shared["log"]) == 6
    finally:
        sys.setswitchinterval(before)


def test_a_long_log_on_a_context() -> None:
    ctx = Context({"log": [{"msg": str(number)} for number in range(50_000)]})
    for _ in range(200):
        ctx_logger.run(ctx, {"msg": "more"})
    assert len(ctx["log"]) == 50_200


def test_the_other_writers(ctx: Any) -> None:
    try:
        raise ValueError("no luck")
    except ValueError as raised:
        assert records.error(ctx, "load", raised) == 1
    entry = plain(ctx, "errors")[0]
    assert list(entry) == ["step", "timestamp", "error", "traceback"]
    assert (entry["step"], entry["error"]) == ("load", "no luck") and "ValueError: no luck" in entry["traceback"]
    assert records.safe({1: {2}, "f": float("nan"), "o": len}) == {"1": [2], "f": None, "o": "<built-in function len>"}


def test_it_outlives_the_step_that_failed_and_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bodies("""
        from pathlib import Path
        from scriptlets.python.core import ctx_logger
        def load(ctx):
            ctx["half"] = True
            try:
                if not Path("go").exists():
                    raise ValueError("not yet")
            except ValueError as error:
                ctx_logger.run(ctx, {"msg": str(error), "level": "ERROR"})
                raise
    """)
    project.recipe("""
        ctx: {who: anna}
        steps:
          - {name: begin, function: ctx_logger, params: {msg: "for {{ ctx.who }}", step: begin}}
          - {name: load, module: BODY, function: load}
          - {name: end, module: scriptlets.python.core.ctx_logger, params: {msg: "{who} is done", use_template: true}}
    """)
    assert project.run().status == "COMPLETE_ERROR" and "half" not in project.ctx
    assert [entry["msg"] for entry in project.ctx["log"]] == ["for anna", "not yet"]
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS"
    assert [entry["msg"] for entry in project.ctx["log"]] == ["for anna", "not yet", "anna is done"]


def test_a_packed_export_and_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    ctx: dict[str, Any] = {}
    ctx_logger.run(ctx, {"msg": "a"})
    for end, unpacked in (("gz", gzip.decompress), ("bz2", bz2.decompress)):
        path = Path(ctx_logger.export(ctx, tmp_path / f"log.csv.{end}"))
        assert unpacked(path.read_bytes()).startswith(b"timestamp,level,msg\n")
    with pytest.raises(OSError, match="it is a folder") as caught:
        ctx_logger.run(ctx, {"msg": "b", "file": str(tmp_path)})
    assert isinstance(caught.value, OctoError)
