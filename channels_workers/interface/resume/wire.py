"""How a client asks to resume, and what it is told. No setting is read here.

==========================  =====================================================================
``resume``                  a subprotocol: this connection shall outlive its socket
``resume.<token>.<n>``      a subprotocol: go on with the connection of the token. The client has
                            received *n* frames on it
a frame                     ``{"type": "channels_workers.resume", "token": ..., "seconds": ...,
                            "resumed": ..., "received": ..., "gap": ...}``, the first one. A
                            later one, without ``resumed``, brings another token
==========================  =====================================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import NamedTuple

#: The subprotocol of a client that wants a resumable connection, and the beginning of one that
#: resumes.
SUBPROTOCOL, PREFIX = "resume", "resume."

#: The type of the first frame.
FRAME_TYPE = "channels_workers.resume"

#: How the engine's own frames begin. Neither side counts them.
OWN_FRAME = '{"type": "channels_workers.'

#: The longest token (characters).
TOKEN_SIZE = 200

_is_offer = re.compile(rf"resume\.([!-~]{{1,{TOKEN_SIZE}}})\.([0-9]{{1,15}})").fullmatch


class Offer(NamedTuple):
    """What a client offers: a *token*, "" for a new connection, and how much it has *received*."""

    token: str = ""
    received: int = 0


def is_entry(entry: str) -> bool:
    """Say whether *entry*, a subprotocol, is for the engine."""
    return entry == SUBPROTOCOL or entry.startswith(PREFIX)


def offer_of(entries: Iterable[str]) -> Offer | None:
    """Return the offer among *entries*, subprotocols. None without one.

    What cannot be read, and several tokens, ask for a new connection.
    """
    own = [entry for entry in entries if is_entry(entry)]
    if not own:
        return None
    found = _is_offer(own[0])
    return Offer(found[1], int(found[2])) if found is not None and len(own) == 1 else Offer()


def answer(token: str, seconds: int) -> str:
    """Return the first frame of a new connection."""
    return json.dumps({"type": FRAME_TYPE, "token": token, "seconds": seconds, "resumed": False})


def renewal(token: str, seconds: int) -> str:
    """Return a later frame, with another token instead of the one before."""
    return json.dumps({"type": FRAME_TYPE, "token": token, "seconds": seconds})


def resumed_answer(token: str, seconds: int, received: int, *, is_gap: bool) -> str:
    """Return the first frame of a socket that resumes: *received* frames of its client count."""
    content = {"type": FRAME_TYPE, "token": token, "seconds": seconds, "resumed": True}
    return json.dumps({**content, "received": received, "gap": is_gap})
