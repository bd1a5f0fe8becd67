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


Step = Connect | Text | Binary | Close | Get | Post | Burst

#: Between two steps the engine is idle: each message was consumed, each reply was read.
Conversation = tuple[Step, ...]
