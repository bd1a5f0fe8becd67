"""Checks tokens, by the functions that ``VALIDATORS`` in ``CHANNEL_TOKENS`` names.

A validator is called with a token (str), which the client chose: printable ASCII, of at most
``TOKEN_SIZE`` characters. It returns a :class:`TokenUser`, or None for a token of another kind, or
raises :class:`TokenRefused`. It may use the database.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from channels_workers.bearer.configuration import token_settings
from channels_workers.bearer.wire import is_token


class TokenRefused(Exception):
    """Raise it in a validator to refuse a token. The text is for the log: do not quote the token.

    It begins as in ``"it has expired"``.
    """


class TokenUser(NamedTuple):
    """The *user* of a valid token, of the model ``AUTH_USER_MODEL``.

    *expires* is a Unix time in seconds, or None. *claims* are what else the token says, by name.
    *backend* is the dotted path of an authentication backend, by default the first one.
    """

    user: Any
    expires: float | None = None
    claims: Mapping[str, Any] = {}
    backend: str | None = None


Validator = Callable[[str], TokenUser | None]


def validators() -> Sequence[Validator]:
    """Return the functions of ``VALIDATORS``.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` if one cannot be imported.
    """
    return [_validator(path) for path in token_settings().VALIDATORS]


def _validator(path: str) -> Validator:
    try:
        found: Validator = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(
            f"CHANNEL_TOKENS['VALIDATORS'] names {path!r}, which cannot be imported: {error}"
        ) from error
    if not callable(found):
        raise ImproperlyConfigured(
            f"CHANNEL_TOKENS['VALIDATORS'] must name functions; {path!r} is {found!r}."
        )
    return found


def verify(token: str) -> TokenUser:
    """Return the user of *token*; raise :class:`TokenRefused`.

    ``expires`` is then the time at which a socket with this token ends: that of the token or
    ``LONGEST`` from now, whichever is earlier; None without both. ``backend`` is set. The user is
    active. In a coroutine, call this with ``sync_to_async()``.
    """
    if not is_token(token, token_settings().TOKEN_SIZE):
        raise TokenRefused("it is malformed")
    for validate in validators():
        found = validate(token)
        if found is not None:
            return _limited(found)
    raise TokenRefused("no validator knows it")


def _limited(found: TokenUser) -> TokenUser:
    limits, now = token_settings(), time.time()
    if not (found.user.is_authenticated and found.user.is_active):
        raise TokenRefused("its user is not active")
    if found.expires is None and limits.REQUIRE_EXPIRY:
        raise TokenRefused("it has no expiry (REQUIRE_EXPIRY)")
    times = [each for each in (found.expires, limits.LONGEST and now + limits.LONGEST) if each]
    expires = min(times, default=None)
    if expires is not None and expires <= now:
        raise TokenRefused("it has expired")
    backend = found.backend or settings.AUTHENTICATION_BACKENDS[0]
    return found._replace(expires=expires, backend=backend)
