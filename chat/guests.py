"""Who is speaking, for people without an account: a random id in a signed cookie.

The room page sets the cookie and the browser shows it when the page opens its socket; so a message
that is sent again after a reconnect can be known as the same person's. It is no log-in.
"""

import secrets
from collections.abc import Iterable, Mapping

from django.conf import settings
from django.core import signing
from django.http import HttpResponseBase, parse_cookie

COOKIE = "chat_guest"
YEAR = 365 * 24 * 3600

_signer = signing.Signer(salt="chat.guests")


def new_person() -> str:
    """A person that nobody has been yet: ``guest:<22 characters>``."""
    return f"guest:{secrets.token_urlsafe(16)}"


def person_in(cookies: Mapping[str, str]) -> str | None:
    """The person in a browser's cookies; None without the cookie or with a forged one."""
    try:
        return _signer.unsign(cookies.get(COOKIE, ""))
    except signing.BadSignature:
        return None


def person_of_socket(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The person who opens a socket; a new one for each socket of a program without the cookie."""
    cookies = [value.decode("latin-1") for name, value in headers if name == b"cookie"]
    return person_in(parse_cookie("; ".join(cookies))) or new_person()


def set_cookie(response: HttpResponseBase, person: str) -> None:
    """Let the browser come back as ``person``; sent to this site alone, and hidden from scripts."""
    response.set_cookie(
        COOKIE,
        _signer.sign(person),
        max_age=YEAR,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
