"""ctx_sqlite: rows into a table, queries into ctx."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, OctoError, ShapeError, UsageError
from step_library.files import ctx_sqlite
from tests.recipe.runs import Project
from tests.steps.documented_files import examples

ROWS = [{"id": 1, "volt": 2.5, "note": "ok"}, {"id": 2, "volt": None, "note": None}, {"id": 10, "volt": 3}]
CTX = {"rows": ROWS, "lists": [[1, "a"], [2, "b"]], "none": [], "n": 3, "mixed": [{"a": 1}, [2]],
       "nested": [{"a": [1, {"b": True}], "c": True, "d": "x"}], "record_id": 2, "big": [{"a": 1 << 70}]}


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    return dict(CTX) if request.param == "dict" else Context(CTX)


def sql(ctx: Any, **params: Any) -> Any:
    return ctx_sqlite.run(ctx, {"db": "Data/my.db", **params})


def ask(ctx: Any, query: str, **params: Any) -> Any:
    sql(ctx, query=query, out="found", **params)
    return ctx.plain("found") if isinstance(ctx, Context) else ctx["found"]


def store(ctx: Any, key: str = "rows", action: str = "insert", **params: Any) -> Any:
    return sql(ctx, action=action, table="t", key=key, **params)


@pytest.mark.parametrize("example", [example for example in examples("ctx_sqlite") if "db" in example["params"]])
def test_documented_example(example: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params = example["params"]
    first = examples("ctx_sqlite")[0]
    ctx: Any = {**first["ctx"], "metrics": [{"id": 1, "value": 2.5, "timestamp": "2025-08-02"}],
                "b": [{"id": 1, "some_col": "s"}]}
    ctx["a"] = ctx["collected"] = ctx["metrics_data"] = ctx["myrecords"] = ctx["metrics"]
    if "query" in params:
        ctx_sqlite.run(ctx, first["params"])
        for table in ("metrics", "collected", "a", "b"):
            ctx_sqlite.run(ctx, {"db": params["db"], "table": table, "key": table, "action": "insert"})
    result = ctx_sqlite.run(ctx, params)
    assert result == example.get("returns", {"rows": 1} if "query" in params else {"inserted": 1})
    for key, value in example.get("ctx_after", {}).items():
        assert ctx[key] == value
    if "AVG" in params.get("query", ""):
        assert ctx["avg_metrics"] == [[2.5]]
    if params.get("out") == "joined":
        assert ctx["joined"] == [[1, 2.5, "2025-08-02", "s"]]
    assert "out" in params or "query" not in params or ctx["sql_result"] == [[1, 2.5, "2025-08-02"]]


def test_documented_bound_values_and_types(ctx: Any) -> None:
    """The two examples of wishes: params with ctx:KEY, and fields."""
    store(ctx, fields={"id": "INTEGER", "volt": "REAL", "note": "text"})
    assert ask(ctx, "SELECT * FROM t WHERE id = ?", params=["ctx:record_id"]) == [[2, None, None]]
    assert ask(ctx, "SELECT volt FROM t WHERE id = :id", params={"id": 10}) == [[3.0]]


def test_types_are_found(ctx: Any) -> None:
    assert store(ctx) == {"inserted": 3}
    assert [row[2] for row in ask(ctx, "PRAGMA table_info(t)")] == ["INTEGER", "REAL", "TEXT"]
    assert ask(ctx, "SELECT id FROM t ORDER BY id") == [[1], [2], [10]]  # as numbers, not as text
    sql(ctx, action="insert", table="deep", key="nested")
    assert ask(ctx, "SELECT * FROM deep") == [['[1,{"b":true}]', 1, "x"]]
    assert ask(ctx, "SELECT x'ff', x'61', 9e999, -9e999, 1.5") == [["/w==", "a", None, None, 1.5]]


def test_lists_with_columns_and_rows_that_lack_some(ctx: Any) -> None:
    assert store(ctx, key="lists", columns=["n", "s"]) == {"inserted": 2}
    assert ask(ctx, "SELECT * FROM t", as_dict=True) == [{"n": 1, "s": "a"}, {"n": 2, "s": "b"}]
    with pytest.raises(ShapeError, match=r"ctx\['rows'\]: row 2 has no 'note', which others have"):
        sql(ctx, action="insert", table="u", key="rows", strict=True)


def test_update_upsert_delete(ctx: Any) -> None:
    assert store(ctx, action="upsert", match=["id"]) == {"upserted": 3}
    ctx["change"] = [{"id": 2, "volt": 7}, {"id": 3, "volt": 8}]
    assert store(ctx, "change", "update", match=["id"]) == {"updated": 1}
    assert store(ctx, "change", "upsert", match=["id"]) == {"upserted": 2}
    assert ask(ctx, "SELECT id, volt FROM t ORDER BY id") == [[1, 2.5], [2, 7.0], [3, 8.0], [10, 3.0]]
    assert store(ctx, "change", "delete", match=["id"]) == {"deleted": 2}
    assert ask(ctx, "SELECT count(*) FROM t", scalar=True) == 2
    assert ask(ctx, "SELECT id FROM t WHERE id = 99", scalar=True) is None


def test_a_query_that_changes(ctx: Any) -> None:
    assert sql(ctx, query="CREATE TABLE x (a)") == {"rows": 0, "changed": 0} and list(ctx["sql_result"]) == []
    assert sql(ctx, query="INSERT INTO x VALUES (1), (2)") == {"rows": 0, "changed": 2}
    assert sql(ctx, query="VACUUM")["rows"] == 0
    assert ask(ctx, "SELECT a FROM x") == [[1], [2]]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        sql(ctx, query="DELETE FROM x", read_only=True)
    assert ask(ctx, "SELECT a FROM x", read_only=True) == [[1], [2]]


def test_both_and_neither(ctx: Any) -> None:
    assert sql(ctx) == {"status": "noop"} and not Path("Data").exists()
    assert store(ctx, "none") == {"inserted": 0} and not Path("Data").exists()
    assert store(ctx, query="SELECT id FROM t") == {"inserted": 3, "rows": 3}


def test_pages(ctx: Any) -> None:
    store(ctx)
    assert ask(ctx, "SELECT id FROM t ORDER BY id", limit=1, offset=1) == [[2]]
    assert ask(ctx, "SELECT id FROM t ORDER BY id", offset=5) == []


def test_several_are_one_transaction(ctx: Any) -> None:
    batch: list[dict[str, Any]] = [
        {"action": "insert", "table": "t", "key": "rows", "indexes": ["id", ["volt", "note"]]},
        {"query": "SELECT sum(id) FROM t", "out": "sum", "scalar": True},
        {"query": "SELECT * FROM t WHERE id = 2", "out": "second", "as_dict": True},
    ]
    assert sql(ctx, batch=batch) == {"results": [{"inserted": 3}, {"rows": 1}, {"rows": 1}]}
    assert ctx["sum"] == 13 and dict(ctx["second"][0]) == {"id": 2, "volt": None, "note": None}
    with pytest.raises(sqlite3.OperationalError, match="no such table: gone"):
        sql(ctx, batch=[*batch[:1], {"query": "SELECT 1", "out": "one"}, {"query": "SELECT * FROM gone"}])
    assert "one" not in ctx and ask(ctx, "SELECT count(*) FROM t", scalar=True) == 3


def test_odd_names_are_quoted(ctx: Any) -> None:
    ctx["odd"] = [{'a"b': 1, "select": 2, "x; DROP TABLE t": 3}]
    sql(ctx, action="insert", table='we"ird', key="odd")
    assert ask(ctx, 'SELECT * FROM "we""ird"', as_dict=True) == [dict(ctx["odd"][0])]


def test_columns_that_the_table_lacks(ctx: Any) -> None:
    store(ctx)
    ctx["more"] = [{"ID": 4, "nite": "x"}]
    with pytest.raises(ShapeError, match=r"no column 'nite'; did you mean note\?; it has id, volt, note"):
        store(ctx, "more")
    assert store(ctx, "more", migrate=True) == {"inserted": 1}
    assert ask(ctx, "SELECT id, nite FROM t WHERE nite IS NOT NULL") == [[4, "x"]]


@pytest.mark.parametrize(("params", "error", "words"), [
    ({"action": "insert", "table": "t"}, KeyError, "'key' is missing: key of ctx with the rows"),
    ({"action": "insert", "key": "rows"}, KeyError, "(action 'insert' needs it)"),
    ({"action": "insert", "table": "t", "key": "rowz"}, MissingKey, "ctx has no key 'rowz'; did you mean rows?"),
    ({"action": "insert", "table": "t", "key": "n"}, ShapeError, "ctx['n'] is to be a list, not int 3"),
    ({"action": "insert", "table": "t", "key": "lists"}, ShapeError, "row 0 is to be a dict; it is a list of 2"),
    ({"action": "insert", "table": "t", "key": "mixed"}, ShapeError, "row 1 is to be a dict"),
    ({"action": "insert", "table": "t", "key": "lists", "columns": ["a"]}, ShapeError, "2 cells for 1 columns"),
    ({"action": "insert", "table": " ", "key": "rows"}, UsageError, "no name of a table"),
    ({"action": "insert", "table": "t", "key": "rows", "fields": {"id": "INT"}}, UsageError, "to be one of INTEGER"),
    ({"action": "insert", "table": "t", "key": "big"}, ShapeError, "more than 64 bits"),
    ({"action": "merge", "table": "t", "key": "rows"}, ValueError, "one of 'insert'"),
    ({"action": "update", "table": "t", "key": "rows"}, KeyError, "'match' is missing"),
    ({"action": "update", "table": "t", "key": "rows", "match": ["idd"]}, MissingKey, "did you mean id?"),
    ({"action": "upsert", "table": "t", "key": "rows", "match": ["note"]}, ShapeError, "row 1 has no 'note'"),
    ({"action": "insert", "table": "t", "key": "rows", "read_only": True}, UsageError, "an action changes"),
    ({"query": "SELEC 1"}, sqlite3.OperationalError, "syntax error (SELEC 1)"),
    ({"query": "SELECT 1; SELECT 2"}, sqlite3.Error, "one statement at a time"),
    ({"query": " "}, UsageError, "query: it is empty"),
    ({"query": "SELECT * FROM gone"}, sqlite3.OperationalError, "no such table: gone"),
    ({"query": "SELECT ?", "params": ["ctx:gone"]}, MissingKey, "ctx has no key 'gone'"),
    ({"query": "SELECT ?", "params": ["ctx:rows"]}, ShapeError, "to be one value"),
    ({"query": "SELECT ?"}, sqlite3.Error, "bindings"),
    ({"query": "SELECT 1 AS a, 2 AS a", "as_dict": True}, ShapeError, "two columns have one name"),
    ({"query": "SELECT 1", "limit": -1}, UsageError, "from 0 on"),
    ({"query": "SELECT 1", "within": "other"}, UsageError, "is not in other"),
    ({"query": "SELECT 1", "batch": [{"query": "SELECT 2"}]}, UsageError, "batch: put"),
    ({"batch": [{"qery": "SELECT 2"}]}, OctoError, "did you mean query?"),
    ({"query": "SELECT 1", "db": "file/my.db"}, OSError, "file/my.db cannot be made"),
    ({"query": "SELECT * FROM t", "db": "file"}, sqlite3.DatabaseError, "not a database"),
])
def test_mistakes_leave_nothing(ctx: Any, params: dict[str, Any], error: type[Exception], words: str) -> None:
    Path("file").write_text("no database " * 100)
    before = list(ctx)
    with pytest.raises(error) as caught:
        sql(ctx, **params)
    assert words in str(caught.value) and isinstance(caught.value, OctoError) and list(ctx) == before
    assert not Path("Data/my.db").exists() and Path("file").read_text().startswith("no database")


def test_a_rule_of_the_table(ctx: Any) -> None:
    sql(ctx, query="CREATE TABLE t (id INTEGER PRIMARY KEY, volt, note)")
    ctx["twice"] = [{"id": 5}, {"id": 1}, {"id": 1}]
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE constraint failed: t.id"):
        store(ctx, "twice")
    assert ask(ctx, "SELECT count(*) FROM t", scalar=True) == 0


def test_a_database_that_is_locked(ctx: Any) -> None:
    store(ctx)
    other = sqlite3.connect("Data/my.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="database is locked") as caught:
        store(ctx, timeout=0.05)
    assert isinstance(caught.value, OctoError) and "timeout" in caught.value.hints[0]
    other.close()


def test_a_large_table(ctx: Any) -> None:
    ctx["large"] = [{"n": number, "x": number / 2, "s": "t"} for number in range(50_000)]
    assert store(ctx, "large") == {"inserted": 50_000}
    assert len(ask(ctx, "SELECT * FROM t")) == 50_000


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.recipe("""
        ctx: {metrics_data: [{value: 1.5}, {value: 2.5}]}
        steps:
          - {name: store, module: scriptlets.python.core.ctx_sqlite,
             params: {db: Data/my.db, table: metrics, key: metrics_data, action: insert}}
          - {name: gate, cmd: test, args: [-e, go], depends_on: store}
          - {name: mean, function: ctx_sqlite, depends_on: gate,
             params: {db: Data/my.db, query: SELECT AVG(value) FROM metrics, out: mean, scalar: true}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS" and project.ctx["mean"] == 2.0
