"""Measures how run time grows with the length of the input.

No time is compared with a clock. The CPU time for a long text is compared with that for a short
one. Four times the text takes four times as long if time is linear, and sixteen times if it is
quadratic. If one try leaves doubt, the best of several tries counts.
"""

import time
from collections.abc import Callable

#: Characters of the short text. The long one has four times as many.
SHORT = 15_000
#: Shorter times (s) are not compared: they are bounded, or too short to do harm.
NOTHING = 0.02
#: Between the 4 of linear time and the 16 of quadratic time.
MOST = 9
#: One try suffices below it.
CLEAR = 6
TRIES = 3


def assert_linear(test: Callable[[str], object], text: Callable[[int], str]) -> None:
    """Fail if `test(text(4 * n))` takes much more than four times as long as `test(text(n))`."""
    long, short = text(4 * SHORT), text(SHORT)
    needed = base = float("inf")
    for _ in range(TRIES):
        needed = min(needed, seconds(test, long))
        if needed <= NOTHING:
            return
        base = min(base, seconds(test, short))
        if needed < CLEAR * base:
            return
    assert needed < MOST * base, f"{base:.3f} s for {len(short)}, {needed:.3f} s for {len(long)}"


def seconds(test: Callable[[str], object], text: str) -> float:
    """The CPU time that it takes."""
    began = time.process_time()
    test(text)
    return time.process_time() - began
