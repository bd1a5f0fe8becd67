"""Bodies of requests and responses, of which every piece is another one."""

from __future__ import annotations

#: Bytes of a piece.
PIECE = 16 * 1024


def piece(number: int) -> bytes:
    """Return the piece *number* of a body."""
    return number.to_bytes(8, "big") * (PIECE // 8)


def body(pieces: int) -> bytes:
    """Return the first *pieces* pieces."""
    return b"".join(map(piece, range(pieces)))
