"""The contract of a layer about requests: connections of one message."""

import asyncio
import threading
import time
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    REQUEST,
    REQUEST_DISCONNECT,
    REQUEST_REFUSAL,
    RUNS_ONCE,
    Closed,
    Committed,
    ConnectionSnapshot,
    Delivery,
    Finished,
    NewDeadLetter,
    Operation,
    PendingMessage,
    Published,
    ReplyKind,
    Session,
    is_from_server,
    is_request,
    kind_of,
    server_of,
)
from tests.channels_workers.layers.contract import LISTENED, Process
from tests.channels_workers.layers.recorder import TIMEOUT, Recorder

CHANNELS = LISTENED

REQUESTS = [ReplyKind.SAFE, ReplyKind.ONCE]


class Request(Recorder):
    """A request that *process* publishes; the layer restores it if it *may_run_again*."""

    def __init__(self, process: Process, *, may_run_again: bool) -> None:
        super().__init__()
        self.process = process
        self.payload = process.layer.encode({"path": "/"})
        self.may_run_again = may_run_again

    def snapshot(self) -> ConnectionSnapshot | None:
        if not self.may_run_again:
            return None
        return ConnectionSnapshot(0, self.payload, PendingMessage(REQUEST, self.payload))

    async def publish(self) -> Published:
        last = self.process.layer.encode({"path": "/"})
        return await self.process.layer.publish(REQUEST, self.channel, 0, self.payload, last)


async def request(process: Process, kind: ReplyKind = ReplyKind.SAFE) -> Request:
    """Attach and publish a request."""
    made = Request(process, may_run_again=kind is ReplyKind.SAFE)
    made.channel = await process.layer.attach(made, kind)
    assert await made.publish() is Published.PUBLISHED
    return made


async def pull(process: Process) -> Delivery:
    return await process.pull(*CHANNELS)


async def pull_nothing(process: Process) -> None:
    found = await asyncio.to_thread(process.layer.pull, CHANNELS, process.consumer, 0.0)
    assert found == []


async def end(process: Process, delivery: Delivery, *operations: Operation) -> Committed:
    """Commit the whole response."""
    session = Session(str(delivery.reply_channel), b"session")
    finished = Finished(delivery, operations, session, ends=True)
    return await asyncio.to_thread(process.layer.commit, finished)


async def listen(process: Process, reply: str, longest: float = TIMEOUT) -> bytes | None:
    return await asyncio.to_thread(process.layer.listen, reply, longest)


async def nothing_is_left(process: Process, reply: str) -> None:
    """Check that the layer has forgotten the request, and that no message waits."""
    assert process.layer.connected([reply]) == set()
    assert process.layer.load_session(reply) is None
    process.layer.tell(reply, b"nobody listens")
    assert await process.layer.close(reply, 1006) is Closed.GONE  # after the tell
    assert await listen(process, reply, 0) is None
    await pull_nothing(process)


class RequestContract:
    """The contract. A subclass provides the fixture `make_layer`."""

    # Kinds

    @pytest.mark.parametrize("kind", ReplyKind)
    async def test_the_kind_stands_in_the_reply_channel(
        self, kind: ReplyKind, process: Process
    ) -> None:
        channel = await process.layer.attach(Recorder(), kind)
        assert kind_of(channel) is kind
        assert is_request(channel) is (kind in (ReplyKind.SAFE, ReplyKind.ONCE))
        assert server_of(channel) == process.layer.start_server().id
        assert is_from_server(channel)
        process.layer.require_valid_channel_name(channel)
        assert kind_of(f"{channel}.body") is kind

    async def test_a_connection_is_a_socket_by_default(self, process: Process) -> None:
        assert kind_of(await process.layer.attach(Recorder())) is ReplyKind.SOCKET

    @pytest.mark.parametrize("kind", REQUESTS)
    async def test_a_request_has_its_own_disconnect(
        self, kind: ReplyKind, process: Process
    ) -> None:
        made = await request(process, kind)
        first = await pull(process)
        assert (first.channel, first.order, first.reply_channel) == (REQUEST, 0, made.channel)
        assert await process.commit(first) is Committed.DONE
        await made.until(lambda: made.releases == [0])
        assert process.layer.connected([made.channel]) == {made.channel}
        assert await process.layer.close(made.channel, 1000) is Closed.PUBLISHED
        last = await pull(process)
        assert (last.channel, last.order, last.code) == (REQUEST_DISCONNECT, 1, 1000)
        assert process.layer.content(last)["reply_channel"] == made.channel
        assert await process.commit(last) is Committed.DONE
        await nothing_is_left(process, made.channel)

    async def test_a_busy_request_closes_after_its_message(self, process: Process) -> None:
        made = await request(process)
        first = await pull(process)
        assert process.layer.connected([made.channel]) == {made.channel}
        assert await process.layer.close(made.channel, 1006) is Closed.CLOSING
        assert process.layer.connected([made.channel]) == set()  # its consumer may stop
        await pull_nothing(process)
        await process.commit(first)
        last = await pull(process)
        assert (last.channel, last.code) == (REQUEST_DISCONNECT, 1006)
        assert process.layer.connected([made.channel]) == set()

    async def test_sockets_keep_their_disconnect_beside_requests(self, process: Process) -> None:
        await request(process)
        recorder = await process.connected()
        await process.layer.close(recorder.channel, 1000)
        assert (await process.pull()).channel == DISCONNECT

    async def test_a_repeated_request_runs_once(self, process: Process) -> None:
        made = await request(process, ReplyKind.ONCE)
        assert await made.publish() is Published.REPEATED
        delivery = await pull(process)
        assert await made.publish() is Published.REPEATED
        await process.commit(delivery)
        assert await made.publish() is Published.REPEATED
        await pull_nothing(process)

    # Sessions and groups

    async def test_a_request_has_a_channel_session(self, process: Process) -> None:
        made = await request(process)
        delivery = await pull(process)
        await process.commit(delivery, session=Session(made.channel, b"x"))
        assert process.layer.load_session(made.channel) == b"x"
        await process.layer.close(made.channel, 1000)
        last = await pull(process)
        assert last.session == b"x"
        await process.commit(last)
        assert process.layer.load_session(made.channel) is None

    async def test_a_request_may_join_a_group(self, process: Process, other: Process) -> None:
        made = await request(process)
        delivery = await pull(other)
        await other.commit(delivery, other.layer.make_join("group", made.channel))
        await other.layer.group_send("group", {"content": b"one"})
        await made.until_got({"content": b"one"})
        assert process.layer.group_channels("group") == {made.channel}
        process.layer.detach(made.channel)
        await process.until_empty("group")

    # Withdrawing

    @pytest.mark.parametrize("kind", REQUESTS)
    async def test_an_untaken_request_is_withdrawn(self, kind: ReplyKind, process: Process) -> None:
        made = await request(process, kind)
        assert await process.layer.withdraw(made.channel)
        await nothing_is_left(process, made.channel)
        assert process.layer.length(REQUEST) == 0
        assert made.releases == []

    async def test_a_close_withdraws_an_untaken_request(self, process: Process) -> None:
        made = await request(process)
        assert await process.layer.close(made.channel, 1006) is Closed.WITHDRAWN
        await nothing_is_left(process, made.channel)

    async def test_a_taken_request_is_not_withdrawn(self, process: Process) -> None:
        made = await request(process)
        delivery = await pull(process)
        assert not await process.layer.withdraw(made.channel)
        assert await process.commit(delivery) is Committed.DONE
        assert not await process.layer.withdraw(made.channel)
        assert await process.layer.close(made.channel, 1000) is Closed.PUBLISHED

    async def test_a_request_that_no_consumer_began_may_be_withdrawn(
        self, process: Process
    ) -> None:
        made = await request(process)
        process.layer.requeue(await pull(process), counted=False)
        assert await process.layer.withdraw(made.channel)
        await nothing_is_left(process, made.channel)

    @pytest.mark.parametrize("failed", [True, False])
    async def test_a_request_that_a_consumer_began_is_not_withdrawn(
        self, failed: bool, process: Process
    ) -> None:
        made = await request(process)
        process.layer.requeue(await pull(process), counted=True, failed=failed)
        assert not await process.layer.withdraw(made.channel)
        assert (await pull(process)).reply_channel == made.channel

    async def test_a_closing_request_is_not_withdrawn(self, process: Process) -> None:
        made = await request(process)
        delivery = await pull(process)
        await process.layer.close(made.channel, 1006)
        process.layer.requeue(delivery, counted=False)
        assert not await process.layer.withdraw(made.channel)
        await process.commit(await pull(process))
        assert (await pull(process)).channel == REQUEST_DISCONNECT

    async def test_no_other_request_is_withdrawn(self, process: Process) -> None:
        first, second = await request(process), await request(process)
        assert await process.layer.withdraw(first.channel)
        assert (await pull(process)).reply_channel == second.channel

    async def test_an_unknown_request_is_not_withdrawn(self, process: Process) -> None:
        channel = await process.layer.attach(Recorder(), ReplyKind.SAFE)
        assert not await process.layer.withdraw(channel)

    # Ending with the commit

    @pytest.mark.parametrize("kind", REQUESTS)
    async def test_a_commit_ends_a_request(self, kind: ReplyKind, process: Process) -> None:
        made = await request(process, kind)
        delivery = await pull(process)
        process.layer.save_session(Session(made.channel, b"x"))
        reply = process.send(made.channel, status=200, content=b"all")
        assert await end(process, delivery, reply) is Committed.DONE
        await made.until(lambda: made.ends)
        assert (made.messages, made.releases) == ([{"status": 200, "content": b"all"}], [])
        await nothing_is_left(process, made.channel)

    async def test_a_commit_ends_a_closing_request_without_disconnect(
        self, process: Process
    ) -> None:
        made = await request(process)
        delivery = await pull(process)
        assert await process.layer.close(made.channel, 1006) is Closed.CLOSING
        assert await end(process, delivery) is Committed.DONE
        await made.until(lambda: made.ends == 1)
        await nothing_is_left(process, made.channel)

    async def test_a_stale_commit_ends_nothing(self, process: Process, other: Process) -> None:
        made = await request(process)
        delivery = await pull(process)
        process.layer.requeue(delivery, counted=False)
        assert await end(process, delivery) is Committed.STALE
        assert await end(other, await pull(other)) is Committed.DONE
        await made.until(lambda: made.ends == 1)

    async def test_an_end_saves_the_session_of_another_connection(self, process: Process) -> None:
        recorder = await process.connected()
        await request(process)
        session = Session(recorder.channel, b"x")
        finished = Finished(await pull(process), (), session, ends=True)
        assert await asyncio.to_thread(process.layer.commit, finished) is Committed.DONE
        assert process.layer.load_session(recorder.channel) == b"x"

    async def test_a_detached_request_may_end(self, process: Process) -> None:
        made, witness = await request(process), await process.connected()
        delivery = await process.pull(REQUEST)
        process.layer.detach(made.channel)
        await end(process, delivery, process.send(made.channel, status=200))
        await process.layer.send(witness.channel, {"n": 1})
        await witness.until_got({"n": 1})
        assert (made.messages, made.ends) == ([], 0)

    # Dead workers and dead letters

    async def test_a_request_that_runs_once_dies_with_its_worker(
        self, process: Process, other: Process
    ) -> None:
        made = await request(process, ReplyKind.ONCE)
        delivery = await pull(other)
        assert await process.mark_dead(other.name) == [NewDeadLetter(REQUEST, delivery.id)]
        await made.until(lambda: made.releases == [0])
        assert made.messages == [REQUEST_REFUSAL]
        (letter,) = process.layer.admin.dead_letters()
        assert (letter.reason, letter.message.id) == (RUNS_ONCE, delivery.id)
        await pull_nothing(process)
        assert await end(other, delivery) is Committed.STALE
        assert await process.layer.close(made.channel, 1000) is Closed.PUBLISHED
        assert (await pull(process)).channel == REQUEST_DISCONNECT

    async def test_a_worker_learns_whether_it_still_holds_a_request(
        self, process: Process, other: Process
    ) -> None:
        await request(process, ReplyKind.ONCE)
        delivery = await pull(other)
        change_groups = other.layer.change_groups
        assert await asyncio.to_thread(change_groups, delivery, []) is Committed.DONE
        await process.mark_dead(other.name)
        assert await asyncio.to_thread(change_groups, delivery, []) is Committed.STALE

    async def test_the_disconnect_of_such_a_request_runs_again(
        self, process: Process, other: Process
    ) -> None:
        made = await request(process, ReplyKind.ONCE)
        await other.commit(await pull(other))
        await process.layer.close(made.channel, 1000)
        assert (await pull(other)).channel == REQUEST_DISCONNECT
        assert await process.mark_dead(other.name) == []
        last = await pull(process)
        assert (last.channel, last.deaths) == (REQUEST_DISCONNECT, 1)

    async def test_a_safe_request_runs_again(
        self, process: Process, other: Process, settings: Settings
    ) -> None:
        settings.CHANNEL_WORKERS = {"DELIVERIES": 2}
        made = await request(process)
        first = await pull(other)
        assert await process.mark_dead(other.name) == []
        again = await pull(process)
        assert (again.id, again.deaths) == (first.id, 1)
        assert process.layer.quarantine(again) is Committed.DONE
        third = Process(process.layer, "third worker")
        assert await third.mark_dead(process.name) == [NewDeadLetter(REQUEST, first.id)]
        await made.until_got(REQUEST_REFUSAL)

    async def test_the_dead_letter_of_a_request_answers_it(self, process: Process) -> None:
        made = await request(process)
        delivery = await pull(process)
        assert process.layer.dead_letter(delivery, "too often put off") is Committed.DONE
        await made.until(lambda: made.releases == [0])
        assert made.messages == [REQUEST_REFUSAL]

    async def test_the_dead_letter_of_a_disconnect_answers_nothing(self, process: Process) -> None:
        made = await request(process)
        await process.commit(await pull(process))
        await process.layer.close(made.channel, 1000)
        process.layer.dead_letter(await pull(process), "too often put off")
        await made.until(lambda: made.ends == 1)
        assert made.messages == []

    # Dead servers

    async def test_the_requests_of_a_dead_server_end(
        self, process: Process, other: Process
    ) -> None:
        taken = await request(process)
        first = await pull(other)
        untaken = await request(process, ReplyKind.ONCE)
        idle = await process.connected()
        await other.mark_dead(process.layer.start_server().id)
        assert other.layer.connected([untaken.channel]) == set()
        assert await other.commit(first) is Committed.DONE
        found = [await other.pull(REQUEST_DISCONNECT), await other.pull(DISCONNECT)]
        assert {(each.channel, each.reply_channel, each.code) for each in found} == {
            (REQUEST_DISCONNECT, taken.channel, 1006),
            (DISCONNECT, idle.channel, 1006),
        }
        for delivery in found:
            await other.commit(delivery)
        await pull_nothing(other)

    async def test_a_commit_ends_a_request_of_a_dead_server(
        self, process: Process, other: Process
    ) -> None:
        made = await request(process)
        delivery = await pull(other)
        await other.mark_dead(process.layer.start_server().id)
        assert await end(other, delivery) is Committed.DONE
        assert other.layer.connected([made.channel]) == set()
        await pull_nothing(other)

    # A flush

    @pytest.mark.parametrize("is_own", [True, False])
    async def test_a_flush_loses_no_safe_request(
        self, is_own: bool, process: Process, other: Process
    ) -> None:
        made = await request(process)
        await (process if is_own else other).layer.flush()
        delivery = await pull(other)
        assert delivery.reply_channel == made.channel
        assert await end(other, delivery) is Committed.DONE
        await made.until(lambda: made.ends == 1)

    async def test_a_flush_forgets_a_request_that_must_not_run_again(
        self, process: Process, other: Process
    ) -> None:
        untaken = await request(process, ReplyKind.ONCE)
        taken = await request(process, ReplyKind.ONCE)
        await request(process)
        first = await pull(other)
        await process.layer.flush()
        await untaken.until(lambda: untaken.ends == 1)
        await taken.until(lambda: taken.ends == 1)
        assert await end(other, first) is Committed.STALE
        assert kind_of(str((await pull(other)).reply_channel)) is ReplyKind.SAFE
        await pull_nothing(other)
        assert process.layer.connected([untaken.channel, taken.channel]) == set()

    async def test_a_flush_loses_no_disconnect_of_a_request(
        self, process: Process, other: Process
    ) -> None:
        made = await request(process, ReplyKind.ONCE)
        await other.commit(await pull(other))
        await process.layer.close(made.channel, 1000)
        await process.layer.flush()
        last = await pull(other)
        assert (last.channel, last.reply_channel) == (REQUEST_DISCONNECT, made.channel)

    # Telling and listening

    async def test_a_consumer_hears_what_its_server_tells(
        self, process: Process, other: Process
    ) -> None:
        made, silent = await request(process), await request(process)
        for number in range(5):
            process.layer.tell(made.channel, b"%d" % number)
        heard = [await listen(other, made.channel) for _ in range(5)]
        assert heard == [b"0", b"1", b"2", b"3", b"4"]
        assert await listen(other, made.channel, 0.01) is None
        assert await listen(other, silent.channel, 0) is None

    async def test_a_consumer_waits_for_its_server(self, process: Process, other: Process) -> None:
        made = await request(process)
        hearing = asyncio.create_task(listen(other, made.channel))
        await asyncio.wait([hearing], timeout=0.05)
        process.layer.tell(made.channel, b"\x00\xff")
        assert await hearing == b"\x00\xff"

    async def test_a_silent_wait_ends_in_time(self, process: Process) -> None:
        made, began = await request(process), time.monotonic()
        assert await listen(process, made.channel, 0.1) is None
        assert time.monotonic() - began >= 0.1

    async def test_each_payload_has_one_listener(self, process: Process, other: Process) -> None:
        made = await request(process)
        hearing = [asyncio.create_task(listen(each, made.channel)) for each in (process, other)]
        process.layer.tell(made.channel, b"1")
        process.layer.tell(made.channel, b"2")
        assert sorted(await asyncio.gather(*hearing)) == [b"1", b"2"]

    async def test_nobody_is_told_before_the_request(self, process: Process) -> None:
        channel = await process.layer.attach(Recorder(), ReplyKind.SAFE)
        process.layer.tell(channel, b"too early")
        await nothing_is_left(process, channel)

    @pytest.mark.parametrize("ends", [True, False])
    async def test_what_a_consumer_did_not_hear_goes_with_its_commit(
        self, ends: bool, process: Process
    ) -> None:
        made = await request(process)
        delivery = await pull(process)
        process.layer.tell(made.channel, b"1")
        process.layer.tell(made.channel, b"2")
        assert await listen(process, made.channel) == b"1"
        finished = Finished(delivery, ends=ends)
        assert await asyncio.to_thread(process.layer.commit, finished) is Committed.DONE
        assert await listen(process, made.channel, 0) is None

    async def test_what_nobody_heard_goes_with_the_request(self, process: Process) -> None:
        made = await request(process)
        await process.commit(await pull(process))
        process.layer.tell(made.channel, b"1")
        await process.layer.close(made.channel, 1000)
        await process.commit(await pull(process))
        await nothing_is_left(process, made.channel)

    async def test_another_run_hears_what_the_server_tells(
        self, process: Process, other: Process
    ) -> None:
        made = await request(process)
        await pull(other)
        await process.mark_dead(other.name)
        await pull(process)
        process.layer.tell(made.channel, b"again")
        assert await listen(process, made.channel) == b"again"

    async def test_many_threads_listen(self, process: Process, other: Process) -> None:
        made = [await request(process) for _ in range(8)]
        heard: dict[str, bytes | None] = {}
        ready = threading.Barrier(len(made) + 1)

        def hear(reply: str) -> None:
            ready.wait(TIMEOUT)
            heard[reply] = other.layer.listen(reply, TIMEOUT)

        threads = [threading.Thread(target=hear, args=(each.channel,)) for each in made]
        for thread in threads:
            thread.start()
        await asyncio.to_thread(ready.wait, TIMEOUT)
        for each in made:
            process.layer.tell(each.channel, each.channel.encode())
        for thread in threads:
            await asyncio.to_thread(thread.join, TIMEOUT)
        assert heard == {each.channel: each.channel.encode() for each in made}

    # Status

    async def test_requests_are_not_counted_as_sockets(self, process: Process) -> None:
        await process.connected()
        for kind in (*REQUESTS, *REQUESTS):
            await request(process, kind)
        (server,) = process.layer.admin.status().servers
        assert server.connections == 1

    async def test_the_first_message_names_its_channel(self, process: Process) -> None:
        """Each kind has its own stream, so that workers may listen to one of them."""
        made, recorder = await request(process), await process.connect()
        found: dict[str, Any] = {}
        for channel in (REQUEST, CONNECT):
            delivery = await process.pull(channel)
            found[channel] = delivery.reply_channel
        assert found == {REQUEST: made.channel, CONNECT: recorder.channel}
