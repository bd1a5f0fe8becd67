"""What the members of a group with history have received, and positions in messages; no I/O."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Any

from channels_workers.layers.codec import Content
from channels_workers.layers.history import Position
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: The key of a message that says under which name its position goes to clients.
POSITION_KEY = "position_key"

UNSTAMPED = (
    "A message to a group asks for its position as %r, and its text is not that of a JSON object, "
    "so its client learns no position. Send text that is a JSON object. This is logged once"
)

_logged: set[str] = set()


class MemberPositions:
    """What the members of one group on this server have received of *epoch*.

    A worker may repeat a join whose reply was lost, or run its consumer again. The messages that
    the first join has replayed, and those that were live since, must then not come again.
    """

    def __init__(self) -> None:
        self.epoch = ""
        self.last = 0  # offset of the newest message that this server has processed
        #: Each member has all messages after this offset, or will get them next.
        self._starts: dict[str, int] = {}
        #: Replays to a member up to this offset are new to it.
        self._new_until: dict[str, int] = {}

    def send(self, position: Position, members: Iterable[str]) -> None:
        """Note a live message to *members*."""
        if position.epoch != self.epoch:
            self._begin(position.epoch, position.offset - 1, members)
        self.last = position.offset

    def join(self, channel: str) -> None:
        """Note a member that wants live messages only."""
        self._starts.setdefault(channel, self.last)

    def resume(self, channel: str, position: Position, since: int, members: Iterable[str]) -> None:
        """Note a join at *position*, before replays of everything after the offset *since*.

        *members* are those of the group without *channel*, unless it was a member before.
        """
        if position.epoch != self.epoch:
            self._begin(position.epoch, position.offset, members)
        self.last = position.offset
        start = self._starts.get(channel, position.offset)
        self._new_until[channel] = start
        self._starts[channel] = min(start, since)

    def is_new(self, channel: str, position: Position) -> bool:
        """Say whether a replay to *channel* is no repetition."""
        is_same_epoch = position.epoch == self.epoch
        return is_same_epoch and position.offset <= self._new_until.get(channel, 0)

    def leave(self, channel: str) -> None:
        """Forget a member."""
        self._starts.pop(channel, None)
        self._new_until.pop(channel, None)

    def _begin(self, epoch: str, last: int, members: Iterable[str]) -> None:
        self.epoch, self.last = epoch, last
        self._starts = dict.fromkeys(members, last)
        self._new_until = {}


def stamp(content: Content, position: Position) -> None:
    """Put *position* into *content*, if it asks for it by ``position_key``.

    It becomes a member of the JSON object in ``text``, the first; or a field of a server-sent event
    in ``content``, the first; or a key of a message without text and bytes.
    """
    key = content.get(POSITION_KEY)
    if not isinstance(key, str):
        return
    event: Any = content.get("content")
    if isinstance(event, bytes):
        content["content"] = f"{key}: {position}\n".encode() + event
        return
    text: Any = content.get("text")
    if isinstance(text, str) and (found := text.lstrip()).startswith("{"):
        rest = found[1:]
        comma = "" if rest.lstrip().startswith("}") else ","
        content["text"] = f"{{{json.dumps(key)}:{json.dumps(str(position))}{comma}{rest}"
    elif text is None and content.get("bytes") is None:
        content[key] = str(position)
    elif "unstamped" not in _logged:
        _logged.add("unstamped")
        logger.error(UNSTAMPED, key[:100], extra=fields("bad_reply"))
