"""The rate limit of one person. No I/O."""

import datetime as dt
import math
from collections.abc import Sequence

from django.utils.translation import gettext

from chat.frames import FrameError

Rate = tuple[int, float]


def since(now: dt.datetime, rate: Rate) -> dt.datetime:
    """The start of the period that counts at ``now``."""
    return now - dt.timedelta(seconds=rate[1])


def admit(times: Sequence[dt.datetime], now: dt.datetime, rate: Rate) -> None:
    """Let one more through at ``now``, or raise ``FrameError`` (too_fast).

    ``times`` are the person's earlier, admitted actions. Times in the future do not count: the
    clocks of workers may differ.
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
    """Seconds, rounded up, never 0."""
    return f"{max(math.ceil(round(seconds * 10, 3)) / 10, 0.1):.1f}"
