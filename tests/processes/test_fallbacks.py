"""Sockets without WebSockets, on real servers: server-sent events and POST, and long poll."""

import pytest

from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.conftest import Shared
from tests.processes.fallback_client import Fallback, request

SERVERS = ("daphne", "uvicorn")
ENV = {"DJANGO_SETTINGS_MODULE": "tests.processes.fallbacks"}


@pytest.fixture(scope="module")
def servers(shared: Shared) -> dict[str, Server]:
    """One server of each kind, with a worker."""
    shared.start_worker(env=ENV)
    return {kind: shared.start_web(kind, env=ENV) for kind in SERVERS}


def seen(shared: Shared, path: str) -> list[str]:
    """The texts that consumers have received."""
    with shared.redis.client() as client:
        return [text.decode() for text in client.lrange(f"seen:{path}", 0, -1)]


def ends(shared: Shared, path: str) -> list[str]:
    """The codes of disconnects."""
    with shared.redis.client() as client:
        return [text.decode() for text in client.lrange(f"ended:{path}", 0, -1)]


@pytest.mark.parametrize("kind", SERVERS)
def test_a_conversation_by_long_poll(kind: str, servers: dict[str, Server], shared: Shared) -> None:
    client = Fallback([servers[kind].port], f"/room/poll-{kind}/").open("a", "b")
    assert client.protocol == "a"
    assert client.send("one", "two") == 2
    assert client.texts(2) == ["one", "two"]
    assert client.send({"bytes": "AAEC"}) == 3
    assert client.texts(1) == [{"bytes": "AAEC"}]
    assert client.close(3001).status == 200
    wait_for(lambda: ends(shared, client.path) == ["3001"], "the disconnect")
    assert client.ask("send", {"id": client.id, "first": 4, "frames": ["x"]}).status == 410
    assert seen(shared, client.path) == ["one", "two"]


@pytest.mark.parametrize("kind", SERVERS)
def test_a_conversation_by_events(kind: str, servers: dict[str, Server], shared: Shared) -> None:
    client = Fallback([servers[kind].port], f"/room/sse-{kind}/").open()
    with client.stream() as stream:
        headers = stream.response.headers
        assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert headers["X-Accel-Buffering"] == "no"
        client.send("one")
        assert stream.batch()["frames"] == ["one"]
        client.send("zwei\n\u2028 ü")
        assert stream.batch()["frames"] == ["zwei\n\u2028 ü"]
    client.send("three")
    with client.stream() as stream:  # cut, and begun again
        assert stream.batch() == {"first": 3, "frames": ["three"]}
        client.send("close 4321")
        end = {"code": 4321, "reason": "so"}
        assert stream.batch() == {"first": 4, "frames": ["bye"], "close": end}
        assert list(stream.lines()) == [""]
    wait_for(lambda: ends(shared, client.path) == ["4321"], "the disconnect")


def test_a_refused_handshake(servers: dict[str, Server]) -> None:
    for server in servers.values():
        assert request(server.port, "/closed/", "open", {}).status == 403
