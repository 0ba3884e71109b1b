"""Entries and other text from ctx as files: written to a temporary name first, parent folders made."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from step_library.kit.files.file_io import append_whole, compression_of, format_of, reading, write_whole
from step_library.kit.records.records import now_text


def write_text(path: str | Path, text: str) -> str:
    """Write a file whole or not at all; packed where its name ends in .gz or .bz2. The path as text."""
    write_whole(Path(path), [text.encode()], compression_of(str(path)))
    return str(path)


def add_text(path: str | Path, text: str) -> None:
    """Add to the end of a file, all or nothing; the folders above it are made. FileFailed (an OSError) names it."""
    append_whole(Path(path), [text.encode(errors="backslashreplace")])


def read_text(path: str | Path) -> str:
    """The text of a file, unpacked where its name ends in .gz or .bz2."""
    with reading(Path(path)) as stream:
        return str(stream.read().decode())


def export(entries: Sequence[Mapping[str, Any]], path: str | Path, first: Sequence[str] = ()) -> str:
    """Entries as a file: .csv (a column a field, those of `first` in front), .json, .jsonl, else a line of text each.

    Entries of several writers may be mixed: a field that one lacks is empty in CSV.
    """
    kind = format_of(str(path))
    if kind == "csv":
        return write_text(path, as_csv(entries, first))
    if kind == "json":
        return write_text(path, json.dumps(list(entries), ensure_ascii=False, indent=2) + "\n")
    if kind == "jsonl":
        return write_text(path, "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries))
    return write_text(path, "".join(line(entry) + "\n" for entry in entries))


def as_csv(entries: Sequence[Mapping[str, Any]], first: Sequence[str]) -> str:
    """Entries as CSV text: a column a field, those of `first` in front."""
    names = list(dict.fromkeys([*first, *(name for entry in entries for name in entry)]))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    for entry in entries:
        writer.writerow({name: json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value
                         for name, value in entry.items()})
    return out.getvalue()


def line(entry: Mapping[str, Any]) -> str:
    """An entry of any writer in one line, as people read it."""
    when = entry.get("timestamp", entry.get("start"))
    front = now_text(when) if isinstance(when, (int, float)) else str(when or "-")
    said = entry.get("msg", entry.get("info", entry.get("error")))
    if said is None and "duration" in entry:
        said = f"{entry['duration']:.3f} s"
    parts = [front, *([str(entry["level"])] if "level" in entry else []),
             *([f"[{entry['step']}]"] if entry.get("step") else []), "" if said is None else str(said)]
    return " ".join(" ".join(parts).split())
