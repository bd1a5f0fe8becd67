"""Nonces: a message that a client sends again, because its ``ack`` was lost, runs once.

There are two memories. The channel session has the last :data:`REMEMBERED` nonces of the
connection. For consumers with ``@once``, the table of ``@once`` has those of each owner, across
connections: the row is written in the transaction of the handler.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from typing import Any
from uuid import UUID

from django.contrib.sessions.backends.base import SessionBase
from django.db import connections

from channels_workers.once import rows
from channels_workers.outbox import running

#: How many nonces of a connection are remembered, the latest, and how many characters of each. A
#: session may be JSON, so they are text.
REMEMBERED, SIZE = 128, 8

#: The key of the channel session with them.
KEY = "_envelope_nonces"


def has_run(session: SessionBase, nonce: str) -> bool:
    """Say whether the message with *nonce* has run on the connection with *session*."""
    seen, digest = _seen(session), _digest(nonce)
    return any(seen[at : at + SIZE] == digest for at in range(0, len(seen), SIZE))


def remember(session: SessionBase, nonce: str) -> None:
    """Note in *session* that the message with *nonce* has run."""
    session[KEY] = (_seen(session) + _digest(nonce))[-REMEMBERED * SIZE :]


def forget(session: SessionBase, nonce: str) -> None:
    """Take back what :func:`remember` has noted last."""
    session[KEY] = _seen(session).removesuffix(_digest(nonce))


def claim(scope: str, owner: str, nonce: str) -> bool:
    """Claim *nonce* of *owner* in the transaction of ``@once``; return False if it has run.

    *scope* names the consumer. Without a transaction it returns True. It waits for another
    transaction that has claimed the nonce. Call it on the thread of the consumer's ORM.
    """
    outbox = running()
    if outbox is None or outbox.transaction is None:
        return True
    return rows.claim(connections[outbox.transaction.using], row_key(scope, owner, nonce))


def row_key(scope: str, owner: str, nonce: str) -> UUID:
    """Return the key of the row of *nonce*. No message has the same."""
    text = "\0".join((scope, owner, nonce))
    digest = hashlib.blake2b(text.encode(), digest_size=16, person=b"nonce").digest()
    return UUID(bytes=digest, version=4)  # as the keys of messages


def _seen(session: SessionBase) -> str:
    found: Any = session.get(KEY, "")
    return found if isinstance(found, str) else ""


def _digest(nonce: str) -> str:
    digest = hashlib.blake2b(nonce.encode(), digest_size=SIZE * 3 // 4).digest()
    return urlsafe_b64encode(digest).decode()
