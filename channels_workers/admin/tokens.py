"""What a status page gives its socket to show: that the admin site let its user see a layer.

The site may ask for more than the session of a user, such as a one-time password. The socket knows
only the session.
"""

from __future__ import annotations

from typing import Any

from django.core import signing

_SALT = "channels_workers.admin"

#: How long a page may take to open its socket (s). A page that asks for the state gets a new token.
TOKEN_AGE = 600


def make_token(user: Any, alias: str) -> str:
    """Return a token for *user*, who may see the layer *alias*."""
    return signing.dumps([str(user.pk), alias], salt=_SALT)


def read_token(token: str, user: Any) -> str | None:
    """Return the alias in *token*; None if it is old, of another user, or of nobody."""
    try:
        owner, alias = signing.loads(token, salt=_SALT, max_age=TOKEN_AGE)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return str(alias) if owner == str(user.pk) else None
