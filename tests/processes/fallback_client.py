"""A client of fallback transports in Python, plain enough to repeat, race and drop its requests."""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from typing import Any

TIMEOUT = 60
HEADER = "Channels-Workers-Transport"


@dataclass
class Answer:
    """The answer to one request."""

    status: int
    headers: dict[str, str]
    content: Any


def request(
    port: int,
    path: str,
    verb: str,
    content: object,
    headers: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
) -> Answer:
    """The answer to one request, on a connection of its own."""
    with asked(port, path, verb, content, headers, timeout) as response:
        body = response.read()
        names = {name.lower(): value for name, value in response.headers.items()}
        is_json = names.get("content-type") == "application/json"
        return Answer(response.status, names, json.loads(body) if is_json else body)


@contextmanager
def asked(
    port: int,
    path: str,
    verb: str,
    content: object,
    headers: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
) -> Iterator[HTTPResponse]:
    """The response, whose body is not read yet."""
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        given = {HEADER: verb, "Content-Type": "application/json", **(headers or {})}
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        connection.request("POST", path, body, given)
        yield connection.getresponse()
    finally:
        if connection.sock is not None:
            connection.sock.close()
        connection.close()


@dataclass
class Fallback:
    """One socket. `ports` are those of the servers: each request takes the next one."""

    ports: list[int]
    path: str = "/room/one/"
    headers: dict[str, str] = field(default_factory=dict)
    id: str = ""
    protocol: str | None = None
    sent: int = 0
    after: int = 0
    turn: int = 0

    def ask(self, verb: str, content: dict[str, Any], timeout: float = TIMEOUT) -> Answer:
        """The answer of the next server."""
        port = self.next_port()
        return request(port, self.path, verb, content, self.headers, timeout)

    def next_port(self) -> int:
        self.turn += 1
        return self.ports[self.turn % len(self.ports)]

    def open(self, *protocols: str) -> "Fallback":
        answer = self.ask("open", {"protocols": protocols})
        assert answer.status == 200, answer
        self.id, self.protocol = answer.content["id"], answer.content["protocol"]
        return self

    def send(self, *frames: object, first: int = 0) -> int:
        """Send frames; return the number of the newest one that was taken."""
        first = first or self.sent + 1
        content = {"id": self.id, "first": first, "frames": frames, "ack": self.after}
        answer = self.ask("send", content)
        assert answer.status == 200, answer
        self.sent = max(self.sent, int(answer.content["received"]))
        return int(answer.content["received"])

    def send_all(self, *frames: object) -> None:
        """Send frames until all are taken."""
        first = self.sent + 1
        while (done := self.sent + 1 - first) < len(frames):
            self.send(*frames[done : done + 500])

    def poll(self) -> dict[str, Any]:
        """The answer of one long poll."""
        answer = self.ask("receive", {"id": self.id, "after": self.after, "by": "poll"})
        assert answer.status == 200, answer
        return self.take(answer.content)

    def take(self, content: dict[str, Any]) -> dict[str, Any]:
        assert content["first"] == self.after + 1
        self.after += len(content["frames"])
        return content

    def texts(self, count: int) -> list[Any]:
        """The next frames, this many at least."""
        found: list[Any] = []
        while len(found) < count:
            content = self.poll()
            found += content["frames"]
            assert "close" not in content or len(found) >= count, content
        return found

    def close(self, code: int = 1000) -> Answer:
        return self.ask("close", {"id": self.id, "code": code})

    @contextmanager
    def stream(self) -> Iterator["Stream"]:
        """A stream of events from the next server."""
        content = {"id": self.id, "after": self.after, "by": "sse"}
        with asked(self.next_port(), self.path, "receive", content, self.headers) as response:
            yield Stream(self, response)


@dataclass
class Stream:
    """A stream of events."""

    client: Fallback
    response: HTTPResponse

    def lines(self) -> Iterator[str]:
        """Its lines, as they come."""
        while line := self.response.readline():
            yield line.decode().rstrip("\n")

    def batch(self) -> dict[str, Any]:
        """The next event."""
        for line in self.lines():
            if line.startswith("data: "):
                return self.client.take(json.loads(line[6:]))
        raise AssertionError("The stream has ended.")

    def texts(self, count: int) -> list[Any]:
        """The next frames, this many at least. What has come is confirmed meanwhile."""
        found: list[Any] = []
        while len(found) < count:
            found += self.batch()["frames"]
            self.client.send()
        return found


def raw(port: int) -> socket.socket:
    """A connection to the server."""
    opened = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
    opened.settimeout(TIMEOUT)
    return opened
