"""Files that steps read and write: whole or not at all, their folders made, their format told by their name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from octo.errors import OctoError, UsageError
from octo.store import files

COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2"}
FORMATS = {".json": "json", ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".yaml": "yaml",
           ".yml": "yaml", ".xlsx": "xlsx", ".parquet": "parquet"}


class FileFailed(OctoError, OSError):
    """A file could not be read or written."""

    def __str__(self) -> str:  # an OSError has its own way
        return self.message


class NoSuchFile(FileFailed, FileNotFoundError):
    """A file that a step is to read is not there."""


class IsFolder(FileFailed, UsageError, IsADirectoryError):
    """The name that a file is to have is that of a folder."""


class BadFile(OctoError, ValueError):
    """What stands in a file is not of the format that it should be."""

    def __str__(self) -> str:
        return self.message


def format_of(path: str) -> str | None:
    """The format that a file's name tells, whether compressed or not; None where it tells none."""
    name = path.lower()
    for ending in COMPRESSIONS:
        name = name.removesuffix(ending)
    return FORMATS.get(os.path.splitext(name)[1])


def compression_of(path: str) -> str | None:
    """gzip, bz2, or None, as the file's name tells."""
    return COMPRESSIONS.get(os.path.splitext(path.lower())[1])


def allowed(path: str, within: str | Sequence[str] | None) -> Path:
    """The path; UsageError where it is empty, or in none of the folders `within` (None: any will do)."""
    if not path or "\0" in path:
        raise UsageError(f"path: {path!r} is no name of a file")
    if within is not None:
        folders = [within] if isinstance(within, str) else list(within)
        place = Path(os.path.realpath(path))
        if not any(place.is_relative_to(os.path.realpath(folder)) for folder in folders):
            raise UsageError(f"path: {path} is not in {' or '.join(folders) or 'any folder'}, where it has to be")
    return Path(path)


def compressed(pieces: Iterable[bytes], compression: str | None) -> Iterator[bytes]:
    """The same bytes, packed."""
    if compression is None:
        yield from pieces
        return
    if compression == "gzip":
        import zlib

        packer: Any = zlib.compressobj(6, zlib.DEFLATED, 31)
    else:
        import bz2

        packer = bz2.BZ2Compressor()
    for piece in pieces:
        packed = packer.compress(piece)
        if packed:
            yield packed
    yield packer.flush()


def write_whole(path: Path, pieces: Iterable[bytes], compression: str | None = None) -> None:
    """Write a file under a temporary name and rename it; on an error what was there before is still there."""
    with _failing(path, "written"):
        _prepare(path)
        files.write_whole(path, compressed(pieces, compression))


def append_whole(path: Path, pieces: Iterable[bytes], compression: str | None = None) -> None:
    """Add to the end of a file, all or nothing. Hold its lock (`file_lock`) where others may do the same."""
    with _failing(path, "written"):
        _prepare(path)
        is_new = not path.exists()
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        try:
            before = os.fstat(fd).st_size
            try:
                for piece in compressed(pieces, compression):
                    files.write_all(fd, piece)
            except BaseException:
                os.ftruncate(fd, before)
                if is_new:
                    path.unlink()
                raise
        finally:
            os.close(fd)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; it is renamed to `path` when the block ends well, and removed when not."""
    with _failing(path, "written"):
        _prepare(path)
        if files.is_special(path):
            raise FileFailed(f"{path} cannot be written: it is a device or a pipe, where a file is needed")
        path = files.behind_links(path)
        temporary = files.temporary_for(path)
        try:
            yield temporary
            if path.exists():
                os.chmod(temporary, path.stat().st_mode & 0o7777)
            files.replace(temporary, path)
        finally:
            with suppress(OSError):
                temporary.unlink()


@contextmanager
def reading(path: Path, compression: str | None = None) -> Iterator[Any]:
    """A file's bytes as a stream, unpacked where its name says that they are packed, or as `compression` says."""
    compression = compression_of(str(path)) if compression is None else compression
    with _failing(path, "read"):
        raw = open(path, "rb")
    with raw:
        if compression in (None, "none"):
            yield raw
            return
        if compression == "gzip":
            import gzip as module
        else:
            import bz2 as module  # type: ignore[no-redef]
        try:
            with module.open(raw) as unpacked:
                yield unpacked
        except (EOFError, OSError) as error:
            if isinstance(error, OctoError):
                raise
            raise BadFile(f"{path} is not {compression}, as its name says: {error}") from None


def _prepare(path: Path) -> None:
    if path.is_dir():
        raise IsFolder(f"{path} cannot be written: it is a folder")
    path.parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def _failing(path: Path, what: str) -> Iterator[None]:
    """What the system refuses, as an error that names the file."""
    try:
        yield
    except OSError as error:
        if isinstance(error, OctoError):
            raise
        if isinstance(error, FileNotFoundError) and what == "read":
            raise NoSuchFile(f"there is no file {path}; the working directory is {os.getcwd()}") from None
        raise FileFailed(f"{path} cannot be {what}: {error.strerror or error}") from None
