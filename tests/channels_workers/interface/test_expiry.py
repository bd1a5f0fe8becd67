"""The time at which a socket is closed."""

import asyncio
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from channels_workers.interface import expiry
from channels_workers.interface.actions import CloseSocket, ExpireAt
from channels_workers.interface.application import Interface
from channels_workers.interface.close_codes import TOKEN_EXPIRED
from channels_workers.interface.expiry import Expiry
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.message import Message
from channels_workers.routing import Router, route
from channels_workers.worker.group import WorkerGroup
from tests.channels_workers.interface.test_application import Client
from tests.channels_workers.interface.test_protocol import (
    ACCEPTED,
    REFUSED,
    closed,
    connecting,
    opened,
    sent,
)

TIMEOUT = 60


def test_a_reply_sets_the_time_before_and_after_the_handshake() -> None:
    connection = connecting()
    assert connection.reply({"expires": 1000}) == [ExpireAt(1000.0)]
    assert connection.reply({"accept": True}) == [ACCEPTED]
    assert connection.reply({"expires": 2000.5}) == [ExpireAt(2000.5)]
    assert connection.reply({"expires": 3, "text": "renewed"}) == [ExpireAt(3.0), sent("renewed")]
    assert connection.reply({"expires": None}) == []
    accepted_with = connecting().reply({"accept": True, "expires": 7})
    assert accepted_with == [ExpireAt(7.0), ACCEPTED]


def test_a_group_message_may_set_it() -> None:
    connection = connecting()
    assert connection.reply({"expires": 1000}, to_group=True) == []
    assert connection.reply({"accept": True}) == [ACCEPTED, ExpireAt(1000.0)]


@pytest.mark.parametrize("value", [True, "soon", float("inf"), float("nan"), [], b"1"])
def test_a_wrong_time_is_logged_and_ignored(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert opened().reply({"expires": value}) == []
    [record] = caplog.records
    assert record.__dict__["event"] == "bad_reply"


def test_an_expired_socket_is_closed_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    connection = opened()
    assert connection.expire() == [closed(TOKEN_EXPIRED)]
    assert connection.expire() == []
    assert connection.reply({"expires": 1, "text": "late"}) == []
    [record] = caplog.records
    assert (record.levelname, record.__dict__["event"]) == ("INFO", "token_expired")
    assert record.__dict__["code"] == TOKEN_EXPIRED


def test_an_expired_handshake_is_refused() -> None:
    [action] = connecting().expire()
    assert isinstance(action, CloseSocket)
    assert action == REFUSED


class Expired:
    """Counts calls."""

    def __init__(self) -> None:
        self.count = 0
        self.event = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self.event.set()


async def test_it_expires_at_once_if_the_time_is_past() -> None:
    expired = Expired()
    Expiry(expired).set(time.time() - 1)
    assert expired.count == 1


async def test_it_expires_when_the_time_has_come_and_not_before() -> None:
    expired, when = Expired(), time.time() + 0.2
    Expiry(expired).set(when)
    assert expired.count == 0
    await asyncio.wait_for(expired.event.wait(), TIMEOUT)
    assert time.time() >= when
    assert expired.count == 1


async def test_the_time_moves() -> None:
    first, second = Expired(), Expired()
    moved = Expiry(first)
    moved.set(time.time() + 0.05)
    moved.set(time.time() + 3600)
    canceled = Expiry(first)
    canceled.set(time.time() + 0.05)
    canceled.cancel()
    Expiry(second).set(time.time() + 0.1)  # later than the former times of the others
    await asyncio.wait_for(second.event.wait(), TIMEOUT)
    assert first.count == 0
    moved.cancel()


async def test_it_looks_at_the_clock_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "LONGEST_LOOK", 0.01)
    now = time.time()
    looks = []

    def clock() -> float:
        looks.append(now)
        return now if len(looks) < 5 else now + 10_000

    monkeypatch.setattr(expiry.time, "time", clock)
    expired = Expired()
    Expiry(expired).set(now + 9_000)
    await asyncio.wait_for(expired.event.wait(), TIMEOUT)
    assert len(looks) == 5


# With a server and workers


@pytest.fixture
def application() -> Iterator[Interface]:
    """A server whose sockets end 0.3 s after a worker has accepted them."""

    def connect(message: Message) -> None:
        message.reply_channel.send({"expires": time.time() + 0.3})
        message.reply_channel.send({"accept": True})

    layer = InMemoryChannelLayer()
    group = WorkerGroup(layer, n_threads=1, router=Router([route("websocket.connect", connect)]))
    group.start()
    yield Interface(no_pages, lambda: layer)
    group.stop()
    assert group.join(TIMEOUT)


async def no_pages(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("This server has no pages.")


@pytest.mark.django_db
async def test_a_server_closes_the_socket_then(application: Interface) -> None:
    began = time.time()
    client = Client(application)
    await client.until(lambda: len(client.types) == 2)
    assert time.time() - began >= 0.3
    assert client.events[-1] == {"type": "websocket.close", "code": TOKEN_EXPIRED}
    client.leave(TOKEN_EXPIRED)
    await client.ended()


@pytest.mark.django_db
async def test_a_socket_that_has_ended_does_not_expire(
    application: Interface, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    gone = await Client(application).accepted()
    gone.leave()
    await gone.ended()
    witness = Client(application)
    await witness.until(lambda: len(witness.types) == 2)  # its time is the later one
    assert gone.types == ["accept"]
    assert caplog.text.count("its token has expired") == 1
    witness.leave()
    await witness.ended()
