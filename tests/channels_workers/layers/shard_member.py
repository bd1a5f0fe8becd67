"""A server on a shard, with one member of the group `room`."""

from typing import Any

from channels_workers.layers.redis import requests, wire
from channels_workers.layers.redis.marks import MarksHeard
from channels_workers.layers.server import Server
from channels_workers.layers.types import GroupSend, Join, ProcessInfo, new_id
from tests.channels_workers.layers.recorder import Recorder
from tests.channels_workers.layers.shard_site import ShardSite


class Member(Recorder):
    """A server on a shard with one member of `room`. Its calls are those of a session."""

    def __init__(self, site: ShardSite, name: str = "b") -> None:
        super().__init__()
        self.site, self.name = site, name
        self.server = Server(site.layers[name].codec, name)
        self.marks = MarksHeard(self.server.heard)
        site.layers[name].register_server(self.server.id)
        self.server.heard.read_all(site.shards.marks(name))
        self.channel = self.server.attach(self)
        site.send(name, Join("room", self.channel))
        self.read()

    @property
    def numbers(self) -> list[int]:
        return [each["n"] for each in self.messages]

    def read(self, most: int | None = None) -> None:
        """Carry out what is new in the inbox: all, or some entries."""
        after = f"({self.server.position}" if self.server.position else "-"
        inbox = self.site.key(f"inbox:{self.server.id}")
        found: Any = self.site.redis(self.name).xrange(inbox, after, "+")
        for entry in list(wire.read_inbox([[inbox, found]]))[:most]:
            self.server.process(entry)

    def restore(self) -> None:
        """Register again after a loss of data, as a session does."""
        self.marks.forget()
        epoch, about = self.site.epoch(self.name), ProcessInfo.this("server")
        for request in requests.restore(self.server, epoch, about, 100):
            assert self.site.layers[self.name].client.call(request) == b"done"
        self.server.restored()

    def heartbeat(self) -> list[Any]:
        epoch = self.site.epoch(self.name)
        known = (self.server.id, self.server.position, epoch, 1, new_id())
        found: list[Any] = self.site.call(self.name, "heartbeat", *known)
        assert found[0] == b"alive"
        self.marks.note(found[4:], self.server.position)
        return found[4:]


def say(site: ShardSite, *numbers: int, name: str = "a") -> None:
    """Send to `room` from a shard, each in a step of its own."""
    for number in numbers:
        site.send(name, GroupSend("room", site.layers[name].encode({"n": number})))


def lose(site: ShardSite, name: str = "b") -> None:
    """Empty a shard; a first process notices, and all others may register again."""
    site.servers[name].flush()
    noticed = site.call(name, "heartbeat", f"worker{name}", "", "0" * 16, 1, new_id())
    assert noticed[0] == b"lost"


def recover(site: ShardSite, name: str = "b") -> None:
    """End the time in which processes register again."""
    assert site.call(name, "recovered", site.epoch(name)) == 1
    site.register(name)
