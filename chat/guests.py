"""Who sends a message: an account while its log-in lasts, otherwise a guest.

A person is ``user:<id>`` or ``guest:<22 characters>``. A guest is a random id in a signed cookie.
The room page sets it, and the browser sends it when the page opens its socket. A message that is
sent again after a reconnect therefore has the same sender. The cookie is not a log-in.

A socket opens under the log-in of its page. Each message checks that log-in. After its end, for
whatever reason, the socket becomes the guest of its cookie and never the account again.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.contrib.sessions.backends.base import SessionBase
from django.core import signing
from django.http import HttpRequest, HttpResponseBase, parse_cookie
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext

from channels_workers.auth import USER_KEYS
from channels_workers.interface.client_address import client_address, network_of
from channels_workers.message import Message
from channels_workers.session_stores import browser_session
from chat.accounts.models import Name
from chat.frames import FrameError

YEAR = 365 * 24 * 3600

# Keys of the channel session: the guest of the cookie, the key of the browser's session, and the
# hash of that key, which others may see.
GUEST, BROWSER, LOGIN = "guest", "browser", "login"
# The client's address, or its IPv6 network. Empty if unknown.
ADDRESS = "address"

_signer = signing.Signer(salt="chat.guests")


@dataclass(frozen=True)
class Speaker:
    """The sender of a message. ``handle`` is the name of the account, None for a guest."""

    person: str
    handle: str | None = None
    is_staff: bool = False


def new_person() -> str:
    """A new guest: ``guest:<22 characters>``."""
    return f"guest:{secrets.token_urlsafe(16)}"


def person_of_user(user: Any) -> str:
    """The person of an account: ``user:<id>``."""
    return f"user:{user.pk}"


def who_is(person: str) -> str:
    """The public id of a person: 12 hex digits of a one-way hash."""
    return salted_hmac("chat.who", person, algorithm="sha256").hexdigest()[:12]


def login_of(session_key: str) -> str:
    """The id of a log-in, for places where its session key would be a secret."""
    return salted_hmac("chat.login", session_key, algorithm="sha256").hexdigest()


# In pages


def person_in(shown: Mapping[str, str]) -> str | None:
    """The guest in a browser's cookies. None if the cookie is missing or forged."""
    try:
        return _signer.unsign(shown.get(settings.CHAT_GUEST_COOKIE_NAME, ""))
    except signing.BadSignature:
        return None


def is_signed_anew(shown: Mapping[str, str], person: str) -> bool:
    """Whether the guest's cookie is signed with SECRET_KEY, not with a previous key."""
    return shown.get(settings.CHAT_GUEST_COOKIE_NAME) == _signer.sign(person)


def person_of_request(request: HttpRequest) -> str | None:
    """The visitor's account or guest. None for a browser without the cookie."""
    if request.user.is_authenticated:
        return person_of_user(request.user)
    return person_in(request.COOKIES)


def set_cookie(response: HttpResponseBase, person: str) -> None:
    """Set the guest's cookie: for this site only, and hidden from scripts."""
    response.set_cookie(
        settings.CHAT_GUEST_COOKIE_NAME,
        _signer.sign(person),
        max_age=YEAR,
        path=settings.SESSION_COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


# In consumers


def person_of_socket(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The guest who opens a socket. A client without the cookie gets a new one per socket."""
    shown = [value.decode("latin-1") for name, value in headers if name == b"cookie"]
    return person_in(parse_cookie("; ".join(shown))) or new_person()


def address_of_socket(message: Message) -> str:
    """The client's address of a handshake, behind trusted proxies. Empty if unknown."""
    client = message.get("client")
    return network_of(client_address(str(client[0]), "", 0)) if client else ""


def remember(message: Message) -> None:
    """Record in the channel session who opens this socket, on ``websocket.connect``.

    The consumer needs ``channel_session_user_from_http``.
    """
    session = message.channel_session
    session[GUEST] = person_of_socket(message.content["headers"])
    session[LOGIN] = ""
    session[ADDRESS] = address_of_socket(message)
    browser = message.http_session
    if message.user.is_authenticated and browser is not None and browser.session_key:
        session[BROWSER] = browser.session_key
        session[LOGIN] = login_of(browser.session_key)


def speaker(message: Message) -> Speaker:
    """The sender of this message. The consumer needs ``channel_session_user``."""
    session = message.channel_session
    if BROWSER in session:
        if _is_logged_in(session[BROWSER], message.user):
            user = message.user
            return Speaker(person_of_user(user), user.get_username(), user.is_staff)
        _forget_login(session)
    # Sockets from before the release with accounts have a person in their session.
    return Speaker(session.get(GUEST) or session["person"])


def _is_logged_in(key: str, user: Any) -> bool:
    """Whether the session with this key still exists and still belongs to this user."""
    if not user.is_authenticated:
        return False
    browser = browser_session(key)
    return bool(browser.get(auth.SESSION_KEY) == str(user.pk))


def _forget_login(session: SessionBase) -> None:
    """End the log-in for good, even if its session or account becomes valid again."""
    for key in (BROWSER, *USER_KEYS):
        session.pop(key, None)
    session[LOGIN] = ""


def address_of(session: SessionBase) -> str:
    """The client's address of a socket. Empty if unknown."""
    address: str = session.get(ADDRESS, "")
    return address


def check_handle(handle: str, speaker: Speaker) -> None:
    """Raise ``FrameError`` (forbidden) if a guest uses the name of an account."""
    if speaker.handle is None and Name.objects.is_taken(handle):
        detail = gettext("This name belongs to an account. Log in to it, or choose another name.")
        raise FrameError("forbidden", detail)
