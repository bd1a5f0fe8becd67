"""Messages: the text of each is ``<run>.<sender>.<number>.xxx``, so that it is known again."""

from __future__ import annotations

import json

#: Where a message stands: its sender, and the sender's own number of it, from 1 on.
Key = tuple[int, int]


def compose(run: str, key: Key, size: int) -> str:
    """Return the frame of a message whose text has *size* characters, or more if it needs them."""
    sender, number = key
    text = f"{run}.{sender}.{number}.".ljust(size, "x")
    return f'{{"handle":"c{sender}","message":"{text}"}}'


def read(run: str, frame: str) -> Key | None:
    """Return which message a *frame* tells of; None if it is none of this *run*."""
    try:
        of, sender, number, _ = json.loads(frame)["message"].split(".", 3)
        return (int(sender), int(number)) if of == run else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
