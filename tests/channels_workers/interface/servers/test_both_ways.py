"""Handshakes past the HTTP parsers end as through them: same scope, same answer."""

import asyncio
import logging
import re
from collections.abc import Iterator
from typing import Any

import daphne.http_protocol
import daphne.server
import pytest
from daphne.ws_protocol import WebSocketFactory
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from channels_workers.interface.http.bodies import Bodies
from channels_workers.interface.servers.daphne.requests import judge_requests
from channels_workers.interface.servers.upgrades import read_upgrade
from channels_workers.interface.servers.uvicorn.heads import BoundedHead
from tests.channels_workers.interface.servers.test_upgrades import REQUIRED, Transport

#: What a handshake ends in: the scopes of its applications, the answer, and whether it is closed.
End = tuple[list[Any], bytes, bool]

#: The most headers that a generated handshake changes, and how many are tried.
CHANGES, EXAMPLES = 4, 40

#: What differs from answer to answer.
MOMENT = re.compile(rb"(?i)date: [^\r]*\r\n")


class Application:
    """Accepts each socket, and notes its scope."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await receive()
            offered = scope["subprotocols"]
            await send({"type": "websocket.accept", "subprotocol": (offered or [None])[-1]})
            await receive()


async def by_uvicorn(data: bytes, ws: str, is_lazy: bool) -> End:
    kind: Any = type("Bounded", (BoundedHead, H11Protocol), {"is_lazy": is_lazy})
    application = Application()
    options: Any = {"ws": ws, "interface": "asgi3", "root_path": "/root", "log_config": None}
    config = Config(application, **options)
    config.load()
    config.loaded_app = application
    transport = Transport()
    loop = asyncio.get_running_loop()
    made = kind(config=config, server_state=ServerState(), app_state={}, _loop=loop)
    transport.protocol = made
    made.connection_made(transport)
    made.data_received(data)
    for _ in range(8):
        await asyncio.sleep(0)
    answer = transport.written, transport.is_closed
    transport.protocol.connection_lost(None)
    await asyncio.sleep(0)
    return application.scopes, MOMENT.sub(b"", answer[0]), answer[1]


class Wire(StringTransport):
    """A connection that takes everything after its end, as those of Twisted do."""

    def _checkState(self) -> None:  # noqa: N802
        """Twisted's own would raise."""

    def unregisterProducer(self) -> None:  # noqa: N802
        """Twisted's own would raise without one."""
        self.producer = None


async def by_daphne(kind: Any, data: bytes) -> End:
    application = Application()
    server = daphne.server.Server(
        application,
        endpoints=["unused"],
        root_path="/root",
        proxy_forwarded_address_header="X-Forwarded-For",
        proxy_forwarded_proto_header="X-Forwarded-Proto",
    )
    server.connections = {}
    factory = kind(server)
    factory.reactor = Clock()
    server.ws_factory = WebSocketFactory(server, server=server.server_name)
    server.ws_factory.setProtocolOptions(openHandshakeTimeout=0, allowNullOrigin=True)
    transport: Any = Wire()  # type: ignore[no-untyped-call]
    transport.protocol = factory.buildProtocol(transport.getPeer())
    transport.protocol.makeConnection(transport)
    transport.protocol.dataReceived(data)
    for _ in range(8):
        await asyncio.sleep(0)
    answer = MOMENT.sub(b"", transport.value())
    tasks = [
        known["application_instance"]
        for known in server.connections.values()
        if "application_instance" in known
    ]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return application.scopes, answer, bool(transport.disconnecting)


visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=8)
printable = st.text(st.sampled_from('\t ,;:="%/?#\\ab1\x85\xe4\x0b\x0c\x1c\x7f\0\r\n'), max_size=8)
names = st.sampled_from(
    [
        "X-A",
        "x_b",
        "Daphne-Root-Path",
        "X-Forwarded-For",
        "Cookie",
        "Content-Length",
        "X-Forwarded-Proto",
        "Expect",
        "Origin",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Key",
        "Upgrade",
        "Host",
        "Connection",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Origin",
        "Keep-Alive",
        "TE",
        "HTTP2-Settings",
    ]
)
values = printable | st.sampled_from(
    [
        "",
        "a",
        "null",
        "http://a.example",
        "https://127.0.0.1:80",
        "file://",
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=8, x",
        "chat",
        "a, b,,c",
        "a%2Cb",
        "%00",
        "8",
        "13, 8",
        "0",
        "a:b:c",
        "a:99999",
        "[::1]:80",
        "upgrade",
        "keep-alive,Upgrade ",
        "close, upgrade",
        "WebSocket",
        "websocket, h2c",
        "1.2.3.4, 5",
    ]
)
changes = st.lists(st.tuples(names, values), max_size=CHANGES)
targets = st.builds(
    lambda path, mark: f"/{path}{mark}",
    visible,
    st.sampled_from(
        ["", "?", "?a=%20&b=?", "%00", "%C3%A4/%ff", "//x/", "/../x", "#f", ";p=1", "?a#b"]
    ),
)


@st.composite
def heads(draw: Any) -> bytes:
    """Handshakes that need no parser, right ones and wrong ones."""
    headers = dict(REQUIRED)
    headers.update(draw(changes))
    items = draw(st.permutations(list(headers.items())))
    lines = [f"{name}:{draw(st.sampled_from([' ', '', '  ']))}{value}" for name, value in items]
    data = "\r\n".join([f"GET {draw(targets)} HTTP/1.1", *lines, "", ""]).encode("latin-1")
    assume(read_upgrade(data))
    return data


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """Give uvicorn's loggers back."""
    levels = {name: logging.getLogger(name).level for name in ("uvicorn.error", "uvicorn.access")}
    yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture(scope="module")
def judged() -> Iterator[Any]:
    """Daphne's factory of connections as the interface server changes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(daphne.server, "HTTPFactory", daphne.http_protocol.HTTPFactory)
        judge_requests(Bodies())
        yield daphne.server.HTTPFactory


several = settings(max_examples=EXAMPLES, deadline=None)


@pytest.mark.parametrize("ws", ["websockets-sansio", "wsproto"])
@several
@given(data=heads())
def test_both_ways_of_uvicorn_end_alike(ws: str, data: bytes) -> None:
    with asyncio.Runner() as runner:
        slow, fast = (runner.run(by_uvicorn(data, ws, is_lazy)) for is_lazy in (False, True))
    assert fast == slow


@several
@given(data=heads())
def test_both_ways_of_daphne_end_alike(judged: Any, data: bytes) -> None:
    kinds = daphne.http_protocol.HTTPFactory, judged
    with asyncio.Runner() as runner:
        slow, fast = (runner.run(by_daphne(kind, data)) for kind in kinds)
    assert fast == slow
