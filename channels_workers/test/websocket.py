"""A client with cookies, headers, a session and a user. The API is that of Channels 1.1.8."""

from __future__ import annotations

import json as json_module  # `json` is an argument
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import auth
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from channels_workers.conf import configuration
from channels_workers.layers.codec import Content
from channels_workers.layers.types import CONNECT, REQUEST, RESUME
from channels_workers.message import Message
from channels_workers.session_stores import channel_session_store, session_for_message
from channels_workers.test.client import Client
from channels_workers.test.session import ClientSession, client_session

__all__ = ["WSClient", "json_module"]


class WSClient(Client):
    """A client that sends the messages of a WebSocket.

    With *ordered*, each message has the ``order`` 0, 1, 2, ... The first one has the cookie of
    :attr:`session`. Other arguments are those of :class:`~channels_workers.test.Client`.
    """

    def __init__(self, ordered: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._ordered = ordered
        self._session: ClientSession | None = None
        self._headers: dict[str, Any] = {}
        self._cookies: dict[str, Any] = {}
        self._session_cookie = True
        self.order = 0

    # What a browser sends along

    def set_cookie(self, key: str, value: Any) -> None:
        """Send the cookie *key* with all messages from now on. *value* is written as str."""
        self._cookies[key] = value

    def set_header(self, key: str, value: Any) -> None:
        """Send the header *key* with all messages from now on; *value* is a str or bytes.

        Raises ``ValueError`` for ``cookie``: use :meth:`set_cookie`.
        """
        if key.lower() == "cookie":
            raise ValueError("Use set_cookie method for cookie header")
        self._headers[key] = value

    def get_cookies(self) -> dict[str, Any]:
        """Return the cookies of the next message, values by names.

        Until the first message was sent, the cookie of :attr:`session` is one of them.
        """
        cookies = dict(self._cookies)
        if self._session_cookie and apps.is_installed("django.contrib.sessions"):
            key = self.session.session_key
            if key is not None:
                cookies[settings.SESSION_COOKIE_NAME] = key
        return cookies

    @property
    def headers(self) -> dict[str, Any]:
        """The headers of the next message, which are sent as pairs of bytes."""
        return {"cookie": _encoded(self.get_cookies()), **self._headers}

    @property
    def session(self) -> SessionBase:
        """The session of the browser. Saving it writes its values to the channel session too.

        ``EnvironmentError`` unless ``django.contrib.sessions`` is installed.
        """
        if not apps.is_installed("django.contrib.sessions"):
            raise OSError("Add django.contrib.sessions to the INSTALLED_APPS to use session")
        if self._session is None:
            self._session = client_session(self._channel_session)
        return self._session

    def _channel_session(self) -> SessionBase:
        content = {"reply_channel": self.reply_channel}
        message = Message(content, CONNECT, self.channel_layer)
        return session_for_message(message, self.reply_channel)

    def _share_again(self) -> None:
        # A disconnect ended the channel session; the session of the browser goes on.
        is_gone = self.channel_layer.load_session(self.reply_channel) is None
        if self._session is not None and is_gone and channel_session_store() is None:
            self._session.share_again()

    # Messages

    def receive(self, json: bool = True) -> Any:
        """Take the next message that reached this client; None without one.

        With *json* a text is decoded, and ``ValueError`` means that it is no JSON. Otherwise it is
        returned as str. A message without text is returned as a dict.
        """
        content = super().receive()
        if not content:
            return None
        text = content.get("text", content)
        return json_module.loads(text) if json and isinstance(text, str) else text

    def send(
        self,
        to: str,
        content: Mapping[str, Any] | None = None,
        text: Any = None,
        path: str = "/",
    ) -> None:
        """Send *content* to the channel *to*, with the path, headers and so on of a socket.

        *text* is sent as JSON unless it is a str. A false *text* is not sent. *path* may have a
        query string. With *ordered*, an ``order`` in *content* raises ``ValueError``.
        """
        if to == CONNECT:
            self._share_again()
        self._send(to, self._complete(to, dict(content or {}), text, path))
        self._session_cookie = False

    def _complete(self, to: str, content: Content, text: Any, path: str) -> Content:
        path, mark, query = path.partition("?")
        query_string = {"query_string": query} if mark and to in (CONNECT, RESUME, REQUEST) else {}
        text = text or content.get("text")
        if text is not None:
            content["text"] = text if isinstance(text, str) else json_module.dumps(text)
        return {
            "reply_channel": self.reply_channel,
            "path": path,
            **query_string,
            **content,
            "headers": _pairs(content.get("headers", self.headers)),
            **self._next_order(content),
        }

    def _next_order(self, content: Content) -> dict[str, int]:
        if not self._ordered:
            return {}
        if "order" in content:
            raise ValueError('Do not use "order" manually with "ordered=True"')
        self.order += 1
        return {"order": self.order - 1}

    def consume(self, channel: str, fail_on_none: bool = True, check_accept: bool = True) -> Any:
        """Run the consumer of the next message on *channel*, as :meth:`Client.consume` does.

        After ``websocket.connect`` it takes the answer. Unless *check_accept* is false, any answer
        but ``{"accept": True}`` is an ``AssertionError``.
        """
        result = super().consume(channel, fail_on_none=fail_on_none)
        if channel == CONNECT and check_accept:
            received = self.receive(json=False)
            accepts_without = received is None and configuration().CONNECT == "accept"
            if received != {"accept": True} and not accepts_without:
                raise AssertionError(f"Connection rejected: {received} != '{{accept: True}}'")
        return result

    def send_and_consume(  # type: ignore[override]
        self,
        channel: str,
        content: Mapping[str, Any] | None = None,
        text: Any = None,
        path: str = "/",
        fail_on_none: bool = True,
        check_accept: bool = True,
    ) -> Any:
        """Do :meth:`send`, then :meth:`consume`; return what the consumer returned."""
        self.send(channel, content, text, path)
        return self.consume(channel, fail_on_none=fail_on_none, check_accept=check_accept)

    # Users

    def login(self, **credentials: Any) -> bool:
        """Log in the user with *credentials*, such as ``username`` and ``password``.

        The session keeps the user. Returns False if they are wrong, if the user is not active, or
        if sessions are not installed.
        """
        user: Any = auth.authenticate(**credentials)
        if user and user.is_active and apps.is_installed("django.contrib.sessions"):
            self._login(user)
            return True
        return False

    def force_login(self, user: Any, backend: str | None = None) -> None:
        """Log *user* in without a password.

        *backend* is the dotted path of an authentication backend, by default the first one.
        """
        user.backend = settings.AUTHENTICATION_BACKENDS[0] if backend is None else backend
        self._login(user)

    def _login(self, user: Any) -> None:
        request = HttpRequest()
        request.session = self.session
        auth.login(request, user)
        self.session.save()


def _pairs(headers: Any) -> Any:
    """Return headers, a dict or pairs, as those of a socket: bytes, the names in lower case."""
    if isinstance(headers, Mapping):
        headers = {name.lower(): value for name, value in headers.items() if value}.items()
    elif not isinstance(headers, list | tuple):
        return headers
    return [[_bytes(name).lower(), _bytes(value)] for name, value in headers]


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("latin1")


def _encoded(cookies: Mapping[str, Any]) -> bytes:
    encoder: SimpleCookie = SimpleCookie(dict(cookies))
    return "; ".join(morsel.OutputString() for morsel in encoder.values()).encode("ascii")
