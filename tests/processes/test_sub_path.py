"""A site below a prefix, set by `--root-path`, a header or FORCE_SCRIPT_NAME.

A proxy may keep the prefix.
"""

from collections.abc import Mapping

import pytest
from websockets.sync.client import connect

from labs.harness.ports import free_port
from labs.harness.processes import Processes
from labs.harness.server import Server
from tests.conftest import StartWorker
from tests.processes.fallback_client import Fallback

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.processes.mounted"}
APPLICATION = "tests.processes.mounted_asgi:application"
PREFIX = "/talk"
ROOT = ("--root-path", PREFIX)
FORCED = {"PREFIX": PREFIX}

#: The server's options, its environment, and the prefix of its public addresses.
WAYS = {
    "daphne --root-path": (["daphne", *ROOT], {}, ["", PREFIX]),
    "uvicorn --root-path, which is for a proxy that takes it off": (["uvicorn", *ROOT], {}, [""]),
    "daphne, FORCE_SCRIPT_NAME": (["daphne"], FORCED, ["", PREFIX]),
    "uvicorn, FORCE_SCRIPT_NAME": (["uvicorn"], FORCED, ["", PREFIX]),
}


@pytest.fixture
def start_site(
    start_process: Processes, start_worker: StartWorker, chat_environment: dict[str, str]
) -> "StartSite":
    return StartSite(start_process, start_worker, {**chat_environment, **SETTINGS})


class StartSite:
    def __init__(self, process: Processes, worker: StartWorker, env: Mapping[str, str]) -> None:
        self.process, self.worker, self.env = process, worker, env

    def __call__(self, command: list[str], env: Mapping[str, str]) -> Server:
        port = free_port()
        full = [*command, "-p" if command[0] == "daphne" else "--port", str(port), APPLICATION]
        process = self.process(full, env={**self.env, **env})
        self.worker(env={**SETTINGS, **env})
        return Server(port, process.wait_until_listening(port))


def heard(server: Server, path: str, headers: Mapping[str, str] | None = None) -> list[str]:
    """What a socket sends on opening, and after a frame if workers serve it."""
    address = f"{server.socket_url}{path}"
    with connect(address, open_timeout=60, additional_headers=headers) as socket:
        first = str(socket.recv(60))
        if "class" in path:
            return [first]
        socket.send("hello")
        return [first, str(socket.recv(60))]


def heard_by_http(server: Server, path: str) -> list[str]:
    """The same of a socket over HTTP."""
    client = Fallback([server.port], path).open()
    first = client.texts(1)
    client.send("hello")
    heard = [str(text) for text in [*first, *client.texts(1)]]
    assert client.close().status == 200
    return heard


@pytest.mark.parametrize("way", WAYS)
def test_pages_and_sockets_see_the_path_after_the_prefix(way: str, start_site: StartSite) -> None:
    command, env, beginnings = WAYS[way]
    server = start_site(command, env)
    for begin in beginnings:
        assert heard(server, f"{begin}/board/") == ["/board/ /talk", "/board/"]
        assert heard_by_http(server, f"{begin}/board/") == ["/board/ /talk", "/board/"]
        assert heard(server, f"{begin}/class/") == ["/talk/class/ /talk"]
        assert server.get(f"{begin}/board/") == "/board/ /talk/board/ /talk/"
    for begin in ("", PREFIX):
        assert server.probe(f"{begin}/healthz")[0] == 200
        assert server.probe(f"{begin}/readyz")[0] == 200


def test_a_header_that_daphne_knows_sets_the_prefix_per_request(start_site: StartSite) -> None:
    server = start_site(["daphne"], {})
    headers = {"Daphne-Root-Path": PREFIX}
    assert heard(server, "/talk/board/", headers) == ["/board/ /talk", "/board/"]
    assert heard(server, "/board/", headers) == ["/board/ /talk", "/board/"]
    assert heard(server, "/board/") == ["/board/ ", "/board/"]
