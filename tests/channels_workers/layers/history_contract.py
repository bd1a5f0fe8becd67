"""The contract of a layer about the history of groups: what was missed comes once, in order."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.history import (
    HISTORY_COST,
    MESSAGE_COST,
    OLDEST,
    Joined,
    Position,
)
from channels_workers.layers.relays import StoredOperation
from channels_workers.layers.shards.names import home_of
from channels_workers.layers.types import Committed, Delivery, ProcessInfo, Resume
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.contract import MakeLayer, Process
from tests.channels_workers.layers.recorder import Recorder
from tests.channels_workers.layers.relay_contract import Relay

#: Lets the clock of a layer go on by so many seconds.
Wait = Callable[[float], None]

ROOM = {"room-*": {"messages": 5, "seconds": 60}}


class Member:
    """A socket, and what it got from groups."""

    def __init__(self, process: Process, recorder: Recorder) -> None:
        self.process = process
        self.recorder = recorder
        self.channel = recorder.channel

    @classmethod
    async def of(cls, process: Process) -> "Member":
        recorder = await process.attach()
        await process.layer.first_attempt()  # no consumer runs for a server that is not registered
        return cls(process, recorder)

    async def join(
        self,
        since: Position | str | None = None,
        delivery: Delivery | None = None,
        group: str = "room-1",
    ) -> Joined:
        found = await resume(self.process.layer, self.channel, since, delivery, group)
        assert found is not None
        return found

    def numbers(self) -> list[int]:
        return [message["n"] for message in self.recorder.messages]

    async def until_got(self, *numbers: int) -> None:
        """Wait for these messages, and for nothing else before the end of the inbox."""
        await self.process.layer.send(self.channel, {"n": "end"})
        await self.recorder.until(lambda: "end" in self.numbers())
        at = self.numbers().index("end")
        assert self.numbers() == [*numbers, "end"]
        del self.recorder.messages[at]


async def resume(
    layer: WorkerLayer,
    channel: str,
    since: Position | str | None = None,
    delivery: Delivery | None = None,
    group: str = "room-1",
) -> Joined | None:
    wanted = layer.make_resume(group, channel, since)
    assert isinstance(wanted, Resume)
    return await asyncio.to_thread(layer.resume, wanted, delivery)


@pytest.fixture
def kept(make_layer: MakeLayer) -> Process:
    return Process(make_layer(history=ROOM))


async def say(process: Process, *numbers: int, group: str = "room-1", **more: Any) -> None:
    for number in numbers:
        await process.layer.group_send(group, {"n": number, **more})


def make_histories_older(redis_server: RedisServer, seconds: float) -> None:
    """Change the times in Redis as if *seconds* had passed: its clock cannot be moved."""
    milliseconds = round(seconds * 1000)
    with redis_server.client() as client:
        for key in client.scan_iter(match="*:history:*"):
            entries, left = client.xrange(key), client.pttl(key) - milliseconds
            client.delete(key)
            if left <= 0:
                continue
            for entry, fields in entries:
                fields[b"at"] = int(fields[b"at"]) - milliseconds
                client.xadd(key, fields, id=entry)
            client.pexpire(key, left)
        for key in client.scan_iter(match="*:history_order"):
            for group in client.zrange(key, 0, -1):
                client.zincrby(key, -milliseconds, group)


class HistoryContract:
    """Each layer inherits this class and provides `make_layer` and `wait`."""

    async def test_what_was_missed_comes_before_what_is_live(self, kept: Process) -> None:
        member = await Member.of(kept)
        first = await member.join()
        assert first == Joined(Position(first.position.epoch, 0))
        await say(kept, 1, 2)
        await member.until_got(1, 2)
        late = await Member.of(kept)
        joined = await late.join(Position(first.position.epoch, 1))
        assert joined == Joined(Position(first.position.epoch, 2), replayed=1)
        await say(kept, 3)
        await late.until_got(2, 3)
        await member.until_got(1, 2, 3)

    async def test_nothing_is_replayed_without_a_position(self, kept: Process) -> None:
        await say(kept, 1, 2)
        member = await Member.of(kept)
        assert (await member.join()).position.offset == 2
        await say(kept, 3)
        await member.until_got(3)

    async def test_all_that_is_kept(self, kept: Process) -> None:
        await say(kept, *range(1, 9))
        member = await Member.of(kept)
        joined = await member.join(OLDEST)
        assert (joined.position.offset, joined.is_gap, joined.replayed) == (8, False, 5)
        await member.until_got(4, 5, 6, 7, 8)
        other = await Member.of(kept)
        assert await other.join(OLDEST, group="room-empty") is not None
        await other.until_got()

    async def test_who_comes_too_late_is_told(self, kept: Process) -> None:
        member = await Member.of(kept)
        epoch = (await member.join()).position.epoch
        await say(kept, *range(1, 9))
        late, in_time = await Member.of(kept), await Member.of(kept)
        assert await late.join(Position(epoch, 2)) == Joined(Position(epoch, 8), is_gap=True)
        assert await in_time.join(Position(epoch, 3)) == Joined(Position(epoch, 8), replayed=5)
        await say(kept, 9)
        await late.until_got(9)
        await in_time.until_got(4, 5, 6, 7, 8, 9)

    @pytest.mark.parametrize(
        "text", ["", "garbage", ":0", "0123456789abcdef:1", "{epoch}:9", "{epoch}:-1", "{epoch}"]
    )
    async def test_a_position_that_nobody_gave_is_a_gap(self, text: str, kept: Process) -> None:
        await say(kept, 1, 2)
        member = await Member.of(kept)
        epoch = (await member.join()).position.epoch
        late = await Member.of(kept)
        joined = await late.join(text.format(epoch=epoch))
        assert joined == Joined(Position(epoch, 2), is_gap=True)
        await late.until_got()

    async def test_the_text_of_a_position_is_one(self, kept: Process) -> None:
        member = await Member.of(kept)
        position = (await member.join()).position
        await say(kept, 1)
        late = await Member.of(kept)
        assert (await late.join(str(position))).replayed == 1
        await late.until_got(1)

    async def test_a_repeated_join_replays_nothing_twice(self, kept: Process) -> None:
        member = await Member.of(kept)
        start = (await member.join()).position
        await say(kept, 1, 2)
        late = await Member.of(kept)
        await late.join(start)
        await say(kept, 3)
        assert (await late.join(start)).replayed == 3  # after a lost reply, or in a second run
        await say(kept, 4)
        await late.join(start)
        await late.until_got(1, 2, 3, 4)

    async def test_a_member_asks_for_more_later(self, kept: Process) -> None:
        member = await Member.of(kept)
        start = (await member.join()).position
        await say(kept, 1, 2)
        late = await Member.of(kept)
        await late.join()
        await say(kept, 3)
        await late.join(start)
        await late.until_got(3, 1, 2)
        await late.join(OLDEST)
        await late.until_got(3, 1, 2)

    async def test_a_plain_join_and_then_a_replay(self, kept: Process) -> None:
        member = await Member.of(kept)
        start = (await member.join()).position
        await say(kept, 1)
        late = await Member.of(kept)
        await kept.layer.group_add("room-1", late.channel)
        await say(kept, 2)
        await late.join(start)
        await late.until_got(2, 1)

    async def test_who_left_and_comes_back(self, kept: Process) -> None:
        member = await Member.of(kept)
        start = (await member.join()).position
        await say(kept, 1)
        await member.until_got(1)
        await kept.layer.group_discard("room-1", member.channel)
        await say(kept, 2)
        assert (await member.join(Position(start.epoch, 1))).replayed == 1
        await member.until_got(1, 2)

    async def test_a_join_in_a_running_consumer(self, kept: Process, other: Process) -> None:
        await say(kept, 1)
        recorder = await kept.connect()
        member, delivery = Member(kept, recorder), await kept.pull()
        assert (await member.join(OLDEST, delivery)).replayed == 1
        await kept.mark_dead("worker")
        late = await resume(kept.layer, member.channel, OLDEST, delivery)
        assert late is None  # its worker was taken for dead
        again = Process(kept.layer, "worker 2")
        taken = await again.pull()
        assert (await member.join(OLDEST, taken)).replayed == 1
        assert await again.commit(taken, kept.group_send("room-1", n=2)) is Committed.DONE
        await member.until_got(1, 2)

    async def test_all_ways_of_sending_are_kept(self, kept: Process) -> None:
        await kept.connect()
        delivery = await kept.pull()
        two = (kept.group_send("room-1", n=1), kept.group_send("room-1", n=2))
        assert await kept.commit(delivery, *two) is Committed.DONE
        kept.layer.apply([kept.group_send("room-1", n=3)])
        relay = Relay(kept)
        await relay.claim()
        await relay.send(StoredOperation("a1", kept.layer.make_group_send("room-1", {"n": 4})))
        await say(kept, 5)
        member = await Member.of(kept)
        assert (await member.join(OLDEST)).position.offset == 5
        await member.until_got(1, 2, 3, 4, 5)

    async def test_a_refused_commit_keeps_nothing(self, make_layer: MakeLayer) -> None:
        process = Process(make_layer(history=ROOM, capacity=1))
        member = await Member.of(process)
        await member.join()
        await process.layer.send("work", {"n": 0})
        operations = [process.group_send("room-1", n=1), process.send("work", n=2)]
        with pytest.raises(process.layer.ChannelFull):
            process.layer.apply(operations)
        late = await Member.of(process)
        assert (await late.join(OLDEST)).position.offset == 0
        await member.until_got()

    async def test_other_groups_have_no_history(self, kept: Process) -> None:
        await say(kept, 1, group="hall")
        member = await Member.of(kept)
        await kept.layer.group_add("hall", member.channel)
        assert kept.layer.make_resume("hall", member.channel) is None
        await say(kept, 2, group="hall", position_key="at")
        await member.until_got(2)
        assert member.recorder.messages == [{"n": 2, "position_key": "at"}]
        status = kept.layer.admin.status()
        assert (status.histories, status.history_bytes) == (0, 0)
        with pytest.raises(ValueError, match="'hall' has no history"):
            kept.layer.make_resume("hall", member.channel, OLDEST)
        with pytest.raises(ValueError, match="reply channels only, not to 'work'"):
            kept.layer.make_resume("room-1", "work", OLDEST)
        assert kept.layer.make_resume("room-1", "work") is None

    async def test_old_messages_go(self, kept: Process, wait: Wait) -> None:
        member = await Member.of(kept)
        start = (await member.join()).position
        await say(kept, 1)
        wait(59)
        await say(kept, 2)
        wait(2)
        late = await Member.of(kept)
        assert (await late.join(start)).is_gap
        second = Position(start.epoch, 1)
        assert (await (await Member.of(kept)).join(second)).replayed == 1
        wait(60)
        newest = Position(start.epoch, 2)
        assert (await (await Member.of(kept)).join(second)).is_gap
        assert await (await Member.of(kept)).join(newest) == Joined(newest)  # it missed nothing

    async def test_the_bytes_of_a_history_are_bounded(self, make_layer: MakeLayer) -> None:
        history = {"room-*": {"messages": 100, "bytes": 5000}}
        process = Process(make_layer(history=history))
        for number in range(10):
            await say(process, number, filling="x" * 1000)
        member = await Member.of(process)
        assert (await member.join(OLDEST)).replayed == 4
        await say(process, 10, filling="x" * 6000)  # alone too large: nothing is left
        late = await Member.of(process)
        joined = await late.join(OLDEST)
        assert (joined.replayed, joined.is_gap, joined.position.offset) == (0, False, 11)
        assert process.layer.admin.status().history_bytes == HISTORY_COST

    async def test_messages_that_have_expired_count_no_more(
        self, make_layer: MakeLayer, wait: Wait
    ) -> None:
        history = {"room-*": {"messages": 100, "bytes": 5000, "seconds": 60}}
        process = Process(make_layer(history=history))
        for _ in range(3):
            for number in range(4):
                await say(process, number, filling="x" * 1000)
            member = await Member.of(process)
            assert (await member.join(OLDEST)).replayed == 4
            wait(61)

    async def test_a_smaller_limit_counts_from_the_next_message(
        self, kept: Process, make_layer: MakeLayer
    ) -> None:
        await say(kept, *range(5))
        smaller = Process(make_layer(history={"room-*": {"messages": 2}}), "other")
        await say(smaller, 5)
        member = await Member.of(kept)
        assert (await member.join(OLDEST)).replayed == 2
        await member.until_got(4, 5)

    async def test_the_histories_of_all_groups_are_bounded(self, make_layer: MakeLayer) -> None:
        history = {"room-*": {"messages": 5, "bytes": 2000}}
        process = Process(make_layer(history=history, history_bytes=10_000))
        positions = {}
        for number in range(8):
            member = await Member.of(process)
            positions[number] = (await member.join(group=f"room-{number}")).position
            await say(process, 1, group=f"room-{number}", filling="x" * 1500)
        status = process.layer.admin.status()
        assert status.history_bytes <= 10_000
        assert status.histories == 5
        late = await Member.of(process)
        assert (await late.join(positions[7], group="room-7")).replayed == 1
        gone = await late.join(positions[0], group="room-0")  # used least recently
        assert gone.is_gap
        assert gone.position.epoch != positions[0].epoch

    async def test_no_step_forgets_a_history_that_it_writes(self, make_layer: MakeLayer) -> None:
        """Its first send makes the histories too large, and its last one is to the oldest."""
        size = len(make_layer().encode({"n": 1})) + MESSAGE_COST
        total = 3 * (size + HISTORY_COST)
        process = Process(make_layer(history={"room-*": {}}, history_bytes=total))
        names = map("room-{:02}".format, range(99))
        first, second, third, last = [name for name in names if home_of(name, "012") == "0"][:4]
        for group in (first, second, third):  # all have one home, among two shards or three
            await say(process, 1, group=group)
        await asyncio.sleep(0.002)  # what is used in one millisecond has no order
        sends = [process.group_send(group, n=1) for group in (last, first)]
        await asyncio.to_thread(process.layer.apply, sends)
        status = process.layer.admin.status()
        assert (status.histories, status.history_bytes) == (2, 3 * size + 2 * HISTORY_COST)
        late = await Member.of(process)
        assert (await late.join(OLDEST, group=first)).replayed == 2

    async def test_a_history_without_use_goes(self, kept: Process, wait: Wait) -> None:
        await say(kept, 1)
        await say(kept, 1, group="room-2")
        wait(24 * 3600 + 1)
        await say(kept, 2, group="room-2")
        assert kept.layer.admin.status().histories == 1

    async def test_what_is_counted(self, kept: Process) -> None:
        payload = kept.layer.encode({"n": 1})
        await say(kept, *[1] * 7)
        status = kept.layer.admin.status()
        size = 5 * (len(payload) + MESSAGE_COST) + HISTORY_COST
        assert (status.histories, status.history_bytes) == (1, size)

    async def test_a_flush_makes_gaps(self, kept: Process) -> None:
        member = await Member.of(kept)
        start = (await member.join()).position
        await say(kept, 1)
        await kept.layer.flush()
        assert kept.layer.admin.status().histories == 0
        await say(kept, 2, 3)
        late = await Member.of(kept)
        joined = await late.join(Position(start.epoch, 1))
        assert joined.is_gap
        assert joined.position.epoch != start.epoch
        assert joined.position.offset == 2

    async def test_a_message_tells_its_position(self, kept: Process) -> None:
        member = await Member.of(kept)
        epoch = (await member.join()).position.epoch
        await say(kept, 1, text='{"a": 1}', position_key="at")
        await say(kept, 2, text=" {}", position_key="at")
        await say(kept, 3, position_key="at")
        await say(kept, 4, text="no object", position_key="at")
        expected = [
            {"n": 1, "text": f'{{"at":"{epoch}:1","a": 1}}', "position_key": "at"},
            {"n": 2, "text": f'{{"at":"{epoch}:2"}}', "position_key": "at"},
            {"n": 3, "at": f"{epoch}:3", "position_key": "at"},
            {"n": 4, "text": "no object", "position_key": "at"},
        ]
        await member.recorder.until_got(*expected)
        late = await Member.of(kept)
        await late.join(OLDEST)
        await late.recorder.until_got(*expected)

    async def test_an_event_tells_its_position(self, kept: Process) -> None:
        member = await Member.of(kept)
        epoch = (await member.join()).position.epoch
        await say(kept, 1, content=b"data: one\n\n", position_key="id")
        content = f"id: {epoch}:1\ndata: one\n\n".encode()
        await member.recorder.until_got({"n": 1, "content": content, "position_key": "id"})

    async def test_a_channel_of_channels_4_gets_what_it_missed(self, kept: Process) -> None:
        layer = kept.layer
        assert await layer.group_add("hall", "work") is None
        first = await layer.new_channel()
        joined = await layer.group_add("room-1", first)
        assert joined is not None
        await say(kept, 1, 2)
        channel = await layer.new_channel()
        again = await layer.group_add("room-1", channel, since=str(joined.position))
        assert again is not None
        assert (again.is_gap, again.replayed) == (False, 2)
        await say(kept, 3)
        assert [(await layer.receive(channel))["n"] for _ in range(3)] == [1, 2, 3]

    async def test_an_ordinary_channel_learns_the_position(self, kept: Process) -> None:
        await kept.layer.group_add("room-1", "work")
        await say(kept, 1)
        delivery = await kept.pull()
        position = Position.parse(delivery.position)
        assert position is not None
        assert position.offset == 1
        await kept.layer.send("work", {"n": 2})
        assert [(await kept.pull()).position] == [""]

    async def test_nothing_is_replayed_into_a_long_inbox(
        self, kept: Process, settings: Settings
    ) -> None:
        member = await Member.of(kept)
        start = (await member.join()).position
        await say(kept, 1)
        settings.CHANNEL_WORKERS = {"INBOX_BYTES": 200_000}
        away = Process(kept.layer, "other worker")
        kept.layer.register("0123456789abcdef", ProcessInfo("server", "host", 1, 0.0))
        channel = "0123456789abcdef!abc"
        for _ in range(3):
            await kept.layer.send(channel, {"text": "x" * 50_000})
        joined = await resume(away.layer, channel, start)
        assert joined == Joined(Position(start.epoch, 1), is_gap=True)
