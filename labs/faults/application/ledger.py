"""Records nonces, and how often each message began to run.

Uses files in a folder that all workers share. Only one process can create a given link, so no lock
is needed and nothing is lost with a process. Nonces have the semantics of ``chat.models.record``.
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
    """Whether the message goes to the room: no other delivery has used this nonce before."""
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
    """Record one more run of *message*, and return the number of runs."""
    with _place("runs", message).open("ab") as file:
        file.write(b"!")
        file.flush()
        return file.tell()
