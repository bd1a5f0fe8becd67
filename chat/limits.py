"""How fast one person may speak. No I/O."""

import datetime as dt
import math
from collections.abc import Sequence

from django.utils.translation import gettext

from chat.frames import FrameError

Rate = tuple[int, float]


def since(now: dt.datetime, rate: Rate) -> dt.datetime:
    """From when on what a person did counts."""
    return now - dt.timedelta(seconds=rate[1])


def admit(times: Sequence[dt.datetime], now: dt.datetime, rate: Rate) -> None:
    """Let one more through at ``now``, or raise ``FrameError`` (too_fast).

    ``times`` are those of what this person did before. What was refused is not among them. Those
    from the future do not count: a worker's clock may be behind that of another.
    """
    count, span = rate
    recent = sorted(time for time in times if since(now, rate) < time <= now)
    if len(recent) < count:
        return
    wait = (recent[-count] - since(now, rate)).total_seconds()
    detail = gettext("Up to %(count)d messages in %(span)g s; send it again in %(wait)s s.")
    values = {"count": count, "span": span, "wait": tenths(wait)}
    raise FrameError("too_fast", detail % values)


def tenths(seconds: float) -> str:
    """Seconds, rounded up, and never none."""
    return f"{max(math.ceil(round(seconds * 10, 3)) / 10, 0.1):.1f}"
