"""Delays between attempts to connect (s)."""

from __future__ import annotations

from channels_workers.jitter import jittered

#: What a server of channels-workers says in the reason of the codes 4013 and 4014, before seconds.
_RETURN = "retry-after: "

#: The longest delay that a server can ask for (s).
_LONGEST_TOLD = 3600.0


def delay_after(failures: int, first: float, longest: float) -> float:
    """Return the delay after so many *failures* in a row, the first of which is 0.

    It doubles up to *longest*, and half of it is random: after a restart not all clients may come
    back at once.
    """
    whole = min(longest, first * 2.0 ** min(failures, 30))
    return jittered(whole, 0.5, 1.0)


def delay_told_by(reason: str) -> float | None:
    """Return the delay that the *reason* of a close frame asks for, None without one."""
    _, found, seconds = reason.partition(_RETURN)
    return delay_of(seconds.split()[0]) if found and seconds.strip() else None


def delay_of(seconds: str | None) -> float | None:
    """Return a delay of so many *seconds*, up to an hour, plus up to half of it; None without."""
    try:
        told = float(seconds or "")
    except ValueError:
        return None
    if not told >= 0:  # nor is NaN
        return None
    return jittered(min(told, _LONGEST_TOLD), 1.0, 1.5)
