"""Three shards in three Redis, at the level of scripts."""

from collections.abc import Iterator, Sequence
from typing import Any

import redis

from channels_workers.layers.history import Histories
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.redis.requests import Request, encode_operations
from channels_workers.layers.redis.resp import Arguments
from channels_workers.layers.redis.shard import Shard
from channels_workers.layers.redis.shards import RedisShards
from channels_workers.layers.shards.types import Applied, LogEntry, Mark
from channels_workers.layers.types import GroupSend, Join, Operation, ProcessInfo, new_id
from labs.harness.redis_server import RedisServer

NAMES = ("a", "b", "c")
MOST = 50
TOKEN = "1f"

#: An operation in an inbox: kind and target, value.
Told = tuple[str, bytes]


class ShardSite:
    """Shards with a registered worker each; `pull` applies their logs."""

    def __init__(self, servers: dict[str, RedisServer], user: str = "", **limits: int) -> None:
        login = f"//{user}:password@" if user else "//"
        self.servers = servers
        self.names = tuple(servers)
        self.layers = {
            name: RedisChannelLayer(
                hosts=[server.url.replace("//", login)],
                lifeline=False,
                shard=Shard(name, self.names, **limits),
                history={"kept": {}},
            )
            for name, server in servers.items()
        }
        self.shards = RedisShards({name: each.client for name, each in self.layers.items()})
        for layer in self.layers.values():
            layer.call_shard = lambda shard, request: self.layers[shard].client.call(request)
        for name in self.names:
            self.register(name)

    def register(self, name: str) -> None:
        """Register a worker at a shard, and claim it."""
        about = ProcessInfo.this("worker", 1, ("websocket.connect", "work"))
        self.layers[name].register(f"worker{name}", about)
        assert self.shards.claim(name, TOKEN, 60)

    def redis(self, name: str) -> redis.Redis:
        return self.layers[name].client.redis

    def key(self, key: str) -> str:
        return self.layers[self.names[0]].client.key(key)

    def server(self, name: str) -> str:
        """Register a server at a shard; return its id."""
        server = f"{name}-{new_id()}"
        self.layers[name].register_server(server)
        return server

    def call(self, name: str, script: str, *arguments: Any) -> Any:
        return self.layers[name].client.call(Request(script, list(arguments)))

    def quads(self, name: str, *operations: Operation) -> Arguments:
        layer = self.layers[name]
        histories: Histories | None = layer.histories
        return encode_operations(operations, lambda channel: 100, histories, layer.client.shard)

    def send(self, name: str, *operations: Operation) -> bytes:
        """Carry out operations at a shard."""
        sent: bytes = self.call(name, "send", new_id(), *self.quads(name, *operations))
        return sent

    def log(self, name: str) -> list[LogEntry]:
        """All entries in the log of a shard."""
        return list(self.shards.read_log(name, None, 100_000, 0).entries)

    def logged(self, name: str) -> list[list[bytes]]:
        """Kind with destination, target and value of all operations in the log of a shard."""
        return [
            [
                each.operations[at + part]
                for at in range(0, len(each.operations), 4)
                for part in parts
            ]
            for parts in [(0, 1, 3)]
            for each in self.log(name)
        ]

    def epoch(self, name: str) -> str:
        found: Any = self.redis(name).get(self.key("epoch"))
        return found.decode()

    def apply(self, name: str, source: str, *entries: LogEntry, token: str = TOKEN) -> Applied:
        return self.shards.apply(name, token, source, self.epoch(source), entries)

    def pull(self, name: str) -> list[Applied]:
        """Apply at a shard what the others have for it, as a puller does."""
        done = []
        for source in self.names:
            mark = self.shards.marks(name).get(source)
            while source != name and (log := self.shards.read_log(source, mark, MOST, 0)).entries:
                done.append(self.shards.apply(name, TOKEN, source, log.epoch, log.entries))
                mark = done[-1].mark
        return done

    def pull_all(self) -> None:
        """Apply all logs until nothing is left; what they have for homes goes on to all."""
        while [done for name in self.names for done in self.pull(name)]:
            pass

    def mark(self, name: str, source: str) -> Mark | None:
        """The mark of a source as it stands at a shard."""
        found: dict[bytes, bytes] = self.redis(name).hgetall(self.key("marks"))
        value = found.get(source.encode())
        return Mark(value.split(b":")[0].decode(), int(value.split(b":")[1])) if value else None

    def entries(self, server: str) -> list[list[Told]]:
        """All entries in the inbox of a server, with the operations in each."""
        found: Any = self.redis(server[0]).xrange(self.key(f"inbox:{server}"))
        return [list(_pairs(fields)) for _, fields in found]

    def told(self, server: str, marks: bool = False) -> list[Told]:
        """All operations in the inbox of a server, perhaps with the marks between them."""
        every = [each for entry in self.entries(server) for each in entry]
        return [each for each in every if marks or not each[0].startswith("h")]

    def work(self, name: str, channel: str = "work") -> list[dict[bytes, bytes]]:
        """The messages that wait in an ordinary channel on a shard."""
        found: Any = self.redis(name).xrange(self.key(f"channel:{channel}"))
        return [dict(zip(fields[::2], fields[1::2], strict=True)) for _, fields in found]

    def members(self, name: str, group: str) -> set[str]:
        return self.layers[name]._members(group)

    def disconnect(self) -> None:
        for layer in self.layers.values():
            layer.disconnect()


def _pairs(fields: Sequence[bytes]) -> Iterator[Told]:
    for name, value in zip(fields[::2], fields[1::2], strict=True):
        yield name.decode(), value


def sends(site: ShardSite, *payloads: bytes, name: str = "a") -> None:
    """Send to the group `room` at a shard, each in a step of its own."""
    for payload in payloads:
        site.send(name, GroupSend("room", payload))


def room_of(site: ShardSite) -> dict[str, str]:
    """A server on each shard, with a member of `room`."""
    servers = {name: site.server(name) for name in NAMES}
    for name, server in servers.items():
        site.send(name, Join("room", f"{server}!x"))
    return servers


def heard(*payloads: bytes) -> list[Told]:
    return [("groom", payload) for payload in payloads]


def sent_to(site: ShardSite, server: str) -> list[Told]:
    return [each for each in site.told(server) if not each[0].startswith(("j", "l"))]
