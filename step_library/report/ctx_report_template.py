"""Fills a template (Markdown, HTML, any text) with values of ctx and others, and writes the text to a file."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from octo.errors import MissingKey, UsageError, nearest
from octo.report.entries import as_moment
from octo.report.pages import html_table, markdown_table
from octo.scriptlet import Param, scriptlet
from step_library.kit.files.file_io import BadFile, allowed, reading, write_whole
from step_library.kit.reports.value_tables import value_table
from step_library.kit.text.placeholders import fill
from step_library.kit.values.ctx_values import Ctx, plain

JINJA = (".j2", ".jinja", ".jinja2")
NO_TEXT = (".docx", ".doc", ".odt", ".pdf")


@scriptlet(
    params=[
        Param("template", "path", help="file with places such as {name}; a name that ends in .j2, .jinja or .jinja2 "
              "says that it is a jinja2 template"),
        Param("out", "path", help="file for the filled text; in .html what stands in values is never taken for markup"),
        Param("vars", "dict", {}, "the values by name; the text ctx:KEY is the value of that key of ctx, ctx::KEY the "
              "text ctx:KEY"),
        Param("ctx_keys", "list[str]", [], "keys of ctx that the template may use by their own names; also patterns "
              "such as result_*"),
        Param("engine", "str | null", None, "format: places such as {name}; jinja2: loops, conditions, filters; "
              "without it the template's name tells", choices=("format", "jinja2")),
    ]
)
def run(ctx: Ctx, params: dict[str, Any]) -> dict[str, Any]:
    """Fill the places of `template` with `vars` and write `out`. Returns `{"written": out}`.

    A template of the format kind has `{name}`, `{name[key][0]}`, `{name:.2f}`, `{name|used where there is none}` and
    `{table:name}`, a table of rows or of a dict; `{{` stands for a brace. One for jinja2 runs in the sandbox of recipes
    and has the filters `table` and `date`. Only what `vars` and `ctx_keys` name can be read. Raises MissingKey (a
    KeyError) for a place without a value, NoSuchFile (a FileNotFoundError), UsageError for what is no template.
    """
    template, out = allowed(params["template"], None), allowed(params["out"], None)
    for path in (template, out):
        if path.suffix.lower() in NO_TEXT:
            raise UsageError(f"{path}: {path.suffix[1:]} is no text; templates are Markdown, HTML or any other text")
    if os.path.realpath(template) == os.path.realpath(out):
        raise UsageError(f"out: {out} is the template itself")
    text = _read(template)
    names, lost = _names(ctx, params)
    is_html = out.suffix.lower() in (".html", ".htm")
    engine = params["engine"] or ("jinja2" if template.suffix.lower() in JINJA else "format")
    try:
        filled = (_rendered if engine == "jinja2" else _filled)(text, names, str(template), is_html)
    except MissingKey as error:
        raise MissingKey("; ".join([error.message, *(said for name, said in lost.items()
                                                     if repr(name) in error.message)])) from None
    write_whole(out, [filled.encode()])
    return {"written": params["out"]}


def _read(template: Path) -> str:
    with reading(template) as stream:
        data = stream.read()
    try:
        return str(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BadFile(f"{template} is not UTF-8 text (byte {error.start})") from None


def _names(ctx: Ctx, params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """What the template may use, and for names that point at no key of ctx what is to be said."""
    shared = {str(key): plain(ctx, key) for key in ctx
              if any(fnmatchcase(str(key), one) for one in params["ctx_keys"])}
    names: dict[str, Any] = {"ctx": shared, **shared}
    lost: dict[str, str] = {}
    for name, value in params["vars"].items():
        if isinstance(value, str) and value.startswith("ctx::"):
            names[name] = value.replace("ctx::", "ctx:", 1)
        elif isinstance(value, str) and value.startswith("ctx:"):
            key = value.removeprefix("ctx:")
            names.pop(name, None)
            if key in ctx:
                names[name] = plain(ctx, key)
            else:
                lost[name] = f"vars/{name}: ctx has no key {key!r}{nearest(key, map(str, ctx))}"
        else:
            names[name] = value
    return names, lost


class _Html(str):
    """Text that is HTML already."""

    def __html__(self) -> str:  # what jinja2 looks for
        return self


def _escaped(text: str) -> str:
    return text if isinstance(text, _Html) else html.escape(text)


def _table(value: Any, where: str, is_html: bool) -> str:
    table = value_table(value, where)
    return _Html(html_table(table)) if is_html else "\n".join(markdown_table(table))


# --- {name}


class _Tables:
    """What `{table:name}` stands for."""

    def __init__(self, names: Mapping[str, Any], is_html: bool) -> None:
        self._names, self._is_html = names, is_html

    def __format__(self, name: str) -> str:
        if name not in self._names:
            raise MissingKey(f"{{table:{name}}}: there is no {name!r}{nearest(name, self._names)}")
        return _table(self._names[name], name, self._is_html)


def _filled(text: str, names: Mapping[str, Any], what: str, is_html: bool) -> str:
    return fill(text, {"table": _Tables(names, is_html), **names}, what, _escaped if is_html else str)


# --- jinja2


def _rendered(text: str, names: Mapping[str, Any], what: str, is_html: bool) -> str:
    from jinja2 import TemplateSyntaxError, UndefinedError
    from jinja2.filters import FILTERS

    from octo.recipe.template import sandbox

    environment = sandbox(autoescape=is_html)
    environment.filters["table"] = lambda value: _table(value, "what is given to table", is_html)
    environment.filters["date"] = _date
    if is_html:
        environment.filters["tojson"] = FILTERS["tojson"]  # which a page's scripts can read
    try:
        return str(environment.from_string(text).render(names))
    except TemplateSyntaxError as error:
        raise UsageError(f"{what}:{error.lineno}: {error.message}") from None
    except UndefinedError as error:
        raise MissingKey(f"{what}: {error.message}") from None
    except Exception as error:  # whatever a filter or a value's own methods raise
        raise UsageError(f"{what}: {error}") from error


def _date(value: Any, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A time in epoch seconds, or as text, in local time."""
    from datetime import datetime

    return datetime.fromtimestamp(as_moment(value)).strftime(form)


if __name__ == "__main__":
    from octo.cli.exec import step_main

    step_main("ctx_report_template")
