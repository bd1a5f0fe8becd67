"""How much is read ahead from one client."""

import asyncio
import sys
from dataclasses import replace
from functools import partial
from typing import Any

import daphne.server
import pytest

from channels_workers.conf import Configuration
from channels_workers.interface.backlog import Backlog
from channels_workers.interface.incoming import Bucket, Intake, gate_for
from channels_workers.interface.protocol import FRAME_COST, WebSocketProtocol
from channels_workers.interface.servers import parts
from channels_workers.interface.servers.gate import Gate
from channels_workers.interface.servers.stalls import StallDetector


class HoldingGate(Gate):
    can_hold = True


#: A frame of the tests, and its size in memory.
TEXT = "x" * 100
ONE = FRAME_COST + sys.getsizeof(TEXT)


def opened(backlog: Backlog | None = None, **limits: Any) -> WebSocketProtocol:
    """An open connection with one message in flight."""
    limits = {"READ_AHEAD": 10 * ONE, **limits}
    protocol = WebSocketProtocol(
        {"path": "/"}, replace(Configuration(), **limits), backlog=backlog or Backlog()
    )
    protocol.begin("server!1")
    protocol.reply({"accept": True})
    return protocol


def made(protocol: WebSocketProtocol, backlog: Backlog | None = None) -> Intake:
    gate = HoldingGate(lambda: None, lambda: None)
    return Intake(gate, protocol, StallDetector(), backlog or Backlog())


def send(protocol: WebSocketProtocol) -> None:
    protocol.receive({"type": "websocket.receive", "text": TEXT})


def finish(protocol: WebSocketProtocol) -> None:
    protocol.release(protocol.order)


async def test_a_client_is_held_back_until_workers_have_taken_half() -> None:
    connection = opened()
    it = made(connection)
    for _ in range(10):
        send(connection)
    assert connection.pending.cost == 10 * ONE
    it.regulate()
    assert not it.gate.is_held
    send(connection)
    it.regulate()
    assert it.gate.is_held
    for _ in range(5):
        finish(connection)
        it.regulate()
        assert it.gate.is_held
    finish(connection)
    it.regulate()
    assert not it.gate.is_held


async def test_without_read_ahead_one_queued_frame_holds_back() -> None:
    connection = opened(READ_AHEAD=0)
    it = made(connection)
    it.regulate()
    assert not it.gate.is_held
    send(connection)
    it.regulate()
    assert it.gate.is_held
    finish(connection)
    it.regulate()
    assert not it.gate.is_held


async def test_in_a_crowd_one_queued_frame_holds_back() -> None:
    backlog = Backlog()
    connection = opened(backlog, ALL_FRAME_BYTES_WAITING=4 * ONE)
    it = made(connection, backlog)
    send(connection)
    it.regulate()
    assert not it.gate.is_held
    backlog.taken += 3 * ONE  # of other clients
    it.regulate()
    assert it.gate.is_held
    backlog.taken -= 3 * ONE
    it.regulate()
    assert not it.gate.is_held


async def test_a_closed_socket_is_read_on_for_its_close_frame() -> None:
    connection = opened(READ_AHEAD=0)
    it = made(connection)
    send(connection)
    it.regulate()
    connection.close(4000)
    it.regulate()
    assert not it.gate.is_held


async def test_a_client_above_the_rate_limit_is_held_back() -> None:
    it = made(opened(FRAME_RATE=50, FRAME_BURST=5))
    for _ in range(4):
        it.count()
        it.regulate()
        assert not it.gate.is_held
    it.count()
    it.regulate()
    assert it.gate.is_held
    async with asyncio.timeout(60):
        while it.gate.is_held:  # noqa: ASYNC110  (nobody tells of it)
            await asyncio.sleep(0.01)


async def test_a_rate_of_zero_means_unlimited() -> None:
    it = made(opened(FRAME_RATE=0, FRAME_BURST=1))
    for _ in range(10):
        it.count()
    it.regulate()
    assert not it.gate.is_held


async def test_few_frames_of_a_held_back_client_that_left_are_kept() -> None:
    connection = opened(LEFT_FRAMES=3)
    it = made(connection)
    event = {"type": "websocket.receive", "text": "x"}
    assert not it.drops(event)
    it._note_end()
    for _ in range(3):
        assert not it.drops(event)
        send(connection)
    assert it.drops(event)
    assert (it.dropped, it.dropped_bytes) == (1, 1)


def test_a_bucket_refills_over_time() -> None:
    bucket = Bucket(rate=10, burst=3, now=100.0)
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    assert bucket.wait(100.0) == pytest.approx(0.1)
    assert bucket.wait(100.05) == pytest.approx(0.05)
    assert bucket.wait(100.2) == 0
    bucket.wait(900.0)
    assert [bucket.take() for _ in range(3)] == [True, True, False]  # not above its capacity


class Protocol:
    """A protocol without Daphne's attributes."""

    transport = None


def test_a_server_without_the_private_parts_is_logged_once_with_the_remedy(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_reported", set())
    server = daphne.server.Server(application=None, endpoints=["unused"])
    for _ in range(2):
        send = partial(server.handle_reply, Protocol())
        gate = gate_for(send, Configuration(), lambda: None, lambda: None)
        assert not gate.can_hold
    (record,) = caplog.records
    assert "Clients of this Daphne cannot be held back, as it has no protocol.app" in record.message
    assert "Use a version" in record.message
