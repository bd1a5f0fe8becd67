"""The processes that Redis knows: registrations, heartbeats, and what the dead leave."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from channels_workers.conf import configuration
from channels_workers.layers.redis import requests
from channels_workers.layers.redis.client import Client
from channels_workers.layers.redis.registration import Registration
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.types import GivenUp, Liveness, ProcessInfo, new_id

#: How many messages or connections of a dead process are dealt with at once, and how many dead
#: processes are remembered, so that one that comes back knows what happened.
CLEANED, DEAD_REMEMBERED = 200, 10_000


class Processes:
    """Interface servers and workers, as Redis knows them."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._lives: dict[str, Registration] = {}

    def begin_in_child(self) -> None:
        """Forget the registrations, which are the parent's."""
        self._lives = {}

    def register(self, process: str, about: ProcessInfo) -> Registration:
        """Make *process* known, after a look at what kind of server answers."""
        self.client.check_server()
        self.client.claim_format()
        with self.client.explained():
            self.client.teach("commit")  # a worker's first one would wait for its next message
        told = json.dumps(about._asdict())
        life = Registration(
            process,
            self.client.call(Request("register", [process, told, new_id()])).decode(),
            told,
        )
        self._lives[process] = life
        return life

    def heartbeat(self, process: str) -> Liveness:
        """Raise the counter of *process*; end a recovery whose time is over."""
        life = self._lives.get(process)
        if life is None:
            return Liveness.LOST
        heartbeat = life.read(self.client.call(life.heartbeat()), time.monotonic())
        for request in life.follow_up(time.monotonic()):
            self.client.call(request)
        return heartbeat

    def retire(self, process: str, consumers: Sequence[str], channels: Sequence[str]) -> None:
        """End *process*; consumers that still hold deliveries stay, with them."""
        arguments: requests.Arguments = [process]
        for consumer in consumers:
            for channel in channels:
                arguments += (channel, consumer)
        self.client.call(Request("retire", arguments))
        self._lives.pop(process, None)

    def counters(self) -> dict[str, int]:
        """Return the heartbeat counter of each process that is known."""
        found: dict[bytes, bytes] = self.client.read("HGETALL", "processes", "hash")
        return requests.read_counters([each for pair in found.items() for each in pair])

    def lagging(self) -> dict[str, int]:
        """Return the heartbeat counter of each server that does not keep up with its inbox."""
        limits = configuration()
        found = self.client.call(Request("lagging", [limits.INBOX_ENTRIES, limits.INBOX_BYTES]))
        return requests.read_counters(found)

    def untold(self) -> list[str]:
        """Return where Redis holds what nobody can read, and no log has said so; each once."""
        found = self.client.call(Request("unlogged", [], repeatable=False))
        return [where.decode("utf-8", "backslashreplace") for where in found]

    def orphans(self) -> set[str]:
        """Return the processes that hold messages and are not known."""
        return set(map(requests.read_name, self.client.call(Request("orphans", []))))

    def mark_dead(self, process: str, counter: int) -> bool:
        """Declare *process* dead; False if its heartbeat rose beyond *counter*, or is not known.

        *counter* is 0 for one of the :meth:`orphans`.
        """
        name = requests.written_name(process)
        return bool(self.client.call(Request("mark_dead", [name, counter, DEAD_REMEMBERED])))

    def awaiting_cleanup(self) -> set[str]:
        """Return the dead that were not cleaned up after yet."""
        found: set[bytes] = self.client.read("SMEMBERS", "awaiting_cleanup", "set")
        return set(map(requests.read_name, found))

    def clean_up(self, process: str, refusal: bytes) -> list[GivenUp]:
        """Undo what a dead process left behind, a bit at each request; return what is given up."""
        limits, name = configuration(), requests.written_name(process)
        at, given_up = b"", list[bytes]()
        while at != b"done":
            rest: requests.Arguments = [CLEANED, limits.DELIVERIES, limits.DEAD_LETTERS, refusal]
            at, *found = self.client.call(Request("clean_up", [name, at, *rest]))
            given_up += found
        names = [each.decode("utf-8", "backslashreplace") for each in given_up]
        return [GivenUp(*pair) for pair in zip(names[::2], names[1::2], strict=True)]
