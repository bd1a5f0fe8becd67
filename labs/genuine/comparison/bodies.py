"""Bodies of requests: the same for both engines, and of any size."""

from __future__ import annotations

BOUNDARY = "a-boundary-between-the-parts"


def filler(size: int) -> bytes:
    """Return *size* bytes of all values, in which no piece is like the next one."""
    numbers = (number.to_bytes(4, "big") for number in range(size // 4 + 1))
    return b"".join(numbers)[:size]


def form_with_file(size: int, title: str) -> tuple[str, bytes]:
    """Return the Content-Type and the body of a form with a title and a file of *size* bytes."""
    parts = (
        b'Content-Disposition: form-data; name="title"\r\n\r\n' + title.encode(),
        b'Content-Disposition: form-data; name="file"; filename="f.bin"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n" + filler(size),
    )
    line = f"--{BOUNDARY}".encode()
    body = b"".join(line + b"\r\n" + part + b"\r\n" for part in parts) + line + b"--\r\n"
    return f"multipart/form-data; boundary={BOUNDARY}", body
