"""The frames that the engine itself takes and sends, where they are configured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from channels_workers.asyncapi.sockets import Socket
from channels_workers.bearer import wire
from channels_workers.conf import keeps_connections
from channels_workers.declarations import Exchange, JsonSchema
from channels_workers.interface.resume import wire as resume_wire


def _schema(name: str, description: str, **properties: Any) -> JsonSchema:
    kinds = {"type": "object", "description": description, "properties": properties}
    optional = [key for key, value in properties.items() if value.pop("optional", False)]
    required = [key for key in properties if key not in optional]
    return JsonSchema(name, {**kinds, "required": required})


TOKEN = _schema(
    "Token",
    "A token: the first one, or one that replaces it before it expires.",
    type={"const": wire.FRAME_TYPE, "type": "string"},
    token={"type": "string", "minLength": 1, "pattern": "^[!-~]+$"},
)
TOKEN_ACCEPTED = _schema(
    "TokenAccepted",
    "The token is valid.",
    type={"const": wire.FRAME_TYPE, "type": "string"},
    expires={
        "anyOf": [{"type": "number"}, {"type": "null"}],
        "description": "When the socket ends without another token: a Unix time in seconds.",
    },
    seconds={
        "anyOf": [{"type": "number"}, {"type": "null"}],
        "description": "The same as seconds from now, for clients whose clock is wrong.",
    },
)
RESUMABLE = _schema(
    "Resumable",
    "The first frame of a socket that can be resumed after it was lost, for some seconds. A later "
    "one, without `resumed`, brings another token.",
    type={"const": resume_wire.FRAME_TYPE, "type": "string"},
    token={"type": "string", "description": "What resumes this connection."},
    seconds={"type": "number"},
    resumed={
        "type": "boolean",
        "optional": True,
        "description": "Whether this is a resumed connection.",
    },
    received={
        "type": "integer",
        "minimum": 0,
        "optional": True,
        "description": "How many frames of the client took effect, or will.",
    },
    gap={
        "type": "boolean",
        "optional": True,
        "description": "Whether frames to the client may be missing.",
    },
)


def exchanges_of(socket: Socket) -> Iterator[Exchange]:
    """Yield what the engine receives and sends on a socket."""
    if socket.has_token or socket.waits_for_token:
        order = "The first frame is the token. " if socket.waits_for_token else ""
        text = f"{order}A later one replaces it."
        yield Exchange("receive", (TOKEN,), frame="token", description=text)
        yield Exchange("send", (TOKEN_ACCEPTED,), frame="token")
    if keeps_connections():
        text = "For clients that offer the subprotocol `resume`, or `resume.<token>.<frames>`."
        yield Exchange("send", (RESUMABLE,), frame="resume", description=text)


def subprotocols_of(socket: Socket) -> list[str]:
    """Return the subprotocols that clients may offer on a socket."""
    found = list(socket.declaration.subprotocols)
    if socket.has_token or socket.waits_for_token:
        found += [wire.SUBPROTOCOL, f"{wire.PREFIX}<base64url of the token>"]
    if keeps_connections():
        found += [wire.SUBPROTOCOL, resume_wire.SUBPROTOCOL]
        found += [f"{resume_wire.PREFIX}<token>.<frames>"]
    return list(dict.fromkeys(found))
