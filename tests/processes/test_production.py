"""A deployment as on a platform: build, release, web and worker, with DEBUG off."""

import shutil
import socket
import sys
from contextlib import closing
from email.message import Message
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from labs.harness.ports import free_port
from labs.harness.processes import Processes
from labs.harness.procfile import shell_command
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer
from labs.harness.server import Person, Server
from labs.harness.waiting import wait_for

DEPLOYED = ("channels_workers", "chat", "chat_project", "manage.py", "Procfile")
HOST = "chat.herokuapp.com"
# Headers that the platform's router adds.
ROUTER = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}


@pytest.fixture
def deployment(tmp_path: Path) -> Path:
    """A copy of the production files, because a build writes next to them."""
    folder = tmp_path / "a deployment"
    folder.mkdir()
    for name in DEPLOYED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name)
        else:
            shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture
def production(redis_server: RedisServer, tmp_path: Path) -> dict[str, str]:
    return {
        "DEBUG": "0",
        "SECRET_KEY": "a-secret-key-for-this-test-alone-that-is-long-enough-0123456789",
        "ALLOWED_HOSTS": ".herokuapp.com",
        "REDIS_URL": redis_server.url,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'production.sqlite3'}",
        "PORT": str(free_port()),
    }


def visit(server: Server, path: str) -> str:
    """The body of a page, requested as the platform's router does."""
    return ask(server, path)[2]


def ask(server: Server, path: str, **headers: str) -> tuple[int, Message, str]:
    """Status, headers and body of a response, without following redirects."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", path, headers={**ROUTER, "Host": HOST, **headers})
    with closing(connection), connection.getresponse() as response:
        return response.status, response.headers, response.read().decode()


def check_headers(server: Server) -> None:
    """Check the security headers of production."""
    status, headers, _ = ask(server, "/lobby/", **{"X-Forwarded-Proto": "http"})
    assert (status, headers["Location"]) == (301, f"https://{HOST}/lobby/")
    assert ask(server, "/", Host="evil.example")[0] == 400
    for path, name in (("/lobby/", "__Host-chat_guest"), ("/accounts/login/", "__Host-csrftoken")):
        status, headers, _ = ask(server, path)
        assert status == 200
        assert headers["Strict-Transport-Security"] == "max-age=2592000"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        cookies = SimpleCookie(str(headers["Set-Cookie"]))
        assert list(cookies) == [name]
        assert all(cookies[name][key] for key in ("secure", "httponly"))
        assert (cookies[name]["samesite"], cookies[name]["path"]) == ("Lax", "/")
        assert not cookies[name]["domain"]


def test_a_production_deployment_works(
    deployment: Path, production: dict[str, str], start_process: Processes
) -> None:
    build = [sys.executable, "manage.py", "collectstatic", "--noinput"]
    for command in (build, shell_command("release")):
        process = start_process(command, env=production, cwd=deployment)
        assert process.wait() == 0, process.describe()
    web = start_process(shell_command("web"), name="web", env=production, cwd=deployment)
    start_process(shell_command("worker"), name="worker", env=production, cwd=deployment)
    port = int(production["PORT"])
    server = Server(port, web.wait_until_listening(port))
    wait_for(lambda: server.probe("/readyz")[0] == 200, "readiness, over http and by no name")

    assert "<title>" in visit(server, "/lobby/")
    check_headers(server)
    socket_url = f"ws://{HOST}/chat/lobby/"
    with connect(
        socket_url,
        sock=socket.create_connection(("127.0.0.1", port)),
        origin=Origin(f"https://{HOST}"),
        additional_headers=ROUTER,
        open_timeout=60,
    ) as connection:
        ann = Person(connection)
        ann.say("hello")
        assert ann.hear()["message"] == "hello"
    with pytest.raises(InvalidStatus, match="403"):
        connect(
            socket_url,
            sock=socket.create_connection(("127.0.0.1", port)),
            origin=Origin("https://elsewhere.example.com"),
            additional_headers=ROUTER,
            open_timeout=60,
        )
