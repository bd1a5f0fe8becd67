"""Where the engine calls its tracing, which is :data:`active` only if ``TRACING`` is set.

The engine looks at the name ``active`` of this module, which costs no call while it is None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from channels_workers.layers.codec import Content
from channels_workers.layers.types import Committed, Finished, Published

#: The key of a message under which its trace context travels. Consumers do not see it.
CARRIER = "channels_workers.trace"

Done = Callable[[Published | Exception], object]


class Traced(Protocol):
    """A connection that is traced: *trace* belongs to the tracing."""

    reply_channel: str
    trace: Any


class Publication(Protocol):
    """What goes to a channel: see :class:`~channels_workers.interface.actions.Publish`."""

    @property
    def channel(self) -> str:
        """The channel."""

    @property
    def order(self) -> int:
        """The number of the message in its connection."""

    @property
    def content(self) -> Content:
        """What the connection publishes."""

    @property
    def received(self) -> float:
        """When a frame came (monotonic s), 0 if it is none."""

    @property
    def waited(self) -> bool:
        """Whether it had to wait for an earlier frame."""


class Delivering(Protocol):
    """A message on its way to the sockets of a server."""

    def end(self) -> None:
        """Note that each socket has it."""


class Tracing(Protocol):
    """What the engine tells its tracing."""

    def publish(
        self, connection: Traced, step: Publication, last: Content, done: Done
    ) -> tuple[Content, Content, Done]:
        """Begin the trace of a message of *connection*.

        Return the contents of *step* and of the *last* message with their contexts, and what to
        call instead of *done*. Only the first message of a connection has a last one.
        """

    def send(self, target: str, content: Content, *, to_group: bool = False) -> Content:
        """Return *content* with the context of a send to the channel or group *target*."""

    def deliver(
        self, carrier: Any, target: str, receivers: int, *, to_group: bool
    ) -> Delivering | None:
        """Begin to hand a message with the context *carrier* to so many *receivers*."""

    def around(self, consume: Callable[..., Any], carrier: Any) -> Callable[..., Any]:
        """Return *consume* of dispatch in a span, which continues the trace of *carrier*."""

    def replied(self) -> None:
        """Note that the layer has answered the commits of this thread, before a wait for more."""

    def committed(
        self, finished: Sequence[Finished], done: Sequence[Committed | Exception]
    ) -> None:
        """Note the results of commits."""

    def note_task(self, path: str) -> None:
        """Note that the running consumer runs the task with this dotted name."""

    def note_failure(self, error: BaseException) -> None:
        """Note an error that the running consumer handles: that of a task."""


#: The tracing of this process, or None.
active: Tracing | None = None
