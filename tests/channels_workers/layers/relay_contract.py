"""The contract of a layer about stored sends: each is carried out once, for one relay at a time."""

import asyncio
import time
from typing import Any

from channels_workers.layers.relays import Claim, Relayed, StoredOperation
from channels_workers.layers.types import new_id
from tests.channels_workers.layers.contract import MakeLayer, Process
from tests.channels_workers.layers.recorder import TIMEOUT

DONE, REPEATED, FULL = Relayed.DONE, Relayed.REPEATED, Relayed.FULL


class Relay:
    """A relay of one *database*, which claims it for so many *seconds* each time."""

    def __init__(self, process: Process, database: str = "db", seconds: float = TIMEOUT) -> None:
        self.process = process
        self.relays = process.layer.relays
        self.database = database
        self.seconds = seconds
        self.holder = new_id()
        self.fence = "1"

    async def claim(self, *forget: str, renews: bool = True) -> list[str] | None:
        """The keys that are remembered; None if another relay has the claim."""
        claim = Claim(self.database, self.holder, self.seconds, renews)
        found = await asyncio.to_thread(self.relays.claim, claim, forget)
        if found is None:
            return None
        self.fence = found.fence
        return sorted(found.kept)

    async def send(self, *sends: StoredOperation) -> list[Relayed] | None:
        return await asyncio.to_thread(self.relays.send_once, self.database, self.fence, sends)

    def to(self, channel: str, key: str, **content: Any) -> StoredOperation:
        return StoredOperation(key, self.process.layer.make_send(channel, content))

    def to_group(self, group: str, key: str, **content: Any) -> StoredOperation:
        return StoredOperation(key, self.process.layer.make_group_send(group, content))


class RelayContract:
    """Each layer inherits this class and provides `make_layer`."""

    async def test_a_send_is_carried_out_once(self, process: Process) -> None:
        relay = Relay(process)
        assert await relay.claim() == []
        first, second = relay.to("work", "a1", n=1), relay.to("work", "b2", n=2)
        assert await relay.send(first) == [DONE]
        assert await relay.send(first, second) == [REPEATED, DONE]
        assert await relay.claim() == ["a1", "b2"]
        assert await relay.send(second, first) == [REPEATED, REPEATED]
        assert [(await process.pull()).id for _ in range(2)] == ["a1.1", "b2.1"]
        await process.pull_nothing()

    async def test_what_is_forgotten_could_be_sent_again(self, process: Process) -> None:
        relay = Relay(process)
        await relay.claim()
        await relay.send(*(relay.to("work", key, n=1) for key in ("a1", "b2")))
        assert await relay.claim("a1", "c3") == ["b2"]
        assert await relay.send(relay.to("work", "a1", n=2)) == [DONE]
        assert await process.numbers(3) == [1, 1, 2]

    async def test_nothing_to_send(self, process: Process) -> None:
        relay = Relay(process)
        await relay.claim()
        assert await relay.send() == []

    async def test_one_relay_at_a_time(self, process: Process, other: Process) -> None:
        first, second = Relay(process), Relay(other)
        assert await first.claim() == []
        assert await second.claim() is None
        assert await second.send(second.to("work", "a1")) is None
        assert await first.claim() == []
        assert await Relay(other, "elsewhere").claim() == []
        await process.pull_nothing()

    async def test_nobody_sends_without_a_claim(self, process: Process) -> None:
        relay = Relay(process)
        assert await relay.send(relay.to("work", "a1")) is None
        await process.pull_nothing()

    async def test_a_relay_that_lost_its_claim_sends_nothing(
        self, process: Process, other: Process
    ) -> None:
        frozen, next_one = Relay(process, seconds=0.01), Relay(other)
        await frozen.claim()
        await frozen.send(frozen.to("work", "a1", n=1))
        async with asyncio.timeout(TIMEOUT):
            while (kept := await next_one.claim()) is None:
                pass
        assert kept == ["a1"]
        assert await next_one.send(next_one.to("work", "a1", n=1)) == [REPEATED]
        assert await next_one.claim("a1") == []
        assert await frozen.send(frozen.to("work", "a1", n=1)) is None
        assert await frozen.claim() is None
        assert await process.numbers(1) == [1]
        await process.pull_nothing()

    async def test_a_claim_that_is_given_up_is_free(self, process: Process, other: Process) -> None:
        first, second = Relay(process), Relay(other)
        await first.claim()
        first.seconds = 0
        await first.claim()
        assert await second.claim() == []

    async def test_a_claim_that_is_renewed_keeps_its_token(self, process: Process) -> None:
        relay = Relay(process)
        await relay.claim()
        before = relay.fence
        await relay.claim()
        assert relay.fence == before

    async def test_a_new_claim_voids_requests_that_are_under_way(self, process: Process) -> None:
        """They may arrive when their rows are deleted and forgotten."""
        relay = Relay(process)
        await relay.claim()
        before = relay.fence
        assert await relay.claim(renews=False) == []
        assert await relay.send(relay.to("work", "a1")) == [DONE]
        assert await relay.claim("a1") == []
        relay.fence = before
        assert await relay.send(relay.to("work", "a1")) is None

    async def test_a_claim_that_comes_back_has_another_token(
        self, process: Process, other: Process
    ) -> None:
        """Such as by a request that was delayed."""
        relay, next_one = Relay(process, seconds=0), Relay(other, seconds=0)
        await relay.claim()
        before = relay.fence
        assert await next_one.claim() == []
        assert await relay.claim() == []
        relay.fence = before
        assert await relay.send(relay.to("work", "a1")) is None

    async def test_databases_have_their_own_keys(self, process: Process) -> None:
        one, two = Relay(process, "one"), Relay(process, "two")
        await one.claim()
        await two.claim()
        assert await one.send(one.to("work", "a1", n=1)) == [DONE]
        assert await two.send(two.to("work", "a1", n=2)) == [DONE]
        assert await one.claim("a1") == []
        assert await two.claim() == ["a1"]

    async def test_a_full_channel_keeps_its_order_and_others_go_on(
        self, make_layer: MakeLayer
    ) -> None:
        process = Process(make_layer(channel_capacity={"work": 1}))
        relay = Relay(process)
        await relay.claim()
        sends = [relay.to("work", f"a{n}", n=n) for n in range(3)]
        sends.insert(2, relay.to("elsewhere", "b1"))
        assert await relay.send(*sends) == [DONE, FULL, DONE, FULL]
        assert process.layer.length("elsewhere") == 1
        assert await relay.claim() == ["a0", "b1"]
        assert await process.numbers(1) == [0]
        assert await relay.send(*sends) == [REPEATED, DONE, REPEATED, FULL]
        assert await process.numbers(1) == [1]

    async def test_a_group_gets_a_stored_send_once(self, process: Process, other: Process) -> None:
        recorder = await process.joined("room")
        await process.layer.group_add("room", "work")
        relay = Relay(other)
        await relay.claim()
        for expected in (DONE, REPEATED):
            assert await relay.send(relay.to_group("room", "a1", n=1)) == [expected]
        assert await relay.send(relay.to(recorder.channel, "b1", n=2)) == [DONE]
        await recorder.until_got({"n": 1}, {"n": 2})
        assert (await process.pull()).id == "a1.1"
        await process.pull_nothing()

    async def test_a_group_skips_a_full_channel(self, make_layer: MakeLayer) -> None:
        process = Process(make_layer(channel_capacity={"work": 1}))
        await process.layer.group_add("room", "work")
        relay = Relay(process)
        await relay.claim()
        sends = [relay.to_group("room", f"a{n}", n=n) for n in range(2)]
        assert await relay.send(*sends) == [DONE, DONE]
        assert await process.numbers(1) == [0]

    async def test_a_flush_keeps_claims_and_keys(self, process: Process, other: Process) -> None:
        relay = Relay(process)
        await relay.claim()
        await relay.send(relay.to("work", "a1"))
        await process.layer.flush()
        assert await Relay(other).claim() is None
        assert await relay.send(relay.to("work", "a1")) == [REPEATED]

    async def test_a_nudge_ends_a_wait(self, process: Process, other: Process) -> None:
        began = time.monotonic()
        waiting = asyncio.create_task(asyncio.to_thread(process.layer.relays.wait, "db", 2.0))
        while not waiting.done():
            await asyncio.to_thread(other.layer.relays.nudge, "db")
            await asyncio.sleep(0)
        assert time.monotonic() - began < TIMEOUT

    async def test_nudges_before_a_wait_count_once(self, process: Process) -> None:
        relays = process.layer.relays
        for _ in range(3):
            await asyncio.to_thread(relays.nudge, "db")
        await asyncio.to_thread(relays.wait, "elsewhere", 0.01)
        began = time.monotonic()
        await asyncio.to_thread(relays.wait, "db", 2.0)
        middle = time.monotonic()
        await asyncio.to_thread(relays.wait, "db", 0.2)
        assert time.monotonic() - middle >= 0.2
        assert middle - began < TIMEOUT
