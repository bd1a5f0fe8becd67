import time
from typing import Any

import pytest

from channels_workers.channel import Channel
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers import liveness
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import ProcessInfo
from channels_workers.worker import batch, heartbeat, reaper
from labs.harness.waiting import wait_for
from tests.channels_workers.clients import Client
from tests.channels_workers.consumers import TIMEOUT, Blocked, Counted, StartGroup, stop

# Signals around a consumer close old database connections.
pytestmark = pytest.mark.django_db


async def test_the_server_of_a_worker_process_stops_with_it(
    start_group: StartGroup, memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_INTERVAL", 0.02)
    monkeypatch.setattr(reaper, "LOOK_INTERVAL", 0.02)
    monkeypatch.setattr(liveness, "DEAD_AFTER", 2.0)
    await memory_layer.new_channel()
    (server,) = memory_layer.admin.processes()
    group = start_group({})

    def heartbeats() -> int:
        return memory_layer.admin.processes().get(group.process, 0)

    began = time.monotonic()
    wait_for(
        lambda: heartbeats() > 30 and time.monotonic() - began > 1.5 * liveness.DEAD_AFTER,
        "heartbeats",
    )
    assert server in memory_layer.admin.processes()
    await memory_layer.retire_server()


def test_a_process_is_registered_while_it_runs(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    processes = memory_layer.store.counters
    group = start_group({})
    wait_for(lambda: processes.get(group.process, 0) > 1, "a heartbeat")
    stop(group)
    assert group.process not in processes


def test_an_unregistered_process_registers_again(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    processes = memory_layer.store.counters
    group = start_group({})
    wait_for(lambda: group.process in processes, "the registration")
    memory_layer.retire(group.process, (), ())
    wait_for(lambda: group.process in processes, "the next registration")


def test_a_worker_that_was_marked_dead_continues_under_a_new_id(
    start_group: StartGroup, memory_layer: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture
) -> None:
    consumer = Counted()
    group = start_group({"background": consumer})
    wait_for(lambda: group.process in memory_layer.admin.processes(), "the first heartbeat")
    old = group.process
    wait_for(
        lambda: memory_layer.admin.mark_dead(old, memory_layer.admin.processes().get(old, 0)),
        "the mistake",
    )
    wait_for(lambda: set(memory_layer.admin.processes()) == {group.process} != {old}, "a new name")
    Channel("background").send({})
    assert consumer.got_one.wait(TIMEOUT)
    assert "was declared dead" in caplog.text
    memory_layer.admin.clean_up(old)


def test_nothing_is_pulled_before_the_process_is_registered(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other processes would mark it dead and run its messages too."""
    register, refusals, counted = memory_layer.register, Counted(), Counted()

    def refuse(process: str, about: ProcessInfo) -> None:
        refusals(process)
        raise LayerUnavailable("No connection is left.")

    monkeypatch.setattr(memory_layer, "register", refuse)
    Channel("background", channel_layer=memory_layer).send({})
    group = start_group({"background": counted}, n_threads=2)
    wait_for(lambda: len(refusals.messages) > 2, "attempts to register")
    assert not list(
        memory_layer.pending_deliveries(["background"], [each.consumer for each in group.workers])
    )
    assert not counted.messages
    monkeypatch.setattr(memory_layer, "register", register)
    assert counted.got_one.wait(TIMEOUT)


def test_a_process_that_never_registered_can_be_stopped(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(process: str, about: ProcessInfo) -> None:
        raise LayerUnavailable("No connection is left.")

    monkeypatch.setattr(memory_layer, "register", refuse)
    stop(start_group({}, n_threads=2))


def test_nothing_is_pulled_before_the_new_id_is_registered(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_INTERVAL", 0.02)
    monkeypatch.setattr(batch, "PULL_TIMEOUT", 0.02)
    register, refusals, counted = memory_layer.register, Counted(), Counted()
    pull, pulled = memory_layer.pull, set()

    def refuse(process: str, about: ProcessInfo) -> None:
        refusals(process)
        raise LayerUnavailable("No memory is left.")

    def note(channels: Any, consumer: str, *rest: Any) -> Any:
        pulled.add(consumer.partition(".")[0])
        return pull(channels, consumer, *rest)

    monkeypatch.setattr(memory_layer, "pull", note)
    group = start_group({"background": counted}, n_threads=2)
    group.wait_until_known()
    monkeypatch.setattr(memory_layer, "register", refuse)
    former, counters = group.process, memory_layer.admin.processes
    wait_for(lambda: memory_layer.admin.mark_dead(former, counters().get(former, 0)), "the mistake")
    wait_for(lambda: len(refusals.messages) > 3, "attempts to register")
    assert pulled <= {former}
    monkeypatch.setattr(memory_layer, "register", register)
    Channel("background", channel_layer=memory_layer).send({})
    assert counted.got_one.wait(TIMEOUT)
    assert pulled <= {former, group.process}
    memory_layer.admin.clean_up(former)


def test_commits_continue_while_the_new_id_is_unregistered(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_INTERVAL", 0.02)
    register, refusals, held = memory_layer.register, Counted(), Blocked()

    def refuse(process: str, about: ProcessInfo) -> None:
        refusals(process)
        raise LayerUnavailable("No memory is left.")

    client = Client(memory_layer)
    client.connect()
    group = start_group({"websocket.connect": held})
    assert held.begun.wait(TIMEOUT)
    monkeypatch.setattr(memory_layer, "register", refuse)
    former, counters = group.process, memory_layer.admin.processes
    wait_for(lambda: memory_layer.admin.mark_dead(former, counters().get(former, 0)), "the mistake")
    wait_for(lambda: len(refusals.messages) > 1, "attempts to register")
    held.let_go.set()
    wait_for(lambda: client.released == [0], "the commit")
    monkeypatch.setattr(memory_layer, "register", register)
    wait_for(lambda: group.process in memory_layer.admin.processes(), "the registration")
    memory_layer.admin.clean_up(former)
