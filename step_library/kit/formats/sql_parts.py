"""What steps do in a database, as parameters say it: an action with rows of ctx, a query, or both; checked before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from octo.errors import MissingKey, ShapeError, UsageError
from octo.param import Param, Table
from step_library.kit.formats.sqlite_table import TYPES, Rows, quoted
from step_library.kit.values.ctx_values import Ctx, plain, plain_list

ACTIONS = ("insert", "update", "upsert", "delete")
DONE = {"insert": "inserted", "update": "updated", "upsert": "upserted", "delete": "deleted"}
ONE = [
    Param("action", "str | null", None, "what to do with the rows", choices=ACTIONS),
    Param("key", "str | null", None, "key of ctx with the rows: dicts, or lists with columns",
          required_when={"action": ACTIONS}),
    Param("table", "str | null", None, "the table; it is made where there is none, its types found from the rows",
          required_when={"action": ACTIONS}),
    Param("query", "str | null", None, "SQL to run (after the action); what it finds goes to ctx[out]"),
    Param("out", "str", "sql_result", "key of ctx for what the query finds: a list of rows"),
    Param("params", "list | dict | null", None, "values for ? or :name in the query; ctx:KEY is what stands there in "
          "ctx", ("bind",)),
    Param("match", "list[str]", [], "columns that tell which row is meant",
          required_when={"action": ACTIONS[1:]}),
    Param("fields", "dict[str, str]", {}, "types of columns of a new table: INTEGER, REAL, TEXT, NUMERIC, BLOB"),
    Param("columns", "list[str] | null", None, "names of the cells, where rows are lists"),
    Param("strict", "bool", False, "refuse rows that lack a column of others; else it is NULL"),
    Param("migrate", "bool", False, "add columns that the table lacks"),
    Param("indexes", "list", [], "columns (or lists of columns) to make an index on"),
    Param("as_dict", "bool", False, "rows found are dicts by column"),
    Param("scalar", "bool", False, "only the first cell of the first row found; null where there is none"),
    Param("limit", "int | null", None, "at most so many of the rows found"),
    Param("offset", "int", 0, "leave out so many of the rows found"),
]


def parts_of(ctx: Ctx, params: Mapping[str, Any]) -> list[Part]:
    """The one part that the parameters are, or those of `batch`."""
    given = {param.name: params[param.name] for param in ONE}
    if params["batch"] and any(given[name] for name in ("action", "query")):
        raise UsageError("batch: put the action and the query into it")
    options = [Table(tuple(ONE)).fill(part) for part in params["batch"]] if params["batch"] else [given]
    return [Part(ctx, each) for each in options]


class Part:
    """One action, one query, or both. `bound` are the query's values, `found` is what goes to ctx."""

    def __init__(self, ctx: Ctx, options: Mapping[str, Any]) -> None:
        self.options, self.action, self.query = options, options["action"], options["query"]
        self.found: Any = []
        self.rows: Rows = Rows([], "", None, False)
        if self.query is not None and not self.query.strip():
            raise UsageError("query: it is empty")
        if options["offset"] < 0 or (options["limit"] or 0) < 0:
            raise UsageError("limit and offset count rows, from 0 on")
        self.bound = _bound(ctx, options["params"])
        if self.action is None:
            return
        quoted(options["table"])
        for column, kind in options["fields"].items():
            if str(kind).upper() not in TYPES:
                raise UsageError(f"fields: {column!r} is to be one of {', '.join(TYPES)}, not {kind!r}")
        self.rows = Rows(plain_list(ctx, options["key"]), f"ctx[{options['key']!r}]", options["columns"],
                         options["strict"])
        if self.action != "insert":
            if not options["match"]:
                raise MissingKey(f"parameter 'match' is missing: {self.action} needs the columns that tell rows apart")
            if self.rows.count:
                self.rows.need(options["match"], "match")

    @property
    def changes_nothing(self) -> bool:
        """There is no query, and no row to store."""
        return not self.query and not self.rows.count

    @property
    def what(self) -> str:
        """The query as messages show it."""
        return self.query if len(self.query) < 200 else self.query[:199] + "…"

    def chosen(self, rows: Iterable[Any]) -> list[Any]:
        """Those of the rows that were found that limit and offset leave."""
        limit, offset = self.options["limit"], self.options["offset"]
        return list(islice(rows, offset, None if limit is None else offset + limit))

    def take(self, names: Sequence[str], rows: list[list[Any]]) -> dict[str, Any]:
        """Keep what the query found in the form that is asked for; the result."""
        self.found = rows
        if self.options["scalar"]:
            self.found = rows[0][0] if rows else None
        elif self.options["as_dict"]:
            if len(set(names)) != len(names):
                raise ShapeError(f"as_dict: two columns have one name ({', '.join(names)}); rename one with AS")
            self.found = [dict(zip(names, row, strict=True)) for row in rows]
        return {"rows": len(rows)}

    def take_nothing(self, changed: int) -> dict[str, Any]:
        """The result of a query that finds nothing by its nature, such as UPDATE."""
        self.found = None if self.options["scalar"] else []
        return {"rows": 0, "changed": max(changed, 0)}


def _bound(ctx: Ctx, given: Any) -> Any:
    def value(each: Any) -> Any:
        found = plain(ctx, each[4:]) if isinstance(each, str) and each.startswith("ctx:") else each
        if isinstance(found, (list, Mapping)):
            raise ShapeError(f"params: {each!r} is to be one value, not a list or dict")
        return found

    if isinstance(given, Mapping):
        return {name: value(each) for name, each in given.items()}
    return [value(each) for each in given or ()]
