"""Tables of ctx as the sheets of an Excel file, with charts; a key that is not there is an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from octo.errors import MissingKey, UsageError, nearest
from octo.scriptlet import Param, ParamError, scriptlet
from step_library.kit.files.file_io import allowed
from step_library.kit.formats.workbook_charts import CHART, chart_of
from step_library.kit.formats.workbook_sheets import Sheet, sheet_of
from step_library.kit.formats.workbooks import write_book
from step_library.kit.records.logged import LOG, logged
from step_library.kit.records.records import check_list, event
from step_library.kit.values.ctx_values import Ctx, plain

PARAMS = [
    Param("sheets", "dict | list[str] | str", help="which key of ctx goes to which sheet: {key: sheet}, or key:sheet "
          "pairs"),
    Param("out", "path", help="the .xlsx file", aliases=("path",)),
    Param("charts", "list[dict] | null", None, "charts: sheet, x (column of the categories), y (columns drawn; by name "
          "or from 0), type (line, bar, area, scatter, pie), title, cell (its corner, such as F10)"),
    Param("bold_header", "bool", False, "names of columns in bold, and in sight while the rows scroll"),
    Param("auto_width", "bool", False, "columns as wide as their first rows need"),
    Param("formulas", "bool", False, "text that begins with = is a formula; else it is text"),
    Param("overwrite", "bool", True, "replace a file that is there; else it is refused"),
    Param("dry_run", "bool", False, "only check keys, names and charts; write nothing"),
    Param("within", "str | list[str] | null", None, "folders that the file has to be in"),
    Param("emit", "bool", False, "add an event ExcelExportCompleted to ctx['events'] when it is written"),
    LOG,
]


def says(ctx: Ctx, params: dict[str, Any], result: dict[str, Any]) -> str:
    """For the log."""
    return f"sheets {', '.join(result['sheets'])} in {result['written'] or 'no file (dry_run)'}"


@scriptlet(params=PARAMS)
@logged(says)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Write each list of rows to its sheet: {"written": out, "sheets": names, "charts": how many}.

    Rows are lists (names first, if wanted) or dicts, whose keys are the names, blank where a row lacks one. null and
    NaN are blank, a list or dict in a cell is JSON. The file is written row by row and replaced whole. Raises
    MissingKey, ShapeError, UsageError for a sheet name that Excel refuses, and FileFailed (an OSError).
    """

    def missing(key: str) -> None:
        plain(ctx, key)  # which tells

    return excel(ctx, params, missing)


def excel(ctx: Ctx, params: dict[str, Any], missing: Callable[[str], None]) -> dict[str, Any]:
    """Check all, then write; `missing` is called for a key that ctx lacks, and its sheet is left out."""
    out = params["out"]
    if params["emit"]:
        check_list(ctx, "events")
    target = allowed(out, params["within"])
    if not out.lower().endswith(".xlsx"):
        raise UsageError(f"out: {out} is to end in .xlsx")
    if not params["overwrite"] and target.exists():
        raise UsageError(f"out: {out} is there already, and overwrite is false")
    sheets: dict[str, Sheet] = {}
    left_out: set[str] = set()
    for key, title in pairs_of(params["sheets"]).items():
        if title.lower() in {other.lower() for other in [*sheets, *left_out]}:
            raise UsageError(f"sheets: two are called {title!r}, which Excel does not tell apart")
        if key in ctx:
            sheets[title] = sheet_of(title, plain(ctx, key), f"ctx[{key!r}]")
        else:
            missing(key)
            left_out.add(title)
    charts = []
    for number, asked in enumerate(params["charts"] or []):
        try:
            options = CHART.fill(asked)
        except ParamError as error:
            raise type(error)(f"charts, number {number} from 0: {error.message}") from None
        title = options["sheet"]
        if title in sheets:
            charts.append(chart_of(options, sheets[title]))
        elif title not in left_out:
            raise MissingKey(f"charts: there is no sheet {title!r}{nearest(title, sheets)}; there are "
                             f"{', '.join(sheets)}")
    if not sheets:
        raise MissingKey("sheets: there is none to write; an Excel file needs one")
    if not params["dry_run"]:
        write_book(target, list(sheets.values()), charts, bold_header=params["bold_header"],
                   auto_width=params["auto_width"], formulas=params["formulas"])
    result = {"written": None if params["dry_run"] else out, "sheets": list(sheets), "charts": len(charts)}
    if params["emit"] and not params["dry_run"]:
        event(ctx, "ExcelExportCompleted", "ctx_excel", result)
    return result


def pairs_of(given: Any) -> dict[str, str]:
    """Key of ctx -> name of its sheet."""
    if isinstance(given, str):
        given = given.split()
    if isinstance(given, list):
        pairs = [pair.partition(":") for pair in given]
        wrong = [pair[0] for pair in pairs if not pair[0] or not pair[2]]
        if wrong:
            raise UsageError(f"sheets: {wrong[0]!r} is no pair such as metrics:Sheet1")
        given = {key: title for key, _, title in pairs}
    for key, title in given.items():
        if not isinstance(title, str):
            raise UsageError(f"sheets: the sheet of {key!r} is to be a name, not {title!r}")
    return dict(given)


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_excel")
