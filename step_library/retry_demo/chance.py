"""Chance that comes out the same each time: it depends on the seed and on which try it is, on nothing else.

So a run that is killed and carried on by another process meets the same luck as one that was left alone.
"""

from __future__ import annotations

import random


def roll(seed: object, *which: object) -> float:
    """A number from 0 to 1 for this seed and try."""
    return random.Random(":".join(str(part) for part in (seed, *which))).random()
