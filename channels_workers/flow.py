"""How HTTP requests by workers flow: sizes that interface servers and workers share (bytes)."""

from __future__ import annotations

#: How much of a body stands in the message of its request. The rest is asked for.
INLINE_BODY = 64 * 1024

#: How much of a response goes out with the commit of its consumer: all of it, or the end. A server
#: reads hundreds of commits at once, and what it has not read must be far from INBOX_BYTES.
INLINE_RESPONSE = 64 * 1024

#: The largest piece of a body, or of a longer response, in one message.
CHUNK = 256 * 1024

#: How much is under way at once in one direction: asked for, or sent and not taken by the client.
WINDOW = 1024 * 1024

#: How many pieces of a response are under way at once. Small ones cost more than their bytes.
WINDOW_PIECES = 256

#: What a server needs for a part of a response that waits, beside its bytes (bytes).
STEP_COST = 512

#: After how much silence a consumer asks again (s).
LISTEN_TIMEOUT = 2.0


def chunk_size(message_size: int) -> int:
    """Return the size of a piece, for messages of up to *message_size* when encoded."""
    return min(CHUNK, message_size // 2)


def inline_body(message_size: int) -> int:
    """Return how much of a body stands in the message of its request."""
    return min(INLINE_BODY, message_size // 2)


def inline_response(message_size: int) -> int:
    """Return how much of a response goes out with the commit of its consumer."""
    return min(INLINE_RESPONSE, message_size // 2)
