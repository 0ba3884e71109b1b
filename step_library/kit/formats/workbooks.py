"""Tables of ctx as the sheets of an Excel file, written row by row, with charts: checked before, renamed after."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from octo.errors import InvalidValue, ShapeError, UsageError
from step_library.kit.files.file_io import replacing
from step_library.kit.formats import csv_text
from step_library.kit.formats.workbook_charts import Chart, drawn
from step_library.kit.formats.workbook_rows import openpyxl_or_hint
from step_library.kit.values.ctx_values import described

MOST_ROWS, MOST_COLUMNS, MOST_TEXT = 1_048_576, 16_384, 32_767
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_DIRECT = {int, bool, type(None)}


@dataclass
class Sheet:
    """One sheet: where its data are from, and its table."""

    title: str
    where: str
    table: csv_text.Table

    @property
    def names(self) -> list[str] | None:
        """The columns' names: keys of dicts, or a first row of nothing but different texts."""
        if self.table.names is not None:
            return self.table.names
        first = self.table.rows[0] if self.table.rows else []
        texts = [cell for cell in first if isinstance(cell, str) and cell]
        return texts if texts and len(set(texts)) == len(first) else None

    @property
    def size(self) -> tuple[int, int]:
        """Rows, names included, and columns."""
        width = len(self.table.fields) if self.table.fields is not None else max(map(len, self.table.rows), default=0)
        return len(self.table.rows) + (self.table.names is not None), width


def sheet_of(title: str, value: Any, where: str) -> Sheet:
    """A sheet of the value; UsageError or ShapeError where Excel cannot have it."""
    bad = re.search(r"[\[\]:*?/\\]", title)
    if bad or not title.strip() or len(title) > 31 or title[0] == "'" or title[-1] == "'" or _CONTROL.search(title):
        raise UsageError(f"sheets: {title!r} cannot be the name of a sheet: 1 to 31 characters, none of []:*?/\\, no ' "
                         "at an end")
    if not isinstance(value, (list, tuple)):
        raise ShapeError(f"{where} is to be a list of rows for the sheet {title!r}, not {described(value)}")
    found = Sheet(title, where, csv_text.table_of(value, where))
    rows, columns = found.size
    if rows > MOST_ROWS or columns > MOST_COLUMNS:
        raise ShapeError(f"{where} has {rows} rows of {columns} columns; a sheet of Excel holds {MOST_ROWS} rows of "
                         f"{MOST_COLUMNS} (ctx_to_csv writes more)")
    return found


def write_book(path: Path, sheets: Sequence[Sheet], charts: Sequence[Chart], *, bold_header: bool = False,
               auto_width: bool = False, formulas: bool = False) -> None:
    """Write the file under a temporary name, row by row, and rename it."""
    openpyxl = openpyxl_or_hint()
    cell, styles = openpyxl_or_hint("openpyxl.cell"), openpyxl_or_hint("openpyxl.styles")
    letter = openpyxl_or_hint("openpyxl.utils").get_column_letter
    book = openpyxl.Workbook(write_only=True)
    try:
        with replacing(path) as temporary:
            made = {}
            for sheet in sheets:
                made[sheet.title] = page = book.create_sheet(sheet.title)
                named = bold_header and sheet.names is not None
                if named:
                    page.freeze_panes = "A2"
                if auto_width:
                    for place, width in enumerate(_widths(sheet), 1):
                        page.column_dimensions[letter(place)].width = width

                def as_text(text: str, page: Any = page) -> Any:
                    found = cell.WriteOnlyCell(page, text)
                    found.data_type = "s"
                    return found

                for number, row in enumerate(_cells(sheet, None if formulas else as_text)):
                    if named and number == 0:
                        row = [cell.WriteOnlyCell(page, each) for each in row]
                        for each in row:
                            each.font = styles.Font(bold=True)
                    try:
                        page.append(row)
                    except OverflowError:
                        raise ShapeError(f"{sheet.where}: row {number} of the sheet has a number that is too large for "
                                         "Excel") from None
            for number, chart in enumerate(charts):
                before = sum(other.sheet.title == chart.sheet.title for other in charts[:number])
                corner = chart.options["cell"] or f"{letter(chart.sheet.size[1] + 2)}{2 + 16 * before}"
                made[chart.sheet.title].add_chart(drawn(chart, made[chart.sheet.title]), corner.upper())
            book.save(temporary)
    finally:
        for page in book.worksheets:
            if not page.closed:  # it failed: remove what openpyxl keeps of the sheet until it is saved
                with suppress(Exception):
                    page.close()
                    page._writer.cleanup()


def _cells(sheet: Sheet, as_text: Any) -> Iterator[Sequence[Any]]:
    number = 0
    for chunk in sheet.table.chunks():
        if set(map(type, chain.from_iterable(chunk))) <= _DIRECT:
            yield from chunk
        else:
            for offset, row in enumerate(chunk):
                yield [each if type(each) in _DIRECT else _cell(each, sheet, number + offset, as_text) for each in row]
        number += len(chunk)


def _cell(value: Any, sheet: Sheet, number: int, as_text: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if not isinstance(value, str):
        from octo.store.values import checked, dumps

        try:
            value = checked(value)
        except InvalidValue as error:
            raise ShapeError(f"{sheet.where}: row {number} of the sheet holds what is no JSON value: {error}") from None
        if not isinstance(value, (list, dict)):
            return value
        value = dumps(value).decode()
    if len(value) > MOST_TEXT:
        raise ShapeError(f"{sheet.where}: row {number} of the sheet has a text of {len(value)} characters; a cell of "
                         f"Excel holds {MOST_TEXT}")
    if _CONTROL.search(value):
        raise ShapeError(f"{sheet.where}: row {number} of the sheet has a control character, which Excel cannot hold: "
                         f"{described(value)}")
    return as_text(value) if as_text is not None and value[:1] in ("=", "#") else value


def _widths(sheet: Sheet) -> list[float]:
    """From the longest text of each column, of its first thousand rows."""
    found: dict[int, int] = {}
    for _, chunk in zip(range(2), sheet.table.chunks(), strict=False):
        for row in chunk:
            for place, each in enumerate(row):
                found[place] = max(found.get(place, 0), len(str(each)) if each is not None else 0)
    return [min(max(found[place] + 2, 8), 60) for place in sorted(found)]
