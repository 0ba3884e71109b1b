"""A sheet of an Excel file as rows of JSON values; cells as Excel can hold them."""

from __future__ import annotations

import importlib
from typing import Any

from octo.errors import MissingKey, NotAvailable, nearest
from step_library.kit.files.file_io import BadFile
from step_library.kit.values.json_values import json_cell


def openpyxl_or_hint(part: str = "openpyxl") -> Any:
    """openpyxl or a module of it; NotAvailable with what to type where it is not installed."""
    try:
        return importlib.import_module(part)
    except ImportError:
        raise NotAvailable("Excel files need openpyxl", hints=["pip install 'octo-step-engine[data]'"]) from None


def read_sheet(stream: Any, name: str, sheet: str | int | None) -> list[list[Any]]:
    """The rows of a sheet (the first one without a name): dates as ISO text, of formulas what they came to."""
    from zipfile import BadZipFile

    openpyxl = openpyxl_or_hint()
    try:
        book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
    except (BadZipFile, KeyError, ValueError, OSError) as error:
        raise BadFile(f"{name} is no Excel file (.xlsx): {error}") from None
    try:
        names = [each.title for each in book.worksheets]
        if isinstance(sheet, str):
            if sheet not in names:
                raise MissingKey(f"{name} has no sheet {sheet!r}{nearest(sheet, names)}; it has {', '.join(names)}")
            found = book.worksheets[names.index(sheet)]
        else:
            if not -len(names) <= (sheet or 0) < len(names):
                raise MissingKey(f"{name} has {len(names)} sheets, no sheet {sheet} (they are counted from 0)")
            found = book.worksheets[sheet or 0]
        rows = [[json_cell(cell) for cell in row] for row in found.iter_rows(values_only=True)]
    finally:
        book.close()
    while rows and all(cell is None for cell in rows[-1]):
        rows.pop()
    return rows
