"""What an interface server does for one request, on the memory layer."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

from channels_workers.flow import CHUNK, INLINE_BODY
from channels_workers.layers.codec import Content
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import REQUEST, REQUEST_DISCONNECT, Delivery, ReplyKind
from tests.channels_workers.clients import pull_one
from tests.channels_workers.consumers import TIMEOUT


class Exchange:
    """One request, and what workers reply to it.

    It takes what the layer has at once, in the thread that sent it. A client that *is_slow* takes
    parts of the response only by `take()`. The first *lost* requests for the body get no answer.
    """

    def __init__(
        self,
        layer: InMemoryChannelLayer,
        body: bytes = b"",
        kind: ReplyKind = ReplyKind.SAFE,
        *,
        is_slow: bool = False,
        lost: int = 0,
    ) -> None:
        self.layer = layer
        self.body = body
        self.is_slow = is_slow
        self.lost = lost
        self.contents: list[Content] = []
        self.asked: list[list[int]] = []
        self.released: list[int] = []
        self.has_ended = False
        self.changed = threading.Condition()
        self.reply_channel = asyncio.run(layer.attach(self, kind))
        server = self.reply_channel.partition("!")[0]
        layer.store.inbox_listeners[server] = self._drain

    def _drain(self) -> None:
        self.layer.drain()

    # Called by the layer

    def deliver(self, content: Content, to_group: bool = False) -> None:
        if "read_body" in content:
            self._tell_body(*content["read_body"])
        else:
            self.contents.append(content)
            if not self.is_slow:
                self.take()
        self._note()

    def release(self, order: int) -> None:
        self.released.append(order)
        self._note()

    def end_told(self) -> None:
        self.has_ended = True
        self._note()

    def evicted(self) -> None:
        raise AssertionError(f"The layer lost {self.reply_channel}")

    def snapshot(self) -> None:
        return None

    def _note(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def _tell_body(self, offset: int, size: int) -> None:
        self.asked.append([offset, size])
        if len(self.asked) <= self.lost:
            return
        end = min(offset + size, len(self.body))
        for at in range(offset, end, CHUNK):
            self.tell({"at": at, "body": self.body[at : min(at + CHUNK, end)]})

    # Called by tests

    def tell(self, content: Content) -> None:
        self.layer.tell(self.reply_channel, self.layer.encode(content))

    def take(self) -> None:
        """Let the client take all that has come."""
        self.tell({"taken": self.reached})

    def go(self) -> None:
        """Let the client go, as the server tells a consumer and the layer."""
        self.tell({"gone": True})
        self.close()

    def close(self) -> None:
        asyncio.run(self.layer.close(self.reply_channel, 1006))

    def publish(self, **content: Any) -> None:
        inline = self.body[:INLINE_BODY]
        rest = f"{self.reply_channel}.body" if len(self.body) > INLINE_BODY else None
        given = {
            "method": "GET",
            "path": "/",
            "body": inline,
            "body_size": len(self.body),
            "body_channel": rest,
            **content,
        }
        encode = self.layer.encode
        last = encode({"path": given["path"]})
        asyncio.run(self.layer.publish(REQUEST, self.reply_channel, 0, encode(given), last))

    def pull(self, **content: Any) -> Delivery:
        """Publish the request and pull it for a worker."""
        self.publish(**content)
        return pull_one(self.layer, REQUEST)

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until `condition()` is true, of which not always somebody tells."""
        deadline = time.monotonic() + TIMEOUT
        with self.changed:
            while not condition():
                assert time.monotonic() < deadline, str(self.contents)[:1000]
                self.changed.wait(0.02)

    def until_released(self) -> None:
        self.until(lambda: self.released or self.has_ended)

    @property
    def reached(self) -> int:
        """The offset that the numbered parts have reached."""
        parts = [each for each in self.contents if "at" in each]
        return max((each["at"] + len(each["content"]) for each in parts), default=0)

    @property
    def response(self) -> bytes:
        """The body of the response, pieced together by the offsets."""
        body = b""
        for each in self.contents:
            at = each.get("at", len(body))
            assert at <= len(body), f"A gap before {at}"
            body = body[:at] + each["content"]
        return body

    @property
    def status(self) -> int:
        status: int = self.contents[0]["status"]
        return status

    @property
    def is_complete(self) -> bool:
        return bool(self.contents) and not self.contents[-1].get("more_content")

    @property
    def waits_to_end(self) -> bool:
        """Whether its end waits for a worker."""
        return self.layer.length(REQUEST_DISCONNECT) > 0
