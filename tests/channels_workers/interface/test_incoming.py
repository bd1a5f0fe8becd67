"""How much is read of one client."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import daphne.server
import pytest

from channels_workers.conf import Configuration
from channels_workers.interface import incoming
from channels_workers.interface.incoming import Bucket, Intake, gate_for
from channels_workers.interface.protocol import Connection
from channels_workers.interface.servers.gate import Gate
from channels_workers.interface.servers.watch import Watch


class Held(Gate):
    can_hold = True


def opened(**limits: Any) -> Connection:
    """A connection that is open; one message is under way."""
    connection = Connection({"path": "/"}, replace(Configuration(), **limits))
    connection.next_step()
    connection.reply({"accept": True})
    return connection


def made(connection: Connection, go_on: Callable[[], object] = lambda: None) -> Intake:
    return Intake(Held(lambda: None, lambda: None), connection, Watch(), go_on)


def send(connection: Connection, text: str = "x" * 100) -> None:
    connection.receive({"type": "websocket.receive", "text": text})


def finish(connection: Connection) -> None:
    connection.release(connection.order)
    connection.next_step()


async def test_a_client_is_held_back_until_workers_have_taken_half() -> None:
    connection = opened()
    it = made(connection)
    for _ in range(10):
        send(connection)
    one = connection.ahead // 10
    it.regulate(10 * one)
    assert not it.gate.is_held
    send(connection)
    it.regulate(10 * one)
    assert it.gate.is_held
    for _ in range(5):
        finish(connection)
        it.regulate(10 * one)
        assert it.gate.is_held
    finish(connection)
    it.regulate(10 * one)
    assert not it.gate.is_held


async def test_without_read_ahead_one_that_waits_holds_back() -> None:
    connection = opened()
    it = made(connection)
    it.regulate(0)
    assert not it.gate.is_held
    send(connection)
    it.regulate(0)
    assert it.gate.is_held
    finish(connection)
    it.regulate(0)
    assert not it.gate.is_held


async def test_a_socket_that_is_closed_is_read_on_for_the_answer_of_its_client() -> None:
    connection = opened()
    it = made(connection)
    send(connection)
    it.regulate(0)
    connection.close(4000)
    it.regulate(0)
    assert not it.gate.is_held


async def test_who_sends_without_waiting_is_held_back_until_its_time_comes() -> None:
    again = asyncio.Event()
    connection = opened(FRAME_RATE=50, FRAME_BURST=5)
    it = made(connection, again.set)
    for _ in range(4):
        it.count()
        it.regulate(1000)
        assert not it.gate.is_held
    it.count()
    it.regulate(1000)
    assert it.gate.is_held
    await asyncio.wait_for(again.wait(), 10)
    it.regulate(1000)
    assert not it.gate.is_held


async def test_no_rate_is_no_limit() -> None:
    it = made(opened(FRAME_RATE=0, FRAME_BURST=1))
    for _ in range(10):
        it.count()
    it.regulate(1000)
    assert not it.gate.is_held


async def test_of_who_left_while_held_back_little_is_kept() -> None:
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


def test_a_bucket_fills_in_its_time() -> None:
    bucket = Bucket(rate=10, burst=3, now=100.0)
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    assert bucket.wait(100.0) == pytest.approx(0.1)
    assert bucket.wait(100.05) == pytest.approx(0.05)
    assert bucket.wait(100.2) == 0
    bucket.wait(900.0)
    assert [bucket.take() for _ in range(3)] == [True, True, False]  # no more than it holds


class Protocol:
    """A protocol that has not what Daphne's has."""

    transport = None


def test_a_server_without_the_parts_is_said_once_with_the_cure(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "_reported", set())
    server = daphne.server.Server(application=None, endpoints=["unused"])
    for _ in range(2):
        send = partial(server.handle_reply, Protocol())
        gate = gate_for(send, Configuration(), lambda: None, lambda: None)
        assert not gate.can_hold
    (record,) = caplog.records
    assert "Clients of this Daphne cannot be held back, as it has no protocol.app" in record.message
    assert "Use a version" in record.message
