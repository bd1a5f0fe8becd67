"""Goes on with a connection over a new socket: what is counted, and what is kept; no I/O.

The server counts the frames that it took, the client those that it received. A new socket offers
the token of the connection and the client's count as a subprotocol. The first frame of the server
has its own count, and each side sends again what the other one lacks.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from channels_workers.interface.resume.wire import PREFIX, SUBPROTOCOL

#: The most frames that are kept to be sent again. The bytes are an option.
FRAMES_KEPT = 10_000

#: A token goes into a header: no spaces, commas or quotation marks (RFC 9110, 5.6.2).
_is_token = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,1024}").fullmatch

Data = str | bytes


class Agreement(NamedTuple):
    """What both sides have agreed on: whether it *is_resumed*, and the frames to send again."""

    is_resumed: bool
    has_gap: bool = False
    again: Sequence[Data] = ()


class Resumption:
    """Counts the frames of one connection, and keeps those that the server may not have.

    Up to *limit* bytes are kept. Without *is_wanted* nothing is.
    """

    def __init__(self, is_wanted: bool, limit: int) -> None:
        self._is_wanted, self._limit = is_wanted, limit
        self._begin()

    def _begin(self) -> None:
        self.token = ""
        self.sent = self.received = 0
        self._kept: deque[tuple[int, Data, int]] = deque()
        self._kept_bytes = 0

    @property
    def is_possible(self) -> bool:
        """Whether the server can go on with this connection."""
        return bool(self.token)

    @property
    def is_wanted(self) -> bool:
        """Whether the client asks for it."""
        return self._is_wanted

    def offers(self) -> list[str]:
        """Return the subprotocols to offer."""
        if not self._is_wanted:
            return []
        return [f"{PREFIX}{self.token}.{self.received}" if self.token else SUBPROTOCOL]

    def note_sent(self, data: Data) -> int:
        """Count a frame to the server, and keep it. Return its number, from 1."""
        self.sent += 1
        if self._is_wanted:
            cost = sys.getsizeof(data)
            self._kept.append((self.sent, data, cost))
            self._kept_bytes += cost
            while self._kept_bytes > self._limit or len(self._kept) > FRAMES_KEPT:
                self._drop_first()
        return self.sent

    def note_received(self) -> None:
        """Count a frame from the server."""
        self.received += 1

    def confirm(self, number: int) -> None:
        """Drop what the server has: all frames up to this *number*."""
        while self._kept and self._kept[0][0] <= number:
            self._drop_first()

    def begin_anew(self) -> Agreement:
        """Begin a new connection: nothing of the former one counts."""
        self._begin()
        return Agreement(False)

    def agree(self, frame: Mapping[str, Any]) -> Agreement:
        """Take the first *frame* of the server after an offer to resume."""
        if frame.get("resumed") is not True or not _is_count(frame.get("received")):
            self._begin()
            self.take_token(frame)
            return Agreement(False)
        received = frame["received"]
        first_kept = self._kept[0][0] if self._kept else self.sent + 1
        self.confirm(received)
        # The server counts on from what it has, also if frames after that are no longer kept.
        self._kept = deque(
            (received + n, data, cost) for n, (_, data, cost) in enumerate(self._kept, start=1)
        )
        self.sent = received + len(self._kept)
        self.take_token(frame)
        has_gap = frame.get("gap") is not False or received + 1 < first_kept
        return Agreement(True, has_gap, [data for _, data, _ in self._kept])

    def take_token(self, frame: Mapping[str, Any]) -> None:
        """Take the token with which this connection can be resumed, if it is one."""
        token = frame.get("token")
        self.token = token if isinstance(token, str) and _is_token(token) else ""

    def _drop_first(self) -> None:
        _, _, cost = self._kept.popleft()
        self._kept_bytes -= cost


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
