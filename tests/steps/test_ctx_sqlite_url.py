"""ctx_sqlite with url: the same in databases that SQLAlchemy knows, SQLite and a real PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from octo.context import Context
from octo.errors import MissingKey, NotAvailable, OctoError, ShapeError, UsageError
from octo.param import ParamError
from step_library.files import ctx_sqlite
from tests.recipe.runs import Project
from tests.steps.local_postgres import local_postgres

sqlalchemy = pytest.importorskip("sqlalchemy")

ROWS = [{"id": 1, "volt": 2.5, "note": "ok"}, {"id": 2, "volt": None, "note": None}, {"id": 10, "volt": 3}]
CTX = {"rows": ROWS, "lists": [[1, "a"], [2, "b"]], "none": [], "n": 3, "record_id": 2, "big": [{"a": 1 << 70}],
       "nested": [{"a": [1, {"b": True}], "c": True, "d": "x"}]}


@pytest.fixture(scope="module")
def postgres() -> Iterator[tuple[str, str]]:
    pytest.importorskip("psycopg", reason="the driver psycopg is not installed")
    with local_postgres() as found:
        yield found


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of an empty database."""
    monkeypatch.chdir(tmp_path)
    if request.param == "sqlite":
        return "sqlite:///my.db"
    address, password = request.getfixturevalue("postgres")
    monkeypatch.setenv("PG_PASSWORD", password)
    for query in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
        ctx_sqlite.run({}, {"url": address, "query": query})
    return str(address)


@pytest.fixture(params=["dict", "Context"])
def ctx(request: pytest.FixtureRequest) -> Any:
    return dict(CTX) if request.param == "dict" else Context(CTX)


def ask(ctx: Any, url: str, query: str, **params: Any) -> Any:
    ctx_sqlite.run(ctx, {"url": url, "query": query, "out": "found", **params})
    return ctx.plain("found") if isinstance(ctx, Context) else ctx["found"]


def store(ctx: Any, url: str, key: str = "rows", action: str = "insert", **params: Any) -> Any:
    return ctx_sqlite.run(ctx, {"url": url, "action": action, "table": "t", "key": key, **params})


@pytest.mark.slow
def test_rows_and_queries(ctx: Any, url: str) -> None:
    assert ctx_sqlite.run(ctx, {"url": url}) == {"status": "noop"}
    assert store(ctx, url, "none") == {"inserted": 0}
    assert store(ctx, url) == {"inserted": 3}
    assert ask(ctx, url, "SELECT id, volt, note FROM t ORDER BY id") == [[1, 2.5, "ok"], [2, None, None],
                                                                         [10, 3.0, None]]
    assert ask(ctx, url, "SELECT volt, id FROM t ORDER BY id", limit=1, offset=2, as_dict=True) == [
        {"volt": 3.0, "id": 10}]
    assert ask(ctx, url, "SELECT sum(id) FROM t", scalar=True) == 13
    assert ask(ctx, url, "SELECT id FROM t WHERE id = 99", scalar=True) is None
    assert store(ctx, url, query="SELECT id FROM t") == {"inserted": 3, "rows": 6}
    ctx_sqlite.run(ctx, {"url": url, "action": "insert", "table": "deep", "key": "nested"})
    assert ask(ctx, url, "SELECT a, c, d FROM deep") == [['[1,{"b":true}]', 1, "x"]]
    ctx_sqlite.run(ctx, {"url": url, "action": "insert", "table": "l", "key": "lists", "columns": ["n", "s"]})
    assert ask(ctx, url, "SELECT s FROM l WHERE n = 2", scalar=True) == "b"


def test_values_for_places(ctx: Any, url: str) -> None:
    store(ctx, url)
    assert ask(ctx, url, "SELECT id FROM t WHERE id = ? OR note = ? -- ? :x", params=["ctx:record_id", "ok"]) == [
        [1], [2]]
    assert ask(ctx, url, "SELECT id FROM t WHERE id = :id AND ':a' <> '12:30'", params={"id": 10}) == [[10]]
    assert ask(ctx, url, "SELECT ':x', '?', '%s', '50%', 'it''s :y'", params=[]) == [
        [":x", "?", "%s", "50%", "it's :y"]]
    nasty = "x'; DROP TABLE t; --"
    assert ask(ctx, url, "SELECT count(*) FROM t WHERE note = ?", params=[nasty], scalar=True) == 0
    with pytest.raises(OctoError, match="the query has 1 places, params has 2 values"):
        ask(ctx, url, "SELECT id FROM t WHERE id = ?", params=[1, 2])
    with pytest.raises(sqlite3.Error, match="params has no value for :x"):
        ask(ctx, url, "SELECT :x", params={"y": 2})


def test_update_upsert_delete(ctx: Any, url: str) -> None:
    assert store(ctx, url, action="upsert", match=["id"], indexes=[["volt", "note"]]) == {"upserted": 3}
    ctx["change"] = [{"id": 2, "volt": 7}, {"id": 3, "volt": 8}]
    assert store(ctx, url, "change", "update", match=["id"]) == {"updated": 1}
    assert store(ctx, url, "change", "upsert", match=["id"]) == {"upserted": 2}
    assert ask(ctx, url, "SELECT id, volt FROM t ORDER BY id") == [[1, 2.5], [2, 7.0], [3, 8.0], [10, 3.0]]
    assert store(ctx, url, "change", "delete", match=["id"]) == {"deleted": 2}
    assert ask(ctx, url, "DELETE FROM t WHERE id = 1") == []
    assert ctx_sqlite.run(ctx, {"url": url, "query": "UPDATE t SET volt = 1"}) == {"rows": 0, "changed": 1}


def test_several_are_one_transaction(ctx: Any, url: str) -> None:
    batch: list[dict[str, Any]] = [
        {"action": "insert", "table": "t", "key": "rows"},
        {"query": "SELECT sum(id) FROM t", "out": "sum", "scalar": True},
        {"query": "SELECT id, note FROM t WHERE id = 2", "out": "second", "as_dict": True},
    ]
    found = ctx_sqlite.run(ctx, {"url": url, "batch": batch})
    assert found == {"results": [{"inserted": 3}, {"rows": 1}, {"rows": 1}]}
    assert ctx["sum"] == 13 and dict(ctx["second"][0]) == {"id": 2, "note": None}
    more = [{"action": "insert", "table": "new", "key": "rows"}, batch[0], {"query": "SELECT 1", "out": "one"},
            {"query": "SELECT * FROM gone"}]
    with pytest.raises(sqlite3.OperationalError, match="gone"):
        ctx_sqlite.run(ctx, {"url": url, "batch": more})
    assert "one" not in ctx and ask(ctx, url, "SELECT count(*) FROM t", scalar=True) == 3
    with pytest.raises(OctoError):
        ask(ctx, url, "SELECT * FROM new")  # that it was made is undone too


def test_what_may_not_be_in_a_transaction_and_what_may_not_change(ctx: Any, url: str) -> None:
    store(ctx, url)
    assert ctx_sqlite.run(ctx, {"url": url, "query": "VACUUM"})["rows"] == 0
    with pytest.raises(sqlite3.OperationalError, match=r"(?i)read-?only"):
        ask(ctx, url, "DELETE FROM t", read_only=True)
    assert ask(ctx, url, "SELECT count(*) FROM t", scalar=True, read_only=True) == 3


def test_odd_names_and_columns_that_lack(ctx: Any, url: str) -> None:
    ctx["odd"] = [{'a"b': 1, "select": 2, "x:y; %s DROP TABLE t": 3, "Ä": 4}]
    ctx_sqlite.run(ctx, {"url": url, "action": "insert", "table": 'we"ird:v1', "key": "odd"})
    assert ask(ctx, url, 'SELECT * FROM "we""ird:v1"', as_dict=True) == [dict(ctx["odd"][0])]
    assert ctx_sqlite.run(ctx, {"url": url, "action": "update", "table": 'we"ird:v1', "key": "odd",
                                "match": ["x:y; %s DROP TABLE t"]}) == {"updated": 1}
    store(ctx, url)
    ctx["more"] = [{"id": 4, "nite:x": "x"}]
    with pytest.raises(ShapeError, match="no column 'nite:x'.*; it has id, volt, note"):
        store(ctx, url, "more")
    assert store(ctx, url, "more", migrate=True) == {"inserted": 1}
    assert ask(ctx, url, 'SELECT id FROM t WHERE "nite:x" IS NOT NULL') == [[4]]


def test_types_of_postgresql(postgres: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    url, password = postgres
    monkeypatch.setenv("PG_PASSWORD", password)
    ctx: Any = {"rows": [{"ok": 1, "at": "2025-01-02 03:04:05", "n": True, "j": {"a": [1]}, "x": float("nan"), "t": 5}]}
    ctx_sqlite.run(ctx, {"url": url, "batch": [
        {"query": "CREATE TEMP TABLE kinds (ok boolean, at timestamptz, n integer, j jsonb, x real, t text, d date, "
                  "u uuid, b bytea, c numeric, i interval, a integer[])"},
        {"query": "SET TIME ZONE 'UTC'"},
        {"action": "insert", "table": "kinds", "key": "rows"},
        {"query": "UPDATE kinds SET d = '2025-01-02', u = '00000000-0000-0000-0000-000000000001', b = 'ab', c = 2.50, "
                  "i = '90 seconds', a = '{1,2}'::int[]"},
        {"query": "SELECT * FROM kinds", "as_dict": True, "out": "found"}]})
    assert ctx["found"] == [{
        "ok": True, "at": "2025-01-02T03:04:05+00:00", "n": 1, "j": {"a": [1]}, "x": None, "t": "5", "d": "2025-01-02",
        "u": "00000000-0000-0000-0000-000000000001", "b": "ab", "c": 2.5, "i": 90.0, "a": [1, 2]}]


def test_no_message_has_the_password(postgres: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    url, password = postgres
    for wrong in ("s3cret-word", ""):
        if wrong:
            monkeypatch.setenv("PG_PASSWORD", wrong)
        address = url if wrong else url.replace("${PG_PASSWORD}", "s3cret-word")
        with pytest.raises(sqlite3.OperationalError, match="authentication failed") as caught:
            ctx_sqlite.run({}, {"url": address, "query": "SELECT 1"})
        shown = f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"
        assert "s3cret" not in shown and isinstance(caught.value, OctoError)
    monkeypatch.setenv("PG_PASSWORD", password)
    monkeypatch.setenv("WHOLE", url.replace("${PG_PASSWORD}", password))
    assert ask({}, "${WHOLE}", "SELECT 1", scalar=True) == 1
    with pytest.raises(sqlite3.Error) as caught:
        ask({}, "${WHOLE}", f"SELECT '{password}'::int")  # what the server says may have it
    assert str(caught.value).count(password) == 1  # in the query, where the caller wrote it
    monkeypatch.delenv("PG_PASSWORD")
    with pytest.raises(UsageError, match="url: the environment has no PG_PASSWORD"):
        ctx_sqlite.run({}, {"url": url, "query": "SELECT 1"})


def test_a_row_that_is_locked(ctx: Any, url: str) -> None:
    store(ctx, url)
    from step_library.kit.formats import sql_urls

    database = sql_urls._database(url, 5)
    with database.engine.connect() as other, other.begin():
        other.exec_driver_sql("UPDATE t SET volt = 1 WHERE id = 1")
        with pytest.raises(sqlite3.OperationalError, match="lock") as caught:
            store(ctx, url, action="update", match=["id"], timeout=0.05)
        assert isinstance(caught.value, OctoError)
    database.engine.dispose()


def test_a_statement_that_takes_too_long(postgres: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_PASSWORD", postgres[1])
    with pytest.raises(sqlite3.OperationalError, match="statement timeout"):
        ctx_sqlite.run({}, {"url": postgres[0], "query": "SELECT pg_sleep(60)", "query_timeout": 0.05})


@pytest.mark.parametrize(("params", "error", "words"), [
    ({}, KeyError, "'db' is missing"),
    ({"url": "sqlite://", "db": "x.db", "query": "SELECT 1"}, ParamError, "two ways to say one thing"),
    ({"url": "no url", "query": "SELECT 1"}, UsageError, "url: it is no URL of a database"),
    ({"url": "nosuch://me:pass@h/n", "query": "SELECT 1"}, UsageError, "url: it is no URL"),
    ({"url": "postgresql://me:pass@h:port/n", "query": "SELECT 1"}, UsageError, "url: it is no URL"),
    ({"url": "oracle://me:pass@h/n", "query": "SELECT 1"}, NotAvailable, "url: databases of oracle need oracledb"),
    ({"url": "sqlite:///no/folder/x.db", "query": "SELECT 1"}, sqlite3.OperationalError, "unable to open"),
    ({"url": "sqlite://", "query": "SELEC 1"}, sqlite3.OperationalError, "syntax error (SELEC 1)"),
    ({"url": "sqlite://", "query": "SELECT 1; SELECT 2"}, sqlite3.Error, "one statement at a time"),
    ({"url": "sqlite://", "query": "SELECT 1 AS a, 2 AS a", "as_dict": True}, ShapeError, "two columns have one name"),
    ({"url": "sqlite://", "query": "SELECT ?", "params": ["ctx:gone"]}, MissingKey, "ctx has no key 'gone'"),
    ({"url": "sqlite://", "action": "insert", "table": "t", "key": "big"}, ShapeError, "more than 64 bits"),
    ({"url": "sqlite://", "action": "insert", "table": "t", "key": "n"}, ShapeError, "ctx['n'] is to be a list"),
    ({"url": "sqlite://", "action": "upsert", "table": "t", "key": "rows"}, KeyError, "'match' is missing"),
])
def test_mistakes(ctx: Any, params: dict[str, Any], error: type[Exception], words: str) -> None:
    before = list(ctx)
    with pytest.raises(error) as caught:
        ctx_sqlite.run(ctx, params)
    assert words in str(caught.value) and "pass" not in str(caught.value)
    assert isinstance(caught.value, OctoError) and list(ctx) == before


def test_a_rule_of_the_table(ctx: Any, url: str) -> None:
    ask(ctx, url, "CREATE TABLE t (id INTEGER PRIMARY KEY, volt REAL, note TEXT)")
    ctx["twice"] = [{"id": 5}, {"id": 1}, {"id": 1}]
    with pytest.raises(sqlite3.IntegrityError, match="(?i)unique"):
        store(ctx, url, "twice")
    assert ask(ctx, url, "SELECT count(*) FROM t", scalar=True) == 0


def test_a_large_table(ctx: Any, url: str) -> None:
    ctx["large"] = [{"n": number, "x": number / 2, "s": "t"} for number in range(25_000)]
    assert store(ctx, url, "large") == {"inserted": 25_000}
    assert len(ask(ctx, url, "SELECT * FROM t")) == 25_000


def test_in_a_recipe_with_a_resume(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.recipe("""
        ctx: {metrics_data: [{value: 1.5}, {value: 2.5}]}
        steps:
          - {name: store, module: scriptlets.python.core.ctx_sqlite,
             params: {url: "sqlite:///my.db", table: metrics, key: metrics_data, action: insert}}
          - {name: gate, cmd: test, args: [-e, go], depends_on: store}
          - {name: mean, function: ctx_sqlite, depends_on: gate,
             params: {url: "sqlite:///my.db", query: SELECT AVG(value) FROM metrics, out: mean, scalar: true}}
    """)
    assert project.run().status == "COMPLETE_ERROR"
    (project.folder / "go").touch()
    assert project.run().status == "COMPLETE_SUCCESS" and project.ctx["mean"] == 2.0
