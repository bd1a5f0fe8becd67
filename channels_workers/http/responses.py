"""Responses in pieces: they go out while the consumer runs, as fast as the client takes them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from channels_workers.exceptions import RequestAborted
from channels_workers.flow import LISTEN_TIMEOUT, WINDOW, WINDOW_PIECES, chunk_size, inline_response
from channels_workers.http.mailbox import AT_ONCE, Mailbox
from channels_workers.http.places import PATIENCE, current_places, unlimited
from channels_workers.layers.codec import Content
from channels_workers.message import Message

#: What goes out in place of a response that would hold a thread too many. The server answers it as
#: it answers what it refuses for now.
BUSY: Content = {
    "status": 503,
    "headers": [[b"Content-Type", b"text/plain; charset=utf-8"], [b"Retry-After", b"5"]],
    "content": b"Too much to do. Please ask again.\n",
    "is_busy": True,
}

#: The keys of contents that are part of a response.
PARTS = frozenset(("status", "content", "more_content"))


class ResponseSender:
    """Sends the response to *message* now, in numbered pieces.

    It waits while more than WINDOW bytes or WINDOW_PIECES are on the way to the client. Once it has
    waited for longer than PATIENCE it takes a place, which `leave` gives back; if none is left, the
    response is cut. Methods raise :class:`~channels_workers.exceptions.RequestAborted` then, and
    when the client has gone. The server takes the pieces of one run, each once. If the response
    *is_finished*, as views have made all of it, the server may take pieces before the client does.
    One that *is_quick*, as it never waits for a slow client, needs no place.
    """

    def __init__(
        self, message: Message, *, is_finished: bool = False, is_quick: bool = False
    ) -> None:
        self._mailbox = Mailbox(message)
        self._marks: Content = {"is_finished": True} if is_finished else {}
        message_size = message.channel_layer.codec.message_size
        #: The size of a piece, and of the last one, which goes out with the commit (bytes).
        self.size, self.last_size = chunk_size(message_size), inline_response(message_size)
        self.sent = self.taken = 0  # bytes
        self._under_way: deque[int] = deque()  # offsets where pieces end that are not taken
        self.has_begun = False
        #: How long it has waited, for its client or its next part (s).
        self.waited = 0.0
        self._places = unlimited if is_quick else current_places.get()
        self._has_place = False
        self._looked_at = time.monotonic()

    @property
    def is_ahead(self) -> bool:
        """Whether the client has to take something before more is sent."""
        return self.sent - self.taken > WINDOW or len(self._under_way) > WINDOW_PIECES

    def send(self, content: Content) -> None:
        """Send *content*, in as many pieces as it needs; wait for the client."""
        for piece in self.pieces(content):
            self.put(piece)
            while self.is_ahead:
                self.wait()

    def pieces(self, content: Content) -> Iterator[Content]:
        """Yield *content* in pieces that fit into messages."""
        head: Content = {key: content[key] for key in ("status", "headers") if key in content}
        data, more = content["content"], content["more_content"]
        cuts = [0, *range(self.size, len(data), self.size)]
        if not more and len(data) - cuts[-1] > self.last_size:
            cuts.append(len(data) - self.last_size)
        for start, end in pairwise([*cuts, len(data)]):
            yield {**head, "content": data[start:end], "more_content": more or end < len(data)}
            head = {}

    def put(self, piece: Content) -> None:
        """Send a piece now; an empty one only to begin, as it takes nothing further."""
        self.look()
        if self.has_begun and not piece["content"]:
            return
        self._say(piece)
        self.has_begun = True
        self.sent += len(piece["content"])
        self._under_way.append(self.sent)

    def wait(self) -> None:
        """Wait for a while for the client."""
        began = time.monotonic()
        told = self._mailbox.listen()
        self._looked_at = time.monotonic()
        self.waited += self._looked_at - began
        self._hold_place()
        if told is not None:
            self._note(told)
            return
        self._mailbox.check_connected()
        # What the server told may be lost. It tells again for a piece that is empty.
        self._say({"content": b"", "more_content": True})

    def _say(self, piece: Content) -> None:
        self._mailbox.say({**piece, **self._marks, "at": self.sent})

    def numbered(self, piece: Content) -> Content:
        """Return *piece* for the commit, as the one that comes next."""
        return {**piece, "run": self._mailbox.run, "at": self.sent}

    def look(self) -> None:
        """Read what the server has told, if that was not done for a while."""
        self._hold_place()
        if time.monotonic() - self._looked_at < LISTEN_TIMEOUT:
            return
        is_silent = True
        while (told := self._mailbox.listen(AT_ONCE)) is not None:
            is_silent = False
            self._note(told)
        if is_silent:
            self._mailbox.check_connected()
        self._looked_at = time.monotonic()

    @property
    def may_wait(self) -> bool:
        """Whether a place is left for a response that waits."""
        return not self._places.are_full

    @property
    def refusal(self) -> Content:
        """What goes out with the commit in place of the response, if it must not wait."""
        return {**BUSY, "run": self._mailbox.run}

    def _hold_place(self) -> None:
        if self._has_place or self.waited <= PATIENCE:
            return
        if not self._places.take():
            self._say({"content": b"", "more_content": True, "is_busy": True})
            raise RequestAborted("Too many responses wait.")
        self._has_place = True

    def leave(self) -> None:
        """Hold a thread no longer."""
        if self._has_place:
            self._has_place = False
            self._places.leave()

    def _note(self, told: Content) -> None:
        taken: Any = told.get("taken")
        if isinstance(taken, int):
            self.taken = max(self.taken, taken)
            while self._under_way and self._under_way[0] <= self.taken:
                self._under_way.popleft()


def is_response(content: Content) -> bool:
    """Say whether *content* for a reply channel is a part of a response."""
    return not PARTS.isdisjoint(content)


def is_last_part(content: Content) -> bool:
    """Say whether *content* for a reply channel is the end of a response."""
    return is_response(content) and not content.get("more_content")
