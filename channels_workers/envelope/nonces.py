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

from channels_workers.exceptions import ConsumeLater
from channels_workers.once import rows
from channels_workers.session_stores import ChannelSession

#: How many nonces of a connection are remembered, the latest, and how many characters of each. A
#: session may be JSON, so they are text.
REMEMBERED, SIZE = 128, 8

#: The key of the channel session with them, and that with the id of the latest of their messages.
#: The latter is for sessions of CHANNEL_SESSION_ENGINE, which are saved before the commit: if the
#: worker dies between, that message runs again.
KEY, LATEST = "_envelope_nonces", "_envelope_message"


def has_run(session: SessionBase, nonce: str, message_id: str) -> bool:
    """Say whether another message with *nonce* has run on the connection with *session*."""
    seen, digest = _seen(session), _digest(nonce)
    if not any(seen[at : at + SIZE] == digest for at in range(0, len(seen), SIZE)):
        return False
    return bool(session.get(LATEST) != message_id)


def remember(session: SessionBase, nonce: str, message_id: str) -> None:
    """Note in *session* that the message *message_id* with *nonce* has run."""
    session[KEY] = (_seen(session) + _digest(nonce))[-REMEMBERED * SIZE :]
    if not isinstance(session, ChannelSession):
        session[LATEST] = message_id


def forget(session: SessionBase, nonce: str) -> None:
    """Take back what :func:`remember` has noted last."""
    session[KEY] = _seen(session).removesuffix(_digest(nonce))


def is_claimed(key: UUID, using: str) -> bool:
    """Say whether the message whose row has *key* has run, by the database *using*.

    Call this and :func:`claim` in the transaction of ``@once``, on the thread of its ORM.
    """
    return rows.find(connections[using], key) is not None


def claim(key: UUID, using: str) -> None:
    """Write the row with *key*, at the end of the transaction.

    Raises :class:`ConsumeLater` if there is one by now: the same message has run on another
    connection meanwhile, and the next run finds the row. Written at the beginning, the row of a
    worker that is frozen, or has lost its network, would block the worker that runs the message
    again.
    """
    if not rows.claim(connections[using], key):
        raise ConsumeLater


def row_key(scope: str, owner: str, nonce: str) -> UUID:
    """Return the key of the row of *nonce* of *owner*; *scope* names the consumer.

    No message has the same.
    """
    text = "\0".join((scope, owner, nonce))
    digest = hashlib.blake2b(text.encode(), digest_size=16, person=b"nonce").digest()
    return UUID(bytes=digest, version=4)  # as the keys of messages


def _seen(session: SessionBase) -> str:
    found: Any = session.get(KEY, "")
    return found if isinstance(found, str) else ""


def _digest(nonce: str) -> str:
    digest = hashlib.blake2b(nonce.encode(), digest_size=SIZE * 3 // 4).digest()
    return urlsafe_b64encode(digest).decode()
