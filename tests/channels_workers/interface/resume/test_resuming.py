"""Connections outlive their sockets: at the same server, and at another one."""

import asyncio
import json
import time
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.channel import Group
from channels_workers.exceptions import LayerUnavailable
from channels_workers.interface.application import Interface
from channels_workers.interface.close_codes import REPLACED, SERVER_STOPS, TOKEN_EXPIRED
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.worker.group import WorkerGroup
from tests.channels_workers.interface.resume.clients import V1, Client, Consumers

# Signals around a consumer clean up database connections.
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("workers")]


@pytest.fixture(params=["same", "other"])
def back(request: Any, application: Interface, other: Interface) -> Interface:
    """The server that the client comes back to."""
    return application if request.param == "same" else other


async def lived(application: Interface, *texts: str, **options: Any) -> Client:
    """A client with these frames and their echoes."""
    client = await Client(application, V1, "resume", **options).answered()
    for text in texts:
        client.send(text)
    await client.until(lambda: len(client.counted) == len(texts))
    return client


def send_to_room(layer: InMemoryChannelLayer, *texts: str) -> None:
    for text in texts:
        Group("room", channel_layer=layer).send({"text": text})


async def test_a_new_connection_gets_a_token_first(application: Interface) -> None:
    client = await Client(application, V1, "resume").answered()
    assert client.events[0]["subprotocol"] == V1
    token = client.answer.pop("token")
    assert client.answer == {
        "type": "channels_workers.resume",
        "token": token,
        "seconds": 30,
        "resumed": False,
    }
    await client.lost(1000)


async def test_it_goes_on(
    application: Interface, back: Interface, consumers: Consumers, layer: InMemoryChannelLayer
) -> None:
    first = await lived(application, "a", "b")
    await first.lost()
    send_to_room(layer, "missed 1", "missed 2")
    second = await Client(back, V1, first.resume()).answered()
    answer = second.answer
    assert (answer["resumed"], answer["received"], answer["gap"]) == (True, 2, False)
    await second.until(lambda: second.counted == ["missed 1", "missed 2"])
    second.send("c")
    send_to_room(layer, "live")
    await second.until(lambda: {"echo c", "live"} <= set(second.counted))
    name = consumers.values("connect")[0]
    assert consumers.values("resume") == [(name, ["a", "b"])]
    assert consumers.values("disconnect") == []
    await second.lost(1000)
    await consumers.until(lambda: consumers.values("disconnect"))
    assert consumers.values("disconnect") == [(1000, ["a", "b", "c"])]


async def test_frames_that_the_client_has_not_received_are_sent_again(
    application: Interface, back: Interface
) -> None:
    first = await lived(application, "a", "b", "c")
    await first.lost()
    second = await Client(back, V1, first.resume(1)).answered()
    await second.until(lambda: len(second.counted) == 2)
    assert second.counted == ["echo b", "echo c"]
    assert not second.answer["gap"]
    second.send("d")
    await second.until(lambda: "echo d" in second.counted)
    await second.lost()
    third = await Client(application, V1, second.resume(3)).answered()
    await third.until(lambda: third.counted == ["echo d"])
    await third.lost(1000)


async def test_it_resumes_again_and_again_between_two_servers(
    application: Interface, other: Interface, consumers: Consumers
) -> None:
    client = await lived(application, "0")
    received = 1
    for turn in range(1, 9):
        if turn % 3:
            await client.lost()
        server = (application, other, other)[turn % 3]
        client = await Client(server, V1, client.resume(received)).answered()
        assert (client.answer["resumed"], client.answer["received"]) == (True, turn)
        client.send(str(turn))
        await client.until(lambda each=client: len(each.counted) == 1)
        received += 1
    await client.lost(1000)
    await consumers.until(lambda: consumers.values("disconnect"))
    assert consumers.values("disconnect") == [(1000, [str(number) for number in range(9)])]


async def test_an_open_socket_is_replaced(
    application: Interface, back: Interface, consumers: Consumers
) -> None:
    first = await lived(application, "a")
    second = await Client(back, V1, first.resume()).answered()
    assert second.answer["resumed"]
    assert await first.closed() == REPLACED
    await asyncio.wait_for(asyncio.shield(first.task), 10)
    second.send("b")
    await second.until(lambda: second.counted == ["echo b"])
    await second.lost(1000)
    await consumers.until(lambda: consumers.values("disconnect"))
    assert consumers.values("disconnect") == [(1000, ["a", "b"])]


async def test_frames_that_wait_are_counted_or_sent_again_exactly_once(
    application: Interface, back: Interface, consumers: Consumers
) -> None:
    first = await lived(application)
    for text in ("wait", "x", "y"):
        first.send(text)
    await consumers.until(lambda: consumers.values("begins"))
    await first.lost()
    second = Client(back, V1, first.resume())
    await asyncio.sleep(0)
    consumers.go_on.set()
    await second.answered()
    for text in ("wait", "x", "y")[second.answer["received"] :]:
        second.send(text)
    await second.until(lambda: len(second.counted) == 3)
    assert second.counted == ["echo wait", "echo x", "echo y"]
    await second.lost(1000)
    await consumers.until(lambda: consumers.values("disconnect"))
    assert consumers.values("disconnect") == [(1000, ["wait", "x", "y"])]


@pytest.mark.parametrize("code", [1000, 1001])
async def test_a_client_that_closes_ends_it(
    code: int, application: Interface, consumers: Consumers
) -> None:
    first = await lived(application, "a")
    await first.lost(code)
    await consumers.until(lambda: consumers.values("disconnect"))
    second = await Client(application, V1, first.resume()).answered()
    assert not second.answer["resumed"]
    assert consumers.values("disconnect") == [(code, ["a"])]
    await second.lost(1000)


async def test_one_that_does_not_come_back_ends_once(
    application: Interface, consumers: Consumers, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"RESUME_TIME": 1}
    first = await lived(application, "a")
    await first.lost()
    await consumers.until(lambda: consumers.values("disconnect"))
    second = await Client(application, V1, first.resume()).answered()
    assert not second.answer["resumed"]
    await second.lost(1000)
    await consumers.until(lambda: len(consumers.values("disconnect")) == 2)
    assert consumers.values("disconnect") == [(1006, ["a"]), (1000, [])]


async def test_the_consumer_may_refuse(
    application: Interface, back: Interface, consumers: Consumers
) -> None:
    first = await lived(application, "a")
    await first.lost()
    consumers.refuses = True
    await Client(back, V1, first.resume(0)).refused()
    await consumers.until(lambda: consumers.values("disconnect"))
    second = await Client(back, V1, first.resume(0)).answered()
    assert not second.answer["resumed"]
    assert second.counted == []
    await second.lost(1000)


@pytest.mark.parametrize(
    ("answer", "frames"),
    [
        ({"text": "welcome back"}, ["welcome back"]),
        ({"accept": True, "text": "welcome back"}, ["welcome back"]),
        ({"accept": True, "subprotocol": "board"}, []),
    ],
)
async def test_the_consumer_may_answer(
    application: Interface, back: Interface, consumers: Consumers, answer: Any, frames: list[str]
) -> None:
    first = await lived(application)
    await first.lost()
    consumers.answers = answer
    second = await Client(back, V1, "board", first.resume()).answered()
    assert second.answer["resumed"]
    assert second.events[0]["subprotocol"] == answer.get("subprotocol", V1)
    await second.until(lambda: second.counted == frames)
    await second.lost(1000)


async def test_a_close_while_nobody_is_there_ends_it(
    application: Interface, consumers: Consumers, layer: InMemoryChannelLayer
) -> None:
    first = await lived(application, "a")
    await first.lost()
    Group("room", channel_layer=layer).send({"text": "bye", "close": 4444})
    await consumers.until(lambda: consumers.values("disconnect"))
    assert consumers.values("disconnect") == [(4444, ["a"])]


@pytest.mark.parametrize(
    "offered",
    [
        "resume.forged.0",
        "resume.0123456789abcdef!kept.30.0123456789abcdef.0.c2lnbmF0dXJl.0",
        "resume..",
        "resume." + "a" * 10_000 + ".1",
        "resume.a.99999999999999999999999",
        "resume.a.-1",
        "resume.é.1",
    ],
)
async def test_what_is_no_token_opens_a_new_connection(
    offered: str, application: Interface
) -> None:
    client = await Client(application, V1, offered).answered()
    assert not client.answer["resumed"]
    await client.lost(1000)


async def test_a_token_is_for_its_path_and_browser(
    application: Interface, back: Interface, consumers: Consumers
) -> None:
    session = ((b"cookie", b"sessionid=abcdefgh12345678abcdefgh12345678"),)
    first = await lived(application, "a", headers=session)
    await first.lost()
    foreign = (*session, (b"origin", b"https://evil.example"))
    for options in ({"path": "/other/", "headers": session}, {}, {"headers": foreign}):
        stranger = await Client(back, V1, first.resume(0), **options).answered()
        assert not stranger.answer["resumed"]
        await stranger.lost(1000)
    second = await Client(back, V1, first.resume(0), headers=session).answered()
    assert second.answer["resumed"]
    await second.lost(1000)


async def test_a_client_that_missed_too_much_gets_a_gap(
    application: Interface, back: Interface, layer: InMemoryChannelLayer, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"RESUME_TIME": 30, "RESUME_BYTES": 1_000}
    first = await lived(application, "a")
    await first.lost()
    send_to_room(layer, *(f"{number} {'x' * 200}" for number in range(10)))
    second = await Client(back, V1, first.resume()).answered()
    assert second.answer["gap"]
    second.send("b")
    await second.until(lambda: "echo b" in second.counted)
    await second.lost()
    third = await Client(back, V1, second.resume(1 + len(second.counted))).answered()
    assert not third.answer["gap"]
    await third.lost(1000)


async def test_a_server_that_stops_keeps_its_connections_for_others(
    application: Interface, other: Interface, consumers: Consumers
) -> None:
    first = await lived(application, "a", "b")
    parked = await lived(application, "c")
    await parked.lost()
    stopping = asyncio.create_task(application.stop())
    assert await first.closed() == SERVER_STOPS
    await stopping
    for client, sent in ((first, 2), (parked, 1)):
        again = await Client(other, V1, client.resume()).answered()
        assert (again.answer["resumed"], again.answer["received"]) == (True, sent)
        await again.lost(1000)
    await consumers.until(lambda: len(consumers.values("disconnect")) == 2)


async def test_a_draining_server_waits_for_others_to_take_over(
    application: Interface, other: Interface, layer: InMemoryChannelLayer
) -> None:
    first = await lived(application, "a")
    stopping = asyncio.create_task(application.stop(drain_time=0.1))
    assert await first.closed() == SERVER_STOPS
    send_to_room(layer, "while nobody was there")
    second = await Client(other, V1, first.resume()).answered()
    await second.until(lambda: second.counted == ["while nobody was there"])
    assert not second.answer["gap"]
    await asyncio.wait_for(stopping, 20)
    await second.lost(1000)


async def test_too_many_that_wait_end(
    application: Interface, consumers: Consumers, settings: Settings, caplog: Any
) -> None:
    settings.CHANNEL_WORKERS = {"RESUME_TIME": 30, "PARKED": 3}
    clients = [await lived(application, str(number)) for number in range(6)]
    for client in clients:
        await client.lost()
    await consumers.until(lambda: len(consumers.values("disconnect")) == 3)
    assert consumers.values("disconnect") == [(1006, [str(number)]) for number in range(3)]
    assert sum(each.event == "parked_ended" for each in caplog.records if hasattr(each, "event"))
    assert application.traffic.sockets["parked"] == 3
    kept = await Client(application, V1, clients[-1].resume()).answered()
    assert kept.answer["resumed"]
    await kept.lost(1000)


async def test_a_crowd_of_one_network_ends_no_other_connection(
    application: Interface, consumers: Consumers, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"RESUME_TIME": 30, "PARKED": 4}
    others = [await lived(application, name, address=f"192.0.2.{name}") for name in ("1", "2")]
    for client in others:
        await client.lost()
    for number in range(8):
        crowd = await lived(application, f"crowd {number}", address=f"2001:db8::{number}")
        await crowd.lost()
    await consumers.until(lambda: len(consumers.values("disconnect")) == 6)
    assert consumers.values("disconnect") == [(1006, [f"crowd {number}"]) for number in range(6)]
    late = await lived(application, "3", address="192.0.2.3")
    await late.lost()
    await consumers.until(lambda: len(consumers.values("disconnect")) == 7)
    assert consumers.values("disconnect")[-1] == (1006, ["crowd 6"])
    for client in (*others, late):
        back = await Client(application, V1, client.resume()).answered()
        assert back.answer["resumed"]
        await back.lost(1000)


async def test_thousands_that_vanish_are_bounded(
    application: Interface, consumers: Consumers, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"RESUME_TIME": 30, "PARKED": 500}
    for _ in range(20):
        clients = [Client(application, V1, "resume") for _ in range(100)]
        for client in clients:
            await client.answered()
            await client.lost()
    await consumers.until(lambda: len(consumers.values("disconnect")) == 1_500)
    assert len(application.resumables.parked) == application.traffic.sockets["parked"] == 500
    assert len(application.sockets.known) == 500


async def test_buffers_of_all_sockets_are_bounded(
    application: Interface, layer: InMemoryChannelLayer, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {
        "RESUME_TIME": 30,
        "RESUME_BYTES": 10_000,
        "ALL_RESUME_BYTES": 20_000,
    }
    clients = [await lived(application) for _ in range(8)]
    for number in range(40):
        send_to_room(layer, f"{number} {'x' * 400}")
    await clients[-1].until(lambda: len(clients[-1].counted) == 40)
    assert application.resumables.replays.taken <= 20_000
    for client in clients:
        await client.lost(1000)
    assert application.resumables.replays.taken == 0


async def test_without_the_setting_the_offer_is_only_stripped(
    application: Interface, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {}
    client = Client(application, V1, "resume")
    await client.until(lambda: client.events)
    assert client.events[0]["subprotocol"] == V1
    client.send("a")
    await client.until(lambda: client.frames == ["echo a"])
    await client.lost(1006)
    plain = Client(application, "board", "resume")
    await plain.until(lambda: plain.events)
    assert plain.events[0]["subprotocol"] is None
    await plain.lost(1006)


async def test_nothing_waits_for_a_socket_that_did_not_ask(
    application: Interface, consumers: Consumers
) -> None:
    client = Client(application, V1)
    await client.until(lambda: client.events)
    await client.lost()
    await consumers.until(lambda: consumers.values("disconnect"))
    assert client.frames == []


async def test_a_handshake_without_workers_may_be_tried_again(
    application: Interface,
    consumers: Consumers,
    settings: Settings,
    workers: WorkerGroup,
    layer: InMemoryChannelLayer,
) -> None:
    settings.CHANNEL_WORKERS = {"RESUME_TIME": 30, "HANDSHAKE_TIMEOUT": 0.3}
    first = await lived(application, "a")
    await first.lost()
    workers.stop()
    assert await asyncio.to_thread(workers.join, 30)
    for _ in range(3):
        await Client(application, V1, first.resume()).refused()
    again = WorkerGroup(layer, n_threads=1, router=consumers.router())
    again.start()
    try:
        second = await Client(application, V1, first.resume()).answered()
        assert second.answer["resumed"]
        await second.lost(1000)
        await consumers.until(lambda: consumers.values("disconnect"))
    finally:
        again.stop()
        assert await asyncio.to_thread(again.join, 30)


async def test_expiry_stays_with_the_connection(
    application: Interface, back: Interface, consumers: Consumers, layer: InMemoryChannelLayer
) -> None:
    first = await lived(application, "a")
    Group("room", channel_layer=layer).send({"expires": 4_000_000_000.0, "text": "longer"})
    await first.until(lambda: len(first.frames) == 4)
    assert first.counted == ["echo a", "longer"]
    renewed = json.loads(first.frames[-1])
    assert ".4000000000." in renewed["token"]
    await first.lost()
    second = await Client(back, V1, f"resume.{renewed['token']}.2").answered()
    assert second.answer["resumed"]
    assert ".4000000000." in second.answer["token"]
    Group("room", channel_layer=layer).send({"expires": time.time() + 0.3})
    assert await second.closed() == TOKEN_EXPIRED
    await consumers.until(lambda: consumers.values("disconnect"))
    third = await Client(back, V1, second.resume()).answered()
    assert not third.answer["resumed"]
    await third.lost(1000)


@pytest.mark.parametrize("token", ["", "of nothing"])
async def test_a_layer_that_is_away_leaves_nothing_behind(
    application: Interface,
    layer: InMemoryChannelLayer,
    monkeypatch: pytest.MonkeyPatch,
    token: str,
) -> None:
    async def fail(*arguments: object) -> None:
        raise LayerUnavailable("away")

    first = await lived(application)
    offer = f"resume.{first.answer['token']}.0" if token else "resume"
    await first.lost(1000)
    await asyncio.wait_for(application.drain_ended(), 10)
    monkeypatch.setattr(layer, "attach", fail)
    before = len(application.resumables.replays._known)
    for _ in range(3):
        client = Client(application, V1, offer)
        with pytest.raises(LayerUnavailable):
            await client.answered()
    assert len(application.resumables.replays._known) == before
