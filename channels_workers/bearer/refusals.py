"""Counts invalid tokens by the addresses of clients, so that nobody can try tokens without end."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import OrderedDict

from channels_workers.bearer.configuration import token_settings
from channels_workers.log_limits import flood
from channels_workers.logs import fields

#: How long invalid tokens of an address count together, from the first one (s).
PERIOD = 60.0

#: The most addresses that are remembered. Beyond it, the one that began first is forgotten.
ADDRESSES = 10_000

logger = logging.getLogger(__name__)
logger.addFilter(flood)  # an attacker may have many addresses


class RefusedTokens:
    """The addresses whose tokens this process has refused; callable from any thread.

    Without ``REFUSED_PER_ADDRESS`` in ``CHANNEL_TOKENS`` it counts nothing.
    """

    def __init__(self) -> None:
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._counts)

    def note(self, address: str) -> None:
        """Count an invalid token from *address*."""
        limit = token_settings().REFUSED_PER_ADDRESS
        if not limit or not address:
            return
        now = time.monotonic()
        with self._lock:
            began, count = self._counts.get(address, (now, 0))
            if now - began >= PERIOD:
                del self._counts[address]
                began, count = now, 0
            self._counts[address] = began, count + 1
            if len(self._counts) > ADDRESSES:
                self._counts.popitem(last=False)
        if count + 1 == limit:
            logger.warning(
                "The address %s has sent %d invalid tokens within %g s. Its tokens are refused "
                "unread until that time is over (REFUSED_PER_ADDRESS)",
                address,
                limit,
                PERIOD,
                extra=fields("tokens_limited", client=address),
            )

    def wait(self, address: str) -> int:
        """Return for how long no token from *address* is taken (s); 0 if one is."""
        limit = token_settings().REFUSED_PER_ADDRESS
        if not limit or (found := self._counts.get(address)) is None:
            return 0
        began, count = found
        return max(0, math.ceil(began + PERIOD - time.monotonic())) if count >= limit else 0


#: Those of this process.
refused_tokens = RefusedTokens()
