"""Random factors for pauses, so that many processes and clients do not act at the same moment.

They come from the system. So they leave alone what a project does with Python's `random`, and
processes that were forked from one another differ.
"""

from __future__ import annotations

import random

_system = random.SystemRandom()


def jittered(seconds: float, low: float, high: float) -> float:
    """Return *seconds* times a random factor from *low* to *high*."""
    return seconds * _system.uniform(low, high)
