"""The bearer token of a client: when it must be renewed. No I/O, no keys: nothing is verified."""

from __future__ import annotations

import binascii
import json
import math
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any, TypeGuard

from channels_workers.client.options import Token
from channels_workers.jitter import jittered

#: The shares of its remaining life after which a token is renewed. It is early, as a renewal queues
#: behind earlier frames; and random, as many clients may have come at once.
EARLIEST, LATEST = 0.6, 0.8


def token_of(given: str | Token) -> Token:
    """Return *given* as a token. A JSON Web Token without an expiry brings its own."""
    token = Token(given) if isinstance(given, str) else given
    if not token.text or not all("!" <= each <= "~" for each in token.text):
        raise ValueError("A token has printable ASCII characters without spaces. This one has not.")
    if token.expires is None:
        return Token(token.text, _expiry_of_jwt(token.text))
    return token


def expiry_in(frame: Mapping[str, Any]) -> float | None:
    """Return when a token expires whose renewal *frame* answers.

    Its seconds do not depend on the clocks of both machines.
    """
    seconds, expires = frame.get("seconds"), frame.get("expires")
    if is_time(seconds):
        return time.time() + seconds
    return expires if is_time(expires) else None


def is_time(value: Any) -> TypeGuard[int | float]:
    """Say whether *value* is a Unix time."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def renewal_delay(expires: float | None) -> float | None:
    """Return when to renew a token that *expires* then (s from now); None for never.

    A token that has expired by this machine's clock is not renewed: either clock may be wrong, and
    the server decides.
    """
    if expires is None or (remaining := expires - time.time()) <= 0:
        return None
    return jittered(remaining, EARLIEST, LATEST)


def _expiry_of_jwt(text: str) -> float | None:
    parts = text.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    expires = claims.get("exp") if isinstance(claims, dict) else None
    return expires if is_time(expires) else None
