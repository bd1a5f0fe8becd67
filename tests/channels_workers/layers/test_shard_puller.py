"""Pullers with real Redis: they wait for entries, take over, and outlive an outage."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from channels_workers.layers.shards.puller import Puller
from channels_workers.layers.types import GroupSend
from tests.channels_workers.layers.recorder import TIMEOUT
from tests.channels_workers.layers.shard_fixtures import make_site, redis_servers, site
from tests.channels_workers.layers.shard_site import (
    NAMES,
    TOKEN,
    ShardSite,
    heard,
    room_of,
    sends,
    sent_to,
)

__all__ = ["make_site", "redis_servers", "site"]

Start = Callable[[str], threading.Event]


@pytest.fixture
def start(site: ShardSite) -> Iterator[Start]:
    """`start("b")` starts a puller for b. The result ends it."""
    threads, events = [], []
    for name in NAMES:
        site.shards.release(name, TOKEN)

    def begin(name: str) -> threading.Event:
        events.append(threading.Event())
        puller = Puller(site.shards, name)
        threads.append(threading.Thread(target=puller.run, args=(events[-1],)))
        threads[-1].start()
        return events[-1]

    yield begin
    for event in events:
        event.set()
    for thread in threads:
        thread.join(TIMEOUT)
        assert not thread.is_alive()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_all_hear_while_pullers_run(start: Start, site: ShardSite) -> None:
    servers = room_of(site)
    for name in NAMES:
        start(name)
    numbers = [b"%d" % number for number in range(100)]
    for number in numbers:
        sends(site, number, name="a")
        site.send("b", GroupSend("other", b""))
    for server in servers.values():
        until(lambda server=server: sent_to(site, server) == heard(*numbers))


def test_another_puller_goes_on(start: Start, site: ShardSite) -> None:
    servers = room_of(site)
    first = start("b")
    sends(site, b"1")
    until(lambda: sent_to(site, servers["b"]) == heard(b"1"))
    start("b")
    sends(site, b"2")
    until(lambda: sent_to(site, servers["b"]) == heard(b"1", b"2"))
    first.set()
    sends(site, b"3")
    until(lambda: sent_to(site, servers["b"]) == heard(b"1", b"2", b"3"))


def test_a_source_comes_back(start: Start, site: ShardSite) -> None:
    servers = room_of(site)
    site.shards.marks("b")  # as a session does before it lets sockets in
    start("b")
    sends(site, b"1", name="c")
    site.servers["c"].stop()
    sends(site, b"2")
    until(lambda: heard(b"2")[0] in sent_to(site, servers["b"]))
    site.servers["c"].start()
    site.register("c")
    sends(site, b"3", name="c")
    until(lambda: heard(b"3")[0] in sent_to(site, servers["b"]))
    assert ("xc", b"?") in sent_to(site, servers["b"])
