"""Who is speaking: an account, or for people without one a random id in a signed cookie.

The room page sets the cookie and the browser shows it when the page opens its socket; so a message
that is sent again after a reconnect can be known as the same person's. It is no log-in.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.core import signing
from django.http import HttpRequest, HttpResponseBase, parse_cookie
from django.utils.crypto import salted_hmac

from channels_workers.message import Message

COOKIE = "chat_guest"
YEAR = 365 * 24 * 3600

_signer = signing.Signer(salt="chat.guests")


@dataclass(frozen=True)
class Speaker:
    """Who speaks; ``handle`` is the name of an account, None for a guest."""

    person: str
    handle: str | None = None
    is_staff: bool = False


def who_is(person: str) -> str:
    """The public name of a person, from which nobody can tell who it is."""
    return salted_hmac("chat.who", person).hexdigest()[:12]


def person_of_request(request: HttpRequest) -> str | None:
    """Who asks for a page: the account that is logged in, or the guest of the cookie, if any."""
    if request.user.is_authenticated:
        return f"user:{request.user.pk}"
    return person_in(request.COOKIES)


def login_of(session: SessionBase | None) -> str:
    """What stands for the log-in of a browser's session; "" without one."""
    key = session.session_key if session is not None else None
    return salted_hmac("chat.login", key).hexdigest() if key else ""


def speaker(message: Message) -> Speaker:
    """Who sends this message over a socket."""
    user, session = message.user, message.channel_session
    if user.is_authenticated:
        return Speaker(f"user:{user.pk}", user.get_username(), user.is_staff)
    # Sockets that were opened before the release with accounts have a person in their session.
    return Speaker(session.get("guest") or session["person"])


def check_handle(handle: str, speaker: Speaker) -> None:
    """Raise ``FrameError`` (forbidden) when a guest takes the name of an account."""


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
