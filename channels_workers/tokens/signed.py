"""Tokens that the project itself signs, with ``SECRET_KEY`` and a salt of their own.

They end with the user's password, since each has a digest of its hash.
"""

from __future__ import annotations

import time
from typing import Any

from django.contrib.auth import get_user_model
from django.core import signing
from django.core.exceptions import ValidationError
from django.utils.crypto import constant_time_compare

from channels_workers.bearer.configuration import token_settings
from channels_workers.tokens.validation import TokenRefused, TokenUser

__all__ = ["issue", "validate"]

#: The salt of the signature: no other signed value of the project is a token.
SALT = "channels_workers.tokens"

#: How many characters of the digest of the password hash are in a token.
DIGEST = 16


def issue(user: Any, lifetime: float | None = None) -> str:
    """Return a token for *user*, which is valid for *lifetime* seconds.

    By default that is ``SIGNED_LIFETIME`` in ``CHANNEL_TOKENS``. Call it in a view of a user who is
    logged in. Raises ``ValueError`` for a user without a primary key, or a lifetime that is not
    above 0.
    """
    seconds = token_settings().SIGNED_LIFETIME if lifetime is None else lifetime
    if user.pk is None or not seconds > 0:
        raise ValueError(
            f"A token needs a saved user and a lifetime above 0 s, not {user!r} and {seconds!r}."
        )
    content = [str(user.pk), time.time() + seconds, user.get_session_auth_hash()[:DIGEST]]
    return signing.dumps(content, salt=SALT)


def validate(token: str) -> TokenUser | None:
    """Return the user of a token of :func:`channels_workers.tokens.issue`.

    It is None for a token of another kind. Raises :class:`~channels_workers.tokens.TokenRefused`.
    """
    if token.count(":") != 2:
        return None
    try:
        key, expires, digest = signing.loads(token, salt=SALT)
    except signing.BadSignature:
        raise TokenRefused("its signature is wrong") from None
    expires += token_settings().LEEWAY
    if expires <= time.time():
        raise TokenRefused("it has expired")
    user = _user(key)
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    if not any(constant_time_compare(each[:DIGEST], digest) for each in hashes):
        raise TokenRefused("the password of its user has changed")
    return TokenUser(user, expires)


def _user(key: str) -> Any:
    model = get_user_model()
    try:
        return model._default_manager.get(pk=key)
    except (model.DoesNotExist, ValueError, ValidationError):
        raise TokenRefused("its user does not exist") from None
