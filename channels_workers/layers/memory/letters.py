"""The messages that were given up, as in ``letter.lua``; the store locks them."""

from __future__ import annotations

from collections.abc import Callable

from channels_workers.conf import configuration
from channels_workers.layers.memory.connections import Connections
from channels_workers.layers.memory.outbox import Outbox
from channels_workers.layers.memory.streams import Streams
from channels_workers.layers.types import CONNECT, DeadLetter, Delivery, Send


class Letters:
    """The newest dead letters, from the oldest on; *next_token* names them.

    Their messages come from *streams*; *connections* that waited for them go on by *outbox*.
    """

    def __init__(
        self,
        next_token: Callable[[], str],
        streams: Streams,
        connections: Connections,
        outbox: Outbox,
    ) -> None:
        self.next_token = next_token
        self.streams = streams
        self.connections = connections
        self.outbox = outbox
        self.kept: list[DeadLetter] = []

    def dead_letter(self, delivery: Delivery, reason: str, refusal: bytes) -> None:
        """Keep what is held; its connection goes on as if a consumer had run and done nothing.

        If it was a handshake, *refusal* is sent.
        """
        held = self.streams.acknowledge(delivery)
        self.kept.append(DeadLetter(self.next_token(), reason, held))
        del self.kept[: -configuration().DEAD_LETTERS]
        record = self.connections.waiting_for(held)
        if record is not None and held.reply_channel is not None:
            refused = [Send(held.reply_channel, refusal)] if held.channel == CONNECT else []
            plan = self.outbox.plan(refused, held.id, lambda channel: 0)
            plan.release(held.reply_channel, record)
            self.outbox.write(plan)
            self.connections.finish_order(held.reply_channel, record)

    def drop(self, letter: str) -> bool:
        """Forget a dead letter; False if it is not there."""
        left = [found for found in self.kept if found.id != letter]
        dropped, self.kept = len(left) < len(self.kept), left
        return dropped
