"""New connections of Daphne; `tests/processes/test_handshakes.py` has handshakes of a real one."""

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from channels_workers.conf import configuration
from channels_workers.interface.servers.daphne.entries import Entry, can_enter
from tests.channels_workers.interface.servers.test_upgrades import handshake


class Taker(Protocol):
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.data = b""
        self.waited = 0.0
        self.is_late = False

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Keep *data*."""
        self.data += data

    def timeoutConnection(self) -> None:  # noqa: N802
        """Note the end of its time."""
        self.is_late = True


class Entered:
    """An entry, with the two protocols that it can hand its connection to."""

    def __init__(self, takes_sockets: bool = True) -> None:
        self.clock = Clock()
        self.http, self.websocket = Taker(), Taker()
        build = (lambda address: self.websocket) if takes_sockets else (lambda address: None)
        server = SimpleNamespace(ws_factory=SimpleNamespace(buildProtocol=build))
        factory = SimpleNamespace(reactor=self.clock, server=server)
        assert can_enter(factory)
        self.transport: Any = StringTransport()  # type: ignore[no-untyped-call]
        self.entry = Entry(factory, lambda: self.http)
        self.entry.makeConnection(self.transport)  # type: ignore[no-untyped-call]


async def test_a_handshake_goes_to_the_websocket() -> None:
    entered = Entered()
    entered.entry.dataReceived(handshake("/a/?b=1&c=?"))
    assert entered.transport.protocol is entered.websocket
    assert entered.websocket.data.startswith(b"GET /a/?b=1&c=? HTTP/1.1\r\nhost: example.org\r\n")
    assert entered.websocket.__dict__["_raw_query_string"] == b"b=1&c=?"
    assert not entered.http.data
    assert not entered.clock.getDelayedCalls()


@pytest.mark.parametrize("takes_sockets", [True, False])
async def test_all_else_goes_to_http(takes_sockets: bool) -> None:
    entered = Entered(takes_sockets)
    data = b"GET / HT" if takes_sockets else handshake()
    entered.clock.advance(1.0)
    entered.entry.dataReceived(data)
    assert entered.transport.protocol is entered.http
    assert entered.http.data == data
    assert entered.http.waited == 1.0
    assert not entered.websocket.data


async def test_a_negotiated_protocol_goes_to_http() -> None:
    entered = Entered()
    entered.transport.negotiatedProtocol = b"h2"
    entered.entry.dataReceived(handshake())
    assert entered.http.data == handshake()


async def test_a_connection_without_data_times_out() -> None:
    entered = Entered()
    entered.clock.advance(configuration().REQUEST_HEAD_TIMEOUT)
    assert entered.http.is_late


async def test_a_connection_that_ends_leaves_no_time_out() -> None:
    entered = Entered()
    entered.entry.connectionLost()
    assert not entered.clock.getDelayedCalls()


@pytest.mark.parametrize(
    "factory",
    [
        SimpleNamespace(server=SimpleNamespace(ws_factory=None)),
        SimpleNamespace(reactor=Clock()),
        SimpleNamespace(reactor=Clock(), server=SimpleNamespace()),
    ],
)
def test_a_daphne_without_the_parts_has_no_entries(factory: Any) -> None:
    assert not can_enter(factory)
