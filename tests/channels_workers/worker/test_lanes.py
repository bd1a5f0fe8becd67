"""Lanes of a worker process, with a real Redis for each shard."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from channels_workers.channel import Group
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.message import Message
from channels_workers.routing import Router, route
from channels_workers.worker import watch
from channels_workers.worker.group import WorkerGroup
from channels_workers.worker.in_flight import PREFETCH_LEASE
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for
from tests.channels_workers.consumers import TIMEOUT
from tests.channels_workers.layers.shard_fixtures import redis_servers, servers

__all__ = ["redis_servers", "servers"]

# Signals around a consumer close old database connections.
pytestmark = pytest.mark.django_db


class Site:
    """Workers with a thread each, on a layer of three shards."""

    def __init__(self, servers: dict[str, RedisServer]) -> None:
        self.servers = servers
        self.channel = "work"
        self.ran: list[str] = []
        self.running = self.most = 0
        self.go_on = threading.Event()
        self.go_on.set()
        self.groups: list[WorkerGroup] = []
        self.layer = self.make_layer()

    def make_layer(self) -> Any:
        return RedisChannelLayer(hosts={name: it.url for name, it in self.servers.items()})

    def consume(self, message: Message) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        if message.content.get("holds"):
            self.go_on.wait(TIMEOUT)
        if group := message.content.get("joins"):
            self.running -= 1  # it may have to wait for its shard
            Group(group, channel_layer=message.channel_layer).add(message["name"])
            self.running += 1
            self.most = max(self.most, self.running)
        self.ran.append(f"{message['name']} by {threading.current_thread().name}")
        self.running -= 1

    def start(self) -> WorkerGroup:
        group = WorkerGroup(self.make_layer(), router=Router([route(self.channel, self.consume)]))
        self.groups.append(group)
        group.start()
        wait_for(lambda: all(it.identity.known.is_set() for it in group.lanes), "all lanes")
        return group

    def send(self, shard: str, name: str, **more: Any) -> None:
        layer = self.layer.by_name[shard]
        layer.apply([layer.make_send(self.channel, {"name": name, **more})])

    def wait(self, count: int) -> None:
        wait_for(lambda: len(self.ran) >= count, f"{count} messages; {self.ran}")

    def stop(self) -> None:
        self.go_on.set()
        for server in self.servers.values():
            if server.is_running:
                server.process.resume()
        for group in self.groups:
            group.stop()
            group.join(TIMEOUT)
            group.channel_layer.disconnect()  # type: ignore[attr-defined]
        self.layer.disconnect()


@pytest.fixture
def site(servers: dict[str, RedisServer]) -> Iterator[Site]:
    made = Site(servers)
    yield made
    made.stop()


def test_one_thread_works_for_all_shards(site: Site) -> None:
    """It runs one consumer at a time."""
    site.start()
    for number in range(10):
        for shard in site.servers:
            site.send(shard, f"{shard}{number}")
    site.wait(30)
    assert site.most == 1
    for shard in site.servers:
        own = [ran for ran in site.ran if ran.startswith(shard)]
        assert own == [f"{shard}{number} by worker {shard}.0" for number in range(10)]


@pytest.mark.parametrize("fault", ["frozen", "killed"])
def test_one_thread_goes_on_without_a_shard(fault: str, site: Site) -> None:
    group = site.start()
    process = site.servers["b"].process
    if fault == "frozen":
        process.freeze()
    else:
        process.kill()
    for number in range(5):
        site.send("a", f"a{number}")
        site.send("c", f"c{number}")
    site.wait(10)
    if fault == "frozen":
        process.resume()
    else:
        site.servers["b"].start()
    first = group.lanes[0].identity.process
    wait_for(lambda: _works(site, "b"), "work of the shard that is back")
    assert group.lanes[0].identity.process == first, "the others know the process as before"


def _works(site: Site, shard: str) -> bool:
    with suppress(LayerUnavailable):  # all processes may have to register again
        site.send(shard, "back")
    return any(ran.startswith("back") for ran in site.ran)


def test_a_process_starts_without_a_shard(site: Site) -> None:
    site.servers["c"].process.kill()
    group = WorkerGroup(site.make_layer(), router=Router([route("work", site.consume)]))
    site.groups.append(group)
    group.start()
    group.wait_until_known()
    site.send("a", "a0")
    site.wait(1)
    site.servers["c"].start()
    wait_for(group.lanes[2].identity.known.is_set, "the lane of the shard that is back")
    site.send("c", "c0")
    site.wait(2)


def test_one_thread_keeps_the_order_of_a_channel(site: Site) -> None:
    """A message that finds no seat does not go behind those that wait."""
    group = site.start()
    site.go_on.clear()
    site.send("b", "slow", holds=True)
    wait_for(lambda: site.running == 1, "the slow consumer")
    for number in range(5):
        site.send("a", f"a{number}")
    backlog = group.lanes[0].in_flight.backlog
    wait_for(lambda: bool(backlog.waiting), "a message that was pulled")
    late = time.monotonic() + 2 * PREFETCH_LEASE
    wait_for(lambda: time.monotonic() > late, "the end of a lease")
    group.lanes[0].relief.relieve()
    assert len(backlog.all()) == 1
    site.go_on.set()
    site.wait(6)
    assert [ran.split()[0] for ran in site.ran] == ["slow", "a0", "a1", "a2", "a3", "a4"]


def test_what_finds_no_seat_goes_to_another_process(site: Site) -> None:
    """A slow consumer of one shard holds up no message of a socket on another."""
    site.channel = "websocket.receive"
    site.start()
    site.go_on.clear()
    site.send("a", "slow", holds=True)
    wait_for(lambda: site.running == 1, "the slow consumer")
    other = site.start()
    site.send("b", "b0")
    site.wait(1)
    assert site.ran[0].startswith("b0")
    assert other.busy() == 0
    site.go_on.set()
    site.wait(2)


def test_only_the_lane_of_a_lost_shard_takes_a_new_name(site: Site) -> None:
    group = site.start()
    before = [lane.identity.process for lane in group.lanes]
    site.servers["b"].flush()
    wait_for(lambda: group.lanes[1].identity.process != before[1], "a new name")
    after = [lane.identity.process for lane in group.lanes]
    assert (after[0], after[2]) == (before[0], before[2])
    wait_for(lambda: _works(site, "b"), "work of the lost shard")


def test_a_consumer_that_waits_for_its_shard_holds_up_no_other(site: Site) -> None:
    site.start()
    site.go_on.clear()
    site.send("b", "joins", holds=True, joins="all")
    wait_for(lambda: site.running == 1, "the consumer of the shard that goes away")
    site.servers["b"].process.kill()
    site.go_on.set()
    for number in range(5):
        site.send("a", f"a{number}")
    site.wait(5)
    assert all(ran.startswith("a") for ran in site.ran)
    site.servers["b"].start()
    wait_for(lambda: any(ran.startswith("joins") for ran in site.ran), "the join")
    assert site.most == 1


def test_lanes_leave_without_one_that_cannot(site: Site) -> None:
    group = site.start()
    frozen = site.servers["a"].process
    frozen.freeze()
    joined: list[bool] = []
    group.stop()
    joining = threading.Thread(target=lambda: joined.append(group.join()))
    joining.start()
    for shard in "bc":
        wait_for(lambda shard=shard: not _known(site, shard), f"the process to leave {shard}")
    assert group.lanes[0].workers[0].thread.is_alive(), "its pull waits for the frozen shard"
    frozen.resume()
    joining.join(TIMEOUT)
    assert joined == [True]
    assert not _known(site, "a")


def _known(site: Site, shard: str) -> dict[str, int]:
    processes: dict[str, int] = site.layer.by_name[shard].admin.processes()
    return processes


def test_a_process_is_shown_once_with_what_runs_in_any_lane(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LONG", 0.0)
    site.start()
    site.servers["c"].flush()  # there it takes another name
    site.go_on.clear()
    site.send("b", "slow", holds=True)

    def shown() -> bool:
        [worker] = site.layer.admin.status().workers
        return [each.channel for each in worker.about.running] == ["work"] and worker.busy == 1

    wait_for(shown, "the running consumer")


def test_the_seats_in_use_are_the_threads_that_are_busy(site: Site) -> None:
    """A commit that waits for a shard does not count beside a consumer that runs."""
    group = site.start()
    site.go_on.clear()
    site.send("a", "slow", holds=True)
    wait_for(lambda: site.running == 1, "the slow consumer")
    waiting = group.lanes[1].in_flight.slots[0]
    waiting.running = group.lanes[0].in_flight.slots[0].running
    assert group.busy() == 1
    waiting.running = None
