"""ctx_to_csv: a table of ctx as a CSV file."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError, UsageError
from step_library.files import ctx_to_csv
from step_library.kit.formats.csv_text import Style, pieces, table_of
from tests.recipe.runs import Project
from tests.steps.documented_files import examples

CTX = {"t": [["a", "b"], [1, "x"], [2.0, None]], "d": [{"a": 1, "b": "x"}, {"b": "y", "c": True}], "none": [],
       "ragged": [["a", "b"], [1], []], "ü": [["ü", "→"]], "n": 3, "odd": [{"a": 1}, 5], "some": [[1], {"a": 1}]}


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    return dict(CTX) if request.param == "dict" else Context(CTX)


def written(ctx: Any, key: str, **params: Any) -> bytes:
    out = params.setdefault("out", "o.csv")
    assert ctx_to_csv.run(ctx, {"key": key, **params})["written"] == out
    return Path(out).read_bytes()


@pytest.mark.parametrize("example", examples("ctx_to_csv"))
def test_documented_example(example: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params = example["params"]
    ctx = example.get("ctx") or {params["key"]: [["a", "b"], [1, 2], [3, 4]]}
    rows = ctx[params["key"]]
    assert ctx_to_csv.run(ctx, params) == {"written": params["out"], "rows": len(rows) - 1}
    lines = Path(params["out"]).read_text(encoding="utf-8").split("\n")
    assert lines == [*(",".join(map(str, row)) for row in rows), ""]


def test_lists_and_dicts(ctx: Any) -> None:
    assert written(ctx, "t") == b"a,b\n1,x\n2.0,\n"
    assert written(ctx, "d") == b"a,b,c\n1,x,\n,y,True\n"
    assert written(ctx, "d", header=["b", "a"]) == b"b,a\nx,1\ny,\n"
    assert written(ctx, "d", header=False) == b"1,x,\n,y,True\n"
    assert written(ctx, "t", header=["p", "q"]) == b"p,q\na,b\n1,x\n2.0,\n"
    assert written(ctx, "ragged") == b"a,b\n1\n\n"
    assert written(ctx, "none") == b"" and written(ctx, "none", header=["a"]) == b"a\n"


def test_how_many_rows(ctx: Any) -> None:
    counts = [ctx_to_csv.run(ctx, {"key": key, "out": "o", **more})["rows"] for key, more in [
        ("t", {}), ("t", {"header": False}), ("t", {"header": ["p", "q"]}), ("d", {}), ("none", {})]]
    assert counts == [2, 2, 3, 2, 0]


def test_how_it_is_spelt(ctx: Any) -> None:
    assert written(ctx, "t", delimiter=";", line_end="crlf") == b"a;b\r\n1;x\r\n2.0;\r\n"
    assert written(ctx, "t", quoting="all").startswith(b'"a","b"\n"1","x"\n')
    assert written(ctx, "t", quoting="nonnumeric").startswith(b'"a","b"\n1,"x"\n')
    ctx["q"] = [["a,b", 'c"d']]
    assert written(ctx, "q", quoting="none") == b'a\\,b,c\\"d\n'
    assert written(ctx, "ü", encoding="utf-8-sig") == "\ufeffü,→\n".encode()
    assert written(ctx, "d", encoding="utf-16").decode("utf-16") == "a,b,c\n1,x,\n,y,True\n"
    assert gzip.decompress(written(ctx, "t", out="o.csv.gz")).startswith(b"a,b")
    assert bz2.decompress(written(ctx, "t", out="deep/er/o.csv.bz2")).startswith(b"a,b")


def test_a_note_beside_it(ctx: Any) -> None:
    written(ctx, "t", sidecar=True)
    about = json.loads(Path("o.csv.meta.json").read_text())
    assert (about["key"], about["rows"], about["columns"]) == ("t", 2, ["a", "b"])


@pytest.mark.parametrize(("params", "error", "words"), [
    ({"key": "tt"}, MissingKey, "ctx has no key 'tt'"),
    ({"key": "n"}, ShapeError, "ctx['n'] is to be a list, not int 3"),
    ({"key": "odd"}, ShapeError, "ctx['odd']: row 1 is to be a dict, not int 5"),
    ({"key": "some"}, ShapeError, "ctx['some']: row 1 is to be a list, not a dict of 1"),
    ({"key": "ragged", "ragged": False}, ShapeError, "ctx['ragged']: row 1 has 1 columns, not 2"),
    ({"key": "d", "ragged": False}, ShapeError, "ctx['d']: row 0 has no 'c'"),
    ({"key": "t", "ragged": False, "header": ["a"]}, ShapeError, "row 0 has 2 columns, not 1"),
    ({"key": "ü", "encoding": "latin-1"}, ShapeError, "'→' cannot be written in latin-1"),
    ({"key": "t", "encoding": "utf-99"}, UsageError, "no encoding"),
    ({"key": "t", "delimiter": ""}, UsageError, "not one character"),
    ({"key": "t", "quoting": "some"}, ValueError, "one of 'minimal'"),
    ({"key": "t", "within": "Data"}, UsageError, "is not in Data"),
    ({"key": "t", "out": "file/o.csv"}, OSError, "cannot be written"),
    ({}, KeyError, "'key' is missing"),
])
def test_mistakes_leave_what_was_there(ctx: Any, params: dict[str, Any], error: type[Exception], words: str) -> None:
    Path("o.csv").write_text("old")
    Path("file").touch()
    with pytest.raises(error) as caught:
        ctx_to_csv.run(ctx, {"out": "o.csv", **params})
    assert words in str(caught.value) and isinstance(caught.value, OctoError)
    assert Path("o.csv").read_text() == "old" and sorted(map(str, Path().iterdir())) == ["file", "o.csv"]


CELL = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) \
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(st.lists(CELL, min_size=1)))
def test_it_is_what_the_csv_module_writes(rows: list[list[Any]]) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerows(rows)
    assert b"".join(pieces(table_of(rows, "rows"), "rows", Style())) == stream.getvalue().encode()


def test_a_large_table_is_written_in_pieces(tmp_path: Path) -> None:
    rows = [[number, "x", float("nan") if number == 50_000 else 0.5] for number in range(100_000)]
    made = list(pieces(table_of(rows, "rows"), "rows", Style()))
    assert len(made) == 100 and made[50].startswith(b"50000,x,\n")
    ctx = Context({"rows": [{"n": number} for number in range(100_000)]})
    ctx_to_csv.run(ctx, {"key": "rows", "out": str(tmp_path / "o.csv")})
    assert (tmp_path / "o.csv").read_text().split()[-1] == "99999"


def test_the_command_takes_a_ctx(tmp_path: Path) -> None:
    (tmp_path / "ctx.json").write_text(json.dumps({"my_table": [["a"], [1]]}))
    command = [sys.executable, "-m", "step_library.files.ctx_to_csv", "--ctx-file", str(tmp_path / "ctx.json"),
               "--key", "my_table", "--out", str(tmp_path / "output.csv")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0 and '"rows": 1' in done.stdout, done.stderr
    assert (tmp_path / "output.csv").read_text() == "a\n1\n"


def test_in_a_recipe_the_next_step_reads_it(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.recipe("""
        ctx: {results: [[t, v], [1, 2]]}
        steps:
          - {name: out, module: scriptlets.python.core.ctx_to_csv, params: {key: results, out: Data/results.csv}}
          - {name: gate, cmd: test, args: [-e, go], depends_on: out}
          - {name: mail, cmd: wc, args: [-l], stdin_file: Data/results.csv, stdout_to_ctx: lines, depends_on: gate}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS" and project.ctx["lines"].strip() == "2"


@pytest.mark.skipif(os.name == "nt", reason="links and pipes")
def test_a_link_is_followed_and_a_pipe_or_device_is_written_to_and_never_replaced(ctx: Any, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "r.csv").write_text("old")
    Path("o.csv").symlink_to(tmp_path / "real" / "r.csv")
    written(ctx, "t")
    assert Path("o.csv").is_symlink() and (tmp_path / "real" / "r.csv").read_text() == "a,b\n1,x\n2.0,\n"
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["r.csv"]
    Path("new.csv").symlink_to("later.csv")
    written(ctx, "t", out="new.csv")
    assert Path("later.csv").is_file() and Path("new.csv").is_symlink()
    os.mkfifo("p.csv")
    reader = subprocess.Popen(["cat", "p.csv"], stdout=subprocess.PIPE)
    ctx_to_csv.run(ctx, {"key": "t", "out": "p.csv"})
    assert reader.communicate(timeout=20)[0] == b"a,b\n1,x\n2.0,\n"
    assert Path("p.csv").is_fifo()
    done = subprocess.run(["sh", "-c", 'ln -s /proc/self/fd/1 here; exec "$0" -c "$1" | cat', sys.executable,
                           "from step_library.files import ctx_to_csv\n"
                           "ctx_to_csv.run({'t': [[1]]}, {'key': 't', 'out': 'here'})"],
                          capture_output=True, text=True, timeout=60)
    if sys.platform == "linux":
        assert (done.stdout, done.stderr, Path("here").is_symlink()) == ("1\n", "", True)
