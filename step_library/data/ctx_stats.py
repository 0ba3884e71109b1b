"""Statistics of the columns of a table: mean, population standard deviation, minimum and maximum, and more."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from octo.errors import ShapeError
from octo.scriptlet import Param, scriptlet
from step_library.kit.records.logged import LOG, logged
from step_library.kit.values.ctx_values import Ctx, plain_list
from step_library.kit.values.numbers import as_json, columns_of, numpy_or_hint

DOCUMENTED = ["mean", "std", "min", "max"]
KNOWN = [*DOCUMENTED, "var", "median", "sum", "count"]
PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")
MISSING = ("propagate", "ignore", "mean", "median", "zero")


@scriptlet(
    params=[
        Param("key", "str", help="key of ctx with the rows: lists of numbers, or dicts with a column a key"),
        Param("out", "str", help="key of ctx for the statistics"),
        Param("headers", "bool | list[str] | null", None,
              "the columns' names, or true where the first row has them; the result is by name then"),
        Param("columns", "list | null", None, "only these columns, by name or by position from 0", ("select",)),
        Param("missing", "str", "propagate", "what null is: the result is null too (propagate), it does not count "
              "(ignore), or it is the column's mean, median or zero", choices=MISSING),
        Param("stats", "list[str]", DOCUMENTED, "which: mean, std, min, max, var, median, sum, count, p25, p99.9 …"),
        Param("table", "str | null", None, "the same as text too, in ctx[out + '_table']",
              choices=("markdown", "html")),
        LOG,
    ]
)
@logged(lambda ctx, params, result: f"statistics of {params['key']} in {params['out']}")
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Put the statistics of each column of `ctx[key]` into `ctx[out]`: `{"mean": [...], "std": [...], ...}`.

    Text that reads as a number counts as one. Raises MissingKey, and ShapeError (a ValueError) for an empty table
    and for a cell that is no number, with its place.
    """
    key, out = params["key"], params["out"]
    functions = {name: _function(name) for name in params["stats"]}
    rows = plain_list(ctx, key)
    names, numbers = columns_of(rows, f"ctx[{key!r}]", headers=params["headers"], select=params["columns"])
    numbers = _filled(numbers, params["missing"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column of nothing but null: its statistics are null
        found = {name: as_json(function(numbers, params["missing"] == "ignore"))
                 for name, function in functions.items()}
    labels = [str(place) for place in range(numbers.shape[1])] if names is None else names
    ctx[out] = found if names is None else {name: dict(zip(names, values, strict=True))
                                            for name, values in found.items()}
    if params["table"]:
        ctx[f"{out}_table"] = _table(params["table"], labels, found)
    return {"stats": out}


def _function(name: str) -> Any:
    """(numbers, whether NaN is left out) -> a value a column."""
    numpy = numpy_or_hint()
    percentile = PERCENTILE.fullmatch(name)
    if percentile:
        level = float(percentile[1])
        return lambda a, skip: (numpy.nanpercentile if skip else numpy.percentile)(a, level, axis=0)
    if name == "count":
        return lambda a, skip: (~numpy.isnan(a)).sum(axis=0)
    if name not in KNOWN:
        raise ShapeError(f"stats: there is no {name!r}; there are {', '.join(KNOWN)}, and percentiles such as p95")
    return lambda a, skip: getattr(numpy, f"nan{name}" if skip else name)(a, axis=0)


def _filled(numbers: Any, missing: str) -> Any:
    if missing in ("propagate", "ignore"):
        return numbers
    numpy = numpy_or_hint()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        fill = 0.0 if missing == "zero" else _function(missing)(numbers, True)
    return numpy.where(numpy.isnan(numbers), fill, numbers)


def _table(form: str, labels: Sequence[str], found: Mapping[str, Sequence[Any]]) -> str:
    rows = [[label, *("" if values[place] is None else f"{values[place]:.6g}" for values in found.values())]
            for place, label in enumerate(labels)]
    head = ["column", *found]
    if form == "markdown":
        lines = [head, ["---"] * len(head), *rows]
        return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
    from html import escape

    body = [("th", head), *(("td", row) for row in rows)]
    return "<table>\n" + "".join(
        "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in line) + "</tr>\n" for tag, line in body
    ) + "</table>\n"


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_stats")
