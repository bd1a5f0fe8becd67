"""What is to be done to a layer, as bytes in a row of a database."""

from __future__ import annotations

from typing import NamedTuple

import msgpack

from channels_workers.layers.types import (
    GroupSend,
    Join,
    Leave,
    Operation,
    Send,
    SendLater,
    Session,
)

#: The version of the encoding. A worker leaves rows of another one to others.
FORMAT = 1

KINDS: dict[str, type[Operation]] = {
    "s": Send,
    "g": GroupSend,
    "d": SendLater,
    "j": Join,
    "l": Leave,
}
_NAMES = {kind: name for name, kind in KINDS.items()}


class Effects(NamedTuple):
    """The effects of a run: *operations* and *session* go out with the commit of its message.

    *changes* are the joins and leaves that it has carried out.
    """

    operations: list[Operation]
    changes: list[Join | Leave]
    session: Session | None = None

    def encode(self) -> bytes:
        """Return the effects as bytes. Payloads stay as they are, encrypted where they were."""
        operations = [[_NAMES[type(one)], *one] for one in self.operations]
        changes = [[_NAMES[type(one)], *one] for one in self.changes]
        payload: bytes = msgpack.packb([FORMAT, operations, changes, self.session])
        return payload


def decode(payload: bytes) -> Effects:
    """Return the effects of *payload*; ValueError if they are of another format."""
    version, *parts = msgpack.unpackb(payload)
    if version != FORMAT:
        raise ValueError(
            f"A stored row has the format {version!r}, and this release reads {FORMAT}. Finish "
            "the upgrade of the workers, or go back to the newer release."
        )
    operations, changes, session = parts
    return Effects(
        [_operation(one) for one in operations],
        [change for one in changes if isinstance(change := _operation(one), Join | Leave)],
        session and Session(*session),
    )


def _operation(stored: list[str | bytes | float]) -> Operation:
    kind, *values = stored
    return KINDS[str(kind)](*values)  # type: ignore[arg-type]
