"""Somebody with a browser, who comes by the router under the name that the platform gave."""

from __future__ import annotations

import json
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from labs.harness.server import Person
from labs.harness.visitor import Visitor
from labs.rehearsal.router import HOST, Router

#: How long an answer may take (s).
PATIENCE = 300.0


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves redirects to who asked."""

    def redirect_request(self, *args: Any, **options: Any) -> None:
        """Follow none."""


class Plain(HTTPConnection):
    """Connects to the router, whatever the name."""

    router: Router

    def connect(self) -> None:
        """Open the line."""
        self.sock = socket.create_connection(("127.0.0.1", self.router.http), PATIENCE)


class Secure(HTTPSConnection):
    """The same by TLS; the certificate must be that of the name."""

    router: Router

    def connect(self) -> None:
        """Open the line."""
        line = socket.create_connection(("127.0.0.1", self.router.https), PATIENCE)
        self.sock = trusting(self.router).wrap_socket(line, server_hostname=self.host)


class ByRouter(urllib.request.HTTPSHandler, urllib.request.HTTPHandler):
    """Opens both kinds of addresses by the router."""

    def __init__(self, router: Router) -> None:
        super().__init__()
        self._router = router

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        """Open http."""
        return self.do_open(self._plain, req)

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        """Open https."""
        return self.do_open(self._secure, req)

    def _plain(self, host: str, /, **options: Any) -> Plain:
        made = Plain(host, **options)
        made.router = self._router
        return made

    def _secure(self, host: str, /, **options: Any) -> Secure:
        made = Secure(host, **options)
        made.router = self._router
        return made


def trusting(router: Router) -> ssl.SSLContext:
    """Return what verifies the router's certificate."""
    return ssl.create_default_context(cafile=router.certificate.file)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Message
    body: bytes


@dataclass(frozen=True)
class Address:
    """What a visitor takes for its server."""

    url: str


class Guest(Visitor):
    """Keeps cookies; pages and sockets are those of the app's own domain."""

    def __init__(self, router: Router) -> None:
        self.router = router
        self.server = Address(f"https://{HOST}")  # type: ignore[assignment]
        self.jar = CookieJar()
        keeps = urllib.request.HTTPCookieProcessor(self.jar)
        self.opener = urllib.request.build_opener(ByRouter(router), keeps)
        self.opener.addheaders = [("Origin", self.server.url)]

    def ask(self, path: str, scheme: str = "https", **headers: str) -> Answer:
        """Return the answer as it is, an error or a redirect too."""
        opener = urllib.request.build_opener(ByRouter(self.router), NoRedirect())
        cookies = self.headers if self.cookies else {}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"{scheme}://{HOST}{path}", headers={**cookies, **named})
        response: HTTPResponse | HTTPError
        try:
            response = opener.open(request, timeout=PATIENCE)
        except HTTPError as refused:
            response = refused
        with response:
            return Answer(response.status or 0, response.headers, response.read())

    @contextmanager
    def enter(self, room: str, origin: str = f"https://{HOST}") -> Iterator[Person]:
        """Visit a room, and open its socket as the page does."""
        self.get(f"/{room}/")
        with self.connect(f"/chat/{room}/", origin) as opened:
            yield Person(opened)

    def connect(self, path: str, origin: str) -> ClientConnection:
        """Open a socket."""
        return connect(
            f"wss://{HOST}{path}",
            sock=socket.create_connection(("127.0.0.1", self.router.https)),
            ssl=trusting(self.router),
            server_hostname=HOST,
            origin=Origin(origin),
            additional_headers=self.headers,
            open_timeout=PATIENCE,
            ping_interval=None,
            max_size=None,
        )


def say_and_hear(speaker: Person, hearers: list[Person], text: str, handle: str) -> dict[str, Any]:
    """Let somebody say something; return the frame that all heard."""
    speaker.say(text, handle=handle)
    heard = [hearer.hear_message(f"^{text}$", PATIENCE) for hearer in hearers]
    if any(frame["id"] != heard[0]["id"] for frame in heard):
        raise AssertionError(f"All must hear one message, but they heard {json.dumps(heard)}")
    return heard[0]
