"""Session stores: channel sessions live in the layer, browser sessions in Django's store."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from io import BytesIO
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import CreateError, SessionBase
from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.core.signals import setting_changed
from django.dispatch import receiver

from channels_workers.concurrency.blocking import warn_in_event_loop
from channels_workers.exceptions import ConsumeLater, MessageError
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import (
    Session,
)
from channels_workers.message import Message
from channels_workers.registry import get_channel_layer

SIGNED_COOKIES = "django.contrib.sessions.backends.signed_cookies"

#: The longest key of a session; Django's own have 32 characters. With signed cookies the key is the
#: session itself, and as long as a cookie may be.
LONGEST_KEY, LONGEST_COOKIE = 200, 4096

_KEY = re.compile(r"[!-~]+").fullmatch


@cache
def _blank_session() -> dict[str, Any]:
    # Made once: Django looks up a serializer for each session, and ours needs none.
    return vars(SessionBase())


class ChannelSession(SessionBase):
    """A dict for a connection, saved in the same step that finishes a message.

    It has Django's session interface. As with Django's sessions, a change inside a value
    (``session["seen"].append(1)``) needs ``session.modified = True``. Values have the types that a
    message may hold: see :meth:`channels_workers.layers.codec.Codec.encode`.
    """

    #: The reply channel. It may be shorter than the keys that Django's own property takes.
    session_key: str = ""

    def __init__(self, layer: WorkerLayer, reply_channel: str, payload: bytes | None) -> None:
        vars(self).update(_blank_session())
        self.session_key = reply_channel
        self._layer = layer
        self._payload = payload
        self.saves_at_once = False

    def is_empty(self) -> bool:
        """Return False: it has a key from the beginning."""
        return False

    def load(self) -> dict[str, Any]:
        """Return the saved values."""
        return self._layer.codec.decode(self._payload) if self._payload else {}

    def save(self, must_create: bool = False) -> None:
        """Save the session with the commit of the message; outside a delivery, save it now."""
        self.modified = True
        if self.saves_at_once:
            warn_in_event_loop("save() of a channel session", "Await its asave() there.")
            self._layer.save_session(self.encoded())

    def encoded(self) -> Session:
        """Return the encoded session; MessageError if that is impossible or too large."""
        try:
            return Session(self.session_key, self._layer.encode(dict(self.items())))
        except MessageError as error:
            raise type(error)(f"This channel session cannot be saved. {error}") from error

    def exists(self, session_key: str | None = None) -> bool:
        """Return True: a connection has a session from its first message on."""
        return True

    def create(self) -> None:
        """Begin with an empty session."""
        self.clear()

    def delete(self, session_key: str | None = None) -> None:
        """Forget all values."""
        self.clear()

    def cycle_key(self) -> None:
        """Do nothing: the key is the connection."""


# The session of a connection


def session_for_reply_channel(reply_channel: str) -> SessionBase:
    """Return the session of a connection, outside its consumers; ``save()`` saves it now.

    *reply_channel* is its name, a str, as in ``message.reply_channel.name``. The session is empty
    if the connection has none or has ended, and ``save()`` then does nothing. It raises
    :class:`~channels_workers.exceptions.MessageError` for values that cannot be encoded. In a
    coroutine, call this with ``sync_to_async()``.

    Raises :class:`~channels_workers.exceptions.LayerUnavailable` while Redis is away.
    """
    name = "session_for_reply_channel()"
    warn_in_event_loop(name, "Call it with sync_to_async() there.")
    if (store := channel_session_store()) is not None:
        return _stored_session(store, reply_channel)
    layer = get_channel_layer()
    if layer.local_only:
        layer.give_session(reply_channel)
    session = ChannelSession(layer, reply_channel, layer.load_session(reply_channel))
    session.saves_at_once = True
    return session


def session_for_message(message: Message, reply_channel: str) -> SessionBase:
    """Return the session of *reply_channel*; deliveries of its connection carry it."""
    if (store := channel_session_store()) is not None:
        return _created(_stored_session(store, reply_channel))
    layer = message.channel_layer
    delivery = message.delivery
    if delivery is not None and delivery.reply_channel == reply_channel:
        return ChannelSession(layer, reply_channel, delivery.session)
    if delivery is None:
        layer.give_session(reply_channel)
    session = ChannelSession(layer, reply_channel, layer.load_session(reply_channel))
    session.saves_at_once = delivery is None
    return session


def carries_session(message: Message) -> bool:
    """Return whether *message* carries the session of its connection."""
    delivery, reply_channel = message.delivery, message.reply_channel
    return (
        delivery is not None
        and reply_channel is not None
        and delivery.reply_channel == reply_channel.name
    )


@cache
def channel_session_store() -> type[SessionBase] | None:
    """Return the store of ``CHANNEL_SESSION_ENGINE``, or None: then the layer keeps sessions.

    Raises ImproperlyConfigured if it is no engine, ValueError if it keeps sessions in cookies.
    """
    engine = getattr(settings, "CHANNEL_SESSION_ENGINE", None)
    if engine == SIGNED_COOKIES:
        raise ValueError(
            "You cannot use channels session functionality with signed cookie sessions!"
        )
    return None if engine is None else _session_store(engine, "CHANNEL_SESSION_ENGINE")


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "CHANNEL_SESSION_ENGINE":
        channel_session_store.cache_clear()
    elif setting == "SESSION_SERIALIZER":
        _blank_session.cache_clear()


def _stored_session(store: type[SessionBase], reply_channel: str) -> SessionBase:
    key = "chn" + hashlib.sha1(reply_channel.encode(), usedforsecurity=False).hexdigest()[:29]
    session = store(session_key=key)
    session.keys()
    if session.session_key != key:  # nothing is stored: Django then forgets the key as it loads
        session = store(session_key=key)
        session.clear()  # so that it does not load
        session.modified = False
    return session


def _created(session: SessionBase) -> SessionBase:
    if not session.exists(session.session_key or ""):
        try:
            session.save(must_create=True)
        except CreateError:
            # Another message of the same connection makes it right now.
            raise ConsumeLater from None
    return session


def _session_store(engine: str, setting: str) -> type[SessionBase]:
    try:
        store: type[SessionBase] = import_module(engine).SessionStore
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ImproperlyConfigured(
            f"{setting} must be the module of a session engine, such as "
            f'"django.contrib.sessions.backends.db", not {engine!r}: {error}'
        ) from error
    return store


# The session of a browser


def is_session_key(key: str) -> bool:
    """Return whether a session may have that key.

    A client may send anything. PostgreSQL refuses a NUL, Memcached a space or a long key, and the
    consumer would get their errors.
    """
    is_data = settings.SESSION_ENGINE == SIGNED_COOKIES
    return _KEY(key) is not None and len(key) <= (LONGEST_COOKIE if is_data else LONGEST_KEY)


def browser_session(key: str) -> SessionBase:
    """Return the session with *key* of ``SESSION_ENGINE``, without reading it."""
    return _session_store(settings.SESSION_ENGINE, "SESSION_ENGINE")(session_key=key)


def browser_session_key(message: Message | Mapping[str, Any]) -> str | None:
    """Return the session key in the address or the cookies of a handshake, or None.

    Invalid keys, and addresses that cannot be parsed, give None. Raises ValueError for a message
    that is no handshake.
    """
    try:
        request = _request(message)
        key = request.GET.get("session_key", None)
        if key is None:
            key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
        return key if not key or is_session_key(key) else None
    except (SuspiciousOperation, UnicodeDecodeError):
        return None
    except Exception as error:
        raise ValueError(
            f"Cannot parse HTTP message - are you sure this is a HTTP consumer? {error!r}"
        ) from error


def session_key_of(handshake: Mapping[str, Any]) -> str:
    """Return the session key in the content of a handshake, "" without one that can be read."""
    try:
        return browser_session_key(handshake) or ""
    except ValueError:
        return ""


def _request(message: Message | Mapping[str, Any]) -> ASGIRequest:
    headers = message.get("headers") or []
    if isinstance(headers, dict):
        headers = [(name.encode("latin1"), value) for name, value in headers.items()]
    # HTTP/2 may split cookies over several headers, and Django would join them with a comma.
    cookies = b"; ".join(value for name, value in headers if name == b"cookie")
    query = message.get("query_string") or b""
    scope = {
        "type": "http",
        "method": "GET",
        "path": message["path"],
        "query_string": query.encode() if isinstance(query, str) else query,
        "headers": [(b"cookie", cookies)],
    }
    return ASGIRequest(scope, BytesIO())
