import asyncio
import contextvars
import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.channel import Channel
from channels_workers.exceptions import ConsumeLater, LayerUnavailable
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.types import (
    Committed,
    Delivery,
    ProcessInfo,
)
from channels_workers.routing import Router
from channels_workers.signals import consumer_finished, worker_ready
from channels_workers.worker import heartbeat, in_flight, pace, relief, retries
from channels_workers.worker.event_loop import ConsumerExit, EventLoop
from channels_workers.worker.group import WorkerGroup, filter_channels
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for
from tests.channels_workers.clients import Client, contents, pull_one
from tests.channels_workers.conftest import heard
from tests.channels_workers.consumers import TIMEOUT, Blocked, Counted, StartGroup, stop

# Signals around a consumer close old database connections.
pytestmark = pytest.mark.django_db


# Running consumers


def test_a_consumer_runs_and_its_reply_is_sent(
    client_socket: Client, start_group: StartGroup
) -> None:
    answered = threading.Event()

    def answer(message: Any) -> None:
        message.reply_channel.send({"text": "answer"})
        answered.set()

    group = start_group({"websocket.connect": answer})
    client_socket.connect()
    assert answered.wait(TIMEOUT)
    stop(group)
    assert client_socket.replies == [{"text": "answer"}]
    assert client_socket.released == [0]


def test_coroutines_of_all_threads_share_one_event_loop(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    loops = []
    met = threading.Event()

    async def consumer(message: Any) -> None:
        loops.append(asyncio.get_running_loop())
        if len(loops) == 2:
            met.set()
        await asyncio.to_thread(met.wait, TIMEOUT)

    start_group({"one": consumer, "two": consumer}, n_threads=2)
    Channel("one").send({})
    Channel("two").send({})
    assert met.wait(TIMEOUT)
    assert loops[0] is loops[1]


def test_connections_run_in_parallel(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    together = threading.Barrier(3, timeout=TIMEOUT)
    start_group({"websocket.connect": lambda message: together.wait()}, n_threads=2)
    Client(memory_layer).connect()
    Client(memory_layer).connect()
    together.wait()


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), RuntimeError()])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_failing_consumer_does_not_end_its_worker(
    error: BaseException,
    is_async: bool,
    memory_layer: InMemoryChannelLayer,
    start_group: StartGroup,
) -> None:
    def fail(message: Any) -> None:
        raise error

    async def fail_async(message: Any) -> None:
        raise error

    counted = Counted()
    group = start_group({"broken": fail_async if is_async else fail, "whole": counted})
    Channel("broken").send({})
    wait_for(lambda: memory_layer.length("broken") == 0, "the message that fails")
    Channel("whole").send({})
    assert counted.got_one.wait(TIMEOUT)
    assert [worker.thread.is_alive() for worker in group.workers] == [True]


def test_the_callback_gets_each_delivery_before_it_runs(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    seen: list[tuple[str, int]] = []
    counted = Counted()

    def callback(delivery: Delivery) -> None:
        seen.append((delivery.channel, len(counted.messages)))

    start_group({"background": counted}, callback=callback)
    Channel("background").send({})
    assert counted.got_one.wait(TIMEOUT)
    assert seen == [("background", 0)]


def test_a_failing_callback_does_not_end_its_worker(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    failed = threading.Event()
    counted = Counted()

    def callback(delivery: Delivery) -> None:
        if not failed.is_set():
            failed.set()
            raise OSError("Nobody reads what is written.")

    start_group({"background": counted}, callback=callback)
    Channel("background").send({})
    assert failed.wait(TIMEOUT)
    Channel("background").send({})
    assert counted.got_one.wait(TIMEOUT)


def test_each_thread_signals_that_it_is_ready(start_group: StartGroup) -> None:
    with heard(worker_ready) as calls:
        group = start_group({}, n_threads=3)
        stop(group)
    assert {call["sender"] for call in calls} == set(group.workers)
    assert len(calls) == 3


def test_run_returns_after_a_stop(memory_layer: InMemoryChannelLayer) -> None:
    counted = Counted()
    group = WorkerGroup(memory_layer, router=Router({"background": counted}))
    thread = threading.Thread(target=group.run)
    thread.start()
    Channel("background").send({})
    assert counted.got_one.wait(TIMEOUT)
    group.stop()
    thread.join(TIMEOUT)
    assert not thread.is_alive()
    assert not any(worker.thread.is_alive() for worker in group.workers)


def test_the_setting_names_the_routing(
    memory_layer: InMemoryChannelLayer, settings: Settings
) -> None:
    settings.CHANNEL_ROUTING = {"background": "channels_workers.routing.null_consumer"}
    assert "background" in WorkerGroup(memory_layer).channels


# Stopping


def test_stopping_finishes_running_messages_and_leaves_the_rest(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    held = Blocked()
    first, second = Client(memory_layer), Client(memory_layer)
    group = start_group({"websocket.connect": held})
    first.connect()
    assert held.begun.wait(TIMEOUT)
    left = second.connect()
    group.stop()
    held.let_go.set()
    assert group.join(TIMEOUT)
    assert (first.replies, first.released) == ([{"text": "done"}], [0])
    assert (second.replies, second.released) == ([], [])
    assert pull_one(memory_layer).id == left


def test_prefetched_messages_are_released_without_counting_a_failure(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    held = Blocked()
    Channel("one").send({"name": "one"})
    Channel("two").send({"name": "two"})
    group = start_group({"one": held, "two": held})
    assert held.begun.wait(TIMEOUT)
    group.stop()
    held.let_go.set()
    assert group.join(TIMEOUT)
    delivery = pull_one(memory_layer, "one", "two")
    assert delivery.attempts == 0
    assert memory_layer.length("one") + memory_layer.length("two") == 1


# Batches


@pytest.fixture
def several_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the second pull take all messages, however fast the machine is."""
    monkeypatch.setattr(pace, "BATCH_WINDOW", 1000.0)
    monkeypatch.setattr(pace, "PACE_DECAY", 1.0)


def held_by(group: WorkerGroup) -> int:
    layer = group.channel_layer
    assert isinstance(layer, InMemoryChannelLayer)
    return len(layer.store.held_by(group.process))


@pytest.mark.usefixtures("several_at_once")
def test_queued_messages_are_pulled_and_committed_in_a_batch(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    together: list[int] = []
    commit_and_pull = memory_layer.commit_and_pull

    def note(finished: Any, *arguments: Any) -> Any:
        together.append(len(finished))
        return commit_and_pull(finished, *arguments)

    monkeypatch.setattr(memory_layer, "commit_and_pull", note)
    clients = [Client(memory_layer) for _ in range(6)]
    for client in clients:
        client.connect()
    group = start_group({"websocket.connect": lambda message: message.reply_channel.send({})})
    for client in clients:
        wait_for(lambda client=client: client.released == [0], "the commit")
        assert client.replies == [{}]
    stop(group)
    assert together == [1, 5]


@pytest.mark.usefixtures("several_at_once")
def test_finished_messages_are_committed_during_a_slow_consumer(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "BATCH_WINDOW", 0.1)
    monkeypatch.setattr(heartbeat, "HEARTBEAT_INTERVAL", 1000.0)  # it does not wait for a heartbeat
    held = Blocked()

    def consumer(message: Any) -> None:
        if message["path"] == "/slow/":
            held(message)

    first, second, last = [Client(memory_layer) for _ in range(3)]
    slow = Client(memory_layer, "/slow/")
    for client in (first, second, slow, last):
        client.connect()
    group = start_group({"websocket.connect": consumer})
    assert held.begun.wait(TIMEOUT)
    wait_for(lambda: second.released == [0], "the commit of what ran before")
    wait_for(lambda: held_by(group) == 1, "what waits to be handed back")
    held.let_go.set()
    stop(group)
    assert (first.released, slow.released) == ([0], [0])


@pytest.mark.usefixtures("several_at_once")
def test_messages_of_an_ordinary_channel_pulled_together_run_in_order(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_flight, "PREFETCH_LEASE_ALONE", 0.01)
    monkeypatch.setattr(relief, "RELIEF_INTERVAL", 0.01)
    seen, held = [], Blocked()

    def consumer(message: Any) -> None:
        seen.append(message["n"])
        if message["n"] == 3:
            held(message)

    for number in range(8):
        Channel("own").send({"n": number})
    group = start_group({"own": consumer})
    assert held.begun.wait(TIMEOUT)
    assert held_by(group) == 1
    held.let_go.set()
    wait_for(lambda: len(seen) == 8, "all of them")
    assert seen == list(range(8))


@pytest.mark.usefixtures("several_at_once")
def test_a_stopping_worker_commits_finished_messages(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    held = Blocked()
    clients = [Client(memory_layer, path) for path in ("/", "/", "/slow/", "/")]
    for client in clients:
        client.connect()

    def consumer(message: Any) -> None:
        if message["path"] == "/slow/":
            held(message)

    group = start_group({"websocket.connect": consumer})
    assert held.begun.wait(TIMEOUT)
    group.stop()
    held.let_go.set()
    assert group.join(TIMEOUT)
    assert [client.released for client in clients] == [[0], [0], [0], []]
    assert pull_one(memory_layer).attempts == 0


# Workers that die


@pytest.mark.usefixtures("several_at_once")
def test_a_process_holds_nothing_else_while_a_quarantined_message_runs(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it pulls one message: that may have lost its worker, too."""
    channel = "websocket.connect"
    for _ in range(6):
        Client(memory_layer).connect()
    memory_layer.register("victim", ProcessInfo.this("worker", 1, [channel]))
    assert len(memory_layer.pull([channel], "victim.0", 0, 3)) == 3
    memory_layer.admin.mark_dead("victim", 1)
    memory_layer.admin.clean_up("victim")
    seen: list[tuple[bool, int]] = []
    steps: list[int] = []  # how many messages a pull asks for, and 0 for a quarantined message
    pull = memory_layer.pull

    def note_pull(*arguments: Any) -> list[Delivery]:
        steps.append(arguments[3])
        return pull(*arguments)

    def consumer(message: Any) -> None:
        seen.append((message.delivery.deaths > 0, held_by(group)))
        if message.delivery.deaths:
            steps.append(0)

    ready = threading.Event()

    def begin(message: Any) -> None:
        assert ready.wait(TIMEOUT)
        consumer(message)

    monkeypatch.setattr(memory_layer, "pull", note_pull)
    group = start_group({channel: begin})
    ready.set()
    wait_for(lambda: memory_layer.length(channel) == 0, "all to be done")
    stop(group)
    assert len(seen) == 6
    assert [held for died, held in seen if died] == [1, 1, 1]
    assert max(held for died, held in seen if not died) > 1
    assert [after for before, after in itertools.pairwise(steps) if before == 0] == [1, 1, 1]
    assert max(steps) > 1


def let_die(layer: InMemoryChannelLayer, *channels: str) -> None:
    """Let a worker with a message of each channel die."""
    layer.register("victim", ProcessInfo.this("worker", 1, channels))
    for channel in channels:
        assert layer.pull([channel], "victim.0", 0)
    layer.admin.mark_dead("victim", 1)
    layer.admin.clean_up("victim")


def test_quarantined_messages_of_a_process_run_one_at_a_time(
    start_group: StartGroup, memory_layer: InMemoryChannelLayer
) -> None:
    quarantined, other = {"one": Blocked(), "two": Blocked()}, Counted()
    for channel in quarantined:
        Channel(channel).send({})
    let_die(memory_layer, *quarantined)
    group = start_group({**quarantined, "other": other}, n_threads=3)
    wait_for(lambda: any(held.begun.is_set() for held in quarantined.values()), "the first")
    Channel("other").send({})
    assert other.got_one.wait(TIMEOUT)
    first, second = sorted(quarantined.values(), key=lambda held: not held.begun.is_set())
    assert not second.begun.is_set()
    first.let_go.set()
    assert second.begun.wait(TIMEOUT)
    second.let_go.set()
    stop(group)
    assert [memory_layer.length(channel) for channel in quarantined] == [0, 0]


def test_a_death_counts_again_only_for_the_message_that_runs(
    start_group: StartGroup, memory_layer: InMemoryChannelLayer
) -> None:
    """Another one that this process has pulled waits for the end of the quarantine."""
    suspects = {"one": Blocked(), "two": Blocked()}
    for channel in suspects:
        Channel(channel).send({})
    let_die(memory_layer, *suspects)
    group = start_group(suspects, n_threads=2)
    wait_for(lambda: any(held.begun.is_set() for held in suspects.values()), "the first")
    store, admin, found = memory_layer.store, memory_layer.admin, dict[str, int]()
    process = group.identity.process

    def die() -> bool:
        with store.changed:
            if any(store.streams[each].waiting for each in suspects):
                return False
            [running] = [each for each, held in suspects.items() if held.begun.is_set()]
            admin.mark_dead(process, admin.processes()[process])
            admin.clean_up(process)
            for channel in suspects:
                [again] = store.streams[channel].waiting.values()
                found["running" if channel == running else "waiting"] = again.deaths
            return True

    wait_for(die, "both to be held")
    for held in suspects.values():
        held.let_go.set()
    stop(group)
    assert found == {"running": 2, "waiting": 1}


def test_a_message_that_another_worker_has_by_now_does_not_run(
    start_group: StartGroup, memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer, quarantine = Counted(), memory_layer.quarantine
    Channel("one").send({})
    let_die(memory_layer, "one")
    errors = [LayerUnavailable("away"), ValueError("nobody foresaw it")]
    held: list[Committed] = []

    def answer(delivery: Delivery) -> Committed:
        if errors:
            raise errors.pop()
        if not held:
            memory_layer.requeue(delivery, counted=False)
        held.append(quarantine(delivery))
        return held[-1]

    monkeypatch.setattr(memory_layer, "quarantine", answer)
    group = start_group({"one": consumer})
    assert consumer.got_one.wait(TIMEOUT)
    stop(group)
    assert held == [Committed.STALE, Committed.DONE]
    assert len(consumer.messages) == 1
    assert memory_layer.length("one") == 0


# ConsumeLater


class PutOff:
    """A consumer that accepts a message at its second run."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.put_off = threading.Event()

    def __call__(self, message: Any) -> None:
        self.runs.append(message["text"])
        if message["text"] == "hard" and self.runs.count("hard") == 1:
            self.put_off.set()
            raise ConsumeLater


def test_other_messages_run_while_one_is_postponed(start_group: StartGroup) -> None:
    consumer = PutOff()
    start_group({"background": consumer})
    for text in ("hard", "easy"):
        Channel("background").send({"text": text})
    wait_for(lambda: len(consumer.runs) == 3, "the second run")
    assert consumer.runs == ["hard", "easy", "hard"]


@pytest.fixture
def a_second_between_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time to inspect what waits for its next run."""
    monkeypatch.setattr(retries, "FIRST_WAIT", 1.0)


def test_the_first_retries_follow_soon(start_group: StartGroup) -> None:
    times: list[float] = []

    def consumer(message: Any) -> None:
        times.append(time.monotonic())
        if len(times) < 5:
            raise ConsumeLater

    start_group({"background": consumer})
    Channel("background").send({})
    wait_for(lambda: len(times) == 5, "the fifth run")
    waits = [after - before for before, after in itertools.pairwise(times)]
    assert all(wait >= least for wait, least in zip(waits, (0.05, 0.1, 0.2, 0.4), strict=True))
    assert sum(waits) < 3, "they wait for each other, or for the heartbeat"


@pytest.mark.usefixtures("a_second_between_runs")
def test_a_postponed_message_stays_in_the_ledger(
    start_group: StartGroup, memory_layer: InMemoryChannelLayer
) -> None:
    found: list[Delivery] = []
    consumer = PutOff()
    group = start_group({"background": consumer}, callback=found.append)
    Channel("background").send({"text": "hard"})
    assert consumer.put_off.wait(TIMEOUT)
    wait_for(lambda: found[0] in group.in_flight.retry_queue.all(), "the end of the first run")
    assert group.workers[0].slot.running is None
    assert found[0] in group.in_flight.all(), "after a lost reply it would run at once"


@pytest.mark.usefixtures("a_second_between_runs")
def test_frames_wait_for_a_postponed_frame(start_group: StartGroup, client_socket: Client) -> None:
    consumer = PutOff()
    client_socket.connect()
    start_group({"websocket.receive": consumer})
    wait_for(lambda: client_socket.released == [0], "the handshake")
    client_socket.send("hard")
    assert consumer.put_off.wait(TIMEOUT)
    assert client_socket.released == [0]
    wait_for(lambda: client_socket.released == [0, 1], "the second run")
    assert consumer.runs == ["hard", "hard"]


@pytest.mark.usefixtures("a_second_between_runs")
def test_a_stopping_worker_requeues_postponed_messages(
    start_group: StartGroup, memory_layer: InMemoryChannelLayer
) -> None:
    consumer = PutOff()
    group = start_group({"background": consumer})
    Channel("background").send({"text": "hard"})
    assert consumer.put_off.wait(TIMEOUT)
    stop(group)
    assert pull_one(memory_layer, "background").attempts == 1


def test_a_prefetched_message_is_requeued_after_its_lease(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    held, counted = Blocked(), Counted()
    Channel("one").send({"name": "one"})
    Channel("two").send({"name": "two"})
    start_group({"one": held, "two": held})
    assert held.begun.wait(TIMEOUT)
    start_group({"one": counted, "two": counted})
    assert counted.got_one.wait(TIMEOUT), "the busy worker kept what it could not run"
    held.let_go.set()


def test_the_message_of_a_late_consumer_is_requeued(
    client_socket: Client, start_group: StartGroup, caplog: pytest.LogCaptureFixture
) -> None:
    held = Blocked()
    group = start_group({"websocket.connect": held})
    sent = client_socket.connect()
    assert held.begun.wait(TIMEOUT)
    group.stop()
    assert not group.join(0)
    assert f"Message {sent} on websocket.connect did not finish in time" in caplog.text
    delivery = pull_one(client_socket.layer)
    assert (delivery.id, delivery.attempts) == (sent, 0)
    held.let_go.set()
    group.workers[0].thread.join(TIMEOUT)
    assert client_socket.replies == [], "two workers finished one message"
    assert f"Message {sent} was finished elsewhere" in caplog.text


def test_the_stop_time_out_is_a_setting(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"STOP_TIMEOUT": 0.1}
    held = Blocked()
    group = start_group({"background": held})
    Channel("background").send({})
    assert held.begun.wait(TIMEOUT)
    group.stop()
    assert not group.join()
    held.let_go.set()


# Channel selection

ROUTED = ["websocket.connect", "websocket.receive", "background", "background.mail"]


@pytest.mark.parametrize(
    ("only", "exclude", "kept"),
    [
        (None, None, sorted(ROUTED)),
        ([], [], sorted(ROUTED)),
        (["websocket.*"], None, ["websocket.connect", "websocket.receive"]),
        (["background", "*.connect"], None, ["background", "websocket.connect"]),
        (None, ["websocket.*", "*.mail"], ["background"]),
        (["websocket.*"], ["*.receive"], ["websocket.connect"]),
        (["Background", "background.m?il"], None, ["background.mail"]),
    ],
)
def test_globs_select_the_channels(only: Any, exclude: Any, kept: list[str]) -> None:
    assert filter_channels(ROUTED, only, exclude) == kept


@pytest.mark.parametrize(("only", "exclude"), [(["thumbnails"], None), (None, ["*"])])
def test_at_least_one_channel_must_remain(only: Any, exclude: Any) -> None:
    with pytest.raises(ValueError, match=r"No channel is left.*Routed are background, backgr"):
        filter_channels(ROUTED, only, exclude)


def test_a_worker_leaves_other_channels_alone(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    counted = Counted()
    group = start_group({"one": counted, "two": counted}, only_channels=["o*"])
    Channel("two").send({"name": "two"})
    Channel("one").send({"name": "one"})
    assert counted.got_one.wait(TIMEOUT)
    stop(group)
    assert [message["name"] for message in counted.messages] == ["one"]
    assert contents(memory_layer, "two") == [{"name": "two"}]


# Layer outages


def test_workers_wait_for_redis(
    redis_server: RedisServer, start_group: StartGroup, caplog: pytest.LogCaptureFixture
) -> None:
    layer = RedisChannelLayer(hosts=[redis_server.url])
    counted = Counted()
    redis_server.stop()
    try:
        start_group({"background": counted}, layer)
        wait_for(lambda: "registered: Redis at" in caplog.text, "the log line")
    finally:
        redis_server.start()
    Channel("background", channel_layer=layer).send({})
    assert counted.got_one.wait(TIMEOUT)
    assert "does not answer" in caplog.text
    wait_for(lambda: "registered: works again" in caplog.text, "the log line")


def test_workers_continue_after_an_unexpected_error(
    redis_server: RedisServer,
    start_group: StartGroup,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer = RedisChannelLayer(hosts=[redis_server.url])
    counted = Counted()

    def fail(*arguments: Any) -> Any:
        raise RuntimeError("nobody foresaw it")

    with monkeypatch.context() as broken:
        broken.setattr(layer, "pull", fail)
        start_group({"background": counted}, layer)
        text = "Waiting for messages: RuntimeError was raised. Trying again."
        wait_for(lambda: text in caplog.text, "the log line")
    Channel("background", channel_layer=layer).send({})
    assert counted.got_one.wait(TIMEOUT)


def test_stopping_is_bounded_while_redis_hangs(
    tmp_path: Path, start_group: StartGroup, caplog: pytest.LogCaptureFixture
) -> None:
    """A hanging Redis differs from one that refuses connections."""
    server = RedisServer(tmp_path)
    server.start()
    host = {"address": server.url, "socket_timeout": 300}
    group = start_group({"background": Counted()}, RedisChannelLayer(hosts=[host]))
    group.wait_until_known()
    with server.process.frozen():
        group.stop()
        began = time.monotonic()
        group.join(0.2)
        assert time.monotonic() - began < 30, "as long as a request waits"
    assert "These threads have not ended: " in caplog.text
    assert group.join(TIMEOUT), "they end when they are answered"
    server.stop()


def test_a_commit_that_waits_for_redis_ends_with_the_process(
    redis_server: RedisServer, start_group: StartGroup, caplog: pytest.LogCaptureFixture
) -> None:
    layer = RedisChannelLayer(hosts=[redis_server.url])
    held = Blocked()
    group = start_group({"background": held}, layer)
    Channel("background", channel_layer=layer).send({})
    assert held.begun.wait(TIMEOUT)
    redis_server.stop()
    try:
        held.let_go.set()
        wait_for(lambda: "Committing" in caplog.text, "the outage")
        group.stop()
        assert not group.join(0.1)
        [worker] = group.workers
        assert worker.thread.ends_by(time.monotonic() + TIMEOUT)
    finally:
        redis_server.start()
    assert "is not committed: Redis at" in caplog.text
    assert "it is finished without" not in caplog.text


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt("now")])
def test_sys_exit_in_a_receiver_ends_no_thread(
    error: BaseException, start_group: StartGroup, caplog: pytest.LogCaptureFixture
) -> None:
    errors, counted = [error], Counted()

    def end(**arguments: Any) -> None:
        if errors:
            raise errors.pop()

    consumer_finished.connect(end)
    try:
        start_group({"background": counted})
        for _ in range(2):
            Channel("background").send({})
        wait_for(lambda: len(counted.messages) == 2, "the second message")
    finally:
        consumer_finished.disconnect(end)
    assert "is not finished yet" in caplog.text


# The event loop


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    loop = EventLoop()
    yield loop
    loop.stop()


async def give(value: Any) -> Any:
    await asyncio.to_thread(int)
    return value


async def fail(error: BaseException) -> None:
    await asyncio.to_thread(int)
    raise error


def test_the_loop_runs_coroutines_to_completion(loop: EventLoop) -> None:
    assert loop.run(give(1)) == 1
    assert loop.run(give(2)) == 2


def test_the_loop_reraises_exceptions_of_a_coroutine(loop: EventLoop) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        loop.run(fail(RuntimeError("broken")))


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt("now")])
def test_the_loop_survives_sys_exit(error: BaseException, loop: EventLoop) -> None:
    with pytest.raises(ConsumerExit, match=type(error).__name__):
        loop.run(fail(error))
    assert loop.run(give(1)) == 1


def test_a_coroutine_sees_the_context_of_its_caller(loop: EventLoop) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def read() -> str:
        return variable.get()

    variable.set("of the caller")
    assert loop.run(read()) == "of the caller"


def test_an_unused_loop_can_be_stopped() -> None:
    before = threading.active_count()
    EventLoop().stop()
    assert threading.active_count() == before
