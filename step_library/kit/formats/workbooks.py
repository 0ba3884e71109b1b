"""Tables of ctx as the sheets of an Excel file, written row by row, with charts: checked before, renamed after."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from octo.errors import InvalidValue, ShapeError
from step_library.kit.files.file_io import replacing
from step_library.kit.formats.workbook_charts import Chart, drawn
from step_library.kit.formats.workbook_rows import openpyxl_or_hint
from step_library.kit.formats.workbook_sheets import CONTROL, Sheet
from step_library.kit.values.ctx_values import described

MOST_TEXT = 32_767
_DIRECT = {int, bool, type(None)}


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
    if CONTROL.search(value):
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
