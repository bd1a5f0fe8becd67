"""A client with a real server that plays the other role of the protocol, frame by frame."""

import asyncio
import gc
import logging
from contextlib import suppress
from typing import Any

import pytest

from channels_workers.client import (
    Client,
    Closed,
    FieldError,
    NotConnected,
    Options,
    OutboxFull,
    ReadsTooSlowly,
    Refused,
    ReplyLost,
)
from tests.channels_workers.client.roles import Host, Peer, soon, until

QUICK: Options = {"first_delay": 0.01, "longest_delay": 0.05}


def client_of(server: Host, **options: Any) -> Client:
    return Client(server.url, **(QUICK | options))


async def task(awaitable: Any) -> asyncio.Task[Any]:
    """It has begun when this returns."""
    begun = asyncio.ensure_future(awaitable)
    await asyncio.sleep(0)
    return begun


@pytest.fixture
def events(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.WARNING, "channels_workers.client")
    return lambda: [
        event
        for one in caplog.records
        if (event := getattr(one, "event", "")).startswith("client_") and event != "client_lost"
    ]


# Messages


async def test_a_message_is_confirmed(server: Host) -> None:
    async with client_of(server) as client:
        sending = await task(client.send({"text": "hi"}, stream="board"))
        peer = await server.next()
        assert peer.offered == ["channels-workers.v1", "resume"]
        frame = await peer.receive()
        nonce = frame.pop("nonce")
        assert frame == {"type": "message", "stream": "board", "payload": {"text": "hi"}}
        assert not sending.done()
        await peer.send(type="ack", nonce=nonce)
        await soon(sending)
        assert len(client.outbox) == 0


async def test_an_unconfirmed_message_is_sent_again(server: Host) -> None:
    async with client_of(server) as client:
        futures = [client.submit(n) for n in range(3)]
        peer = await server.next()
        first = [await peer.receive() for _ in range(3)]
        await peer.send(type="ack", nonce=first[0]["nonce"])
        await soon(futures[0])
        await peer.cut()
        peer = await server.next()
        assert [await peer.receive() for _ in range(2)] == first[1:]
        for frame in first[1:]:
            await peer.send(type="ack", nonce=frame["nonce"])
        await soon(client.drained())
        await soon(asyncio.gather(*futures))


async def test_a_refused_message_raises(server: Host) -> None:
    async with client_of(server) as client:
        sending = await task(client.send({}))
        peer = await server.next()
        nonce = (await peer.receive())["nonce"]
        fields = [{"field": "text", "message": "is missing"}, "no dict"]
        await peer.send(type="error", nonce=nonce, code="invalid", message="No text", fields=fields)
        with pytest.raises(Refused, match="invalid: No text") as caught:
            await soon(sending)
    assert caught.value.fields == (FieldError("text", "is missing"),)


async def test_later_holds_back_what_follows(server: Host) -> None:
    async with client_of(server) as client:
        futures = [client.submit(n) for n in range(3)]
        peer = await server.next()
        frames = [await peer.receive() for _ in range(3)]
        for frame in frames[1:]:
            await peer.send(type="error", nonce=frame["nonce"], code="later", after=0.05)
        await peer.send(type="ack", nonce=frames[0]["nonce"])
        await soon(futures[0])
        futures.append(client.submit(3))
        again = [await peer.receive() for _ in range(3)]
        assert [frame["payload"] for frame in again] == [1, 2, 3]
        for frame in again:
            await peer.send(type="ack", nonce=frame["nonce"])
        await soon(asyncio.gather(*futures))


async def test_a_window_of_one_keeps_the_order_of_a_fickle_server(server: Host) -> None:
    async with client_of(server, window=1) as client:
        for n in range(3):
            client.submit(n)
        peer = await server.next()
        seen, is_refused = [], False
        while len(seen) < 3:
            frame = await peer.receive()
            is_refused = not is_refused
            if is_refused:
                await peer.send(type="error", nonce=frame["nonce"], code="later", after=0)
            else:
                seen.append(frame["payload"])
                await peer.send(type="ack", nonce=frame["nonce"])
        assert seen == [0, 1, 2]
        await soon(client.drained())


async def test_the_window_limits_what_is_under_way(server: Host) -> None:
    async with client_of(server, window=2) as client:
        for n in range(5):
            client.submit(n)
        peer = await server.next()
        frames = [await peer.receive(), await peer.receive()]
        pinging = await task(client.ping())
        ping = await peer.receive()  # behind two messages, not five
        assert ping["type"] == "ping"
        await peer.send(type="pong", id=ping["id"])
        assert 0 <= await soon(pinging) < 20
        await peer.send(type="ack", nonce=frames[0]["nonce"])
        assert (await peer.receive())["payload"] == 2


async def test_the_outbox_is_bounded(server: Host) -> None:
    async with client_of(server, outbox_size=2) as client:
        client.submit(1)
        client.submit(2)
        with pytest.raises(OutboxFull, match="2 messages"):
            client.submit(3)
        waiting = await task(client.send(3))
        peer = await server.next()
        await peer.send(type="ack", nonce=(await peer.receive())["nonce"])
        for n in (2, 3):
            frame = await peer.receive()
            assert frame["payload"] == n
            await peer.send(type="ack", nonce=frame["nonce"])
        await soon(waiting)


async def test_a_cancelled_send_goes_out(server: Host) -> None:
    async with client_of(server) as client:
        sending = await task(client.send("x"))
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
        peer = await server.next()
        frame = await peer.receive()
        assert frame["payload"] == "x"
        await peer.send(type="ack", nonce=frame["nonce"])
        await soon(client.drained())


async def test_a_message_without_confirmation(server: Host) -> None:
    async with client_of(server) as client:
        with pytest.raises(NotConnected):
            await client.send(1, confirm=False)
        await soon(client.opened())
        await client.send(None, confirm=False)
        assert await (await server.next()).receive() == {"type": "message", "payload": None}


async def test_what_is_no_json_is_refused_at_once(server: Host) -> None:
    async with client_of(server) as client:
        for payload in (float("nan"), "\ud800", object(), {1, 2}):
            with pytest.raises((TypeError, ValueError)):
                client.submit(payload)
        for name in ("", "x" * 101):
            with pytest.raises(ValueError, match="1 to 100 characters"):
                client.submit(1, stream=name)
            with pytest.raises(ValueError, match="1 to 100 characters"):
                client.group(name)
        assert len(client.outbox) == 0


async def test_a_frame_that_closes_the_socket_is_not_sent_again(server: Host) -> None:
    async with client_of(server) as client:
        small, large = client.submit("small"), client.submit("large" * 100)
        peer = await server.next()
        await peer.receive()
        await peer.receive()
        await peer.close(4009)
        with pytest.raises(Refused, match="too large"):
            await soon(large)
        peer = await server.next()
        frame = await peer.receive()
        assert frame["payload"] == "small"
        await peer.send(type="ack", nonce=frame["nonce"])
        await soon(small)


async def test_closing_fails_what_waits(server: Host, events: Any) -> None:
    client = client_of(server)
    with pytest.raises(Closed, match=r"open\(\) connects"):
        client.submit(1)
    client.open()
    peer = await server.next()
    sending, asking = await task(client.send(1)), await task(client.request(2))
    reading = await task(anext(client))
    await peer.receive()
    await client.close()
    for waiting in (sending, asking):
        with pytest.raises(Closed):
            await soon(waiting)
    with pytest.raises(StopAsyncIteration):
        await soon(reading)
    assert len(client.outbox) == 1
    assert events() == ["client_unconfirmed"]
    client.open()
    assert (await (await server.next()).receive())["payload"] == 1
    await client.close()


# Requests


async def test_a_request_has_its_own_reply(server: Host) -> None:
    async with client_of(server) as client:
        asking = [await task(client.request(n, stream="s")) for n in range(3)]
        peer = await server.next()
        frames = [await peer.receive() for _ in range(3)]
        assert [frame["payload"] for frame in frames] == [0, 1, 2]
        for frame in reversed(frames):
            await peer.send(type="reply", id=frame["id"], payload=frame["payload"] * 10)
        assert await soon(asyncio.gather(*asking)) == [0, 10, 20]


async def test_a_request_is_refused_or_times_out(server: Host) -> None:
    async with client_of(server) as client:
        refused, late = await task(client.request(1)), await task(client.request(2, timeout=0.05))
        peer = await server.next()
        frame = await peer.receive()
        await peer.send(type="error", id=frame["id"], code="brand_new", message="?", after=1e999)
        with pytest.raises(Refused) as caught:
            await soon(refused)
        assert (caught.value.code, caught.value.after) == ("brand_new", None)
        with pytest.raises(TimeoutError):
            await soon(late)
        await peer.send(type="reply", id=(await peer.receive())["id"], payload="too late")
        assert await soon(await task(answered(client, peer))) == "fine"


async def answered(client: Client, peer: Peer) -> Any:
    asking = await task(client.request("next"))
    frame = await peer.receive()
    await peer.send(type="reply", id=frame["id"], payload="fine")
    return await asking


async def test_a_request_that_is_cancelled_before_it_is_sent_is_never_sent(server: Host) -> None:
    client = client_of(server, first_delay=0.01)
    await server.stop()
    async with client:
        asking = await task(client.request("never"))
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        await server.start()
        peer = await server.next()
        assert await answered(client, peer) == "fine"


async def test_a_lost_reply(server: Host) -> None:
    async with client_of(server) as client:
        once, again = await task(client.request(1)), await task(client.request(2, repeat=True))
        peer = await server.next()
        frames = [await peer.receive(), await peer.receive()]
        await peer.cut()
        with pytest.raises(ReplyLost, match="may have run"):
            await soon(once)
        peer = await server.next()
        assert await peer.receive() == frames[1]
        await peer.send(type="reply", id=frames[1]["id"], payload="at last")
        assert await soon(again) == "at last"


async def test_a_heartbeat_without_answer_reconnects(server: Host, events: Any) -> None:
    async with client_of(server, heartbeat=0.02, heartbeat_timeout=0.05):
        peer = await server.next()
        frame = await peer.receive()
        assert frame["type"] == "ping"
        await peer.send(type="pong", id=frame["id"])
        assert (await peer.receive())["type"] == "ping"
        await server.next()
    assert events() == ["client_unanswered"]


# Streams, and what belongs to none


async def test_messages_go_to_streams_and_the_rest_to_the_client(server: Host) -> None:
    async with client_of(server) as client, client.stream("board") as board:
        peer = await server.next()
        await peer.send(stream="board", payload=1)  # without a type, it is a message
        await peer.send(type="message", stream="other", payload=2)
        await peer.send(type="message", payload=3, group="joined-by-the-server", at="x")
        assert (await soon(anext(board))).payload == 1
        other = await soon(anext(client))
        assert (other.stream, other.payload) == ("other", 2)
        last = await soon(anext(client))
        assert (last.group, last.at, last.payload) == ("joined-by-the-server", "x", 3)
        with pytest.raises(ValueError, match="read already"):
            await anext(client.stream("board"))
        asking = await task(board.request("?"))
        frame = await peer.receive()
        assert frame["stream"] == "board"
        await peer.send(type="reply", id=frame["id"], payload="!")
        assert await soon(asking) == "!"
        board.submit(5)
        assert (await peer.receive())["payload"] == 5
        await board.send(6, confirm=False)
        assert (await peer.receive())["payload"] == 6


async def test_messages_that_nobody_reads_harm_nobody(server: Host, events: Any) -> None:
    async with client_of(server, queue_size=3) as client:
        peer = await server.next()
        for n in range(10):
            await peer.send(type="message", payload=n)
        assert await soon(await task(answered(client, peer))) == "fine"
        assert events() == ["client_messages_dropped"]
        assert [(await soon(anext(client))).payload for _ in range(3)] == [0, 1, 2]


async def test_a_slow_reader_ends_alone(server: Host, events: Any) -> None:
    client = client_of(server, queue_size=2, stall_timeout=0.1)
    async with client, client.stream("slow") as slow, client.stream("quick") as quick:
        peer = await server.next()
        for n in range(4):
            await peer.send(type="message", stream="slow", payload=n)
        await peer.send(type="message", stream="quick", payload="here")
        assert (await soon(anext(quick))).payload == "here"
        assert [(await anext(slow)).payload for _ in range(2)] == [0, 1]
        with pytest.raises(ReadsTooSlowly, match="stream slow"):
            await anext(slow)
    assert events() == ["client_reads_slowly"]


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "[]",
        "nonsense",
        '{"type": 1}',
        '{"type": "never heard of"}',
        '{"type": "ack"}',
        '{"type": "ack", "nonce": ["x"]}',
        '{"type": "reply", "id": {}}',
        '{"type": "reply", "id": true}',
        '{"type": "joined", "id": 99, "at": 5}',
        '{"type": "error"}',
        '{"type": "error", "nonce": 1, "id": "x", "fields": 5, "code": {}, "after": "x"}',
        '{"type": "message", "stream": [], "group": {}, "at": 1}',
        '{"type": "channels_workers.token", "expires": "never"}',
        '{"type": "channels_workers.token", "expires": 1e999}',
        '{"type": "channels_workers.resume", "token": "a, b"}',
        '{"type": "channels_workers.new"}',
        '{"type": "channels_workers.resume", ',
        "[" * 100_000,
        '{"type": "ack", "nonce": ' + "9" * 5_000 + "}",
        b"\x00\xff",
    ],
)
async def test_a_hostile_frame_harms_nothing(server: Host, frame: str | bytes) -> None:
    async with client_of(server, token="t") as client:
        peer = await server.next()
        await peer.socket.send(frame)
        await peer.socket.send(frame)
        assert await soon(await task(answered(client, peer))) == "fine"


# Groups


async def joined(peer: Peer, since: Any = None, **answer: Any) -> Any:
    """Answer a join, and return its frame."""
    frame = await peer.receive()
    assert (frame["type"], frame.get("since")) == ("join", since), frame
    await peer.send(**({"type": "joined", "id": frame["id"], "gap": False} | answer))
    return frame


def at(offset: int, epoch: str = "a" * 16) -> str:
    return f"{epoch}:{offset}"


async def say(peer: Peer, offset: int, group: str = "news", epoch: str = "a" * 16) -> None:
    await peer.send(type="message", group=group, payload=offset, at=at(offset, epoch))


async def test_a_group_goes_on_after_a_loss(server: Host) -> None:
    gaps: list[Any] = []
    async with client_of(server) as client:
        group = client.group("news", on_gap=gaps.append)
        reading = await task(anext(group))
        peer = await server.next()
        await joined(peer, group="news", at=at(4))
        await say(peer, 5)
        message = await soon(reading)
        assert (message.payload, message.group, message.at) == (5, "news", at(5))
        assert group.at == at(5)
        await peer.cut()
        peer = await server.next()
        frame = await peer.receive()
        assert frame["since"] == at(5)
        await say(peer, 5)  # was there already
        await say(peer, 6)  # is replayed before the answer
        await peer.send(type="joined", id=frame["id"], group="news", at=at(6), gap=False)
        await say(peer, 7)
        assert [(await soon(anext(group))).payload for _ in range(2)] == [6, 7]
    assert gaps == []


async def test_a_gap_is_told_at_its_place(server: Host) -> None:
    seen: list[Any] = []
    async with client_of(server) as client:

        async def fetch(group: Any) -> None:
            seen.append(f"gap in {group.name}")

        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            tasks.create_task(play_gap(server))
            async for message in client.group("news", since=at(1), on_gap=fetch):
                seen.append(message.payload)
                if message.payload == 9:
                    break
    assert seen == ["gap in news", 8, "gap in news", 9]


async def play_gap(server: Host) -> None:
    peer = await server.next()
    await joined(peer, since=at(1), group="news", at=at(7), gap=True)
    await say(peer, 8)
    await say(peer, 9, epoch="b" * 16)  # the history has begun anew


async def test_a_group_without_history_has_a_gap_after_each_loss(server: Host, events: Any) -> None:
    async with client_of(server) as client, asyncio.TaskGroup() as tasks:
        group = client.group("news")
        reading = tasks.create_task(anext(group))
        peer = await server.next()
        await joined(peer, group="news")
        await peer.send(type="message", group="news", payload=1)
        assert (await soon(reading)).at is None
        await peer.cut()
        peer = await server.next()
        await joined(peer, group="news")
        await peer.send(type="message", group="news", payload=2)
        assert (await soon(anext(group))).payload == 2
    assert events() == ["client_gap"]


async def test_a_group_with_another_name(server: Host) -> None:
    async with client_of(server) as client:
        group = client.group("me", since=at(0))
        reading = await task(anext(group))
        peer = await server.next()
        frame = await peer.receive()
        await say(peer, 1, group="user-42")  # its name is not known yet
        answer = {"group": "me", "name": "user-42", "at": at(1), "gap": False}
        await peer.send(type="joined", id=frame["id"], **answer)
        await say(peer, 2, group="user-42")
        assert (await soon(reading)).payload == 1
        assert (await soon(anext(group))).payload == 2
        assert len(client._mailboxes.inbox._queue) == 0


async def test_a_refused_group(server: Host) -> None:
    async with client_of(server) as client:
        entering = await task(client.group("secret").__aenter__())
        peer = await server.next()
        frame = await peer.receive()
        await peer.send(type="error", id=frame["id"], code="denied", message="Not yours")
        with pytest.raises(Refused, match="Not yours"):
            await soon(entering)
        assert await answered(client, peer) == "fine"  # no leave before it
        await peer.cut()
        assert await answered(client, await server.next()) == "fine"  # and no join


async def test_a_group_is_left(server: Host) -> None:
    async with client_of(server) as client:
        entered = await task(enter_and_leave(client))
        peer = await server.next()
        await joined(peer)
        leave = await peer.receive()
        assert (leave["type"], leave["group"]) == ("leave", "news")
        await soon(entered)
        again = await task(enter_and_leave(client))
        await joined(peer)
        await soon(again)


async def enter_and_leave(client: Client) -> None:
    async with client.group("news") as group:
        with pytest.raises(ValueError, match="joined already"):
            await anext(client.group("news"))
    with pytest.raises(StopAsyncIteration):
        await anext(group)


async def test_a_loop_that_breaks_leaves_its_group(server: Host) -> None:
    async with client_of(server) as client:
        looping = await task(first_of(client))
        peer = await server.next()
        await joined(peer)
        await say(peer, 1)
        assert await soon(looping) == 1
        del looping
        gc.collect()
        assert (await peer.receive())["type"] == "leave"


async def first_of(client: Client) -> Any:
    async for message in client.group("news"):
        return message.payload
    raise AssertionError("the group has ended")


async def test_a_slow_group_is_left(server: Host) -> None:
    async with client_of(server, queue_size=1, stall_timeout=0.05) as client:
        group = client.group("news")
        entering = await task(group.__aenter__())
        peer = await server.next()
        await joined(peer)
        await soon(entering)
        for n in range(1, 5):
            await say(peer, n)
        assert (await peer.receive())["type"] == "leave"
        assert (await soon(anext(group))).payload == 1
        with pytest.raises(ReadsTooSlowly):
            await soon(anext(group))


async def test_a_final_code_ends_the_iterations(server: Host) -> None:
    async with client_of(server, final_codes=[4500]) as client:
        group = client.group("news")
        reading = [await task(anext(each)) for each in (client, group, client.stream("s"))]
        peer = await server.next()
        await joined(peer)
        await peer.close(4500, "no more")
        for each in reading:
            with pytest.raises(Closed, match="no more"):
                await soon(each)
        with pytest.raises(Closed):
            await client.send(1)


# Resume


RESUMABLE = {"type": "channels_workers.resume", "token": "T0", "seconds": 30, "resumed": False}


async def resumed(peer: Peer, received: int, gap: bool = False, token: str = "T1") -> None:
    await peer.send(
        **{**RESUMABLE, "resumed": True, "received": received, "gap": gap, "token": token}
    )


async def test_a_connection_is_resumed(server: Host) -> None:
    async with client_of(server) as client:
        futures = [client.submit(n) for n in range(3)]
        asking = await task(client.request("?"))
        group = client.group("news")
        reading = await task(anext(group))
        peer = await server.next()
        await peer.send(**RESUMABLE)
        await joined(peer)
        frames = [await peer.receive() for _ in range(4)]
        await peer.send(type="ack", nonce=frames[0]["nonce"])
        await soon(futures[0])
        await peer.cut()
        peer = await server.next()
        assert peer.offered == ["channels-workers.v1", "resume.T0.2"]
        assert not client.is_open
        await resumed(peer, received=3)
        assert [await peer.receive(), await peer.receive()] == frames[2:]
        for frame in frames[1:3]:
            await peer.send(type="ack", nonce=frame["nonce"])
        await peer.send(type="reply", id=frames[3]["id"], payload="!")
        await say(peer, 1)
        assert await soon(asking) == "!"
        assert (await soon(reading)).payload == 1
        await soon(client.drained())
        assert client.state.is_resumed
        await peer.cut()
        peer = await server.next()
        assert peer.offered == ["channels-workers.v1", "resume.T1.6"]


async def test_a_resume_with_a_gap_repeats_what_may_be_lost(server: Host) -> None:
    async with client_of(server) as client:
        sending, asking = client.submit("x"), await task(client.request("?"))
        reading = await task(anext(group := client.group("news")))
        peer = await server.next()
        await peer.send(**RESUMABLE)
        join = await joined(peer, at=at(3))
        frames = [await peer.receive(), await peer.receive()]
        await peer.cut()
        peer = await server.next()
        await resumed(peer, received=3, gap=True)
        leave, again, message = [await peer.receive() for _ in range(3)]
        assert (leave["type"], leave["group"]) == ("leave", "news")
        assert again == {**join, "id": again["id"], "since": at(3)}
        assert message == frames[0]
        await say(peer, 5)  # lives, before the leave has taken effect: 4 is missing before it
        await peer.send(type="left", id=leave["id"], group="news")
        await say(peer, 4)
        await say(peer, 5)
        await peer.send(type="joined", id=again["id"], group="news", at=at(5), gap=False)
        assert [(await soon(reading)).payload, (await soon(anext(group))).payload] == [4, 5]
        with pytest.raises(ReplyLost):
            await soon(asking)
        await peer.send(type="ack", nonce=message["nonce"])
        await soon(sending)


@pytest.mark.parametrize("answer", ["another frame", "not resumed", "silence"])
async def test_a_server_that_does_not_resume(server: Host, answer: str) -> None:
    async with client_of(server, handshake_timeout=0.5) as client:
        sending = client.submit("x")
        peer = await server.next()
        await peer.send(**RESUMABLE)
        frame = await peer.receive()
        await peer.cut()
        peer = await server.next()
        assert peer.offered[1].startswith("resume.T0.")
        if answer == "another frame":
            await peer.send(type="message", payload="first")
            assert (await soon(anext(client))).payload == "first"
        elif answer == "not resumed":
            await peer.send(**{**RESUMABLE, "token": "T9"})
        assert await peer.receive() == frame
        await peer.send(type="ack", nonce=frame["nonce"])
        await soon(sending)
        await peer.cut()
        expected = "resume.T9.1" if answer == "not resumed" else "resume"
        assert (await server.next()).offered[1] == expected


@pytest.mark.parametrize("code", [1000, 1001, 4009, 4022])
async def test_a_connection_that_has_ended_is_not_resumed(server: Host, code: int) -> None:
    async with client_of(server):
        peer = await server.next()
        await peer.send(**RESUMABLE)
        await peer.send(type="message", payload=1)
        await peer.close(code)
        assert (await server.next()).offered[1] == "resume"


async def test_many_clients_stop_without_a_trace(server: Host) -> None:
    before = len(asyncio.all_tasks())
    clients = [client_of(server, heartbeat=5) for _ in range(20)]
    for client in clients:
        client.open()
    for client in clients:
        await soon(client.opened())
    await asyncio.gather(*(client.close() for client in clients))
    await until(lambda: server.sockets.qsize() == 20)
    await until(lambda: len(asyncio.all_tasks()) <= before + 1)
