"""What any worker does for all, in Redis: it cleans up, and looks after dead letters."""

from __future__ import annotations

import logging
from typing import Any

from channels_workers.layers.admin import Upkeep
from channels_workers.layers.aside import Aside
from channels_workers.layers.codec import Codec
from channels_workers.layers.redis import requests
from channels_workers.layers.redis.client import Client
from channels_workers.layers.redis.processes import Processes
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.redis.status import read_status
from channels_workers.layers.status import Status
from channels_workers.layers.types import REFUSAL, DeadLetter, GivenUp, Unreadable
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

CURE = (
    "All else goes on. Somebody else writes to the keys of this layer; let nobody, and see "
    "`manage.py deadletters aside`."
)


class RedisUpkeep(Upkeep):
    """The part of the layer that is for cleaning up, and for those who look at it."""

    client: Client
    _processes: Processes
    codec: Codec

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._aside = Aside(logger, CURE)

    # Cleaning up after others

    def processes(self) -> dict[str, int]:
        """Return the heartbeat counter of each process that is known."""
        return self._processes.counters()

    def lagging(self) -> dict[str, int]:
        """Return the heartbeat counter of each server that does not keep up with its inbox."""
        return self._processes.lagging()

    def orphans(self) -> set[str]:
        """Return the processes that hold messages and are not known.

        It is asked for rarely, so this is also when the log is told of what scripts set aside.
        """
        for where in self._processes.untold():
            extra = fields("unreadable")
            self._aside.add(Unreadable(where, "It is none of ours."), extra)
        return self._processes.orphans()

    def mark_dead(self, process: str, counter: int) -> bool:
        """Declare *process* dead."""
        return self._processes.mark_dead(process, counter)

    def awaiting_cleanup(self) -> set[str]:
        """Return the dead that were not cleaned up after yet."""
        return self._processes.awaiting_cleanup()

    def clean_up(self, process: str) -> list[GivenUp]:
        """Undo what a dead process left behind, a bit at each request."""
        return self._processes.clean_up(process, self.codec.encode(REFUSAL))

    # Dead letters

    def dead_letters(self) -> list[DeadLetter]:
        """Return the messages that were given up."""
        reply = self.client.read("XRANGE", "dead_letters", "stream", "-", "+")
        return [requests.read_dead_letter(entry, fields) for entry, fields in reply]

    def _send_dead_letter(self, letter: DeadLetter) -> bool:
        message = letter.message
        arguments: requests.Arguments = [letter.id, message.channel, message.id, message.payload]
        return bool(self.client.call(Request("retry", arguments)))

    def drop_dead_letter(self, letter: str) -> bool:
        """Forget a dead letter."""
        with self.client.explained():
            return bool(self.client.redis.xdel(self.client.key("dead_letters"), letter))

    def set_aside(self) -> list[Unreadable]:
        """Return the newest of what could not be read."""
        reply = self.client.read("XRANGE", "aside", "stream", "-", "+")
        return [requests.read_note(fields) for _, fields in reply]

    # What goes on

    def status(self) -> Status:
        """Return what goes on."""
        with self.client.explained():
            return read_status(self.client.redis, self.client.prefix)
