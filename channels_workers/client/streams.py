"""One stream of a client."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Protocol, Self

from channels_workers.client.mailboxes import Mailboxes
from channels_workers.client.options import Options
from channels_workers.client.subscriptions import Messages
from channels_workers.logs import shown

#: How long a reply may take (s).
REPLY_TIMEOUT = 30.0


class Sender(Protocol):
    """How a stream sends."""

    async def send(self, payload: Any, *, stream: str | None, confirm: bool) -> None:
        """Send a message."""

    def submit(self, payload: Any, *, stream: str | None) -> asyncio.Future[None]:
        """Put a message into the outbox."""

    async def request(
        self,
        payload: Any,
        *,
        stream: str | None,
        timeout: float | None,  # noqa: ASYNC109  (part of the call)
        repeat: bool,
    ) -> Any:
        """Send a request."""


class StreamMessages(Messages):
    """The stream *name* of a client: an iterator over its messages, which also sends.

    While nobody iterates over it, its messages go to the iterator of the client.
    """

    def __init__(
        self,
        client: Sender,
        name: str,
        mailboxes: Mailboxes,
        options: Options,
        stall_timeout: float,
    ) -> None:
        super().__init__(f"The messages of the stream {shown(name)}", options, stall_timeout)
        self.name = name
        self._client, self._mailboxes = client, mailboxes

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._mailboxes.remove_stream(self.name, self)

    async def send(self, payload: Any, *, confirm: bool = True) -> None:
        """Send a message to the stream: see ``Client.send()``."""
        await self._client.send(payload, stream=self.name, confirm=confirm)

    def submit(self, payload: Any) -> asyncio.Future[None]:
        """Put a message into the outbox: see ``Client.submit()``."""
        return self._client.submit(payload, stream=self.name)

    async def request(
        self,
        payload: Any,
        *,
        timeout: float | None = REPLY_TIMEOUT,  # noqa: ASYNC109  (part of the call)
        repeat: bool = False,
    ) -> Any:
        """Send a request to the stream: see ``Client.request()``."""
        return await self._client.request(payload, stream=self.name, timeout=timeout, repeat=repeat)

    def _begin(self) -> None:
        if not self.is_read:
            super()._begin()
            self._mailboxes.add_stream(self.name, self)
