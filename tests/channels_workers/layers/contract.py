"""The contract of a layer: a class of tests that each implementation inherits.

`make_layer()` gives a layer as one process has it. All layers of a test share their data.
"""

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.exceptions import ChannelFull, MessageError, MessageTooLarge, ServerEvicted
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import (
    CONNECT,
    DELAY,
    DISCONNECT,
    RECEIVE,
    REQUEST,
    REQUEST_DISCONNECT,
    Closed,
    Committed,
    ConnectionSnapshot,
    Delivery,
    Due,
    Finished,
    InboxKind,
    Join,
    Leave,
    Liveness,
    NewDeadLetter,
    Operation,
    PendingMessage,
    ProcessInfo,
    Published,
    Running,
    Send,
    SendLater,
    Session,
    server_of,
)
from tests.channels_workers.layers.recorder import TIMEOUT, Recorder

MakeLayer = Callable[..., WorkerLayer]

ALL = [CONNECT, RECEIVE, DISCONNECT, "work"]

#: What workers listen to.
LISTENED = (*ALL, REQUEST, REQUEST_DISCONNECT)


class Process:
    """One process's view of a layer, as short calls for tests. It is registered as a worker."""

    def __init__(self, layer: WorkerLayer, name: str = "worker") -> None:
        self.layer = layer
        self.name = name
        self.consumer = f"{name}.0"
        layer.register(name, ProcessInfo("worker", "host", 1, 0.0, 1, LISTENED))

    async def connect(self) -> Recorder:
        """Attach a receiver and publish its connect."""
        recorder = await self.attach()
        assert await self.publish(recorder, 0) is Published.PUBLISHED
        return recorder

    async def attach(self) -> Recorder:
        recorder = Recorder()
        recorder.channel = await self.layer.attach(recorder)
        return recorder

    async def publish(self, recorder: Recorder, order: int, **content: Any) -> Published:
        channel = RECEIVE if order else CONNECT
        payload = self.layer.encode({"path": "/", **content})
        last = self.layer.encode({"path": "/"})
        return await self.layer.publish(channel, recorder.channel, order, payload, last)

    async def pull(self, *channels: str) -> Delivery:
        """Wait for one message."""
        for _ in range(TIMEOUT):
            found = await asyncio.to_thread(self.layer.pull, channels or ALL, self.consumer, 1)
            if found:
                assert len(found) == 1
                return found[0]
        raise TimeoutError(f"no message in {channels}")

    async def pull_nothing(self) -> None:
        """Check that no message is queued. Everything that the test caused has happened by then."""
        assert await asyncio.to_thread(self.layer.pull, ALL, self.consumer, 0.0) == []

    async def until_empty(self, group: str) -> None:
        """Wait until a group has no members: a server leaves it some time after its last one."""
        async with asyncio.timeout(TIMEOUT):
            while self.layer.members(group):  # noqa: ASYNC110  (a layer tells nobody)
                await asyncio.sleep(0)

    async def commit(
        self, delivery: Delivery, *operations: Operation, session: Session | None = None
    ) -> Committed:
        return await asyncio.to_thread(self.layer.commit, Finished(delivery, operations, session))

    async def commit_and_pull(
        self, *finished: Finished, count: int = 1
    ) -> tuple[list[Committed | Exception], list[Delivery]]:
        return await asyncio.to_thread(self.layer.commit_and_pull, finished, ALL, 0.01, count)

    async def mark_dead(self, process: str) -> list[NewDeadLetter]:
        """Clean up after a dead *process*. Returns the new dead letters."""
        counters = await asyncio.to_thread(self.layer.admin.processes)
        assert await asyncio.to_thread(self.layer.admin.mark_dead, process, counters[process])
        assert process in await asyncio.to_thread(self.layer.admin.awaiting_cleanup)
        return await asyncio.to_thread(self.layer.admin.clean_up, process)

    async def mark_orphan_dead(self, process: str) -> None:
        """Clean up after an unregistered *process* that holds messages, once it counts as dead."""
        assert await asyncio.to_thread(self.layer.admin.mark_dead, process, 0)
        assert await asyncio.to_thread(self.layer.admin.awaiting_cleanup) == {process}
        await asyncio.to_thread(self.layer.admin.clean_up, process)

    async def connected(self) -> Recorder:
        """Attach, publish, run and commit the connect."""
        recorder = await self.connect()
        assert await self.commit(await self.pull()) is Committed.DONE
        await recorder.until(lambda: recorder.releases == [0])
        return recorder

    async def joined(self, group: str) -> Recorder:
        recorder = await self.connected()
        await self.layer.group_add(group, recorder.channel)
        return recorder

    async def change_groups(self, delivery: Delivery, *changes: Join | Leave) -> Committed:
        return await asyncio.to_thread(self.layer.change_groups, delivery, changes)

    async def send_due(self, count: int) -> Due:
        """Wait until *count* delayed messages were sent. Returns the last step."""
        async with asyncio.timeout(TIMEOUT):
            while True:
                due = await asyncio.to_thread(self.layer.admin.send_due)
                count -= due.sent
                if count <= 0:
                    assert count == 0
                    return due
                await asyncio.sleep(min(due.wait or 0, 0.01))

    async def numbers(self, count: int) -> list[int]:
        """Pull and commit this many messages. Returns their numbers."""
        found = []
        for _ in range(count):
            delivery = await self.pull()
            found.append(self.layer.content(delivery)["n"])
            assert await self.commit(delivery) is Committed.DONE
        return found

    def delayed(self) -> list[tuple[str, str]]:
        """The ids and channels of delayed messages."""
        return [(each.id, each.channel) for each in self.layer.admin.delayed()]

    def later(self, channel: str, delay: float, **content: Any) -> SendLater:
        return self.layer.make_send_later(channel, content, delay)

    def send(self, channel: str, **content: Any) -> Send:
        return self.layer.make_send(channel, content)

    def group_send(self, group: str, **content: Any) -> Operation:
        return self.layer.make_group_send(group, content)


class Waiting(Recorder):
    """A connection with its connect in flight."""

    def __init__(self, payload: bytes) -> None:
        super().__init__()
        self.payload = payload

    def snapshot(self) -> ConnectionSnapshot:
        return ConnectionSnapshot(0, self.payload, PendingMessage(CONNECT, self.payload))


def channels(process: Process) -> set[str]:
    return process.layer.group_channels("group")


@pytest.fixture
def process(make_layer: MakeLayer) -> Process:
    return Process(make_layer())


@pytest.fixture
def other(make_layer: MakeLayer) -> Process:
    return Process(make_layer(), "other worker")


class LayerContract:
    """The contract. A subclass provides the fixture `make_layer`."""

    # Channels 4's specification

    async def test_a_message_sent_to_a_channel_is_received(self, process: Process) -> None:
        await process.layer.send("test_channel", {"type": "hello", "n": 1})
        assert await process.layer.receive("test_channel") == {"type": "hello", "n": 1}

    async def test_receive_waits_for_a_message(self, process: Process, other: Process) -> None:
        waiting = asyncio.create_task(process.layer.receive("test_channel"))
        await asyncio.to_thread(other.layer.apply, [other.send("test_channel", n=1)])
        assert await asyncio.wait_for(waiting, TIMEOUT) == {"n": 1}

    async def test_messages_of_a_channel_keep_their_order(self, process: Process) -> None:
        for number in range(5):
            await process.layer.send("test_channel", {"n": number})
        received = [(await process.layer.receive("test_channel"))["n"] for _ in range(5)]
        assert received == [0, 1, 2, 3, 4]

    async def test_a_message_of_a_channel_goes_to_one_receiver(
        self, process: Process, other: Process
    ) -> None:
        receivers = [
            asyncio.create_task(layer.receive("test_channel"))
            for layer in (process.layer, other.layer)
        ]
        await process.layer.send("test_channel", {"n": 1})
        done, waiting = await asyncio.wait(
            receivers, timeout=TIMEOUT, return_when=asyncio.FIRST_COMPLETED
        )
        await process.layer.send("test_channel", {"n": 2})
        await asyncio.wait(waiting, timeout=TIMEOUT)
        assert sorted(task.result()["n"] for task in (*done, *waiting)) == [1, 2]

    async def test_a_new_channel_belongs_to_this_process(
        self, process: Process, other: Process
    ) -> None:
        channel = await process.layer.new_channel()
        assert "!" in channel
        await other.layer.send(channel, {"type": "hello"})
        assert await process.layer.receive(channel) == {"type": "hello"}

    async def test_new_channels_are_unique(self, process: Process) -> None:
        assert await process.layer.new_channel() != await process.layer.new_channel()

    async def test_a_message_without_type_gets_a_type_for_channels_4(
        self, process: Process
    ) -> None:
        channel = await process.layer.new_channel()
        await process.layer.send(channel, {"text": "hi"})
        assert await process.layer.receive(channel) == {"type": "websocket.send", "text": "hi"}

    async def test_a_cancelled_receive_loses_no_message(self, process: Process) -> None:
        channel = await process.layer.new_channel()
        task = asyncio.create_task(process.layer.receive(channel))
        await asyncio.wait([task], timeout=0)
        task.cancel()
        await asyncio.wait([task])
        await process.layer.send(channel, {"n": 1})
        assert (await process.layer.receive(channel))["n"] == 1

    async def test_a_cancelled_receive_of_an_ordinary_channel_loses_no_message(
        self, process: Process, other: Process
    ) -> None:
        """Nor does it leave a waiter that would take a message."""
        received = []
        for number in range(40):
            task = asyncio.create_task(process.layer.receive("test_channel"))
            sending = asyncio.create_task(other.layer.send("test_channel", {"n": number}))
            for _ in range(number):  # cancelled at another moment each time
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task, sending])
            if not task.cancelled():
                received.append(task.result()["n"])
        while process.layer.length("test_channel"):
            receiving = process.layer.receive("test_channel")
            received.append((await asyncio.wait_for(receiving, TIMEOUT))["n"])
        assert sorted(received) == list(range(40))

    async def test_receiving_a_channel_of_another_process_is_an_error(
        self, process: Process, other: Process
    ) -> None:
        channel = await process.layer.new_channel()
        with pytest.raises(ValueError, match="new_channel"):
            await other.layer.receive(channel)

    async def test_a_closed_event_loop_affects_no_other_channels(
        self, process: Process, other: Process
    ) -> None:
        ready, may_end = threading.Event(), threading.Event()

        async def first() -> None:
            channel = await process.layer.new_channel()
            ready.set()
            await asyncio.to_thread(may_end.wait, TIMEOUT)
            del channel

        ending = asyncio.create_task(asyncio.to_thread(asyncio.run, first()))
        await asyncio.to_thread(ready.wait, TIMEOUT)
        channel = await process.layer.new_channel()
        waiting = asyncio.create_task(process.layer.receive(channel))
        may_end.set()
        await ending
        await asyncio.to_thread(other.layer.apply, [other.send(channel, n=1)])
        assert (await asyncio.wait_for(waiting, TIMEOUT))["n"] == 1

    async def test_an_unreferenced_channel_is_deleted(self, process: Process) -> None:
        channel = await process.layer.new_channel()
        witness = await process.layer.new_channel()
        await process.layer.group_add("group", channel)
        await process.layer.send(witness, {"n": 1})
        await process.layer.receive(witness)
        assert len(process.layer.members("group")) == 1
        del channel
        gc.collect()
        async with asyncio.timeout(TIMEOUT):
            while process.layer.members("group"):
                await process.layer.send(witness, {"n": 2})
                await process.layer.receive(witness)

    async def test_a_channel_deleted_after_its_event_loop_leaves_nothing_behind(
        self, process: Process
    ) -> None:
        """Like that of a view whose `async_to_sync()` has its own event loop."""

        async def make() -> str:
            channel = await process.layer.new_channel()
            await process.layer.group_add("group", channel)
            return channel

        def view() -> None:
            channel = asyncio.run(make())
            del channel
            gc.collect()

        await asyncio.to_thread(view)
        assert len(process.layer.members("group")) == 1
        witness = await process.layer.new_channel()
        async with asyncio.timeout(TIMEOUT):
            while process.layer.members("group"):
                await process.layer.send(witness, {"n": 2})
                await process.layer.receive(witness)
        assert len(process.layer.start_server().receivers) == 1

    async def test_groups(self, process: Process, other: Process) -> None:
        first, second = await process.layer.new_channel(), await other.layer.new_channel()
        await process.layer.group_add("group", first)
        await process.layer.group_add("group", second)
        await process.layer.group_add("group", second)  # joining twice counts once
        await other.layer.group_send("group", {"type": "one"})
        await process.layer.group_discard("group", first)
        await other.layer.group_send("group", {"type": "two"})
        assert await process.layer.receive(first) == {"type": "one"}
        assert await other.layer.receive(second) == {"type": "one"}
        assert await other.layer.receive(second) == {"type": "two"}
        await process.layer.send(first, {"type": "last"})
        assert await process.layer.receive(first) == {"type": "last"}

    async def test_sending_to_an_empty_group_does_nothing(self, process: Process) -> None:
        await process.layer.group_send("nobody", {"type": "hello"})
        await process.layer.group_discard("nobody", "some!channel")

    async def test_flush_deletes_everything(self, process: Process) -> None:
        channel = await process.layer.new_channel()
        await process.layer.group_add("group", channel)
        await process.layer.send("work", {"n": 1})
        await process.layer.flush()
        assert process.layer.length("work") == 0
        assert process.layer.members("group") == set()
        await process.layer.send(channel, {"type": "still here"})
        assert await process.layer.receive(channel) == {"type": "still here"}

    @pytest.mark.parametrize("is_own", [True, False])
    async def test_a_flush_loses_no_message_of_a_socket(
        self, is_own: bool, process: Process, other: Process
    ) -> None:
        recorder = Waiting(process.layer.encode({"path": "/"}))
        recorder.channel = await process.layer.attach(recorder)
        assert await process.publish(recorder, 0) is Published.PUBLISHED
        await (process if is_own else other).layer.flush()
        delivery = await other.pull()
        assert (delivery.reply_channel, delivery.order) == (recorder.channel, 0)
        assert await other.commit(delivery) is Committed.DONE
        await recorder.until(lambda: recorder.releases == [0])
        await other.pull_nothing()
        assert not recorder.lost

    async def test_a_flush_by_another_process_keeps_group_memberships(
        self, process: Process, other: Process
    ) -> None:
        recorder = await process.joined("group")
        await other.layer.flush()
        await other.layer.group_send("group", {"n": 1})
        await recorder.until_got({"n": 1})

    async def test_channels_4_catches_channel_full(self, make_layer: MakeLayer) -> None:
        from channels.exceptions import ChannelFull as Channels4Full

        layer = make_layer(capacity=2)
        await layer.send("test_channel", {})
        await layer.send("test_channel", {})
        with pytest.raises(Channels4Full, match="test_channel"):
            await layer.send("test_channel", {})
        await layer.receive("test_channel")
        await layer.send("test_channel", {})

    async def test_channels_may_have_their_own_capacities(self, make_layer: MakeLayer) -> None:
        layer = make_layer(capacity=2, channel_capacity={"small.*": 1})
        await layer.send("small.one", {})
        with pytest.raises(ChannelFull):
            await layer.send("small.one", {})
        await layer.send("big", {})
        await layer.send("big", {})

    @pytest.mark.parametrize(
        "name",
        [
            *("", "with space", "ünï", "a" * 100, "a!b!c", 7, None, b"bytes", "a\n", "\na", "a\0"),
            *("a\r", "大厅", "\u0661\u0662", "a!\u0661", "a!b\n", "a!", "a" * 50 + "!" + "b" * 50),
        ],
    )
    async def test_invalid_names_are_refused(self, process: Process, name: Any) -> None:
        if name != "a!":  # what receive() of Channels 4 returns
            with pytest.raises(TypeError, match=r"Channel name must be .* Got "):
                await process.layer.send(name, {})
        with pytest.raises(TypeError, match=r"Group name must be .* Got "):
            await process.layer.group_send(name, {})
        with pytest.raises(TypeError, match=r"Group name must be .* Got "):
            process.layer.make_leave(name, "channel")
        with pytest.raises(TypeError, match=r"name must be .* Got "):
            process.layer.make_join("group" if name != "a!" else name, name)

    async def test_an_invalid_name_is_reported_with_the_remedy(self, process: Process) -> None:
        with pytest.raises(
            TypeError, match=r"use a hash of it, such as hashlib\.sha256\(text"
        ) as of:
            process.layer.make_group_send("大厅" * 10_000, {})
        assert len(str(of.value)) < 1000
        with pytest.raises(TypeError, match=r"Got 7\.$"):
            process.layer.make_group_send(7, {})  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["a", "A-b_c.9", "a" * 99])
    async def test_valid_names(self, process: Process, name: str) -> None:
        process.layer.make_group_send(name, {})
        process.layer.make_join(name, f"{name[:49]}!{'b' * 49}")

    @pytest.mark.parametrize(
        "content",
        [{"a": "\ud800"}, {"a": 2**64}, {"a": object()}, {"a": {1, 2}}, {"a": threading.Lock()}],
    )
    async def test_unserialisable_content_is_refused_when_sent(
        self, process: Process, content: dict[str, Any]
    ) -> None:
        with pytest.raises(MessageError, match="cannot be encoded"):
            process.layer.make_send("work", content)

    async def test_content_that_is_not_a_dict_is_refused(self, process: Process) -> None:
        with pytest.raises(TypeError, match="must be a dict, not list"):
            await process.layer.send("work", [1])  # type: ignore[arg-type]

    async def test_an_oversized_message_is_refused_when_sent(self, make_layer: MakeLayer) -> None:
        layer = make_layer(message_size=1000)
        layer.make_send("work", {"text": "x" * 900})
        with pytest.raises(MessageTooLarge, match=r"1,000"):
            layer.make_send("work", {"text": "x" * 1000})

    async def test_encryption(self, make_layer: MakeLayer) -> None:
        layer = make_layer(symmetric_encryption_keys=["new", "old"])
        older = make_layer(symmetric_encryption_keys=["old"])
        await older.send("work", {"text": "secret"})
        assert await layer.receive("work") == {"text": "secret"}
        assert b"secret" not in layer.encode({"text": "secret"})

    # Deliveries

    async def test_a_worker_gets_what_a_connection_publishes(self, process: Process) -> None:
        recorder = await process.connect()
        delivery = await process.pull()
        assert (delivery.channel, delivery.order) == (CONNECT, 0)
        assert delivery.id == f"{recorder.channel}:0"
        assert process.layer.content(delivery) == {
            "path": "/",
            "reply_channel": recorder.channel,
            "order": 0,
        }

    async def test_a_commit_releases_the_connection(self, process: Process) -> None:
        recorder = await process.connected()
        assert await process.publish(recorder, 1, text="hi") is Published.PUBLISHED
        delivery = await process.pull()
        assert process.layer.content(delivery)["text"] == "hi"
        assert recorder.releases == [0]
        assert await process.commit(delivery) is Committed.DONE
        await recorder.until(lambda: recorder.releases == [0, 1])
        await process.pull_nothing()

    async def test_the_clock_tells_how_old_messages_and_entries_are(
        self, process: Process, other: Process
    ) -> None:
        clock = other.layer.clock
        await asyncio.to_thread(clock.read)
        began = time.monotonic()
        recorder = await process.connect()
        published = time.monotonic()
        delivery = await other.pull()
        assert await other.commit(delivery) is Committed.DONE
        await recorder.until(lambda: recorder.releases == [0])
        now = time.monotonic()
        age, error = clock.age(delivery.token, now), clock.error()
        assert age is not None
        assert error is not None
        assert now - published - error <= age <= now - began + error
        position = process.layer.start_server().position
        entry_age = clock.age(position, now)
        assert entry_age is not None
        assert 0 <= entry_age <= age

    async def test_the_inbox_lags_while_it_is_carried_out(
        self, process: Process, other: Process
    ) -> None:
        layer, lags = process.layer, []
        await asyncio.to_thread(layer.clock.read)
        recorder = await process.connected()
        began = time.monotonic()

        def deliver(content: Any, to_group: bool = False) -> None:
            lags.append((layer.inbox_entry(), layer.inbox_lag()))
            Recorder.deliver(recorder, content, to_group)

        recorder.deliver = deliver  # type: ignore[method-assign]
        other.layer.apply([other.send(recorder.channel, n=1)])
        await recorder.until(lambda: len(recorder.messages) == 1)
        [(entry, lag)] = lags
        assert entry == layer.inbox_entry() == layer.start_server().position
        assert lag is not None
        error = layer.clock.error()
        assert error is not None
        assert 0 <= lag <= time.monotonic() - began + error
        async with asyncio.timeout(TIMEOUT):
            while layer.inbox_lag() != 0:  # noqa: ASYNC110  (a layer tells nobody)
                await asyncio.sleep(0)
        operations = layer.inbox_operations()
        del operations["heard"]  # from another shard or not
        assert operations == {
            **dict.fromkeys(map(str.lower, InboxKind.__members__.keys() - {"HEARD"}), 0),
            "send": 1,
            "release": 1,
        }

    async def test_the_clock_does_not_know_ids_without_a_time(self, process: Process) -> None:
        await asyncio.to_thread(process.layer.clock.read)
        assert process.layer.clock.age("") is None
        assert process.layer.clock.age("restored") is None

    async def test_publishing_again_has_no_effect(self, process: Process) -> None:
        recorder = await process.connect()
        assert await process.publish(recorder, 0) is Published.REPEATED
        delivery = await process.pull()
        assert await process.publish(recorder, 0) is Published.REPEATED
        await process.commit(delivery)
        assert await process.publish(recorder, 0) is Published.REPEATED
        await process.pull_nothing()

    async def test_a_connection_has_one_message_in_flight(self, process: Process) -> None:
        recorder = await process.connect()
        with pytest.raises(RuntimeError, match="order 1 cannot follow 0"):
            await process.publish(recorder, 1)
        await process.commit(await process.pull())
        with pytest.raises(RuntimeError, match="order 2 cannot follow 0"):
            await process.publish(recorder, 2)

    async def test_a_connection_without_a_record_is_evicted(self, process: Process) -> None:
        recorder = await process.attach()
        await process.layer.new_channel()  # the server is registered by now
        assert await process.publish(recorder, 1) is Published.GONE
        assert await process.layer.close(recorder.channel, 1000) is Closed.GONE

    async def test_a_dead_server_is_evicted(self, process: Process, other: Process) -> None:
        recorder = await process.connected()
        server = recorder.channel.partition("!")[0]
        await other.mark_dead(server)
        with pytest.raises(ServerEvicted):
            await process.publish(await process.attach(), 0)

    async def test_two_workers_share_the_messages(self, process: Process, other: Process) -> None:
        for number in range(20):
            await process.layer.send("work", {"n": number})
        pulled = [await worker.pull() for worker in (process, other) * 10]
        numbers = [process.layer.content(delivery)["n"] for delivery in pulled]
        assert sorted(numbers) == list(range(20))

    async def test_a_pull_takes_at_most_one_message_of_each_channel(self, process: Process) -> None:
        for channel in ("work", "work", CONNECT):
            await process.layer.send(channel, {})
        found = await asyncio.to_thread(process.layer.pull, ALL, "worker", 1)
        assert len({delivery.channel for delivery in found}) == len(found)

    async def test_a_waiting_pull_wakes_up(self, process: Process, other: Process) -> None:
        waiting = asyncio.create_task(process.pull())
        await other.layer.send("work", {"n": 1})
        assert process.layer.content(await waiting)["n"] == 1

    async def test_messages_before_the_first_worker_are_kept(
        self, process: Process, other: Process
    ) -> None:
        await process.layer.send("work", {"n": 1})
        assert process.layer.length("work") == 1
        delivery = await other.pull()
        assert other.layer.content(delivery)["n"] == 1
        assert process.layer.length("work") == 1  # messages in flight count
        await other.commit(delivery)
        assert process.layer.length("work") == 0

    # Exactly once

    async def test_only_the_owner_can_commit(self, process: Process, other: Process) -> None:
        recorder = await process.connect()
        first = await process.pull()
        await other.mark_dead("worker")
        second = await other.pull()
        assert (second.id, second.attempts, second.deaths) == (first.id, 0, 1)
        session = Session(recorder.channel, process.layer.encode({"by": "first"}))
        send = process.send(recorder.channel, by="first")
        join = process.layer.make_join("group", recorder.channel)
        assert await process.commit(first, send, join, session=session) is Committed.STALE
        assert process.layer.load_session(recorder.channel) is None
        assert process.layer.members("group") == set()
        assert await other.commit(second, other.send(recorder.channel, by="second")) is (
            Committed.DONE
        )
        await recorder.until(lambda: recorder.releases == [0])
        assert recorder.messages == [{"by": "second"}]

    async def test_a_second_commit_is_stale(self, process: Process) -> None:
        recorder = await process.connect()
        delivery = await process.pull()
        send = process.send(recorder.channel, n=1)
        assert await process.commit(delivery, send) is Committed.DONE
        assert await process.commit(delivery, send) is Committed.STALE
        await recorder.until(lambda: recorder.releases == [0])
        assert recorder.messages == [{"n": 1}]

    async def test_a_full_channel_refuses_the_whole_commit(self, make_layer: MakeLayer) -> None:
        process = Process(make_layer(channel_capacity={"work": 1}))
        recorder = await process.connect()
        delivery = await process.pull()
        sends = [process.send(recorder.channel, n=1), process.send("work", n=2)]
        await process.layer.send("work", {"n": 1})
        with pytest.raises(ChannelFull, match="'work'"):
            await process.commit(delivery, *sends)
        blocking = await process.pull("work")
        await process.commit(blocking)
        assert await process.commit(delivery, *sends) is Committed.DONE
        await recorder.until_got({"n": 1})
        assert process.layer.content(await process.pull("work")) == {"n": 2}

    async def test_a_commit_and_the_next_pull_in_one_request(self, process: Process) -> None:
        recorder = await process.connect()
        first = await process.pull()
        await process.layer.send("work", {"n": 1})
        session = Session(recorder.channel, b"kept")
        committed, found = await process.commit_and_pull(
            Finished(first, [process.send(recorder.channel, n=2)], session)
        )
        assert committed == [Committed.DONE]
        assert [process.layer.content(delivery) for delivery in found] == [{"n": 1}]
        await recorder.until(lambda: recorder.releases == [0])
        assert recorder.messages == [{"n": 2}]
        assert process.layer.load_session(recorder.channel) == b"kept"
        assert await process.commit_and_pull(Finished(found[0])) == ([Committed.DONE], [])

    async def test_several_commits_and_pulls_in_one_request(self, process: Process) -> None:
        recorders = [await process.connect() for _ in range(3)]
        first, stale, last = [await process.pull() for _ in recorders]
        await process.commit(stale)
        for number in range(4):
            await process.layer.send("work", {"n": number})
        done, found = await process.commit_and_pull(
            *(
                Finished(each, [process.send(recorder.channel, text="hi")])
                for each, recorder in zip((first, stale, last), recorders, strict=True)
            ),
            count=3,
        )
        assert done == [Committed.DONE, Committed.STALE, Committed.DONE]
        assert [process.layer.content(delivery)["n"] for delivery in found] == [0, 1, 2]
        for recorder in recorders:
            await recorder.until(lambda recorder=recorder: recorder.releases == [0])
        assert [recorder.messages for recorder in recorders] == [
            [{"text": "hi"}],
            [],
            [{"text": "hi"}],
        ]
        assert process.layer.content(await process.pull("work")) == {"n": 3}

    async def test_several_commits_in_one_request(self, make_layer: MakeLayer) -> None:
        process = Process(make_layer(channel_capacity={"full": 0}))
        recorders = [await process.connect() for _ in range(4)]
        first, stale, full, last = [await process.pull() for _ in recorders]
        await process.commit(stale)
        finished = [
            Finished(first, [process.send(recorders[0].channel, text="hi")]),
            Finished(stale, [process.send(recorders[1].channel, text="hi")]),
            Finished(full, [process.send("full")]),
            Finished(last),
        ]
        done = await asyncio.to_thread(process.layer.commit_all, finished)
        refused = done.pop(2)
        assert isinstance(refused, ChannelFull)
        assert done == [Committed.DONE, Committed.STALE, Committed.DONE]
        for recorder in (recorders[0], recorders[1], recorders[3]):
            await recorder.until(lambda recorder=recorder: recorder.releases == [0])
        assert [recorder.messages for recorder in recorders] == [[{"text": "hi"}], [], [], []]
        assert recorders[2].releases == []

    async def test_commits_in_one_request_act_one_after_the_other(self, process: Process) -> None:
        """Each sees what those before it have done."""
        ending, staying = await process.connected(), await process.joined("room")
        await process.publish(ending, 1)
        await process.layer.close(ending.channel, 1000)
        await process.commit(await process.pull())
        last = await process.pull()
        await process.publish(staying, 1)
        await process.layer.send("work", {"n": 1})
        frame, other = await process.pull(RECEIVE), await process.pull("work")
        lost, kept = Session(ending.channel, b"lost"), Session(staying.channel, b"kept")
        finished = [
            Finished(frame, [process.group_send("room", n=1)]),
            Finished(last, [process.group_send("room", n=2)]),
            Finished(other, [process.group_send("room", n=3)], lost),
        ]
        done = await asyncio.to_thread(process.layer.commit_all, finished)
        assert done == [Committed.DONE] * 3
        await staying.until(lambda: len(staying.messages) == 3)
        assert [message["n"] for message in staying.messages] == [1, 2, 3]
        assert staying.releases == [0, 1]
        assert process.layer.load_session(ending.channel) is None
        await process.publish(staying, 2)
        again = Finished(await process.pull(), (), kept)
        assert await asyncio.to_thread(process.layer.commit_all, [again, *finished]) == [
            Committed.DONE,
            *[Committed.STALE] * 3,
        ]
        assert process.layer.load_session(staying.channel) == b"kept"
        assert len(staying.messages) == 3

    async def test_a_refused_commit_does_not_block_others(self, make_layer: MakeLayer) -> None:
        process = Process(make_layer(channel_capacity={"full": 0}))
        recorders = [await process.connect() for _ in range(2)]
        first, second = [await process.pull() for _ in recorders]
        [refused, done], _ = await process.commit_and_pull(
            Finished(first, [process.send("full")]), Finished(second)
        )
        assert isinstance(refused, ChannelFull)
        assert done is Committed.DONE
        await recorders[1].until(lambda: recorders[1].releases == [0])
        assert recorders[0].releases == []

    async def test_a_stale_commit_still_pulls(self, process: Process) -> None:
        await process.connect()
        first = await process.pull()
        await process.commit(first)
        await process.layer.send("work", {"n": 1})
        committed, found = await process.commit_and_pull(Finished(first))
        assert committed == [Committed.STALE]
        assert [process.layer.content(delivery) for delivery in found] == [{"n": 1}]

    async def test_a_failed_commit_loses_no_pulled_message(self, make_layer: MakeLayer) -> None:
        process = Process(make_layer(channel_capacity={"full": 0}))
        recorder = await process.connect()
        first = await process.pull()
        await process.layer.send("work", {"n": 1})
        [refused], kept = await process.commit_and_pull(Finished(first, [process.send("full")]))
        assert isinstance(refused, ChannelFull)
        assert refused.channel == "full"
        kept += process.layer.pull(ALL, process.consumer, 0.0)
        assert [process.layer.content(delivery) for delivery in kept] == [{"n": 1}]
        assert await process.commit(first) is Committed.DONE
        await recorder.until(lambda: recorder.releases == [0])

    async def test_a_layer_has_the_exception_of_1_x(self, make_layer: MakeLayer) -> None:
        process = Process(make_layer(channel_capacity={"work": 0}))
        with pytest.raises(process.layer.ChannelFull):
            await process.layer.send("work", {})

    async def test_two_messages_of_one_commit_count_for_capacity(
        self, make_layer: MakeLayer
    ) -> None:
        process = Process(make_layer(channel_capacity={"work": 1}))
        with pytest.raises(ChannelFull):
            process.layer.apply([process.send("work", n=1), process.send("work", n=2)])
        assert process.layer.length("work") == 0

    async def test_ids_of_messages_that_an_outbox_sends(self, process: Process) -> None:
        await process.connect()
        delivery = await process.pull()
        await process.commit(delivery, process.send("work", n=1), process.send("work", n=2))
        first, second = await process.pull("work"), await process.pull("work")
        assert [first.id, second.id] == [f"{delivery.id}.1", f"{delivery.id}.2"]

    async def test_a_requeued_delivery_keeps_its_id(self, process: Process, other: Process) -> None:
        recorder = await process.connect()
        first = await process.pull()
        assert process.layer.requeue(first, counted=False) is Committed.DONE
        assert await process.commit(first) is Committed.STALE
        assert process.layer.requeue(first, counted=False) is Committed.STALE
        second = await other.pull()
        assert (second.id, second.attempts) == (first.id, 0)
        assert other.layer.requeue(second, counted=True) is Committed.DONE
        third = await process.pull()
        assert (third.id, third.attempts, third.order) == (first.id, 1, 0)
        assert await process.publish(recorder, 0) is Published.REPEATED
        assert await process.commit(third) is Committed.DONE

    async def test_failures_are_counted_separately_and_survive_a_worker(
        self, process: Process, other: Process
    ) -> None:
        await process.connect()
        first = await process.pull()
        assert (first.attempts, first.failures) == (0, 0)
        process.layer.requeue(first, counted=True, failed=True)
        second = await process.pull()
        assert (second.id, second.attempts, second.failures) == (first.id, 0, 1)
        process.layer.requeue(second, counted=True)
        third = await other.pull()
        assert (third.attempts, third.failures) == (1, 1)
        await process.mark_dead(other.name)
        last = await process.pull()
        assert (last.attempts, last.failures, last.deaths) == (1, 1, 1)

    async def test_a_handshake_that_has_failed_is_not_withdrawn(self, process: Process) -> None:
        recorder = await process.connect()
        process.layer.requeue(await process.pull(), counted=True, failed=True)
        assert await process.layer.close(recorder.channel, 1006) is Closed.CLOSING

    # Sessions

    async def test_a_session_comes_with_the_next_message(self, process: Process) -> None:
        recorder = await process.connect()
        session = Session(recorder.channel, b"saved")
        first = await process.pull()
        assert first.session is None
        await process.commit(first, session=session)
        await process.publish(recorder, 1)
        second = await process.pull()
        assert second.session == b"saved"
        await process.commit(second)  # unchanged
        await process.layer.close(recorder.channel, 1000)
        last = await process.pull()
        assert last.session == b"saved"
        await process.commit(last, session=Session(recorder.channel, b"too late"))
        assert process.layer.load_session(recorder.channel) is None

    async def test_a_session_of_an_ended_connection_is_not_saved(self, process: Process) -> None:
        await process.layer.new_channel()
        process.layer.save_session(Session("some!connection", b"x"))
        await process.layer.send("work", {"n": 1})
        await process.commit(await process.pull(), session=Session("some!connection", b"x"))
        assert process.layer.load_session("some!connection") is None

    async def test_another_message_may_save_the_session(self, process: Process) -> None:
        recorder = await process.connected()
        await process.layer.send("work", {"n": 1})
        await process.commit(await process.pull(), session=Session(recorder.channel, b"x"))
        assert process.layer.load_session(recorder.channel) == b"x"
        process.layer.save_session(Session(recorder.channel, b"y"))
        assert process.layer.load_session(recorder.channel) == b"y"

    # One disconnect

    async def test_an_idle_connection_closes_at_once(self, process: Process) -> None:
        recorder = await process.connected()
        assert await process.layer.close(recorder.channel, 1001) is Closed.PUBLISHED
        assert await process.layer.close(recorder.channel, 1002) is Closed.REPEATED
        last = await process.pull()
        assert process.layer.content(last) == {
            "path": "/",
            "reply_channel": recorder.channel,
            "order": 1,
            "code": 1001,
        }
        assert last.channel == DISCONNECT
        assert await process.layer.close(recorder.channel, 1002) is Closed.REPEATED
        assert await process.commit(last) is Committed.DONE
        assert await process.layer.close(recorder.channel, 1002) is Closed.GONE
        assert await process.publish(recorder, 2) is Published.GONE
        await process.pull_nothing()

    async def test_a_busy_connection_closes_after_its_message(self, process: Process) -> None:
        recorder = await process.connected()
        await process.publish(recorder, 1)
        delivery = await process.pull()
        assert await process.layer.close(recorder.channel, 1001) is Closed.CLOSING
        assert await process.layer.close(recorder.channel, 1002) is Closed.REPEATED
        await process.pull_nothing()
        await process.commit(delivery, session=Session(recorder.channel, b"x"))
        last = await process.pull()
        assert (last.channel, last.order, last.code, last.session) == (DISCONNECT, 2, 1001, b"x")

    async def test_a_queued_connect_is_withdrawn_without_trace(self, process: Process) -> None:
        recorder = await process.connect()
        assert await process.layer.close(recorder.channel, 1006) is Closed.WITHDRAWN
        assert await process.layer.close(recorder.channel, 1006) is Closed.GONE
        await process.pull_nothing()

    async def test_a_connect_that_a_worker_took_gets_a_disconnect(self, process: Process) -> None:
        recorder = await process.connect()
        delivery = await process.pull()
        assert await process.layer.close(recorder.channel, 1006) is Closed.CLOSING
        await process.commit(delivery)
        assert (await process.pull()).channel == DISCONNECT

    async def test_a_requeued_connect_may_be_withdrawn(self, process: Process) -> None:
        recorder = await process.connect()
        process.layer.requeue(await process.pull(), counted=False)
        assert await process.layer.close(recorder.channel, 1006) is Closed.WITHDRAWN
        await process.pull_nothing()

    # Groups

    async def test_messages_after_a_join_reach_the_channel(
        self, process: Process, other: Process
    ) -> None:
        recorder = await process.connect()
        await process.commit(
            await process.pull(),
            process.group_send("group", n="before"),
            process.layer.make_join("group", recorder.channel),
            process.group_send("group", n="same commit"),
        )
        await other.layer.group_send("group", {"n": "later"})
        await recorder.until_got({"n": "same commit"}, {"n": "later"})

    async def test_a_running_consumer_changes_groups_at_once(
        self, process: Process, other: Process
    ) -> None:
        recorder = await process.connect()
        delivery = await process.pull()
        join = process.layer.make_join("group", recorder.channel)
        leave = process.layer.make_leave("group", recorder.channel)
        await other.layer.group_send("group", {"n": "before"})
        assert await process.change_groups(delivery, join) is Committed.DONE
        assert await process.change_groups(delivery, join) is Committed.DONE  # after a lost reply
        await other.layer.group_send("group", {"n": "joined"})
        assert await process.change_groups(delivery, leave, join, leave) is Committed.DONE
        await other.layer.group_send("group", {"n": "left"})
        assert await process.commit(delivery, process.send(recorder.channel, n="committed")) is (
            Committed.DONE
        )
        await recorder.until_got({"n": "joined"}, {"n": "committed"})
        await process.until_empty("group")
        assert await process.change_groups(delivery, join) is Committed.STALE
        assert process.layer.members("group") == set()

    async def test_only_the_owner_can_change_groups(self, process: Process, other: Process) -> None:
        recorder = await process.connect()
        first = await process.pull()
        await other.mark_dead("worker")
        second = await other.pull()
        join = process.layer.make_join("group", recorder.channel)
        assert await process.change_groups(first, join) is Committed.STALE
        assert process.layer.members("group") == set()
        assert await other.change_groups(second, join) is Committed.DONE
        assert process.layer.members("group") == {recorder.channel.partition("!")[0]}

    async def test_a_consumer_of_an_ordinary_channel_changes_groups(self, process: Process) -> None:
        await process.layer.send("work", {"n": 1})
        delivery = await process.pull("work")
        join = process.layer.make_join("group", "another")
        assert await process.change_groups(delivery, join) is Committed.DONE
        await process.layer.group_send("group", {"n": 2})
        assert process.layer.content(await process.pull("another"))["n"] == 2

    async def test_messages_after_a_leave_do_not_reach_the_channel(self, process: Process) -> None:
        recorder = await process.joined("group")
        await process.layer.aapply(
            [
                process.group_send("group", n=1),
                process.layer.make_leave("group", recorder.channel),
                process.group_send("group", n=2),
                process.send(recorder.channel, n=3),
            ]
        )
        await recorder.until_got({"n": 1}, {"n": 3})

    async def test_a_server_leaves_a_group_with_its_last_member(
        self, process: Process, other: Process
    ) -> None:
        one, two = await process.joined("group"), await process.joined("group")
        third = await other.joined("group")
        assert process.layer.members("group") == {
            one.channel.partition("!")[0],
            third.channel.partition("!")[0],
        }
        await process.layer.group_discard("group", one.channel)
        await process.layer.group_send("group", {"n": 1})
        await two.until_got({"n": 1})
        process.layer.detach(two.channel)
        await process.layer.new_channel()
        await process.layer.group_send("group", {"n": 2})
        await third.until_got({"n": 1}, {"n": 2})
        assert process.layer.members("group") == {third.channel.partition("!")[0]}

    async def test_a_closed_channel_joins_no_group(self, process: Process) -> None:
        recorder, witness = await process.joined("group"), await process.connected()
        process.layer.leave_groups(recorder.channel)
        await process.until_empty("group")
        await process.layer.group_add("group", recorder.channel)
        await process.layer.group_send("group", {"n": 1})
        await process.layer.send(witness.channel, {"n": 2})
        await witness.until_got({"n": 2})
        await process.layer.send(witness.channel, {"n": 3})
        assert recorder.messages == []
        assert process.layer.members("group") == set()

    async def test_joining_a_closed_channel_does_not_undo_another_join(
        self, process: Process
    ) -> None:
        closed, member = await process.connected(), await process.connected()
        process.layer.detach(closed.channel)
        joins = [
            process.layer.make_join("group", recorder.channel) for recorder in (closed, member)
        ]
        await process.layer.aapply(joins)  # both in one inbox entry
        await process.layer.send(member.channel, {"n": 1})
        await member.until_got({"n": 1})
        await process.layer.group_send("group", {"n": 2})
        await member.until_got({"n": 1}, {"n": 2})

    async def test_fan_out_costs_one_entry_per_server(
        self, process: Process, other: Process
    ) -> None:
        members = [await process.joined("group") for _ in range(5)]
        members += [await other.joined("group")]
        await process.layer.group_send("group", {"n": 1})
        for member in members:
            await member.until_got({"n": 1})
        contents = {id(member.messages[0]) for member in members}
        assert len(contents) == 2  # decoded once per server

    async def test_an_ordinary_channel_may_be_a_member(self, process: Process) -> None:
        await process.layer.group_add("group", "work")
        await process.layer.group_send("group", {"n": 1})
        assert process.layer.content(await process.pull()) == {"n": 1}
        await process.layer.group_discard("group", "work")
        await process.layer.group_send("group", {"n": 2})
        assert process.layer.length("work") == 1

    async def test_a_group_skips_a_full_channel(self, make_layer: MakeLayer) -> None:
        process = Process(make_layer(capacity=1))
        recorder = await process.joined("group")
        await process.layer.group_add("group", "work")
        await process.layer.group_send("group", {"n": 1})
        await process.layer.group_send("group", {"n": 2})
        await recorder.until_got({"n": 1}, {"n": 2})
        assert process.layer.length("work") == 1

    async def test_a_retired_server_leaves_nothing_behind(
        self, process: Process, other: Process
    ) -> None:
        recorder = await process.joined("group")
        await process.layer.retire_server()
        assert other.layer.members("group") == set()
        await other.layer.group_add("group", recorder.channel)
        await other.layer.send(recorder.channel, {"n": 1})
        assert other.layer.members("group") == set()

    async def test_a_failing_receiver_affects_no_other(
        self, process: Process, caplog: pytest.LogCaptureFixture
    ) -> None:
        broken, fine = await process.joined("group"), await process.joined("group")

        def fail(content: dict[str, Any], to_group: bool = False) -> None:
            raise RuntimeError("broken receiver")

        broken.deliver = fail  # type: ignore[method-assign]
        await process.layer.group_send("group", {"n": 1})
        await fine.until_got({"n": 1})
        assert "broken receiver" in caplog.text

    async def test_more_than_a_thousand_operations_in_one_commit(self, process: Process) -> None:
        recorder = await process.connect()
        count = 2500
        sends = [process.send(recorder.channel, n=number) for number in range(count)]
        sends.insert(1800, process.layer.make_join("group", recorder.channel))
        await process.commit(await process.pull(), *sends)
        await recorder.until(lambda: len(recorder.messages) == count)
        assert [message["n"] for message in recorder.messages] == list(range(count))
        process.layer.leave_groups(recorder.channel)
        await process.until_empty("group")

    # Processes

    async def test_a_heartbeat_reports_whether_the_process_is_registered(
        self, process: Process
    ) -> None:
        assert process.layer.heartbeat("somebody") is Liveness.LOST
        process.layer.register("somebody", ProcessInfo.this("worker", 1, ALL))
        assert process.layer.heartbeat("somebody") is Liveness.ALIVE
        assert process.layer.admin.processes() == {"worker": 1, "somebody": 2}
        process.layer.retire("somebody", ["somebody.0"], ALL)
        assert process.layer.heartbeat("somebody") is Liveness.LOST
        assert process.layer.admin.processes() == {"worker": 1}

    async def test_workers_are_distinguished_from_servers_and_other_channels_workers(
        self, process: Process
    ) -> None:
        process.layer.register("server", ProcessInfo.this("server"))
        process.layer.register("of others", ProcessInfo.this("worker", 1, ["background"]))
        process.layer.register("somebody", ProcessInfo.this("worker", 1, ALL))
        assert process.layer.heartbeat("somebody") is Liveness.ALIVE
        assert await process.layer.workers() == {"worker": 1, "somebody": 2}
        recorder = await process.connected()  # from now on there may be a connection of its own
        process.layer.retire("somebody", ["somebody.0"], ALL)
        assert await process.layer.workers() == {"worker": 1}
        process.layer.leave_groups(recorder.channel)

    async def test_a_process_with_heartbeats_is_not_marked_dead(
        self, process: Process, other: Process
    ) -> None:
        seen = process.layer.admin.processes()["other worker"]
        assert other.layer.heartbeat("other worker") is Liveness.ALIVE
        assert not process.layer.admin.mark_dead("other worker", seen)
        assert not process.layer.admin.mark_dead("nobody", seen)
        assert process.layer.admin.awaiting_cleanup() == set()
        assert other.layer.heartbeat("other worker") is Liveness.ALIVE

    async def test_lagging_servers_are_listed(self, process: Process, settings: Settings) -> None:
        recorder = await process.connected()
        slow = "slow"
        process.layer.register(slow, ProcessInfo.this("server"))
        operations = [process.send(f"{slow}!1", text="x" * 1000) for _ in range(3)]
        for operation in operations:
            process.layer.apply([operation])
        assert process.layer.admin.lagging() == {}
        settings.CHANNEL_WORKERS = {"INBOX_ENTRIES": 2}
        assert process.layer.admin.lagging() == {slow: 1}
        settings.CHANNEL_WORKERS = {"INBOX_BYTES": 2000}
        assert slow in process.layer.admin.lagging()
        await recorder.until(lambda: recorder.releases == [0])

    async def test_a_dead_process_learns_it_from_its_heartbeat(
        self, process: Process, other: Process
    ) -> None:
        await process.mark_dead("other worker")
        assert process.layer.admin.awaiting_cleanup() == set()
        assert other.layer.heartbeat("other worker") is Liveness.EVICTED
        await process.pull_nothing()

    async def test_another_process_finishes_an_interrupted_cleanup(
        self, process: Process, other: Process
    ) -> None:
        await process.connect()
        await process.pull()
        assert other.layer.admin.mark_dead("worker", 1)
        assert other.layer.admin.awaiting_cleanup() == {
            "worker"
        }  # then the process that marked it dead dies
        assert await asyncio.to_thread(other.layer.admin.clean_up, "worker") == []
        assert (await other.pull()).deaths == 1
        assert await asyncio.to_thread(other.layer.admin.clean_up, "worker") == []
        await other.pull_nothing()

    async def test_deliveries_to_a_process_that_is_unknowingly_dead_are_requeued(
        self, process: Process, other: Process
    ) -> None:
        await process.mark_dead("other worker")
        await process.connect()
        held = await other.pull()  # it dies before its next heartbeat
        assert process.layer.admin.orphans() == {"other worker"}
        await process.mark_orphan_dead("other worker")
        assert process.layer.admin.orphans() == set()
        again = await process.pull()
        assert (again.id, again.deaths) == (held.id, 1)
        assert await other.commit(held) is Committed.STALE
        assert not process.layer.admin.mark_dead("other worker", 1)

    async def test_deliveries_to_a_process_that_never_registers_are_requeued(
        self, process: Process
    ) -> None:
        await process.connect()
        found = await asyncio.to_thread(process.layer.pull, ALL, "starting.0", TIMEOUT)
        assert process.layer.admin.orphans() == {"starting"}
        await process.mark_orphan_dead("starting")
        assert (await process.pull()).id == found[0].id

    async def test_a_late_registration_ends_orphanhood(self, process: Process) -> None:
        await process.connect()
        [held] = await asyncio.to_thread(process.layer.pull, ALL, "starting.0", TIMEOUT)
        process.layer.register("starting", ProcessInfo.this("worker", 1, ALL))
        assert process.layer.admin.orphans() == set()
        assert not process.layer.admin.mark_dead("starting", 0)
        assert await process.commit(held) is Committed.DONE

    async def test_a_process_with_a_new_id_keeps_its_deliveries(
        self, process: Process, other: Process
    ) -> None:
        await process.mark_dead("other worker")
        await process.connect()
        held = await other.pull()
        assert other.layer.heartbeat("other worker") is Liveness.EVICTED
        other.layer.register("new name", ProcessInfo.this("worker", 1, ALL))
        assert process.layer.admin.orphans() == set()
        assert not process.layer.admin.mark_dead("other worker", 0)
        assert process.layer.admin.awaiting_cleanup() == set()
        assert await other.commit(held) is Committed.DONE

    async def test_deliveries_under_a_previous_id_are_requeued_with_the_process(
        self, process: Process, other: Process
    ) -> None:
        await process.mark_dead("other worker")
        await process.connect()
        held = await other.pull()
        other.layer.heartbeat("other worker")
        other.layer.register("new name", ProcessInfo.this("worker", 1, ALL))
        await process.mark_dead("new name")
        again = await process.pull()
        assert (again.id, again.deaths) == (held.id, 1)
        assert process.layer.admin.orphans() == set()

    async def test_registered_and_dead_processes_are_no_orphans(
        self, process: Process, other: Process
    ) -> None:
        await process.connect()
        await process.pull()
        assert other.layer.admin.orphans() == set()
        assert not other.layer.admin.mark_dead("worker", 0)
        assert other.layer.admin.mark_dead("worker", 1)
        assert other.layer.admin.orphans() == set()
        assert not other.layer.admin.mark_dead("worker", 0)
        assert other.layer.admin.awaiting_cleanup() == {"worker"}

    async def test_a_retired_process_stays_registered_while_it_holds_deliveries(
        self, process: Process, other: Process
    ) -> None:
        await process.connect()
        held = await other.pull()
        other.layer.retire("other worker", ["other worker.0"], ALL)
        assert "other worker" in process.layer.admin.processes()
        assert await other.commit(held) is Committed.DONE
        other.layer.retire("other worker", ["other worker.0"], ALL)
        assert "other worker" not in process.layer.admin.processes()

    async def test_deliveries_of_a_retired_process_are_requeued(
        self, process: Process, other: Process
    ) -> None:
        await process.connect()
        held = await other.pull()
        other.layer.retire("other worker", ["other worker.0"], ALL)
        await process.mark_dead("other worker")
        again = await process.pull()
        assert (again.id, again.deaths) == (held.id, 1)

    async def test_the_status_describes_the_layer(self, process: Process) -> None:
        recorder = await process.joined("group")
        assert await process.publish(recorder, 1) is Published.PUBLISHED
        await process.pull()
        await process.layer.send("work", {"n": 1})
        status = process.layer.admin.status()
        assert [(one.id, one.connections, one.groups) for one in status.servers] == [
            (server_of(recorder.channel), 1, 1)
        ]
        assert [(one.id, one.busy, one.about.threads) for one in status.workers] == [
            ("worker", 1, 1)
        ]
        waiting = {one.name: (one.waiting, one.in_flight) for one in status.channels}
        assert waiting.pop("work") == (1, 0)
        assert waiting.pop(RECEIVE) == (0, 1)
        assert set(waiting.values()) <= {(0, 0)}
        assert status.dead_letters == 0
        assert not status.recovering
        listeners = {one.name: one.workers for one in status.channels}
        assert (listeners["work"], listeners[RECEIVE]) == (1, 1)
        await process.layer.send("unheard", {"n": 1})
        listeners = {one.name: one.workers for one in process.layer.admin.status().channels}
        assert listeners["unheard"] == 0
        process.layer.dead_letter(await process.pull("work"), "no reason")
        assert process.layer.admin.status().dead_letters == 1

    async def test_what_live_workers_listen_to(self, process: Process) -> None:
        process.layer.register("server", ProcessInfo.this("server"))
        assert process.layer.admin.listened() == set(LISTENED)
        process.layer.register("other", ProcessInfo.this("worker", 1, ["elsewhere"]))
        assert process.layer.admin.listened() == {*LISTENED, "elsewhere"}
        process.layer.retire("other", ["other.0"], ["elsewhere"])
        assert process.layer.admin.listened() == set(LISTENED)

    async def test_a_process_describes_itself_anew(self, process: Process) -> None:
        running = Running(0, "board.work", 1.5, RECEIVE, "s!1:1", "s!1")
        other = Running(1, "board.tasks", 2.5, "work", "id")
        about = ProcessInfo.this("worker", 2, LISTENED)._replace(running=(running, other))
        process.layer.describe(process.name, about)
        process.layer.describe("unknown", about)
        [status] = process.layer.admin.status().workers
        assert status.about == about
        assert process.layer.heartbeat(process.name) is Liveness.ALIVE
        process.layer.describe(process.name, about._replace(running=()))
        [status] = process.layer.admin.status().workers
        assert status.about.running == ()

    # Names of 1.x

    async def test_the_errors_are_attributes(self, make_layer: MakeLayer) -> None:
        layer = make_layer(capacity=1, message_size=100)
        await layer.send("work", {})
        with pytest.raises(layer.ChannelFull) as full:
            await layer.send("work", {})
        assert full.type is ChannelFull
        with pytest.raises(layer.MessageTooLarge) as large:
            await layer.send("work", {"text": "x" * 100})
        assert large.type is MessageTooLarge
        assert "statistics" in layer.extensions

    async def test_the_channels_of_a_group(self, process: Process, other: Process) -> None:
        first, second = await process.joined("group"), await process.joined("group")
        third = await other.joined("group")
        await process.layer.group_add("group", "work")
        await process.joined("another")
        await process.layer.send(first.channel, {"n": 1})
        await first.until_got({"n": 1})
        assert channels(process) == {
            *("work", first.channel, second.channel, f"{server_of(third.channel)}!")
        }
        await other.layer.send(third.channel, {"n": 1})
        await third.until_got({"n": 1})
        assert channels(other) == {"work", f"{server_of(first.channel)}!", third.channel}

        await process.layer.group_discard("group", first.channel)
        await process.layer.group_discard("group", "work")
        await process.layer.send(first.channel, {"n": 2})
        await first.until_got({"n": 1}, {"n": 2})
        assert channels(process) == {second.channel, f"{server_of(third.channel)}!"}

    async def test_the_channels_of_no_group(self, process: Process) -> None:
        assert process.layer.group_channels("nobody") == set()
        with pytest.raises(TypeError, match="Group name must be"):
            process.layer.group_channels("two words")

    async def test_the_statistics_of_a_channel(self, process: Process) -> None:
        for number in range(3):
            await process.layer.send("work", {"n": number})
        await process.pull("work")
        found = process.layer.channel_statistics("work")
        assert (found.get("messages_count", 3), found["messages_pending"]) == (3, 2)
        assert found.keys() <= {
            *("messages_count", "messages_pending", "messages_max_age", "channel_full_count")
        }
        whole = process.layer.global_statistics()
        assert (whole.get("messages_count", 3), whole["messages_pending"]) == (3, 2)

    async def test_the_statistics_of_no_channel(self, process: Process) -> None:
        assert set(process.layer.channel_statistics("nothing").values()) == {0}
        assert set(process.layer.channel_statistics("some!socket").values()) == {0}
        assert set(process.layer.global_statistics().values()) == {0}
        with pytest.raises(TypeError, match="Channel name must be"):
            process.layer.channel_statistics("two words")

    async def test_a_message_that_is_put_back_counts_again(self, process: Process) -> None:
        await process.layer.send("work", {"n": 1})
        process.layer.requeue(await process.pull("work"), counted=True)
        found = process.layer.channel_statistics("work")
        assert (found.get("messages_count", 2), found["messages_pending"]) == (2, 1)

    async def test_a_message_that_kills_its_workers_becomes_a_dead_letter(
        self, make_layer: MakeLayer
    ) -> None:
        recorder = await Process(make_layer(), "server").connect()
        for number in range(3):
            victim = Process(make_layer(), f"victim {number}")
            delivery = await victim.pull()
            assert delivery.deaths == number
            if number:
                assert victim.layer.quarantine(delivery) is Committed.DONE
            dead_lettered = await victim.mark_dead(victim.name)
            assert dead_lettered == ([NewDeadLetter(CONNECT, delivery.id)] if number == 2 else [])
        await recorder.until(lambda: recorder.releases == [0])
        assert recorder.messages == [{"accept": False}]
        last = Process(make_layer())
        await last.pull_nothing()
        assert last.layer.length(CONNECT) == 0
        [letter] = last.layer.admin.dead_letters()
        assert letter.reason == "its worker died, 3 times"
        assert (letter.message.id, letter.message.channel) == (f"{recorder.channel}:0", CONNECT)

    async def test_messages_that_dead_workers_have_not_begun_are_never_lost(
        self, make_layer: MakeLayer
    ) -> None:
        process = Process(make_layer())
        for number in range(8):
            await process.layer.send("work", {"n": number})
        for number in range(5):
            victim = Process(make_layer(), f"victim {number}")
            held = await asyncio.to_thread(victim.layer.pull, ["work"], victim.consumer, 1, 32)
            assert [each.deaths for each in held] == [min(number, 1)] * 8
            assert await victim.mark_dead(victim.name) == []
        assert process.layer.admin.dead_letters() == []
        assert process.layer.length("work") == 8

    async def test_a_death_counts_for_the_message_in_quarantine_alone(
        self, make_layer: MakeLayer
    ) -> None:
        process, contents = Process(make_layer()), {}
        for number in range(4):
            await process.layer.send("work", {"n": number})
        for number in range(2):
            victim = Process(make_layer(), f"victim {number}")
            held = await asyncio.to_thread(victim.layer.pull, ["work"], victim.consumer, 1, 4)
            for delivery in held[:3] if number else ():  # the first two of them have run
                assert victim.layer.quarantine(delivery) is Committed.DONE
            victim.layer.requeue(held[0], counted=False)
            assert victim.layer.quarantine(held[0]) is Committed.STALE
            assert await victim.mark_dead(victim.name) == []
        for _ in range(4):
            again = await process.pull("work")
            contents[process.layer.content(again)["n"]] = again.deaths
        assert contents == {0: 0, 1: 1, 2: 2, 3: 1}

    async def test_a_death_in_quarantine_counts_under_a_previous_id(
        self, process: Process, other: Process
    ) -> None:
        await process.mark_dead("other worker")
        await process.layer.send("work", {})
        await other.pull("work")
        await process.mark_orphan_dead("other worker")
        held = await other.pull("work")
        assert held.deaths == 1
        assert other.layer.heartbeat("other worker") is Liveness.EVICTED
        other.layer.register("new name", ProcessInfo.this("worker", 1, ALL))
        assert other.layer.quarantine(held) is Committed.DONE
        await process.mark_dead("new name")
        assert (await process.pull("work")).deaths == 2

    async def test_a_connection_continues_after_a_dead_letter(self, process: Process) -> None:
        recorder = await process.connect()
        assert process.layer.dead_letter(await process.pull(), "no reason") is Committed.DONE
        await recorder.until(lambda: recorder.releases == [0])
        assert recorder.messages == [{"accept": False}], "a handshake is refused"
        assert await process.publish(recorder, 1) is Published.PUBLISHED
        dead_lettered = await process.pull()
        await process.layer.close(recorder.channel, 1000)
        assert process.layer.dead_letter(dead_lettered, "no reason") is Committed.DONE
        last = await process.pull()
        assert last.channel == DISCONNECT
        assert process.layer.dead_letter(last, "no reason") is Committed.DONE
        assert process.layer.dead_letter(last, "no reason") is Committed.STALE
        assert await process.publish(recorder, 3) is Published.GONE
        assert recorder.messages == [{"accept": False}]
        assert [letter.message.order for letter in process.layer.admin.dead_letters()] == [0, 1, 2]

    # Live connections

    async def test_connections_live_until_their_disconnect_is_finished(
        self, process: Process, other: Process
    ) -> None:
        here, there = await process.connected(), await other.connected()
        opening = await process.connect()
        known = [opening.channel, here.channel, there.channel]
        strangers = [f"{server_of(here.channel)}!nobody", "0123456789abcdef!nobody", "work"]
        assert other.layer.connected(known + strangers) == set(known)
        assert other.layer.connected(iter(known[1:])) == set(known[1:])
        assert other.layer.connected([]) == set()
        await process.layer.close(here.channel, 1000)
        assert here.channel in other.layer.connected(known), "its disconnect waits"
        await process.commit(await process.pull(DISCONNECT))
        assert other.layer.connected(known) == {opening.channel, there.channel}

    async def test_a_connection_with_a_dead_lettered_disconnect_is_not_live(
        self, process: Process
    ) -> None:
        recorder = await process.connected()
        await process.layer.close(recorder.channel, 1000)
        process.layer.dead_letter(await process.pull(), "no reason")
        assert process.layer.connected([recorder.channel]) == set()

    async def test_more_connections_than_one_lookup_takes(self, process: Process) -> None:
        recorder = await process.connected()
        server = server_of(recorder.channel)
        asked = [f"{server}!{number}" for number in range(2_500)]
        assert process.layer.connected([*asked, recorder.channel]) == {recorder.channel}

    async def test_a_dead_letter_can_be_read_and_sent_again(self, process: Process) -> None:
        for number in range(2):
            await process.layer.send("work", {"n": number})
            process.layer.dead_letter(await process.pull(), "no reason")
        first, second = process.layer.admin.dead_letters()
        assert process.layer.content(first.message) == {"n": 0}
        assert process.layer.admin.retry(second.id)
        assert not process.layer.admin.retry(second.id)
        again = await process.pull()
        assert (again.id, again.deaths, again.attempts) == (second.message.id, 0, 0)
        assert process.layer.admin.drop(first.id)
        assert not process.layer.admin.drop(first.id)
        assert process.layer.admin.dead_letters() == []

    async def test_dead_letters_are_read_by_pages_and_by_id(self, process: Process) -> None:
        for number in range(5):
            await process.layer.send("work", {"n": number})
            process.layer.dead_letter(await process.pull(), "no reason")
        admin = process.layer.admin
        every = admin.dead_letters()
        assert [process.layer.content(each.message)["n"] for each in every] == [0, 1, 2, 3, 4]
        assert admin.dead_letters(newest=2) == every[3:]
        assert admin.dead_letters(newest=2, before=every[3].id) == every[1:3]
        assert admin.dead_letters(newest=9, before=every[1].id) == every[:1]
        assert admin.dead_letters(newest=2, before=every[0].id) == []
        assert admin.drop(every[3].id)
        assert admin.dead_letters(newest=2, before=every[3].id) == every[1:3]
        assert admin.dead_letter(every[1].id) == every[1]
        assert admin.dead_letter(every[3].id) is None

    @pytest.mark.parametrize("letter", ["", "nonsense", "-", "+", "(1-1", "1-1-1", "9" * 30, "²"])
    async def test_what_is_no_id_of_a_dead_letter(self, process: Process, letter: str) -> None:
        await process.layer.send("work", {})
        process.layer.dead_letter(await process.pull(), "no reason")
        admin = process.layer.admin
        assert admin.dead_letter(letter) is None
        assert not admin.retry(letter)
        assert not admin.drop(letter)
        assert len(admin.dead_letters()) == 1
        if not letter.isascii() or not letter.isdigit():
            with pytest.raises(ValueError, match="is no id of a dead letter"):
                admin.dead_letters(before=letter)

    async def test_a_dead_letter_of_a_connection_is_not_sent_again(self, process: Process) -> None:
        await process.connect()
        process.layer.dead_letter(await process.pull(), "no reason")
        [letter] = process.layer.admin.dead_letters()
        with pytest.raises(ValueError, match="of a connection"):
            process.layer.admin.retry(letter.id)
        assert process.layer.admin.dead_letters() == [letter]

    async def test_connections_of_a_dead_server_get_a_disconnect(
        self, process: Process, other: Process
    ) -> None:
        waiting = await process.connect()
        idle, busy = [await self._connected_before(process, waiting) for _ in range(2)]
        await process.publish(busy, 1)
        delivery = await other.pull(RECEIVE)
        await process.layer.group_add("group", idle.channel)
        server = str(server_of(idle.channel))
        await other.mark_dead(server)
        assert other.layer.members("group") == set()
        first = await other.pull()
        assert (first.channel, first.reply_channel, first.code) == (DISCONNECT, idle.channel, 1006)
        assert other.layer.content(first)["path"] == "/"
        await other.pull_nothing()  # the queued connect is withdrawn
        assert await other.commit(delivery) is Committed.DONE
        second = await other.pull()
        assert (second.channel, second.reply_channel) == (DISCONNECT, busy.channel)
        assert [await other.commit(last) for last in (first, second)] == [Committed.DONE] * 2
        await asyncio.to_thread(other.layer.admin.clean_up, server)
        await other.pull_nothing()

    async def _connected_before(self, process: Process, waiting: Recorder) -> Recorder:
        recorder = await process.connect()
        deliveries = [await process.pull(CONNECT) for _ in range(2)]
        for delivery in deliveries:
            if delivery.reply_channel == waiting.channel:
                process.layer.requeue(delivery, counted=False)
            else:
                await process.commit(delivery)
        await recorder.until(lambda: recorder.releases == [0])
        return recorder

    async def test_a_dead_server_cannot_publish(self, process: Process, other: Process) -> None:
        idle = await process.connected()
        await other.mark_dead(str(server_of(idle.channel)))
        assert await process.publish(idle, 1) is Published.GONE
        assert await process.layer.close(idle.channel, 1000) is Closed.REPEATED
        await other.commit(await other.pull())
        with pytest.raises(ServerEvicted):
            await process.publish(idle, 1)
        assert await process.layer.close(idle.channel, 1000) is Closed.GONE
        await other.pull_nothing()

    async def test_a_connect_that_may_have_run_is_not_withdrawn(
        self, process: Process, other: Process
    ) -> None:
        recorder = await process.connect()
        await process.pull()
        await other.mark_dead("worker")
        assert await process.layer.close(recorder.channel, 1000) is Closed.CLOSING
        await other.commit(await other.pull())
        last = await other.pull()
        assert (last.channel, last.code) == (DISCONNECT, 1000)

    async def test_a_dead_process_with_many_leftovers_is_cleaned_up(
        self, process: Process, other: Process
    ) -> None:
        recorders = [await process.connect() for _ in range(450)]
        for _ in recorders:
            await process.pull()
        await other.mark_dead("worker")
        pulled = [await other.pull() for _ in recorders]
        assert {delivery.deaths for delivery in pulled} == {1}
        assert {await other.commit(delivery) for delivery in pulled} == {Committed.DONE}
        await other.mark_dead(str(server_of(recorders[0].channel)))
        ends = [await other.pull() for _ in recorders]
        assert {delivery.channel for delivery in ends} == {DISCONNECT}
        assert {delivery.reply_channel for delivery in ends} == {
            recorder.channel for recorder in recorders
        }

    # Delayed messages

    async def test_a_delayed_message_waits_until_it_is_due(self, process: Process) -> None:
        soon, late = process.later("work", 0.05, n=1), process.later("work", 1000, n=2)
        process.layer.apply([late, soon])
        assert process.delayed() == [(soon.id, "work"), (late.id, "work")]
        await process.pull_nothing()
        due = await process.send_due(1)
        assert due.wait is not None
        assert 900 < due.wait <= 1000
        delivery = await process.pull()
        assert delivery.id == soon.id
        assert process.layer.content(delivery) == {"n": 1}
        assert process.delayed() == [(late.id, "work")]

    async def test_due_messages_are_sent_in_the_order_of_their_times(
        self, process: Process
    ) -> None:
        delays = (0.06, 0, 0.03)
        process.layer.apply([process.later("work", delay, n=n) for n, delay in enumerate(delays)])
        assert (await process.send_due(3)).wait is None
        assert await process.numbers(3) == [1, 2, 0]

    async def test_messages_with_one_delay_keep_their_order(self, process: Process) -> None:
        process.layer.apply([process.later("work", 0.01, n=n) for n in range(20)])
        process.layer.apply([process.later("work", 0.01, n=20)])
        await process.send_due(21)
        assert await process.numbers(21) == list(range(21))

    async def test_a_step_sends_a_limited_number(self, process: Process) -> None:
        process.layer.apply([process.later("work", 0, n=n) for n in range(3)])
        sent = [(await asyncio.to_thread(process.layer.admin.send_due, 2)) for _ in range(2)]
        assert sent == [Due(2, 0.0), Due(1, None)]

    async def test_a_delayed_message_takes_the_place_of_one_with_its_id(
        self, process: Process
    ) -> None:
        first = process.layer.make_send_later("work", {"n": 1}, 0)
        second = process.layer.make_send_later("work", {"n": 2}, 0)._replace(id=first.id)
        process.layer.apply([first])
        process.layer.apply([second])
        assert process.delayed() == [(first.id, "work")]
        assert process.layer.admin.send_due().sent == 1
        assert process.layer.content(await process.pull()) == {"n": 2}

    async def test_nothing_is_delayed_at_first(self, process: Process) -> None:
        assert process.layer.admin.send_due() == Due(0, None)
        assert process.layer.admin.delayed() == []

    async def test_a_commit_delays_messages_once(self, process: Process, other: Process) -> None:
        await process.layer.send("work", {})
        delivery = await process.pull()
        later = process.later("work", 0, n=1)
        assert await process.commit(delivery, later) is Committed.DONE
        assert await process.commit(delivery, later) is Committed.STALE
        await other.send_due(1)
        assert (await other.pull()).id == later.id
        assert process.layer.admin.send_due() == Due(0, None)

    async def test_a_stale_commit_delays_nothing(self, process: Process) -> None:
        await process.layer.send("work", {})
        delivery = await process.pull()
        assert process.layer.requeue(delivery, counted=False) is Committed.DONE
        assert await process.commit(delivery, process.later("work", 0)) is Committed.STALE
        assert process.delayed() == []

    async def test_a_due_message_is_sent_once_by_many_processes(
        self, process: Process, other: Process
    ) -> None:
        process.layer.apply([process.later("work", 0, n=n) for n in range(60)])
        layers = [process.layer, other.layer] * 10
        steps = (asyncio.to_thread(layer.admin.send_due, 5) for layer in layers)
        assert sum(due.sent for due in await asyncio.gather(*steps)) == 60
        assert process.layer.length("work") == 60
        assert await process.numbers(60) == list(range(60))

    async def test_delayed_messages_outlive_their_process(
        self, process: Process, make_layer: MakeLayer
    ) -> None:
        process.layer.apply([process.later("work", 0, n=1)])
        process.layer.retire(process.name, [process.consumer], ALL)
        successor = Process(make_layer(), "successor")
        await successor.send_due(1)
        assert await successor.numbers(1) == [1]

    async def test_a_cancelled_message_is_not_sent(self, process: Process, other: Process) -> None:
        first, second = process.later("work", 0, n=1), process.later("work", 0, n=2)
        process.layer.apply([first, second])
        assert other.layer.admin.cancel(first.id)
        assert not other.layer.admin.cancel(first.id)
        await process.send_due(1)
        assert not other.layer.admin.cancel(second.id)
        assert await process.numbers(1) == [2]

    async def test_a_message_to_a_full_channel_waits(self, make_layer: MakeLayer) -> None:
        process = Process(make_layer(channel_capacity={"work": 1}))
        process.layer.apply([process.send("work", n=0)])
        later = [process.later("work", 0, n=n) for n in (1, 2)]
        process.layer.apply([*later, process.later("elsewhere", 0)])
        due = await process.send_due(1)
        assert process.layer.length("elsewhere") == 1
        assert due.full == ("work",)
        assert due.wait is not None
        assert 0.5 < due.wait < 1.5
        assert process.delayed() == [(each.id, "work") for each in later]
        for number in (0, 1, 2):
            assert await process.numbers(1) == [number]
            if number < 2:
                await process.send_due(1)

    async def test_the_number_of_delayed_messages_is_limited(self, make_layer: MakeLayer) -> None:
        process = Process(make_layer(channel_capacity={DELAY: 2}))
        first, second, third = (process.later("work", 1000, n=n) for n in range(3))
        process.layer.apply([first])
        with pytest.raises(ChannelFull) as caught:
            process.layer.apply([second, third, process.send("work")])
        assert caught.value.channel == DELAY
        assert process.delayed() == [(first.id, "work")]
        assert process.layer.length("work") == 0
        process.layer.apply([second])
        await process.layer.send("work", {})
        with pytest.raises(ChannelFull):
            await process.commit(await process.pull(), third)
        assert process.layer.admin.cancel(first.id)
        process.layer.apply([third])

    async def test_a_delayed_message_reaches_a_socket(self, process: Process) -> None:
        recorder = await process.connected()
        process.layer.apply([process.later(recorder.channel, 0, n=1)])
        await process.send_due(1)
        await recorder.until_got({"n": 1})

    async def test_a_delayed_message_to_a_dead_server_goes_nowhere(
        self, process: Process, other: Process
    ) -> None:
        recorder = await process.connected()
        process.layer.apply([process.later(recorder.channel, 0, n=1)])
        await other.mark_dead(str(server_of(recorder.channel)))
        assert await other.send_due(1) == Due(1, None)

    async def test_a_flush_deletes_delayed_messages(self, process: Process) -> None:
        process.layer.apply([process.later("work", 0, n=1)])
        await process.layer.flush()
        assert process.delayed() == []
        assert process.layer.admin.send_due() == Due(0, None)

    async def test_the_status_counts_delayed_messages(self, process: Process) -> None:
        status = process.layer.admin.status()
        assert (status.delayed, status.next_due) == (0, None)
        process.layer.apply([process.later("work", delay) for delay in (2000, 1000)])
        status, first = process.layer.admin.status(), process.layer.admin.delayed(1)
        assert status.delayed == 2
        assert [status.next_due] == [each.due for each in first]
        assert abs(first[0].due - time.time() - 1000) < 60
        assert process.layer.codec.decode(first[0].payload) == {}
