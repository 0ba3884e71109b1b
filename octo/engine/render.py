"""Draws one picture and ends: the child process behind `octo.engine.picture`.

Graphviz is C code that handles whatever text it is given, and drawing takes a while; neither belongs into
the process of an engine. The picture comes as JSON on the standard input: `{"picture": {...}, "out": path,
"format": "png"}`. The file is written under a temporary name and renamed, so nobody sees half of it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import types
from pathlib import Path

LARGEST = 5600  # pixels
SHARP = 110.0  # dots per inch, for a picture that is small enough
POINTS = 72.0
PLAIN_SIGNS = {
    "×": "x",
    "&#9472;": "-",
    "&nbsp;": " ",
    "&#9632;": "#",
    "&#9473;": "-",
    "&#9476;": ".",
    "&#9654;": ">",
    "&#9655;": ">",
}
FONT_DIRECTORIES = [Path("/usr/share/fonts"), Path("/usr/local/share/fonts")] + [
    Path.home() / place for place in (".fonts", ".local/share/fonts")
]


def render(dot: str, file_format: str) -> bytes:
    """The picture of DOT text as PNG or SVG. Raises ValueError when Graphviz cannot draw it."""
    import pygraphviz

    if file_format == "png" and not has_fonts():
        # This renderer has letters of its own, rough ones and few; the other would draw empty boxes.
        file_format = "png:gd"
        for sign, plain in PLAIN_SIGNS.items():
            dot = dot.replace(sign, plain)
        dot = dot.encode("ascii", "replace").decode()
    graph = pygraphviz.AGraph(string=dot)
    graph.layout(prog=graph.graph_attr.get("layout") or "dot")
    if file_format.startswith("png"):
        box = [float(n) for n in graph.graph_attr["bb"].split(",")]
        inches = (max(box[2] - box[0], box[3] - box[1]) + 40) / POINTS
        graph.graph_attr["dpi"] = f"{min(SHARP, LARGEST / inches):.1f}"
        if not has_fonts():
            file_format = (
                "png:gd"  # it has letters of its own, rough ones; the other renderer draws empty boxes
            )
    return bytes(graph.draw(format=file_format))


def has_fonts() -> bool:
    """Whether this machine has fonts to draw with; small servers and containers may have none."""
    if not sys.platform.startswith("linux") or os.environ.get("FONTCONFIG_FILE"):
        return True
    return any(next(directory.rglob("*.[to]t[fc]"), None) for directory in FONT_DIRECTORIES)


def main() -> None:
    if hasattr(os, "nice"):
        os.nice(10)
    order = json.load(sys.stdin)
    from octo.engine.dot import dot_source

    data = render(dot_source(order["picture"]), order["format"])
    write_whole(Path(order["out"]), data, order["time"])


def write_whole(out: Path, data: bytes, described: int = 0) -> None:
    """Write under a temporary name and rename. Raises OSError, and leaves nothing then.

    `described` is when the picture was described (ns since 1970): one that is newer is not replaced, as a drawing
    may come late. The file gets that time.
    """
    if described and out.is_file() and described < out.stat().st_mtime_ns <= time.time_ns():
        return
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o666 & ~_umask())
        if described:
            os.utime(name, ns=(described, described))
        os.replace(name, out)
    except BaseException:
        os.unlink(name)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _without_the_engine() -> None:  # pragma: no cover - only in the child process
    """Let `octo.engine.dot` be imported without what its packages import: this process must start fast."""
    here = Path(__file__).resolve().parent
    for name, directory in (("octo", here.parent), ("octo.engine", here)):
        package = types.ModuleType(name)
        package.__path__ = [str(directory)]
        sys.modules[name] = package


if __name__ == "__main__":  # pragma: no cover - only in the child process
    # Run by its path; its directory, whose modules may be called anything, is no place to search.
    sys.path[:] = [place for place in sys.path if Path(place).resolve() != Path(__file__).resolve().parent]
    _without_the_engine()
    main()
