"""Recipe files that steps read, and new ones that they write."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from octo.errors import UsageError
from octo.recipe.merge import SETTLES_META, Merged
from octo.recipe.merge_names import SETTLES_NAMES
from step_library.kit.files.file_io import reading, write_whole

log = logging.getLogger("octo.steps")


def existing(paths: Sequence[str]) -> list[str]:
    """The paths as they are; NoSuchFile (a FileNotFoundError) or FileFailed for the first that cannot be read."""
    for path in paths:
        with reading(Path(path)):
            pass
    return list(paths)


@contextmanager
def in_words_of_step(names: str, meta: str) -> Iterator[None]:
    """Messages of the merge offer the step's own parameters instead of the options of `octo recipe`."""
    try:
        yield
    except UsageError as error:
        error.message = error.message.replace(SETTLES_NAMES, names).replace(SETTLES_META, meta)
        error.args = (error.message,)
        raise


def write_new(merged: Merged, out: str, recipes: Sequence[str]) -> list[str]:
    """Write a recipe that was put together of others, whole or not at all; what people should know of it."""
    path = Path(out)
    if path.exists() and any(path.samefile(each) for each in recipes):
        raise UsageError(f"out: {out} is one of the recipes that are put together; give the new one another name")
    write_whole(path, [merged.text.encode()])
    for change in merged.changes:
        log.warning("%s: %s", out, change)
    return merged.changes
