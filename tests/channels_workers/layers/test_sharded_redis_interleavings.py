"""Shards in Redis under random interleavings: lost replies, losses of data, servers that lag.

Each member hears each message at most once, and those of a shard in order. It misses one only if
its server has learned of a gap in the log of that shard. An ordinary channel in the group gets each
message at most once, though its shard may be set back to an older copy.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

import pytest

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.shards.names import home_of_member
from channels_workers.layers.shards.types import Mark, Result
from channels_workers.layers.types import InboxKind, new_id
from tests.channels_workers.layers.shard_fixtures import make_site, redis_servers, site
from tests.channels_workers.layers.shard_member import Member, lose, recover, say
from tests.channels_workers.layers.shard_site import NAMES, TOKEN, ShardSite

__all__ = ["make_site", "redis_servers", "site"]

STEPS = 150


class Machine:
    """Takes random steps, and remembers what each member must hear."""

    def __init__(self, site: ShardSite, seed: int) -> None:
        self.site, self.random = site, random.Random(seed)
        self.numbers = count(1)
        self.members = [Member(site, name) for name in ("a", "b", "b", "c")]
        self.sent: dict[str, list[int]] = {name: [] for name in NAMES}
        self.gaps: dict[Member, set[str]] = {member: set() for member in self.members}
        self.work_home = home_of_member("room", "work", NAMES)
        self.copies: dict[str, dict[bytes, bytes]] = {}
        self._join_work()
        for member in self.members:
            self._watch(member)

    def _watch(self, member: Member) -> None:
        action = member.server._actions[InboxKind.GAP]
        run = action.run

        def noted(operation: Any, entry: str) -> None:
            self.gaps[member].add(operation.target)
            run(operation, entry)

        action.run = noted

    def shard(self) -> str:
        return self.random.choice(NAMES)

    def _join_work(self) -> None:
        self.site.redis(self.work_home).hset(self.site.key("group:room"), "*work", "")

    # The steps

    def send(self) -> None:
        name = self.shard()
        for _ in range(self.random.randint(1, 4)):
            number = next(self.numbers)
            say(self.site, number, name=name)
            self.sent[name].append(number)

    def pull(self) -> None:
        """Apply a part of a log, perhaps one that was applied before."""
        name = self.shard()
        for source, mark in self.site.shards.marks(name).items():
            back = self.random.choice([0, 0, 0, 1, 3])
            self.pull_from(name, source, mark, max(0, mark.seq - back))

    def pull_from(self, name: str, source: str, mark: Mark, after: int) -> bool:
        """Do what a puller does; return whether there was anything."""
        most = self.random.randint(1, 6)
        log = self.site.shards.read_log(source, Mark(mark.epoch, after), most, 0)
        after = after if log.epoch == mark.epoch else 0
        if log.first > after + 1 or (log.epoch != mark.epoch and not log.entries):
            self.site.shards.note_gap(name, TOKEN, source, Mark(log.epoch, log.first - 1))
            return True
        if log.entries:
            done = self.site.shards.apply(name, TOKEN, source, log.epoch, log.entries)
            assert done.result in (Result.APPLIED, Result.REPEATED), done
        return bool(log.entries)

    def read(self) -> None:
        self.random.choice(self.members).read(self.random.randint(1, 3))

    def heartbeat(self) -> None:
        self.random.choice(self.members).heartbeat()

    def trim(self) -> None:
        name = self.shard()
        for source, mark in self.site.shards.marks(name).items():
            seq = max(0, mark.seq - self.random.choice([0, 5]))
            self.site.shards.trim(source, name, Mark(mark.epoch, seq))

    def lose(self) -> None:
        """Empty a shard. Its servers register again in any order, and lag as before."""
        name = self.shard()
        lose(self.site, name)
        self._come_back(name)

    def _come_back(self, name: str) -> None:
        theirs = [member for member in self.members if member.name == name]
        self.random.shuffle(theirs)
        for member in theirs:
            member.restore()
        recover(self.site, name)
        if name == self.work_home:
            self._join_work()

    def copy(self) -> None:
        """Remember the data of a shard."""
        name = self.shard()
        client: Any = self.site.redis(name)
        self.copies[name] = {key: client.dump(key) for key in client.scan_iter()}

    def set_back(self) -> None:
        """Restart a shard with the copy of its data."""
        if not self.copies:
            return
        name = self.random.choice(list(self.copies))
        client: Any = self.site.redis(name)
        client.flushall()
        for key, value in self.copies.pop(name).items():
            client.restore(key, 0, value)
        client.set(self.site.key("run"), "another run")
        known = (f"worker{name}", "", self.site.epoch(name), 1, new_id())
        assert self.site.call(name, "heartbeat", *known)[0] == b"lost"
        self._come_back(name)

    def lose_all_but_late(self) -> None:
        """Empty a shard; a server registers again after the others, and after some pulls."""
        name = "b"
        lose(self.site, name)
        first, late = (member for member in self.members if member.name == name)
        first.restore()
        recover(self.site, name)
        if name == self.work_home:
            self._join_work()
        self.pull()
        self.pull()
        late.restore()

    def run(self) -> None:
        often: list[Callable[[], None]] = [self.send, self.pull, self.pull, self.read, self.read]
        seldom = [self.heartbeat, self.trim, self.lose, self.lose_all_but_late]
        seldom += [self.copy, self.set_back]
        for _ in range(STEPS):
            step = self.random.choice(seldom if self.random.random() < 0.15 else often)
            with suppress(LayerUnavailable):  # nobody has registered yet, or all register again
                step()
        self.finish()

    def finish(self) -> None:
        """Let all logs and inboxes come to an end."""
        while [
            name
            for name in NAMES
            for source, mark in self.site.shards.marks(name).items()
            if self.pull_from(name, source, mark, mark.seq)
        ]:
            pass
        for member in self.members:
            member.read()

    def check(self) -> None:
        found = [each[b"payload"] for each in self.site.work(self.work_home)]
        assert len(found) == len(set(found))
        for member in self.members:
            numbers = member.numbers
            assert len(numbers) == len(set(numbers))
            for name, sent in self.sent.items():
                heard = [number for number in numbers if number in set(sent)]
                assert heard == sorted(heard)
                if name != member.name and heard != sent:
                    assert name in self.gaps[member], (name, member.name, sent, heard)


@pytest.mark.parametrize("seed", range(3))
def test_random_interleavings(seed: int, site: ShardSite) -> None:
    machine = Machine(site, seed)
    machine.run()
    machine.check()
