"""Requests whose whole answers are compared: status, headers and body, byte for byte."""

from __future__ import annotations

import hashlib
import re
import socket
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.cookiejar import CookieJar

#: Time-out of an answer (s).
TIMEOUT = 60.0

#: Headers that are not compared, each with the reason.
NOT_COMPARED = {
    "date": "the time of the run",
    "server": "each version of Daphne has a name of its own",
}

#: The same for error pages of Django, which depend on its version.
NOT_COMPARED_OF_ERRORS = {
    "content-length": "their text is another one",
    "content-type": "Django 2.2 gives them no charset",
    "vary": "Django 2.2 has read the session for some of them",
}

#: Values that are not compared: Django 2.2 gives a file no name unless it is to be kept.
NAMED_FILE = re.compile(r"^inline; filename=")

#: Bodies with more bytes are shown by their size and digest.
SHOWN = 400

#: Secrets and times in cookies, except the time of a deleted one.
SECRET = re.compile(r"\b(sessionid|csrftoken)=[^;]+")
EXPIRES = re.compile(r"(expires)=\w{3}, \d\d[ -]\w{3}[ -](?!1970)\d{4} [\d:]{8} GMT", re.IGNORECASE)


@dataclass(frozen=True)
class Asked:
    """A request without its cookies."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Requests:
    """Requests of one client to the server at *port*, on one connection. Blocks."""

    def __init__(self, port: int, jar: CookieJar) -> None:
        self.port = port
        self._jar = jar
        self._connection: HTTPConnection | None = None

    def ask(self, asked: Asked) -> str:
        """Send a request, and describe its answer."""
        if self._connection is None:
            self._connection = HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            response = self._send(self._connection, asked).getresponse()
            answer = describe(response, response.read())
        except (OSError, HTTPException) as error:
            self._connection = None
            return f"failed {type(error).__name__}"
        self._jar.extract_cookies(response, self._request(asked))
        return answer

    def begin_to_wait(self, asked: Asked) -> Waiting:
        """Send a request on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=None)
        return Waiting(self._send(connection, asked))

    def _send(self, connection: HTTPConnection, asked: Asked) -> HTTPConnection:
        request = self._request(asked)
        self._jar.add_cookie_header(request)
        cookies = request.get_header("Cookie")
        connection.putrequest(asked.method, asked.path, skip_accept_encoding=True)
        for name, value in (*asked.headers, *([("Cookie", cookies)] if cookies else ())):
            connection.putheader(name, value)
        if asked.body or asked.method in {"POST", "PUT"}:
            connection.putheader("Content-Length", str(len(asked.body)))
        connection.endheaders(asked.body or None)
        return connection

    def _request(self, asked: Asked) -> urllib.request.Request:
        return urllib.request.Request(f"http://127.0.0.1:{self.port}{asked.path}")


class Waiting:
    """A request whose answer `read` waits for, in a thread of its own."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection
        self._socket: socket.socket = connection.sock
        self._is_left = False

    def read(self) -> str:
        """Wait for the whole answer, and describe it."""
        try:
            response = self._connection.getresponse()
            return describe(response, response.read())
        except (OSError, HTTPException) as error:
            return "left" if self._is_left else f"broken off: {type(error).__name__}"
        finally:
            self._connection.close()

    def leave(self) -> None:
        """Close the connection."""
        self._is_left = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def describe(response: HTTPResponse, body: bytes) -> str:
    """Return an answer in its form for comparison."""
    kind = response.headers.get("Content-Type", "")
    left_out = set(NOT_COMPARED)
    if response.status >= 400 and kind.startswith("text/html"):
        body = b"(an error page of Django)"  # its text depends on Django's version
        left_out |= set(NOT_COMPARED_OF_ERRORS)
    headers = [
        f"{name.lower()}: {_without_secrets(value)}"
        for name, value in response.getheaders()
        if name.lower() not in left_out and not NAMED_FILE.match(value)
    ]
    lines = [
        f"answer {response.status} {response.reason}",
        *sorted(headers),
        "",
        describe_body(body),
    ]
    return "\n".join(lines)


def describe_body(body: bytes) -> str:
    """Return *body* as text, or its size and digest if it is long."""
    if len(body) > SHOWN:
        return f"{len(body)} bytes, SHA-256 {hashlib.sha256(body).hexdigest()}"
    return body.decode(errors="backslashreplace")


def _without_secrets(value: str) -> str:
    return EXPIRES.sub(r"\1=<time>", SECRET.sub(r"\1=<secret>", value))
