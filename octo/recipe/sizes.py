"""Sizes as people write them, and how large this machine is."""

from __future__ import annotations

import os
import re

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)(i?)b?", re.IGNORECASE)


def parse_size(size: int | str) -> int | None:
    """Bytes of `2GiB`, `2GB`, `500 MB`, `1.5G` or a number; None where it is no size."""
    if isinstance(size, int):
        return size
    found = _SIZE.fullmatch(size.strip())
    if found is None or len(found[1]) > 30:
        return None
    power = " kmgtp".index(found[2].lower() or " ")
    if found[3] and not power:
        return None
    return int(float(found[1]) * (1024 if found[3] else 1000) ** power) or None


def spell_size(size: int) -> str:
    """`2.0 GiB`"""
    return f"{size / 2**30:.1f} GiB" if size >= 2**27 else f"{size / 2**20:.1f} MiB"


def machine_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine_memory() -> int:
    """Bytes of memory of this machine."""
    import psutil

    return int(psutil.virtual_memory().total)
