"""What is known of a connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: The code of a socket that ended without a close frame (RFC 6455, 7.4.1).
ABNORMAL = 1006

Name = Literal["connecting", "open", "lost", "closed"]


@dataclass(frozen=True, slots=True)
class State:
    """A state of a connection, by its *name*.

    ``connecting``
        *is_again* if it was tried before.
    ``open``
        *is_resumed* if the server goes on with the former connection. Then *has_gap* means that
        frames to this client may be missing.
    ``lost``
        It connects again after *delay* seconds. *code* and *reason* are those of the close frame,
        1006 without one. *status* is the HTTP status of a refused handshake. *error* is what made
        it fail. *was_open* is false if the socket never opened.
    ``closed``
        It does not connect again. *code* and *reason* say why.
    """

    name: Name
    is_again: bool = False
    is_resumed: bool = False
    has_gap: bool = False
    code: int = ABNORMAL
    reason: str = ""
    status: int | None = None
    error: Exception | None = None
    was_open: bool = False
    delay: float = 0.0
