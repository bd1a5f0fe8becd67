"""The messages of ordinary channels; no lock of its own: the store holds its lock around it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from channels_workers.layers.types import Delivery


@dataclass
class Stream:
    """The messages of one ordinary channel: those that wait, and those handed out."""

    waiting: OrderedDict[str, Delivery] = field(default_factory=OrderedDict)
    pending: dict[str, Delivery] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.waiting) + len(self.pending)

    def take(self) -> Delivery:
        """Take the next message away; KeyError if none waits."""
        return self.waiting.popitem(last=False)[1]

    def hand_out(self, consumer: str) -> Delivery:
        """Let *consumer* hold the next message; KeyError if none waits."""
        message = self.take()._replace(consumer=consumer)
        self.pending[message.token] = message
        return message


class Streams:
    """The streams ``by_channel``: of those with messages, and of those that workers listen to.

    *next_token* names a message in its stream; *arrived* is called when one got a message.
    """

    def __init__(self, next_token: Callable[[], str], arrived: Callable[[], None]) -> None:
        self.next_token = next_token
        self.arrived = arrived
        self.by_channel: dict[str, Stream] = {}
        self._listened: set[str] = set()

    def __getitem__(self, channel: str) -> Stream:
        """Return the stream of *channel*, to look at; one that was never used is empty."""
        return self.by_channel.get(channel, Stream())

    def add(self, message: Delivery) -> str:
        """Let *message* wait in its channel; return its token."""
        token = self.next_token()
        stream = self.by_channel.setdefault(message.channel, Stream())
        stream.waiting[token] = message._replace(token=token)
        self.arrived()
        return token

    def hand_out(self, channels: Sequence[str], consumer: str, count: int) -> list[Delivery]:
        """Hand out *count* messages at most of each channel, to which *consumer* listens now."""
        for channel in channels:
            if channel not in self._listened:
                self._listened.add(channel)
                self.by_channel.setdefault(channel, Stream())
        return [
            self[channel].hand_out(consumer)
            for channel in channels
            for _ in range(min(count, len(self[channel].waiting)))
        ]

    def is_owner(self, delivery: Delivery) -> bool:
        """Say whether the consumer of *delivery* still holds it; see ``is_pending_for``."""
        held = self[delivery.channel].pending.get(delivery.token)
        return held is not None and held.consumer == delivery.consumer

    def acknowledge(self, delivery: Delivery) -> Delivery:
        """Take what is held away, and return it as the store has it; KeyError if it is not held."""
        held = self[delivery.channel].pending.pop(delivery.token)
        self._forget_empty(delivery.channel)
        return held

    def take(self, channel: str) -> Delivery | None:
        """Take the next message of *channel* away, None if there is none."""
        stream = self[channel]
        found = stream.take() if stream.waiting else None
        self._forget_empty(channel)
        return found

    def withdraw(self, channel: str, token: str) -> None:
        """Take a message away that waits."""
        del self[channel].waiting[token]
        self._forget_empty(channel)

    def _forget_empty(self, channel: str) -> None:
        """Forget a stream without messages, unless workers listen: anybody may name a channel."""
        if channel not in self._listened and not self[channel]:
            self.by_channel.pop(channel, None)

    def put_again(self, held: Delivery) -> str:
        """Put what is held at the end of its stream; return its new token; see ``again.lua``."""
        self.acknowledge(held)
        return self.add(held._replace(consumer=""))

    def held(self) -> Iterator[Delivery]:
        """Return what any consumer holds."""
        return (held for stream in self.by_channel.values() for held in stream.pending.values())

    def held_by(self, process: str) -> list[Delivery]:
        """Return what the consumers of *process* hold."""
        return [held for held in self.held() if process_of(held.consumer) == process]

    def holders(self) -> set[str]:
        """Return the processes whose consumers hold something."""
        return {process_of(held.consumer) for held in self.held()} - {""}

    def lengths(self) -> dict[str, int]:
        """Return how many messages wait or are under way, by channel."""
        return {channel: len(stream) for channel, stream in self.by_channel.items()}


def process_of(consumer: str) -> str:
    """Return the process of ``<process>.<thread>``; "" for another name."""
    return consumer.rpartition(".")[0]
