"""Somebody with a browser's cookies who comes by https through a proxy."""

import socket
import ssl
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from pathlib import Path

from websockets.sync.client import connect
from websockets.typing import Origin

from labs.harness.server import Person
from labs.harness.visitor import PASSWORD


@dataclass
class Answer:
    """What came for a request."""

    status: int
    headers: Message
    body: str


class Visitor:
    """Asks `host`, which is at `port` of this machine and has that certificate.

    `address` is where the visitor comes from; any of 127.0.0.0/8 will do. `prefix` is what all
    paths of the site begin with.
    """

    def __init__(
        self,
        host: str,
        port: int,
        certificate: Path,
        address: str = "127.0.0.1",
        prefix: str = "",
    ) -> None:
        self.host, self.port, self.address, self.prefix = host, port, address, prefix
        self.context = ssl.create_default_context(cafile=certificate)
        # In 1.3 the server speaks of sessions just as the client writes its request, and the thread
        # of the socket reads that: before Python 3.13 nothing keeps the two apart.
        self.context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.cookies: dict[str, str] = {}

    @property
    def origin(self) -> str:
        return f"https://{self.host}"

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        """Send a request; redirects are not followed. `X_Name` is the header X-Name."""
        connection = HTTPConnection(self.host)
        connection.sock = self.context.wrap_socket(self._connect(), server_hostname=self.host)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, {**self._cookie_header(), **given})
            response = connection.getresponse()
            for line in response.headers.get_all("Set-Cookie", []):
                self.cookies |= {name: one.value for name, one in SimpleCookie(line).items()}
            return Answer(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def post(self, path: str, **fields: str) -> Answer:
        """Send a form, as a page would."""
        # A cookie may have a prefix that binds it to its host.
        tokens = [value for name, value in self.cookies.items() if name.endswith("csrftoken")]
        body = urllib.parse.urlencode(fields | {"csrfmiddlewaretoken": "".join(tokens)})
        kind = "application/x-www-form-urlencoded"
        return self.ask("POST", path, body, Origin=self.origin, Content_Type=kind)

    def sign_up(self, name: str) -> Answer:
        """Make an account and be logged in."""
        path = f"{self.prefix}/accounts/signup/"
        self.get(path)
        fields = {"username": name, "password1": PASSWORD, "password2": PASSWORD}
        return self.post(path, **fields)

    @contextmanager
    def join(self, label: str) -> Iterator[Person]:
        """Visit the room, which makes it, and open its socket, as a page would."""
        assert self.get(f"{self.prefix}/{label}/").status == 200
        with connect(
            f"wss://{self.host}{self.prefix}/chat/{label}/",
            sock=self._connect(),
            ssl=self.context,
            origin=Origin(self.origin),
            additional_headers=self._cookie_header(),
            open_timeout=30,
        ) as connection:
            yield Person(connection)

    def _connect(self) -> socket.socket:
        return socket.create_connection(
            ("127.0.0.1", self.port), timeout=60, source_address=(self.address, 0)
        )

    def _cookie_header(self) -> Mapping[str, str]:
        values = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"Cookie": values} if values else {}
