"""A browser without a screen: pages, forms, cookies and sockets, with or without TLS."""

from __future__ import annotations

import socket
import ssl
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from labs.harness.server import Person, Server

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Answer:
    """The answer to a request for *path*."""

    path: str
    status: int
    headers: Message
    content: bytes

    @property
    def body(self) -> str:
        """The decoded content."""
        return self.content.decode()

    @property
    def led_to(self) -> str:
        """The target path of a redirect, otherwise the requested path."""
        return urllib.parse.urlsplit(self.headers.get("Location", self.path)).path


class Visitor:
    """Keeps the cookies of a site, submits forms like its pages, and opens sockets.

    The site is called *host* and listens on *port* of this machine: with TLS if there is a
    *certificate*, and without TLS on *plain_port*. The visitor connects from *address*, any of
    127.0.0.0/8. All paths of the site begin with *prefix*. *timeout* is the time-out (s).
    """

    def __init__(
        self,
        host: str,
        port: int,
        certificate: Path | None = None,
        address: str = "127.0.0.1",
        prefix: str = "",
        *,
        plain_port: int = 0,
        timeout: float = 60.0,
    ) -> None:
        self.host, self.port, self.plain_port = host, port, plain_port
        self.address, self.prefix, self.timeout = address, prefix, timeout
        self.context = trusting(certificate) if certificate else None
        self.jar: dict[str, Morsel[str]] = {}

    @classmethod
    def of(cls, server: Server) -> Self:
        """A visitor of a local server, without TLS."""
        return cls(f"127.0.0.1:{server.port}", server.port)

    def go_to(self, server: Server) -> None:
        """Move to another server of this machine and keep the cookies."""
        self.host, self.port = f"127.0.0.1:{server.port}", server.port

    @property
    def origin(self) -> str:
        """The origin of the site's pages."""
        return f"{'https' if self.context else 'http'}://{self.host}"

    @property
    def cookies(self) -> dict[str, str]:
        """The value of each cookie."""
        return {name: one.value for name, one in self.jar.items()}

    @property
    def headers(self) -> dict[str, str]:
        """The cookies as a header, for sockets too."""
        values = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"Cookie": values} if values else {}

    # Pages

    def ask(
        self,
        method: str,
        path: str,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        plain: bool = False,
    ) -> Answer:
        """Send a request without following redirects. *plain*: without TLS."""
        connection = HTTPConnection(self.host)
        connection.sock = self._connect(plain)
        try:
            connection.request(method, path, body, {**self.headers, **(headers or {})})
            response = connection.getresponse()
            self._keep(response.headers)
            return Answer(path, response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """Request a page. `X_Name` is the header X-Name."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("GET", path, headers=named)

    def post(self, path: str, **fields: str) -> Answer:
        """Submit a form as a page does."""
        # A cookie name may have a prefix that binds it to its host.
        tokens = [value for name, value in self.cookies.items() if name.endswith("csrftoken")]
        body = urllib.parse.urlencode(fields | {"csrfmiddlewaretoken": "".join(tokens)})
        kind = "application/x-www-form-urlencoded"
        return self.ask("POST", path, body, {"Origin": self.origin, "Content-Type": kind})

    def sign_up(self, name: str) -> Answer:
        """Create an account, which also logs in."""
        path = f"{self.prefix}/accounts/signup/"
        self.get(path)
        return self.post(path, username=name, password1=PASSWORD, password2=PASSWORD)

    def _keep(self, headers: Message) -> None:
        for line in headers.get_all("Set-Cookie", []):
            for name, cookie in SimpleCookie(line).items():
                if cookie.value and cookie["max-age"] != "0":
                    self.jar[name] = cookie
                else:
                    self.jar.pop(name, None)

    # Sockets

    @contextmanager
    def join(self, label: str, origin: str = "") -> Iterator[Person]:
        """Visit the room, which creates it, and open its socket as a page does."""
        visited = self.get(f"{self.prefix}/{label}/")
        assert visited.status == 200, visited
        with self.connect(f"{self.prefix}/chat/{label}/", origin) as opened:
            yield Person(opened)

    def connect(self, path: str, origin: str = "") -> ClientConnection:
        """Open a socket as a page of *origin* does, by default of the site itself."""
        secure: dict[str, Any] = {"ssl": self.context} if self.context else {}
        opened: ClientConnection = connect(
            self.origin.replace("http", "ws", 1) + path,
            sock=self._line(self.port),
            origin=Origin(origin or self.origin),
            additional_headers=self.headers,
            open_timeout=self.timeout,
            ping_interval=None,
            max_size=None,
            **secure,
        )
        return opened

    def _connect(self, plain: bool) -> socket.socket:
        line = self._line(self.plain_port if plain else self.port)
        if self.context is None or plain:
            return line
        return self.context.wrap_socket(line, server_hostname=self.host)

    def _line(self, port: int) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port), self.timeout, (self.address, 0))


def trusting(certificate: Path) -> ssl.SSLContext:
    """A TLS context that trusts this certificate alone."""
    context = ssl.create_default_context(cafile=certificate)
    # In TLS 1.3 the server sends session tickets while the client writes its request, and the
    # socket's thread reads them: before Python 3.13 nothing synchronises the two.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context
