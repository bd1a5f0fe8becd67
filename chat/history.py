"""The size of one answer of the history, bounded in messages and in bytes. No I/O.

An answer that the client does not read stays in the server's memory. A message may have thousands
of characters of four bytes each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.html import escape

from chat.frames import as_text
from chat.models import Message


@dataclass
class Answer:
    """Collects messages up to a number of bytes of JSON. The first one always fits."""

    size: int
    fields: dict[str, Any] = field(default_factory=dict)
    _is_empty: bool = True

    def take(self, key: str, messages: Sequence[Message], count: int) -> list[Message]:
        """Put as many of these messages under a key as fit, in order. Returns them."""
        taken = []
        for message in messages[:count]:
            size = len(as_text(message.fields()).encode())
            if size > self.size and not self._is_empty:
                break
            taken.append(message)
            self.size -= size
            self._is_empty = False
        self.fields[key] = [message.fields() for message in taken]
        return taken


def fitting_into_page(newest: Sequence[Message], count: int, size: int) -> list[Message]:
    """The newest messages: up to ``count``, with up to ``size`` bytes of HTML."""
    taken: list[Message] = []
    for message in newest[:count]:
        size -= len(escape(message.message).encode())
        if size < 0 and taken:
            break
        taken.append(message)
    return taken
