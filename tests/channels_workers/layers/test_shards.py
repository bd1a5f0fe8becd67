"""Shards: names, pullers in threads, and layers whose shards are away or lose their data."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from channels_workers.exceptions import LayerUnavailable, LayerUnfit
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.kept import Parked
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.memory.shards import MemoryShards
from channels_workers.layers.memory.stores import Stores
from channels_workers.layers.shards import puller
from channels_workers.layers.shards.names import home_of, home_of_member, is_shard_name, shard_of
from channels_workers.layers.shards.puller import Puller
from channels_workers.layers.shards.types import Mark
from channels_workers.layers.types import (
    Committed,
    Finished,
    GroupSend,
    Liveness,
    ProcessInfo,
    Published,
    Running,
    Session,
    is_from_server,
    server_of,
)
from tests.channels_workers.layers.contract import ALL, Process
from tests.channels_workers.layers.kept_contract import KeptProcess
from tests.channels_workers.layers.recorder import TIMEOUT


@pytest.fixture
def stores() -> Stores:
    return Stores(3)


@pytest.fixture
async def processes(stores: Stores) -> list[Process]:
    """A process for each shard, with its home there."""
    return make_processes(stores)


def make_processes(stores: Stores, **config: Any) -> list[Process]:
    found = []
    for number in range(3):
        layer: WorkerLayer = InMemoryChannelLayer(stores=stores, **config)
        found.append(Process(layer, f"worker{number}"))
        found[-1].layer.start_server()
    assert [process.layer.start_server().id[0] for process in found] == ["0", "1", "2"]
    return found


# Names


@pytest.mark.parametrize(
    ("name", "shard"),
    [
        ("0-0123456789abcdef", "0"),
        ("eu1-0123456789abcdef!kept.60.0123456789abcdef", "eu1"),
        ("0123456789abcdef!0123456789abcdef", None),
        ("0-0123456789abcde!1", None),
        ("a-b-0123456789abcdef!1", None),
        ("toolonger-0123456789abcdef!1", None),
        ("websocket.receive", None),
    ],
)
def test_the_shard_in_a_name(name: str, shard: str | None) -> None:
    assert shard_of(name) == shard
    assert is_from_server(f"{name.partition('!')[0]}!1") == (
        shard is not None or name.startswith("01")
    )


@pytest.mark.parametrize("name", ["a", "0", "eu12abcd"])
def test_names_of_shards(name: str) -> None:
    assert is_shard_name(name)


@pytest.mark.parametrize("name", ["", "A", "a-b", "ninechars", "a\n"])
def test_wrong_names_of_shards(name: str) -> None:
    assert not is_shard_name(name)


def test_one_more_shard_moves_only_its_own_homes() -> None:
    names = [f"room-{number}" for number in range(1000)]
    before = {name: home_of(name, "abc") for name in names}
    after = {name: home_of(name, "dcba") for name in names}
    moved = [name for name in names if before[name] != after[name]]
    assert {after[name] for name in moved} == {"d"}
    assert 150 < len(moved) < 350


# The option


@pytest.mark.parametrize("shards", [0, -1, 17, 2.5, "2", None])
def test_a_wrong_number_of_shards(shards: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="`shards` in the CONFIG .* from 1 to 16, not"):
        InMemoryChannelLayer(shards=shards)


def test_one_shard_is_the_layer_as_it_was() -> None:
    layer = InMemoryChannelLayer(shards=1)
    assert type(layer) is InMemoryChannelLayer
    assert layer.store.shard is None
    assert layer.shards is None


# Pullers in threads


@pytest.fixture
async def pulled(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Process]]:
    """Processes whose shards are connected by pullers in threads."""
    monkeypatch.setattr(puller, "WAIT", 0.05)
    monkeypatch.setattr(puller, "RENEWED", 0.05)
    monkeypatch.setattr(puller, "LONGEST_PAUSE", 0.05)
    found, ended = make_processes(stores, pulls=False), threading.Event()
    shards = MemoryShards(stores, found[0].layer.get_capacity)
    pullers = [Puller(shards, name) for name in stores.names]
    threads = [threading.Thread(target=each.run, args=(ended,)) for each in pullers]
    for thread in threads:
        thread.start()
    yield found
    ended.set()
    for thread in threads:
        thread.join(TIMEOUT)
        assert not thread.is_alive()
    assert {stores.data(name).claim[0] for name in stores.names} == {""}


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


async def test_threads_carry_sends_to_all_shards(pulled: list[Process]) -> None:
    members = [await process.joined("group") for process in pulled]
    numbers = [{"n": number} for number in range(120)]
    for content in numbers:
        await pulled[0].layer.group_send("group", content)
    for member in members:
        await member.until_got(*numbers)


async def test_threads_go_on_after_a_shard_was_away(pulled: list[Process], stores: Stores) -> None:
    near, away = [await process.joined("group") for process in pulled[:2]]
    stores.freeze("1")
    await pulled[0].layer.group_send("group", {"n": 1})
    await pulled[2].layer.group_send("group", {"n": 1})
    await near.until_got({"n": 1}, {"n": 1})
    assert away.messages == []
    await asyncio.sleep(0.2)  # some attempts
    stores.thaw("1")
    await away.until_got({"n": 1}, {"n": 1})


async def test_threads_find_entries_again_after_a_shard_was_emptied(
    pulled: list[Process], stores: Stores
) -> None:
    """Its servers had not read them, and nothing is sent after that."""
    member = await pulled[1].joined("group")
    server = pulled[1].layer.start_server()
    wait_for(lambda: "0" in stores.data("1").marks)
    stores.by_name["1"].inbox_listeners.pop(server.id)  # it reads nothing
    await pulled[0].layer.group_send("group", {"n": 1})
    await asyncio.to_thread(wait_for, lambda: stores.data("1").marks["0"].seq == 1)
    stores.lose("1")
    pulled[1].layer.home().drain()  # type: ignore[attr-defined]
    stores.recovered("1")
    await asyncio.to_thread(wait_for, lambda: stores.data("1").marks["0"].seq == 1)
    pulled[1].layer.home().drain()  # type: ignore[attr-defined]
    assert member.messages == [{"n": 1}]
    assert server.heard.gaps == 0


def test_a_puller_takes_over_when_a_claim_ends(stores: Stores) -> None:
    now = [0.0]
    for store in stores.by_name.values():
        store.clock = lambda: now[0]
    shards = MemoryShards(stores, lambda channel: 1)
    first, second = Puller(shards, "0"), Puller(shards, "0")
    assert first.step()
    assert not second.step()
    now[0] = puller.CLAIMED - 0.1
    assert not second.step()
    assert first.step()
    first.end()
    assert second.step()
    now[0] *= 3
    assert first.step()


async def test_a_source_keeps_what_was_applied_for_some_seconds(stores: Stores) -> None:
    now = [0.0]
    [first, *_] = make_processes(stores, pulls=False)
    shards = MemoryShards(stores, lambda channel: 1)
    pullers = [Puller(shards, name, keeps=5, clock=lambda: now[0]) for name in "12"]
    first.layer.apply([GroupSend("group", b"\x80")])
    log = stores.data("0").log
    for seconds, left in ((0, 1), (4.9, 1), (5, 0)):
        now[0] = seconds
        assert all(each.step() for each in pullers)
        assert len(log.entries) == left
    assert log.first == 2
    assert stores.data("1").marks["0"] == Mark(log.epoch, 1)


async def test_an_entry_that_concerns_nobody_is_not_written(processes: list[Process]) -> None:
    layer = processes[0].layer
    own = await layer.new_channel()
    layer.apply([layer.make_send(own, {"n": 1}), layer.make_send("work", {})])
    layer.apply([layer.make_join("group", own), layer.make_leave("group", own)])
    layer.apply([layer.make_send("9-0123456789abcdef!1", {})])  # there is no such shard
    assert layer.stores.data("0").log.last == 0  # type: ignore[attr-defined]


# Shards that are away


async def test_the_others_go_on_while_a_shard_is_away(
    processes: list[Process], stores: Stores
) -> None:
    here, away, there = [await process.connected() for process in processes]
    stores.freeze("1")
    for process, recorder in ((processes[0], here), (processes[2], there)):
        assert await process.publish(recorder, 1) is Published.PUBLISHED
        delivery = await processes[0].pull()
        assert delivery.shard == recorder.channel[0]
        assert await processes[0].commit(delivery) is Committed.DONE
    with pytest.raises(LayerUnavailable, match="Shard 1 is away"):
        await processes[1].publish(away, 1)
    for process in processes:
        assert process.layer.heartbeat(process.name) is Liveness.ALIVE
    with pytest.raises(LayerUnavailable):
        processes[0].layer.load_session(away.channel)
    stores.thaw("1")
    assert await processes[1].publish(away, 1) is Published.PUBLISHED


async def test_a_layer_is_away_if_all_shards_are(processes: list[Process], stores: Stores) -> None:
    for name in stores.names:
        stores.freeze(name)
    process = processes[0]
    for call in (
        lambda: process.layer.heartbeat(process.name),
        lambda: process.layer.register("other", ProcessInfo.this("worker")),
        process.layer.admin.processes,
        process.layer.admin.status,
    ):
        with pytest.raises(LayerUnavailable):
            call()
    assert process.layer.pull(ALL, "worker0.0", 0) == []


async def test_a_shard_that_starts_empty_gets_its_sockets_back(
    processes: list[Process], stores: Stores
) -> None:
    recorder = await processes[1].joined("group")
    session = Session(recorder.channel, b"kept")
    assert await processes[1].publish(recorder, 1) is Published.PUBLISHED
    await processes[0].commit(await processes[0].pull(), session=session)
    await recorder.until(lambda: recorder.releases == [0, 1])
    recorder.snapshot = snapshot_of(recorder)  # type: ignore[method-assign]
    stores.lose("1")
    await asyncio.sleep(0)  # its server registers
    assert processes[0].layer.heartbeat("worker0") is Liveness.ALIVE
    stores.recovered("1")
    assert processes[0].layer.heartbeat("worker0") is Liveness.LOST
    await processes[2].layer.group_send("group", {"n": 1})
    await recorder.until_got({"n": 1})
    assert await processes[1].publish(recorder, 2) is Published.PUBLISHED


def snapshot_of(recorder: Any) -> Callable[[], Any]:
    from channels_workers.layers.types import ConnectionSnapshot

    return lambda: ConnectionSnapshot(len(recorder.releases) - 1, b"\x80")


def test_an_unusable_shard_is_reported_though_another_one_is_away(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer: Any = InMemoryChannelLayer(stores=stores)
    layer.check_server()

    def fail_with(error: LayerUnavailable) -> Callable[[], None]:
        def check() -> None:
            raise error

        return check

    monkeypatch.setattr(layer.by_name["0"], "check_server", fail_with(LayerUnavailable("away")))
    layer.check_server()
    monkeypatch.setattr(layer.by_name["1"], "check_server", fail_with(LayerUnfit("too old")))
    with pytest.raises(LayerUnfit, match="too old"):
        layer.check_server()


async def test_a_shard_with_older_data_does_nothing_twice(
    processes: list[Process], stores: Stores
) -> None:
    """A server that had not read all of the older data is told again; an ordinary channel not."""
    layer, names = processes[0].layer, map("group{}".format, range(99))
    group = next(name for name in names if home_of_member(name, "work", "012") == "1")
    recorder = await processes[1].joined(group)
    await asyncio.sleep(0)  # its server reads that
    layer.apply([layer.make_join(group, "work")])
    server = processes[1].layer.start_server()
    stores.by_name["1"].inbox_listeners.pop(server.id)  # it reads nothing
    layer.apply([processes[0].group_send(group, n=1)])
    stores.lose("1", stores.copy("1"))
    processes[1].layer.home().drain()  # type: ignore[attr-defined]
    stores.recovered("1")
    processes[1].layer.home().drain()  # type: ignore[attr-defined]
    assert recorder.messages == [{"n": 1}]
    assert layer.length("work") == 1
    layer.apply([processes[0].group_send(group, n=2)])
    assert layer.length("work") == 2
    assert server.heard.gaps == 0


async def test_a_home_of_a_history_that_starts_empty_gives_no_second_positions(
    stores: Stores,
) -> None:
    """Its servers are told again; the sender's shard, and a third one, must not be."""
    processes = make_processes(stores, history={"room-*": {}})
    names = map("room-{}".format, range(99))
    group = next(name for name in names if home_of(name, "012") == "1")
    members = [await process.joined(group) for process in processes]
    for _ in range(2):
        await asyncio.sleep(0)  # all servers read that
    lagging = await make_lagging(stores, group)
    await processes[0].layer.group_send(group, {"n": 1})
    for member in members:
        await member.until_got({"n": 1})
    stores.lose("1")
    await asyncio.sleep(0)
    lagging.drain()
    stores.recovered("1")
    await processes[0].layer.group_send(group, {"n": 2})
    for member in members:
        await member.until_got({"n": 1}, {"n": 2})


async def make_lagging(stores: Stores, group: str) -> Any:
    """Return the shard "1" of a process that reads nothing from now on, with a member."""
    process = Process(InMemoryChannelLayer(stores=stores, history={"room-*": {}}), "lagging")
    shard: Any = process.layer.by_name["1"]  # type: ignore[attr-defined]
    process.layer._home_shard = shard  # type: ignore[attr-defined]
    await process.joined(group)
    for _ in range(2):
        await asyncio.sleep(0)
    stores.by_name["1"].inbox_listeners.pop(shard.start_server().id)
    return shard


async def test_a_parked_connection_survives_the_loss_of_its_shard(
    stores: Stores, settings: Settings
) -> None:
    """It has moved once, and is parked; then its client comes back elsewhere."""
    settings.CHANNEL_WORKERS = {"RESUME_TIME": 3600}
    layers = [InMemoryChannelLayer(stores=stores) for _ in range(3)]
    first, second, third = [KeptProcess(layer, f"w{n}") for n, layer in enumerate(layers)]
    socket = await first.open()
    await first.layer.group_add("group", socket.channel)
    moved = await second.adopt(socket)
    await moved.until(lambda: second.layer.is_in_group(moved.channel))
    moved.snapshot = snapshot_of(socket)  # type: ignore[method-assign]
    assert await second.park(moved) is Parked.PARKED
    stores.lose("0")
    await asyncio.sleep(0)
    stores.recovered("0")
    assert await third.parked() == 1
    again = await third.adopt(socket)
    assert again.adopted[0].former == second.layer.by_name["0"].start_server().id  # type: ignore[attr-defined]
    await third.layer.group_send("group", {"n": 1})
    await again.until_got({"n": 1})


async def test_a_session_that_another_shard_saved_survives(
    processes: list[Process], stores: Stores
) -> None:
    recorder = await processes[1].connected()
    recorder.snapshot = snapshot_of(recorder)  # type: ignore[method-assign]
    for payload in (b"first", b"second"):
        await processes[0].layer.send("work", {})
        session = Session(recorder.channel, payload)
        assert await processes[0].commit(await processes[0].pull(), session=session)
    await asyncio.sleep(0)  # its server reads them
    stores.lose("1")
    await asyncio.sleep(0)
    stores.recovered("1")
    assert processes[1].layer.load_session(recorder.channel) == b"second"


async def test_no_shard_waits_behind_a_busy_one(processes: list[Process]) -> None:
    for process in processes:
        for number in range(9):
            await process.layer.send("work", {"n": number})
    found = [await processes[0].pull("work") for _ in range(9)]
    assert {delivery.shard for delivery in found[:3]} == {"0", "1", "2"}
    assert [processes[0].layer.content(each)["n"] for each in found[::3]] == [0, 1, 2]


async def test_several_commits_of_several_shards(processes: list[Process], stores: Stores) -> None:
    for process in processes:
        await process.layer.send("work", {})
    held = [await processes[0].pull("work") for _ in processes]
    held.sort(key=lambda delivery: delivery.shard)
    stores.freeze("1")
    done = processes[0].layer.commit_all([Finished(each) for each in [*held, held[0]]])
    assert isinstance(done.pop(1), LayerUnavailable)
    assert done == [Committed.DONE, Committed.DONE, Committed.STALE]
    stores.thaw("1")
    assert processes[0].layer.commit(Finished(held[1])) is Committed.DONE


# What goes to other shards


async def test_a_consumer_sends_to_a_socket_of_another_shard(processes: list[Process]) -> None:
    first, second = [await process.connected() for process in processes[:2]]
    assert await processes[0].publish(first, 1) is Published.PUBLISHED
    delivery = await processes[2].pull()
    sends = [processes[2].send(second.channel, n=number) for number in range(3)]
    join = processes[2].layer.make_join("group", second.channel)
    assert await processes[2].commit(delivery, *sends, join) is Committed.DONE
    await second.until_got({"n": 0}, {"n": 1}, {"n": 2})
    assert processes[0].layer.members("group") == {server_of(second.channel)}


async def test_a_consumer_saves_the_session_of_a_socket_of_another_shard(
    processes: list[Process],
) -> None:
    recorder = await processes[1].connected()
    await processes[0].layer.send("work", {})
    delivery = await processes[0].pull()
    assert delivery.shard == "0"
    session = Session(recorder.channel, b"kept")
    assert await processes[0].commit(delivery, session=session) is Committed.DONE
    assert processes[2].layer.load_session(recorder.channel) == b"kept"


async def test_a_delayed_message_to_a_socket_of_another_shard(processes: list[Process]) -> None:
    recorder = await processes[1].connected()
    processes[0].layer.apply([processes[0].later(recorder.channel, 0, n=1)])
    assert processes[2].layer.admin.send_due().sent == 1
    await recorder.until_got({"n": 1})


async def test_an_ordinary_channel_in_a_group_gets_a_message_once(
    processes: list[Process],
) -> None:
    for process in processes:
        process.layer.apply([process.layer.make_join("group", "work")])
    assert processes[0].layer.members("group") == {"work"}
    processes[1].layer.apply([processes[1].group_send("group", n=1)])
    found = await processes[2].pull("work")
    assert processes[2].layer.content(found) == {"n": 1}
    processes[2].layer.commit(Finished(found))
    assert processes[2].layer.length("work") == 0
    processes[2].layer.apply([processes[2].layer.make_leave("group", "work")])
    assert processes[0].layer.members("group") == set()


async def test_a_flush_makes_no_gap(processes: list[Process], stores: Stores) -> None:
    recorder = await processes[1].joined("group")
    stores.freeze("1")
    for number in range(2):
        await processes[0].layer.group_send("group", {"n": number})
    await processes[0].layer.by_name["0"].flush()  # type: ignore[attr-defined]
    await processes[0].layer.group_send("group", {"n": 2})
    stores.thaw("1")
    await recorder.until_got({"n": 2})
    assert processes[1].layer.start_server().heard.gaps == 0


def test_a_worker_process_is_shown_once() -> None:
    layer: Any = InMemoryChannelLayer(shards=2)
    about = ProcessInfo("worker", "box", 1, 10.0, 1, ("work",))
    for number, shard in enumerate(layer.lanes()):
        message = Running(0, "consumer", 11.0, "work", f"{number}")
        shard.register(f"name{number}", about._replace(running=(message,)))
        shard.apply([shard.make_send("work", {})])
        assert shard.pull(["work"], f"name{number}.0", 0)
    [worker] = layer.admin.status().workers
    assert [each.message_id for each in worker.about.running] == ["0", "1"]
    assert worker.busy == 1, "it has one thread"


def test_a_restarted_worker_is_another_process() -> None:
    """A container that is restarted keeps its host name and pid."""
    layer: Any = InMemoryChannelLayer(shards=2)
    for name, since in ("dead", 10.0), ("new", 20.0):
        for shard in layer.lanes():
            shard.register(name, ProcessInfo("worker", "box", 1, since, 1, ("work",)))
    assert [worker.id for worker in layer.admin.status().workers] == ["dead", "new"]
