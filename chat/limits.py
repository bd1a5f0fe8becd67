"""How fast one connection may speak. No I/O; times are seconds of ``time.time()``."""

import math
from collections.abc import Sequence

from chat.frames import FrameError

Rate = tuple[int, float]


def admit(times: Sequence[float], now: float, rate: Rate | None, nonce: str | None) -> list[float]:
    """The times to keep once a message at ``now`` is let through, or ``FrameError`` (too_fast).

    ``times`` are those of the messages let through before. A message that is refused does not
    count, and neither does one from the future: a worker's clock may be behind that of the last.
    """
    if rate is None:
        return []
    count, span = rate
    recent = [time for time in times if now - span < time <= now]
    if len(recent) >= count:
        wait = math.ceil((recent[0] + span - now) * 10) / 10
        detail = f"Up to {count} messages in {span:g} s; send it again in {max(wait, 0.1):.1f} s."
        raise FrameError("too_fast", detail, nonce)
    return [*recent, now]
