"""Records nonces, and how often each message began to run.

Files in a folder that all workers share. A link is made by one process alone, so no lock is needed
and nothing is lost with a process. The rule of nonces is that of ``chat.models.record``.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from labs.faults.application.settings import given


def _place(kind: str, name: str) -> Path:
    folder = Path(given["folder"]) / kind
    folder.mkdir(exist_ok=True)
    return folder / hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()


def is_news(nonce: str | None, delivery: str) -> bool:
    """Whether the room is to hear it: no other delivery has brought this nonce before."""
    if nonce is None:
        return True
    place = _place("nonces", nonce)
    handle, draft = tempfile.mkstemp(dir=place.parent)
    with os.fdopen(handle, "w") as file:
        file.write(delivery)
    with suppress(FileExistsError):
        os.link(draft, place)
    Path(draft).unlink()
    return place.read_text() == delivery


def count_run(message: str) -> int:
    """Note one more run of *message*; return the number of all of them."""
    with _place("runs", message).open("ab") as file:
        file.write(b"!")
        file.flush()
        return file.tell()
