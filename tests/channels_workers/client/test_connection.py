"""A connection with a real server: it returns, waits, gives up, and reads no faster than asked."""

import asyncio
import logging
import os
import ssl
import time
from collections.abc import Iterator
from http import HTTPStatus
from itertools import pairwise
from typing import Any

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidURI
from websockets.http11 import Response

from channels_workers.client import Closed, Connection, NotConnected, Options, State, Token
from channels_workers.client.delays import delay_after, delay_of, delay_told_by
from tests.channels_workers.client.roles import Host, soon, until

QUICK: Options = {"first_delay": 0.01, "longest_delay": 0.05, "handshake_timeout": 10.0}


def connection_to(server: Host, **options: Any) -> Connection:
    return Connection(server.url, **(QUICK | options))


async def next_state(connection: Connection, name: str) -> State:
    async for state in connection.states():
        if state.name == name:
            return state
    raise AssertionError(f"closed before it was {name}")


@pytest.fixture
def lost(caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    caplog.set_level(logging.WARNING, "channels_workers.client")
    return lambda: [one for one in caplog.records if getattr(one, "event", "") == "client_lost"]


async def test_text_and_bytes_go_both_ways(server: Host) -> None:
    async with connection_to(server) as connection:
        await soon(connection.opened())
        peer = await server.next()
        await connection.send("héllo")
        await connection.send(b"\x00\xff")
        assert [await peer.read(), await peer.read()] == ["héllo", b"\x00\xff"]
        await peer.socket.send("one")
        await peer.socket.send(b"two")
        assert [await soon(anext(connection)), await soon(anext(connection))] == ["one", b"two"]


async def test_it_returns_and_the_iteration_goes_on(server: Host, lost: Any) -> None:
    async with connection_to(server) as connection:
        for text in ("one", "two", "three"):
            peer = await server.next()
            await peer.socket.send(text)
            assert await soon(anext(connection)) == text
            await peer.cut()
        peer = await server.next()
        await until(lambda: connection.is_open)
        assert connection.state.is_resumed is False
    assert len(lost()) == 1  # an outage is logged once, though each socket lived for less than 5 s


async def test_its_states(server: Host) -> None:
    connection = connection_to(server)
    assert connection.state.name == "closed"
    seen: list[State] = []

    async def watch() -> None:
        async for state in connection.states():
            seen.append(state)

    async with connection:
        watching = asyncio.create_task(watch())
        await (await server.next()).close(4013, "retry-after: 0.01")
        await server.next()
        await until(lambda: connection.is_open)
    await soon(watching)
    names = [state.name for state in seen]
    assert names == ["connecting", "open", "lost", "connecting", "open", "closed"]
    assert (seen[2].code, seen[2].reason, seen[2].was_open) == (4013, "retry-after: 0.01", True)
    assert 0.01 <= seen[2].delay <= 0.015
    assert [seen[0].is_again, seen[3].is_again] == [False, True]
    assert seen[-1].code == 1000


async def test_it_waits_for_a_server_that_is_not_there(server: Host, lost: Any) -> None:
    await server.stop()
    async with connection_to(server) as connection:
        state = await soon(next_state(connection, "lost"))
        assert not state.was_open
        assert isinstance(state.error, OSError)
        with pytest.raises(NotConnected):
            await connection.send("x")
        await server.start()
        await soon(connection.opened())
    [line] = lost()
    assert "no handshake" in line.getMessage()


async def test_open_skips_the_delay(server: Host) -> None:
    async with connection_to(server, first_delay=300, longest_delay=300) as connection:
        await (await server.next()).cut()
        await soon(next_state(connection, "lost"))
        connection.open()
        await soon(connection.opened())


async def test_a_final_code_ends_it(server: Host) -> None:
    async with connection_to(server, final_codes=[4500]) as connection:
        peer = await server.next()
        await peer.socket.send("last")
        await peer.close(4500, "go away")
        assert await soon(anext(connection)) == "last"
        with pytest.raises(Closed, match="4500: go away") as caught:
            await soon(anext(connection))
        assert (caught.value.code, caught.value.reason) == (4500, "go away")
        with pytest.raises(Closed):
            await connection.opened()
        connection.open()
        await soon(connection.opened())
        await (await server.next()).socket.send("again")
        assert await soon(anext(connection)) == "again"


async def test_close_ends_the_iteration(server: Host) -> None:
    connection = connection_to(server)
    connection.open()
    peer = await server.next()
    reading = asyncio.create_task(anext(connection))
    await soon(connection.close(4444, "bye"))
    with pytest.raises(Closed):
        await soon(reading)
    await soon(peer.socket.wait_closed())
    assert peer.socket.close_code == 4444
    await connection.close()


async def test_a_normal_close_ends_the_loop(server: Host) -> None:
    seen = []
    async with connection_to(server) as connection:
        peer = await server.next()
        await peer.socket.send("one")
        async for data in connection:
            seen.append(data)
            await connection.close()
    assert seen == ["one"]


async def test_close_during_a_handshake(server: Host) -> None:
    async def hang() -> str:
        await asyncio.sleep(3600)
        return server.url

    connection = Connection(hang)
    connection.open()
    await asyncio.sleep(0)
    await soon(connection.close())
    assert connection.state.name == "closed"


def refusing(status: HTTPStatus, **headers: str) -> Any:
    def respond(socket: Any, request: Any) -> Response:
        fields = Headers({"Content-Length": "0", "Connection": "close"} | headers)
        return Response(status, status.phrase, fields, b"")

    return respond


async def test_a_refused_handshake_has_its_status(server: Host) -> None:
    server.respond = refusing(HTTPStatus.TOO_MANY_REQUESTS, **{"Retry-After": "7"})
    async with connection_to(server) as connection:
        state = await soon(next_state(connection, "lost"))
    assert (state.status, state.was_open) == (429, False)
    assert 7 <= state.delay <= 10.5


async def test_final_statuses(server: Host) -> None:
    server.respond = refusing(HTTPStatus.NOT_FOUND)
    async with connection_to(server, final_statuses=[404]) as connection:
        with pytest.raises(Closed):
            await soon(connection.opened())


async def test_redirects_are_not_followed(server: Host) -> None:
    location = {"Location": "ws://127.0.0.1:1/elsewhere"}
    server.respond = refusing(HTTPStatus.FOUND, **location)
    async with connection_to(server, token="secret") as connection:
        assert (await soon(next_state(connection, "lost"))).status == 302


async def test_address_protocols_headers_and_token_are_asked_for_each_time(server: Host) -> None:
    asked: list[str] = []

    async def url() -> str:
        asked.append("url")
        return f"{server.url}?n={len(asked)}"

    options: Any = {
        "protocols": lambda: [f"p{len(asked)}"],
        "headers": lambda: {"Origin": "https://example.com"},
        "token": lambda: f"token-{len(asked)}",
    }
    async with Connection(url, **(QUICK | options)):
        for n in (0, 1):
            peer = await server.next()
            assert peer.socket.request is not None
            assert peer.socket.request.path == f"/?n={n + 1}"
            assert peer.offered == [f"p{n}"]
            assert peer.headers["Origin"] == "https://example.com"
            assert peer.headers["Authorization"] == f"Bearer token-{n}"
            await peer.cut()


async def test_a_token_function_that_fails_is_asked_again(server: Host, lost: Any) -> None:
    answers = iter([ValueError("https://id.example.com/?secret=x"), "good"])

    def token() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with connection_to(server, token=token):
        assert (await server.next()).headers["Authorization"] == "Bearer good"
    [line] = lost()
    assert line.getMessage().startswith("The connection is lost (no handshake: ValueError")
    assert line.exc_info is not None


@pytest.mark.parametrize("token", ["two words", "new\r\nline", "", "ümlaut"])
async def test_a_token_cannot_add_headers(server: Host, token: str) -> None:
    async with connection_to(server, token=token) as connection:
        state = await soon(next_state(connection, "lost"))
    assert isinstance(state.error, ValueError)
    assert server.n_handshakes == 0


async def test_a_refused_token_is_replaced_once(server: Host) -> None:
    async with connection_to(server, token=lambda: "t") as connection:
        for _ in range(2):
            await (await server.next()).close(4021)
        with pytest.raises(Closed, match="4021"):
            await soon(anext(connection))
    assert server.n_handshakes == 2


async def test_a_refused_fixed_token_is_final(server: Host) -> None:
    async with connection_to(server, token="t") as connection:
        await (await server.next()).close(4021)
        with pytest.raises(Closed, match="4021"):
            await soon(anext(connection))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels_workers.client.link.TOKEN_PAUSE", 0.05)


@pytest.mark.usefixtures("impatient")
async def test_the_token_is_renewed_before_it_expires(server: Host) -> None:
    begun = time.time()

    async def token() -> Token:
        return Token(f"t{int((time.time() - begun) * 1000)}", time.time() + 1.0)

    async with connection_to(server, token=token) as connection:
        peer = await server.next()
        for _ in range(2):
            frame = await peer.receive()
            assert frame["type"] == "channels_workers.token"
            assert int(frame["token"][1:]) > 500
            await peer.send(type="channels_workers.token", expires=time.time() + 1.0)
        await peer.socket.send("after")
        assert await soon(anext(connection)) == "after"  # the answers are not for the application


async def test_a_server_cannot_make_it_ask_for_tokens_without_end(
    server: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels_workers.client.link.TOKEN_PAUSE", 0.2)
    asked: list[float] = []

    def token() -> str:
        asked.append(time.monotonic())
        return "t"

    async with connection_to(server, token=token):
        peer = await server.next()
        for _ in range(3):
            for _ in range(50):
                await peer.send(type="channels_workers.token", seconds=0.01, expires=1)
            assert (await peer.receive())["token"] == "t"
    assert len(asked) == 4
    assert all(after - before >= 0.19 for before, after in pairwise(asked))


@pytest.mark.usefixtures("impatient")
async def test_a_failed_renewal_is_tried_again(
    server: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("channels_workers.client.link.RENEW_AGAIN", 0.01)
    answers = iter([Token("one", time.time() + 0.1), None, "two"])

    def token() -> Any:
        return next(answers) or 1 / 0

    async with connection_to(server, token=token):
        peer = await server.next()
        assert (await peer.receive())["token"] == "two"
    assert "client_token_failed" in [getattr(one, "event", "") for one in caplog.records]


async def test_a_reader_that_stops_slows_the_server_and_loses_nothing(server: Host) -> None:
    async with connection_to(server, queue_size=5) as connection:
        peer = await server.next()
        text = os.urandom(100_000).hex()  # which no compression makes small
        sending = asyncio.gather(*(peer.socket.send(f"{n} {text}") for n in range(120)))
        await until(lambda: len(connection._queue) == 5)
        await until(lambda: peer.socket.transport.get_write_buffer_size() > 0)
        assert not sending.done()  # 24 MB do not fit anywhere
        assert len(connection._queue) == 5
        for n in range(120):
            data = await soon(anext(connection))
            assert isinstance(data, str)
            assert data.startswith(f"{n} ")
        await soon(sending)


async def test_it_can_be_closed_while_nobody_reads(server: Host) -> None:
    async with connection_to(server, queue_size=1, close_timeout=0.5) as connection:
        peer = await server.next()
        sending = asyncio.create_task(peer.socket.send("x" * 1_000_000))
        for _ in range(60):
            await peer.socket.send("x" * 1_000)
        await until(lambda: connection._queue.is_full)
        await soon(connection.close())
        sending.cancel()


async def test_a_frame_that_is_too_large_ends_the_socket(server: Host) -> None:
    async with connection_to(server, frame_size=1_000) as connection:
        peer = await server.next()
        await peer.socket.send("x" * 2_000)
        await soon(peer.socket.wait_closed())
        assert peer.socket.close_code == 1009
        await server.next()
        await soon(connection.opened())


async def test_a_silent_server_is_noticed(server: Host) -> None:
    """Its process is frozen, say: the socket is open, and no pong comes."""
    options = {"ping_interval": 0.05, "ping_timeout": 0.1, "close_timeout": 0.1}
    async with connection_to(server, **options):
        peer = await server.next()
        peer.socket.transport.pause_reading()
        await server.next()
        peer.socket.transport.abort()


async def test_restart_replaces_the_socket(server: Host) -> None:
    async with connection_to(server) as connection:
        await server.next()
        await soon(connection.opened())
        connection.restart()
        await server.next()


def test_a_wrong_address_or_option_is_reported_at_once() -> None:
    with pytest.raises(InvalidURI):
        Connection("https://example.com/")
    with pytest.raises(TypeError, match="'first_dely'"):
        Connection("ws://example.com/", first_dely=1)  # type: ignore[call-arg]


async def test_options_of_websockets(server: Host) -> None:
    context = ssl.create_default_context()
    async with connection_to(server, connect={"ssl": context}) as connection:
        state = await soon(next_state(connection, "lost"))
        assert "ssl argument is incompatible" in str(state.error)


def test_delays() -> None:
    for failures in range(2_000):
        whole = min(30.0, 2.0 ** min(failures, 10))
        assert whole / 2 <= delay_after(failures, 1.0, 30.0) <= whole
    assert 2 <= (delay_told_by("retry-after: 2") or 0) <= 3
    assert 3600 <= (delay_told_by("retry-after: 1e300") or 0) <= 5400
    for reason in ("", "retry-after: ", "retry-after: soon", "retry-after: nan", "later"):
        assert delay_told_by(reason) is None
    for text in (None, "", "-1", "Wed, 21 Oct 2015 07:28:00 GMT", "inf-"):
        assert delay_of(text) is None
