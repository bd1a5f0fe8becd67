"""The contract of a layer about kept connections: they wait for their client, and may move."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.layers.kept import Adopted, Parked
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    RESUME,
    RESUMES,
    Closed,
    Committed,
    Delivery,
    Join,
    Leave,
    PendingMessage,
    ProcessInfo,
    Published,
    ReplyKind,
    Session,
    new_id,
)
from tests.channels_workers.layers.contract import MakeLayer, Process
from tests.channels_workers.layers.recorder import TIMEOUT, Recorder

LISTENED = [CONNECT, RECEIVE, DISCONNECT, RESUME]


class Socket(Recorder):
    """A kept connection, with what it has sent to its client."""

    def __init__(self) -> None:
        super().__init__()
        self.adopted: list[Adopted] = []
        self.handed_over: list[int] = []
        self.lost_frames = 0  # the first ones, which it cannot hand over

    def resumed(self, adopted: Adopted) -> None:
        self.adopted.append(adopted)
        self.messages += adopted.missed
        self._changed.set()

    def hand_over(self, has: int) -> Sequence[dict[str, Any]] | None:
        self.handed_over.append(has)
        self._changed.set()
        return None if has < self.lost_frames else self.messages[has:]


class KeptProcess(Process):
    """A process that knows kept connections."""

    def __init__(self, layer: Any, name: str = "worker") -> None:
        super().__init__(layer, name)
        about = ProcessInfo("worker", "host", 1, 0.0, 1, tuple(LISTENED), features=(RESUMES,))
        layer.register(name, about)

    async def open(self) -> Socket:
        """Attach a kept connection; run its connect."""
        socket = Socket()
        socket.channel = await self.layer.attach(socket, ReplyKind.KEPT)
        assert await self.send(socket, 0) is Published.PUBLISHED
        assert await self.commit(await self.next()) is Committed.DONE
        await socket.until(lambda: socket.releases == [0])
        return socket

    async def send(self, socket: Recorder, order: int, channel: str = "") -> Published:
        payload = self.layer.encode({"path": "/", "n": order})
        to = channel or (RECEIVE if order else CONNECT)
        return await self.layer.publish(to, socket.channel, order, payload, payload)

    async def finished(self, socket: Socket, order: int, channel: str = "") -> None:
        """Publish a message and run it."""
        await self.send(socket, order, channel)
        await self.commit(await self.next())
        await socket.until(lambda: socket.releases[-1:] == [order])

    async def next(self) -> Delivery:
        return await self.pull(*LISTENED)

    async def nothing(self) -> None:
        assert await asyncio.to_thread(self.layer.pull, LISTENED, self.consumer, 0.0) == []

    async def adopt(self, old: Recorder, has: int = 0) -> Socket:
        socket = Socket()
        socket.channel = old.channel
        adopted = await self.layer.kept.adopt(old.channel, socket, has)
        assert adopted is not None
        assert socket.adopted == [adopted]
        return socket

    async def cannot_adopt(self, channel: str) -> None:
        socket = Socket()
        assert await self.layer.kept.adopt(channel, socket, 0) is None
        assert not socket.adopted

    async def park(self, socket: Recorder, code: int = 1006) -> Parked:
        return await self.layer.kept.park(socket.channel, code)

    async def until_due(self) -> None:
        """Send what is due, as often as a worker must, until the wait of a connection is over."""
        async with asyncio.timeout(TIMEOUT):
            while True:
                due = await asyncio.to_thread(self.layer.admin.send_due)
                if due.ended:
                    return
                await asyncio.sleep(min(due.wait or 0, 0.01))

    async def until_ended(self) -> Delivery:
        """Wait until it is over. Returns the disconnect."""
        await self.until_due()
        return await self.next()

    async def parked(self) -> int:
        return (await asyncio.to_thread(self.layer.admin.status)).parked

    async def server(self) -> str:
        return self.layer.start_server().id


@pytest.fixture
def process(make_layer: MakeLayer) -> KeptProcess:
    return KeptProcess(make_layer())


@pytest.fixture
def other(make_layer: MakeLayer) -> KeptProcess:
    return KeptProcess(make_layer(), "other worker")


@pytest.fixture(autouse=True)
def _resume_time(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"RESUME_TIME": 3600}


@pytest.fixture
def briefly(settings: Settings) -> None:
    """Connections are kept for a second."""
    settings.CHANNEL_WORKERS = {"RESUME_TIME": 1}


class KeptContract:
    """The contract. A subclass provides the fixtures `make_layer`, `process` and `other`."""

    # Parking

    async def test_a_parked_connection_has_no_disconnect(self, process: KeptProcess) -> None:
        socket = await process.open()
        assert await process.park(socket) is Parked.PARKED
        assert await process.park(socket) is Parked.REPEATED
        assert await process.parked() == 1
        assert (await asyncio.to_thread(process.layer.admin.send_due)).ended == 0
        await process.nothing()
        assert process.layer.connected([socket.channel]) == {socket.channel}

    @pytest.mark.usefixtures("briefly")
    async def test_its_disconnect_comes_when_its_time_is_over(self, process: KeptProcess) -> None:
        socket = await process.open()
        await process.park(socket, 1012)
        disconnect = await process.until_ended()
        assert (disconnect.channel, disconnect.code, disconnect.order) == (DISCONNECT, 1012, 1)
        assert await process.commit(disconnect) is Committed.DONE
        await socket.until(lambda: socket.ends == 1)
        assert await process.parked() == 0
        assert (await asyncio.to_thread(process.layer.admin.send_due)).ended == 0
        await process.nothing()
        await process.cannot_adopt(socket.channel)

    @pytest.mark.usefixtures("briefly")
    async def test_the_disconnect_follows_a_pending_message(self, process: KeptProcess) -> None:
        socket = await process.open()
        await process.send(socket, 1)
        frame = await process.next()
        await process.park(socket)
        await process.until_due()
        await process.nothing()
        await process.commit(frame)
        assert (await process.next()).order == 2

    async def test_a_parked_connection_goes_on_to_publish(self, process: KeptProcess) -> None:
        socket = await process.open()
        await process.park(socket)
        assert await process.send(socket, 1) is Published.PUBLISHED
        assert await process.commit(await process.next()) is Committed.DONE

    async def test_a_closed_one_cannot_be_parked(self, process: KeptProcess) -> None:
        socket = await process.open()
        assert await process.layer.close(socket.channel, 1000) is Closed.PUBLISHED
        assert await process.park(socket) is Parked.GONE

    async def test_one_that_the_layer_does_not_know(self, process: KeptProcess) -> None:
        socket = Socket()
        socket.channel = await process.layer.attach(socket, ReplyKind.KEPT)
        assert await process.park(socket) is Parked.GONE

    async def test_close_ends_a_parked_one_at_once(self, process: KeptProcess) -> None:
        socket = await process.open()
        await process.park(socket)
        assert await process.layer.close(socket.channel, 1001) is Closed.PUBLISHED
        assert await process.parked() == 0
        await process.cannot_adopt(socket.channel)
        assert (await process.next()).code == 1001

    async def test_the_oldest_end_if_too_many_wait(
        self, process: KeptProcess, settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.CHANNEL_WORKERS = {"RESUME_TIME": 3600, "PARKED": 2}
        sockets = [await process.open() for _ in range(4)]
        for socket in sockets:
            await process.park(socket)
        assert await process.parked() == 2
        ended = [await process.next() for _ in range(2)]
        assert [each.reply_channel for each in ended] == [each.channel for each in sockets[:2]]
        assert caplog.text.count("Raise PARKED") == 1

    # Adopting

    async def test_another_server_goes_on(self, process: KeptProcess, other: KeptProcess) -> None:
        old = await process.open()
        new = await other.adopt(old)
        (adopted,) = new.adopted
        assert (adopted.order, adopted.pending, adopted.received) == (0, None, 0)
        assert adopted.former == await process.server()
        assert adopted.is_heard
        assert not adopted.is_gap
        last = process.layer.codec.decode(adopted.disconnect_payload)
        assert last == {"path": "/", "n": 0}
        assert await other.send(new, 1, RESUME) is Published.PUBLISHED
        assert (await other.next()).channel == RESUME

    async def test_the_former_owner_hands_over(
        self, process: KeptProcess, other: KeptProcess
    ) -> None:
        old = await process.open()
        for number in range(3):
            await process.layer.send(old.channel, {"text": f"{number}"})
        new = await other.adopt(old, 1)
        assert old.handed_over == [1]
        await other.layer.send(old.channel, {"text": "3"})
        await new.until_got({"text": "1"}, {"text": "2"}, {"text": "3"})
        assert await process.send(old, 1) is Published.MOVED
        assert await process.park(old) is Parked.GONE
        assert await process.layer.close(old.channel, 1006) is Closed.GONE
        await other.nothing()

    async def test_frames_that_are_gone_make_a_gap(
        self, process: KeptProcess, other: KeptProcess
    ) -> None:
        old = await process.open()
        old.lost_frames = 1
        assert (await other.adopt(old, 0)).adopted[0].is_gap

    async def test_the_same_server_goes_on(self, process: KeptProcess) -> None:
        old = await process.open()
        await process.layer.group_add("group", old.channel)
        await process.layer.group_send("group", {"text": "0"})
        await old.until_got({"text": "0"})
        await process.park(old)
        new = await process.adopt(old)
        assert old.handed_over == [0]
        await process.layer.group_send("group", {"text": "1"})
        await new.until_got({"text": "0"}, {"text": "1"})
        assert not new.adopted[0].is_gap
        assert await process.parked() == 0
        assert await process.send(new, 1) is Published.PUBLISHED

    async def test_groups_go_with_it(self, process: KeptProcess, other: KeptProcess) -> None:
        old = await process.open()
        await process.send(old, 1)
        delivery = await process.next()
        await process.change_groups(delivery, Join("at-once", old.channel))
        joins = (Join("kept", old.channel), Join("left", old.channel), Leave("left", old.channel))
        await process.commit(delivery, *joins)
        new = await other.adopt(old)
        await process.until_empty("left")
        for group in ("at-once", "left", "kept"):
            await process.layer.group_send(group, {"text": group})
        await new.until_got({"text": "at-once"}, {"text": "kept"})
        assert await process.layer.close(new.channel, 1000) is Closed.GONE
        assert await other.layer.close(new.channel, 1000) is Closed.PUBLISHED

    async def test_nothing_is_lost_while_it_moves(
        self, process: KeptProcess, other: KeptProcess
    ) -> None:
        socket = await process.open()
        await process.layer.group_add("group", socket.channel)
        sent = 0
        for hop in range(6):
            for _ in range(5):
                await process.layer.group_send("group", {"text": f"{sent}"})
                sent += 1
            owner = (other, process)[hop % 2]
            adopting = asyncio.create_task(owner.adopt(socket, len(socket.messages)))
            for _ in range(5):
                await process.layer.group_send("group", {"text": f"{sent}"})
                sent += 1
            before = socket
            socket = await adopting
            socket.messages[:0] = before.messages[: before.handed_over[0]]
            assert not socket.adopted[0].is_gap
        await socket.until_got(*({"text": f"{number}"} for number in range(sent)))

    async def test_the_session_goes_with_it(self, process: KeptProcess, other: KeptProcess) -> None:
        old = await process.open()
        await process.send(old, 1)
        saved = Session(old.channel, process.layer.encode({"n": 1}))
        await process.commit(await process.next(), session=saved)
        new = await other.adopt(old)
        assert new.adopted[0].session == saved.payload
        await other.send(new, 2)
        assert (await other.next()).session == saved.payload
        later = saved._replace(payload=process.layer.encode({"n": 2}))
        await asyncio.to_thread(process.layer.save_session, later)
        assert process.layer.load_session(old.channel) == later.payload

    async def test_a_pending_message_keeps_its_place(
        self, process: KeptProcess, other: KeptProcess
    ) -> None:
        old = await process.open()
        await process.send(old, 1)
        frame = await process.next()
        new = await other.adopt(old)
        assert new.adopted[0].order == new.adopted[0].received == 1
        assert new.adopted[0].pending == PendingMessage(RECEIVE, frame.payload)
        with pytest.raises(RuntimeError):
            await other.send(new, 2)
        assert await process.send(old, 2) is Published.MOVED
        assert await process.commit(frame) is Committed.DONE
        await new.until(lambda: new.releases == [1])
        assert await other.send(new, 2) is Published.PUBLISHED

    async def test_it_counts_the_frames_of_the_client(
        self, process: KeptProcess, other: KeptProcess
    ) -> None:
        socket, owner = await process.open(), process
        for round_ in range(3):
            for order in (3 * round_ + 1, 3 * round_ + 2):
                await owner.finished(socket, order)
            owner = other if owner is process else process
            socket = await owner.adopt(socket)
            assert socket.adopted[0].received == 2 * (round_ + 1)
            await owner.finished(socket, 3 * round_ + 3, RESUME)

    @pytest.mark.usefixtures("briefly")
    async def test_a_disconnect_that_no_worker_has_is_withdrawn(
        self, process: KeptProcess, other: KeptProcess
    ) -> None:
        old = await process.open()
        await process.park(old)
        await process.until_due()
        new = await other.adopt(old)
        assert new.adopted[0].order == 0
        await other.nothing()
        await other.send(new, 1)
        frame = await other.next()
        assert (frame.channel, frame.order, frame.code) == (RECEIVE, 1, None)
        await other.commit(frame)
        await other.layer.close(new.channel, 1000)
        assert (await other.next()).channel == DISCONNECT

    @pytest.mark.usefixtures("briefly")
    async def test_a_disconnect_that_a_worker_has_is_final(self, process: KeptProcess) -> None:
        old = await process.open()
        await process.park(old)
        await process.until_ended()
        await process.cannot_adopt(old.channel)

    @pytest.mark.usefixtures("briefly")
    async def test_the_end_is_taken_back_while_a_message_runs(
        self, process: KeptProcess, other: KeptProcess
    ) -> None:
        old = await process.open()
        await process.send(old, 1)
        frame = await process.next()
        await process.park(old)
        await process.until_due()
        new = await other.adopt(old)
        await process.commit(frame)
        await new.until(lambda: new.releases == [1])
        await other.nothing()

    async def test_names_that_a_client_made_up(self, process: KeptProcess) -> None:
        socket = await process.connected()
        server = await process.server()
        for name in (
            *("", "x", "a!b", "!kept.", socket.channel, f"{server}!kept.60.{new_id()}"),
            *(f"{server}!kept.60.{new_id()}@{server}", f"{new_id()}!kept.60.{new_id()}"),
            *(f"{server}!kept.60.{new_id()}\n", f"{server}!kept.-1.{new_id()}", "k" * 10_000),
        ):
            await process.cannot_adopt(name)
        assert await process.send(socket, 1) is Published.PUBLISHED

    async def test_an_older_release_beside_it(
        self, process: KeptProcess, make_layer: MakeLayer
    ) -> None:
        old = await process.open()
        Process(make_layer(), "older")
        await process.cannot_adopt(old.channel)
        assert await process.send(old, 1) is Published.PUBLISHED

    async def test_whether_a_worker_hears_of_it(
        self, process: KeptProcess, make_layer: MakeLayer
    ) -> None:
        assert await process.layer.kept.hears_resumes()
        deaf = ProcessInfo("worker", "host", 1, 0.0, 1, (CONNECT,), features=(RESUMES,))
        process.layer.register(process.name, deaf)
        assert not await process.layer.kept.hears_resumes()
        old = await process.open()
        assert not (await process.adopt(old)).adopted[0].is_heard
        process.layer.register(process.name, deaf._replace(channels=("work",)))
        assert await process.layer.kept.hears_resumes()

    async def test_one_of_several_has_it_in_the_end(
        self, process: KeptProcess, other: KeptProcess
    ) -> None:
        old = await process.open()
        await process.layer.group_add("group", old.channel)
        sockets = [Socket() for _ in range(5)]
        layers = [(other, process)[number % 2].layer for number in range(5)]
        await asyncio.gather(
            *(
                layer.kept.adopt(old.channel, socket, 0)
                for layer, socket in zip(layers, sockets, strict=True)
            )
        )
        for layer in (process.layer, other.layer):
            await layer.send(f"{layer.start_server().id}!nobody", {"text": "-"})
        living = [each for each in sockets if each.adopted and not each.handed_over]
        assert len(living) == 1
        await process.layer.group_send("group", {"text": "end"})
        await living[0].until(lambda: {"text": "end"} in living[0].messages)

    async def test_a_cancelled_adoption_parks_it(
        self, process: KeptProcess, other: KeptProcess
    ) -> None:
        old = await process.open()
        adopting = asyncio.create_task(other.layer.kept.adopt(old.channel, Socket(), 0))
        await asyncio.sleep(0)
        adopting.cancel()
        await asyncio.wait([adopting])
        if adopting.cancelled():
            new = await process.adopt(old)
            assert await process.send(new, 1) is Published.PUBLISHED
            assert await process.parked() == 0

    # The death of a server

    async def test_the_clean_up_of_a_dead_server_parks(
        self, process: KeptProcess, other: KeptProcess
    ) -> None:
        old, plain = await process.open(), await process.connected()
        await process.layer.group_add("group", old.channel)
        await other.mark_dead(await process.server())
        disconnect = await other.next()
        assert disconnect.reply_channel == plain.channel
        await other.nothing()
        assert await other.parked() == 1
        new = await other.adopt(old)
        assert new.adopted[0].former == ""
        assert new.adopted[0].is_gap
        await other.layer.group_send("group", {"text": "0"})
        await new.until_got({"text": "0"})
        assert await other.send(new, 1, RESUME) is Published.PUBLISHED

    @pytest.mark.usefixtures("briefly")
    async def test_one_disconnect_if_nobody_comes_back(
        self, process: KeptProcess, other: KeptProcess
    ) -> None:
        old = await process.open()
        await process.layer.group_add("group", old.channel)
        await other.mark_dead(await process.server())
        disconnect = await other.until_ended()
        assert (disconnect.reply_channel, disconnect.code) == (old.channel, 1006)
        assert await other.commit(disconnect) is Committed.DONE
        await other.nothing()
        assert await other.parked() == 0

    async def test_a_join_while_nobody_has_it(
        self, process: KeptProcess, other: KeptProcess
    ) -> None:
        old = await process.open()
        await process.send(old, 1)
        frame = await other.next()
        await other.mark_dead(await process.server())
        await other.commit(frame, Join("group", old.channel))
        new = await other.adopt(old)
        await other.layer.group_send("group", {"text": "0"})
        await new.until_got({"text": "0"})

    async def test_it_ends_where_it_moved(self, process: KeptProcess, other: KeptProcess) -> None:
        old = await process.open()
        new = await other.adopt(old)
        await other.layer.close(new.channel, 1000)
        await other.commit(await other.next())
        await new.until(lambda: new.ends == 1)
        assert await other.send(new, 1) is Published.GONE
        assert await process.send(old, 1) in (Published.MOVED, Published.GONE)
        await process.mark_dead(await process.server())
        await other.nothing()

    async def test_a_handshake_of_a_resume_is_refused_as_a_dead_letter(
        self, process: KeptProcess, other: KeptProcess
    ) -> None:
        old = await process.open()
        new = await other.adopt(old)
        await other.send(new, 1, RESUME)
        delivery = await other.next()
        await asyncio.to_thread(other.layer.dead_letter, delivery, "too bad")
        await new.until_got({"accept": False})

    async def test_a_group_can_have_any_name(
        self, process: KeptProcess, other: KeptProcess
    ) -> None:
        old = await process.open()
        for group in ("server", "parked", "g", "adoption"):
            await process.layer.group_add(group, old.channel)
        new = await other.adopt(old)
        for group in ("server", "parked", "g", "adoption"):
            await process.layer.group_send(group, {"text": group})
        await new.until(lambda: len(new.messages) == 4)
