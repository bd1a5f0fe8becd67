"""Tokens with real servers and workers: each way of transport, expiry, renewal, and the logs."""

import base64
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast
from urllib.error import HTTPError

import jwt
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from channels_workers.bearer import wire
from channels_workers.interface.close_codes import TOKEN_EXPIRED, TOKEN_REFUSED
from labs.harness.commands import run
from labs.harness.ports import free_port
from labs.harness.processes import Process
from labs.harness.procfile import in_shell, server_line
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer
from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.conftest import Shared, StartWeb, StartWorker
from tests.processes.test_handshakes import RIGHT
from tests.processes.test_requests import head, line, read_all
from tests.processes.tokens import ENDED, GO, SECRET

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.processes.tokens"}

#: The server, and for uvicorn its WebSocket implementation.
WAYS = ("daphne", "websockets-sansio", "websockets", "wsproto")

#: How much later than its token a socket may end (s).
LATE = 2.0

MAKE_USERS = """
from django.contrib.auth import get_user_model
from channels_workers.tokens import issue
for name in ("ann", "bob"):
    user = get_user_model().objects.create_user(name)
    print(f"{name} {user.pk} {issue(user, 3600)}")
"""


class Site:
    """Servers and a worker. `tokens` are all tokens that were made, for the logs."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.redis = shared.redis
        self.tokens: list[str] = []
        self.processes: list[Process] = []
        self.servers: dict[str, Server] = {}
        environment = {**shared.environment, **SETTINGS}
        shell = (sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", MAKE_USERS)
        lines = run(*shell, cwd=ROOT, env=environment).decode().splitlines()
        users = [each.split() for each in lines if each.startswith(("ann ", "bob "))]
        self.ids = {name: key for name, key, _ in users}
        self.signed = {name: token for name, _, token in users}
        self.tokens += self.signed.values()
        self.start_worker()

    def start_worker(self) -> Process:
        self.processes.append(self.shared.start_worker(env=SETTINGS))
        return self.processes[-1]

    def server(self, way: str) -> Server:
        """The server of that kind, which is started once."""
        if way not in self.servers:
            self.servers[way] = self.start_server(way)
        return self.servers[way]

    def start_server(self, way: str) -> Server:
        port, kind = free_port(), "daphne" if way == "daphne" else "uvicorn"
        environment = {**self.shared.environment, **SETTINGS, "PORT": str(port), "UVICORN_WS": way}
        access = " --access-log - -v 3" if kind == "daphne" else ""
        command = in_shell(server_line(kind).replace(" --access-log /dev/null", "") + access)
        process = self.shared.start_process(command, name=way, env=environment)
        self.processes.append(process)
        return Server(port, process.wait_until_listening(port), kind)

    def token(self, name: str = "ann", seconds: float = 3600, **claims: Any) -> str:
        """A JWT of that user."""
        content = {"sub": self.ids[name], "exp": time.time() + seconds, **claims}
        token = jwt.encode(content, SECRET)
        self.tokens.append(token)
        return token

    def require_clean_logs(self) -> None:
        """AssertionError if any process has logged any of the tokens."""
        forms: list[Callable[[str], str]] = [str, wire.to_subprotocol]
        for process in self.processes:
            output = process.output
            for token in self.tokens:
                for form in forms:
                    assert form(token)[:60] not in output, process.name


@pytest.fixture(scope="module")
def site(shared: Shared) -> Iterator[Site]:
    """The site of all tests. At its end no log may have a token of any of them."""
    made = Site(shared)
    yield made
    for process in made.processes:
        process.stop()
    made.require_clean_logs()


def subprotocols(*tokens: str) -> list[Subprotocol]:
    hidden = [Subprotocol(wire.to_subprotocol(token)) for token in tokens]
    return [Subprotocol(wire.SUBPROTOCOL), *hidden]


@contextmanager
def opened(server: Server, path: str = "/echo/", **options: Any) -> Iterator[ClientConnection]:
    # uvicorn leaves it to the client to end the connection after the close frames.
    given = {"open_timeout": 60, "close_timeout": 1, "ping_interval": None, "max_size": None}
    given |= options
    with connect(f"{server.socket_url}{path}", **given) as socket:
        yield socket


def echo(socket: ClientConnection, text: str = "hello") -> str:
    """The name of the user."""
    socket.send(text)
    name, colon, echoed = str(socket.recv(60)).partition(": ")
    assert (colon, echoed) == (": ", text)
    return name


def close_code(socket: ClientConnection) -> int:
    """The code with which the server closes it."""
    with suppress(ConnectionClosed):
        for _ in socket:
            """Drop the frames before it."""
    assert socket.close_code is not None
    return socket.close_code


ON_EACH = pytest.mark.parametrize("way", WAYS)


@ON_EACH
def test_a_subprotocol_carries_the_token_and_the_answer_does_not(way: str, site: Site) -> None:
    for token in (site.token(), site.signed["ann"]):
        with opened(site.server(way), subprotocols=subprotocols(token)) as socket:
            assert echo(socket) == "ann"
            assert socket.subprotocol == wire.SUBPROTOCOL
            assert "token." not in str(socket.response)


@ON_EACH
def test_a_header_carries_the_token(way: str, site: Site) -> None:
    headers = {"Authorization": f"Bearer {site.token('bob')}"}
    with opened(site.server(way), additional_headers=headers) as socket:
        assert echo(socket) == "bob"


@ON_EACH
def test_the_first_frame_carries_the_token(way: str, site: Site) -> None:
    with opened(site.server(way), "/first/") as socket:
        socket.send(wire.to_frame(site.signed["ann"]))
        socket.send("at once")
        answer = json.loads(socket.recv(60))
        assert answer["type"] == wire.FRAME_TYPE
        assert answer["expires"] > time.time()
        assert socket.recv(60) == "ann: at once"
        assert echo(socket) == "ann"


@ON_EACH
def test_another_first_frame_and_a_bad_token_close_the_socket(way: str, site: Site) -> None:
    ended = count_ended(site)
    for first in ("hello", wire.to_frame("a.b.c"), wire.to_frame(site.token(seconds=-10))):
        with opened(site.server(way), "/first/") as socket:
            socket.send(first)
            assert close_code(socket) == TOKEN_REFUSED
    wait_for(lambda: count_ended(site) >= ended + 2, "the ends of those whose consumer ran")


def count_ended(site: Site) -> int:
    with site.redis.client() as client:
        return int(client.llen(ENDED))


@pytest.mark.parametrize("way", ["daphne", "websockets-sansio"])
def test_a_socket_that_sends_no_token_is_closed(way: str, site: Site) -> None:
    with opened(site.server(way), "/first/") as socket:
        assert close_code(socket) == TOKEN_REFUSED


def forged(site: Site, **header: str) -> str:
    """A token with that header, signed with nothing."""
    token = site.token()
    given = {"typ": "JWT", **header}
    first = base64.urlsafe_b64encode(json.dumps(given).encode()).decode().rstrip("=")
    return f"{first}.{token.split('.')[1]}."


@ON_EACH
def test_bad_tokens_are_refused(way: str, site: Site) -> None:
    bad = [
        site.token(seconds=-5),
        site.token()[:-4] + "AAAA",
        forged(site, alg="none"),
        jwt.encode({"sub": site.ids["ann"], "exp": time.time() + 60}, SECRET * 2, "HS512"),
        jwt.encode({"sub": site.ids["ann"]}, SECRET),
        site.token(aud="others"),
        "a:b:c",
        "x",
    ]
    site.tokens += bad[2:5]
    for token in bad:
        with (
            pytest.raises(InvalidStatus, match="403"),
            opened(site.server(way), subprotocols=subprotocols(token)),
        ):
            pass
    with (
        pytest.raises(InvalidStatus, match="403"),
        opened(site.server(way), subprotocols=subprotocols(site.token(), site.token())),
    ):
        pass


HOSTILE = {
    "a megabyte": b"token." + b"a" * 1_000_000,
    "a NUL": b"token.\x00",
    "not ASCII": b"token.\xc3\xa9\xff",
    "no base64": b"token.!!!!",
    "many": b", ".join([b"token.YWJj"] * 500),
    "long": b"token." + b"YWJj" * 3_500,
}


@ON_EACH
def test_hostile_handshakes_are_refused(way: str, site: Site) -> None:
    server = site.server(way)
    for value in HOSTILE.values():
        with line(server) as opened_line:
            request = head("/echo/", more=RIGHT)
            header = b"Sec-WebSocket-Protocol: " + value + b"\r\n"
            opened_line.sendall(request[:-2] + header + b"\r\n")
            answer = read_all(opened_line)
        assert b" 101 " not in answer
        assert value not in answer
    with opened(server, subprotocols=subprotocols(site.token())) as socket:
        assert echo(socket) == "ann"


HOSTILE_FRAMES = [
    '{"type": "channels_workers.token", "token": ' + "[" * 5000,
    '{"type": "channels_workers.token", "token": ' + "9" * 6000 + "}",
    '{"type": "channels_workers.token", "token": "a\\u0000b"}',
    '{"type": "channels_workers.token", "token": "' + "a" * 100_000 + '"}',
]


@pytest.mark.parametrize("way", ["daphne", "websockets-sansio"])
def test_hostile_frames_close_the_socket(way: str, site: Site) -> None:
    for text in HOSTILE_FRAMES:
        with opened(site.server(way), "/first/") as socket:
            socket.send(text)
            assert close_code(socket) == TOKEN_REFUSED
        with opened(site.server(way), subprotocols=subprotocols(site.token())) as socket:
            assert echo(socket) == "ann"
            socket.send(text)
            assert close_code(socket) == TOKEN_REFUSED


@pytest.mark.parametrize(
    ("way", "path"),
    [*((way, "/echo/") for way in WAYS), ("daphne", "/first/"), ("websockets-sansio", "/first/")],
)
def test_a_socket_ends_with_its_token(way: str, path: str, site: Site) -> None:
    token = site.token(seconds=4)
    expires = jwt.decode(token, options={"verify_signature": False})["exp"]
    offered = subprotocols(token) if path == "/echo/" else None
    with opened(site.server(way), path, subprotocols=offered) as socket:
        if path == "/first/":
            socket.send(wire.to_frame(token))
            assert json.loads(socket.recv(60))["expires"] == expires
        assert echo(socket) == "ann"
        assert close_code(socket) == TOKEN_EXPIRED
    assert 0 <= time.time() - expires < LATE


@pytest.mark.parametrize("way", ["daphne", "websockets-sansio"])
def test_a_new_token_keeps_the_socket_open(way: str, site: Site) -> None:
    first = site.token(seconds=4)
    expires = jwt.decode(first, options={"verify_signature": False})["exp"]
    with opened(site.server(way), subprotocols=subprotocols(first)) as socket:
        socket.send(wire.to_frame(site.token(seconds=3600)))
        assert json.loads(socket.recv(60))["expires"] > expires + 3000
        wait_for(lambda: time.time() > expires + LATE, "the end of the first token")
        assert echo(socket) == "ann"
        socket.send(wire.to_frame(site.token("bob")))
        assert close_code(socket) == TOKEN_REFUSED


@pytest.mark.parametrize("way", ["daphne", "websockets-sansio"])
def test_no_worker_is_needed_for_the_end(way: str, site: Site) -> None:
    ended = count_ended(site)
    token = site.token(seconds=4)
    expires = jwt.decode(token, options={"verify_signature": False})["exp"]
    with opened(site.server(way), "/wait/", subprotocols=subprotocols(token)) as socket:
        socket.send("before")
        socket.send("after")
        worker = next(each for each in site.processes if each.name == "worker" and each.is_running)
        worker.signal(signal.SIGKILL)
        worker.wait()
        assert close_code(socket) == TOKEN_EXPIRED
        assert 0 <= time.time() - expires < LATE
    with site.redis.client() as client:
        client.rpush(GO, "1", "1")
    site.start_worker()
    with site.redis.client() as client:  # sockets of earlier tests may end meanwhile
        expected = f"ann {TOKEN_EXPIRED}".encode()
        wait_for(
            lambda: expected in cast("list[bytes]", client.lrange(ENDED, ended, -1)),
            "the disconnect, by the next worker",
        )


def test_a_killed_server_ends_its_sockets_and_others_go_on(site: Site) -> None:
    victim = site.start_server("daphne")
    token = site.token(seconds=8)
    with (
        opened(victim, subprotocols=subprotocols(token)) as lost,
        opened(site.server("daphne"), subprotocols=subprotocols(token)) as kept,
    ):
        assert echo(lost) == echo(kept) == "ann"
        victim.process.signal(signal.SIGKILL)
        victim.process.wait()
        with pytest.raises(ConnectionClosed):
            lost.recv(60)
        with opened(site.server("daphne"), subprotocols=subprotocols(token)) as again:
            assert echo(again) == "ann"
            assert close_code(again) == TOKEN_EXPIRED
        assert close_code(kept) == TOKEN_EXPIRED


def test_an_operator_closes_all_sockets_of_a_user(site: Site) -> None:
    close = (
        "from django.contrib.auth import get_user_model\n"
        "from channels_workers.tokens import close_sockets_of\n"
        "close_sockets_of(get_user_model().objects.get(username='ann'))"
    )
    ann, bob = subprotocols(site.token()), subprotocols(site.token("bob"))
    with (
        opened(site.server("daphne"), subprotocols=ann) as first,
        opened(site.server("websockets-sansio"), subprotocols=ann) as second,
        opened(site.server("daphne"), subprotocols=bob) as third,
    ):
        environment = {**site.shared.environment, **SETTINGS}
        run(sys.executable, "manage.py", "shell", "-c", close, cwd=ROOT, env=environment)
        assert close_code(first) == close_code(second) == TOKEN_REFUSED
        assert echo(third) == "bob"


@ON_EACH
def test_a_token_in_an_address_is_not_logged(way: str, site: Site) -> None:
    server, token = site.server(way), site.signed["ann"]
    for path in (f"/echo/?x=1&token={token}", f"/echo/?access_token={token}&y=2"):
        with opened(server, path) as socket:
            assert echo(socket) == ""
        with pytest.raises(HTTPError):
            server.get(f"/nowhere{path}")
        with (
            pytest.raises(InvalidStatus),
            opened(server, path, subprotocols=subprotocols(site.token(seconds=-1))),
        ):
            pass
    wait_for(lambda: "token=***" in server.process.output, server.process.describe)


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
def test_a_socket_that_waits_for_its_token_survives_a_restart_of_redis(
    kind: str, start_web: StartWeb, start_worker: StartWorker, redis_server: RedisServer
) -> None:
    environment = {**SETTINGS, "FIRST_FRAME_TIMEOUT": "120"}
    server, worker = start_web(kind, env=environment), start_worker(env=environment)
    claims = {"sub": "1", "exp": time.time() + 3600}
    with opened(server, "/first/") as socket:
        redis_server.stop()
        redis_server.start()
        socket.send(wire.to_frame(jwt.encode(claims, SECRET)))
        assert close_code(socket) == TOKEN_REFUSED
    assert "its user does not exist" in worker.output


def send_in_each_form(server: Server, token: str) -> None:
    """Send the token in each way that a client may choose, whatever the server answers."""
    forms: list[tuple[str, dict[str, Any]]] = [
        ("/echo/", {"subprotocols": subprotocols(token)}),
        ("/echo/", {"additional_headers": {"Authorization": f"Bearer {token}"}}),
        (f"/echo/?token={token}", {}),
        ("/first/", {}),
    ]
    for path, options in forms:
        with suppress(InvalidStatus, ConnectionClosed), opened(server, path, **options) as socket:
            socket.send(wire.to_frame(token) if path == "/first/" else "hello")
            socket.recv(60)


@ON_EACH
def test_no_log_has_a_token(way: str, site: Site) -> None:
    server = site.server(way)
    for token in (site.token(), site.token(seconds=-5), site.signed["bob"]):
        send_in_each_form(server, token)
    wait_for(lambda: "/echo/" in server.process.output, server.process.describe)
    site.require_clean_logs()
