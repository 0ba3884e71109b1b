"""The steps of file_inventory.yaml: plain functions that take ctx and their params by name."""

from __future__ import annotations

import hashlib
from html import escape
from pathlib import Path
from typing import Any

from step_library.kit.reports import reporting

SHOWN = 15
BLUE, INK, QUIET = "#0072B2", "#1f2933", "#52606d"


def measure(path: str) -> dict[str, Any]:
    """One file. It needs no ctx: what it returns is collected in ctx["files"], in the order of the files."""
    data = Path(path).read_bytes()
    return {
        "path": path,
        "lines": data.count(b"\n") + (not data.endswith(b"\n")),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def same_files(ctx: Any) -> dict[str, int]:
    """Files with the same content, grouped."""
    groups: dict[str, list[str]] = {}
    for file in ctx.plain("files"):
        groups.setdefault(file["sha256"], []).append(file["path"])
    ctx["same"] = [paths for paths in groups.values() if len(paths) > 1]
    return {"groups": len(ctx["same"])}


def checksums(ctx: Any, out: str) -> str:
    """A list that `sha256sum --check` reads."""
    reporting.replace_text(Path(out), "".join(f"{file['sha256']}  {file['path']}\n" for file in ctx.plain("files")))
    return out


def report(ctx: Any, folder: str) -> dict[str, str]:
    """`Assets/report.html`, `.md` and `.svg`."""
    files = sorted(ctx.plain("files"), key=lambda file: -file["lines"])
    lines, size = sum(file["lines"] for file in files), sum(file["bytes"] for file in files)
    ctx["totals"] = {"files": len(files), "lines": lines, "bytes": size}
    same = [", ".join(group) for group in ctx.plain("same")]
    made = reporting.Report(
        title=f"The files of {ctx['folder']}",
        verdict=f"{len(files)} files, {lines:,} lines",
        kind="warning" if same else "good",
        summary=f"{size / 1024:.1f} KiB of Python in all, {lines / len(files):.0f} lines a file. "
        + (f"Files with the same content: {'; '.join(same)}." if same else "No two files have the same content."),
        chart=_bars(files[:SHOWN]),
        chart_title="The longest files",
        sections=[reporting.Section("All files", table=_table(files))],
    )
    return reporting.write_report(made, Path(folder) / "Assets")


def _table(files: list[dict[str, Any]]) -> reporting.Table:
    rows = [[f["path"], f"{f['lines']:,}", f"{f['bytes']:,}", f["sha256"][:12]] for f in files]
    return reporting.Table(["file", "lines", "bytes", "SHA-256"], rows, numbers=[1, 2])


def _bars(files: list[dict[str, Any]]) -> str:
    """Lying bars, the longest file on top."""
    longest = max(file["lines"] for file in files)
    height = 34 + 22 * len(files)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {height}" width="760" height="{height}" role="img"'
        f' font-family="system-ui, \'DejaVu Sans\', Arial, sans-serif" font-size="12" fill="{INK}">',
        f'<title>The longest files</title><rect width="760" height="{height}" fill="#ffffff"/>',
        '<text x="0" y="16" font-size="14" font-weight="600">Lines of the longest files</text>',
    ]
    for number, file in enumerate(files):
        y, width = 28 + 22 * number, 380 * file["lines"] / longest
        parts += [
            f'<text x="312" y="{y + 13}" text-anchor="end">{escape(_short(file["path"]))}</text>',
            f'<rect x="320" y="{y}" width="{width:.1f}" height="17" fill="{BLUE}"/>',
            f'<text x="{326 + width:.1f}" y="{y + 13}" fill="{QUIET}">{file["lines"]:,}</text>',
        ]
    return "\n".join([*parts, "</svg>\n"])


def _short(path: str) -> str:
    return path if len(path) <= 46 else "…" + path[-45:]
