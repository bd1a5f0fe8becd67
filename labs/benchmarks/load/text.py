"""Messages with recognisable texts: ``<run>.<sender>.<number>.xxx``."""

from __future__ import annotations

import json

#: The identity of a message: its sender, and the sender's message number from 1 on.
Key = tuple[int, int]


def compose(run: str, key: Key, size: int) -> str:
    """Return the frame of a message with a text of at least *size* characters."""
    sender, number = key
    text = f"{run}.{sender}.{number}.".ljust(size, "x")
    return f'{{"handle":"c{sender}","message":"{text}"}}'


def read(run: str, frame: str) -> Key | None:
    """Return the identity of the message in *frame*. None if it is not of this *run*."""
    try:
        of, sender, number, _ = json.loads(frame)["message"].split(".", 3)
        return (int(sender), int(number)) if of == run else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
