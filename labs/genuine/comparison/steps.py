"""The steps of clients in a conversation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Connect:
    """*client* opens a socket at *path*, with its cookies. A client has one socket at a time."""

    client: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    subprotocols: tuple[str, ...] = ()


@dataclass(frozen=True)
class Text:
    """*client* sends a text frame."""

    client: str
    text: str


@dataclass(frozen=True)
class Binary:
    """*client* sends a binary frame."""

    client: str
    data: bytes


@dataclass(frozen=True)
class Close:
    """*client* closes its socket with *code*."""

    client: str
    code: int = 1000


@dataclass(frozen=True)
class Get:
    """*client* requests a page with its cookies, and keeps new ones."""

    client: str
    path: str


@dataclass(frozen=True)
class Post:
    """*client* sends a form with its cookies, and keeps new ones."""

    client: str
    path: str
    form: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Burst:
    """*client* sends text frames without waiting."""

    client: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """*client* sends a request, with its cookies, on the connection of its last one.

    The whole answer is compared: status, headers and body. `Get` and `Post` compare what a browser
    shows.
    """

    client: str
    path: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True)
class Upload:
    """*client* sends a form with a file of *size* bytes, and compares as `Request` does."""

    client: str
    path: str
    size: int
    title: str = "a file"


@dataclass(frozen=True)
class Put:
    """*client* sends a body of *size* bytes, and compares as `Request` does."""

    client: str
    path: str
    size: int


@dataclass(frozen=True)
class Wait:
    """*client* requests a page whose answer comes in a later step, one at a time."""

    client: str
    path: str


@dataclass(frozen=True)
class Leave:
    """*client* breaks off the request that waits."""

    client: str


Step = Connect | Text | Binary | Close | Get | Post | Burst | Request | Upload | Put | Wait | Leave

#: Between two steps the engine is idle: each message was consumed, each reply was read.
Conversation = tuple[Step, ...]
