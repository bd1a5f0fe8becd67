"""The user of a token, beside :mod:`channels_workers.auth` for the user of a cookie."""

from __future__ import annotations

import hashlib
import logging
import time
from typing import Any

from django.contrib import auth

from channels_workers.auth import EXPIRES_KEY, USER_KEYS, set_user_of_channel
from channels_workers.bearer import wire
from channels_workers.bearer.configuration import token_settings
from channels_workers.bearer.refusals import refused_tokens
from channels_workers.channel import Group
from channels_workers.decorators import ConsumerDecorator
from channels_workers.exceptions import ChannelSocketException, DenyConnection
from channels_workers.interface.close_codes import TOKEN_REFUSED
from channels_workers.layers.types import CONNECT, RECEIVE, RESUME
from channels_workers.log_limits import flood
from channels_workers.logs import fields, shown
from channels_workers.message import Consumer, Message
from channels_workers.sessions import channel_session
from channels_workers.tokens.handshake import client_of, counted_address, tokens_of
from channels_workers.tokens.validation import TokenRefused, TokenUser, verify

#: The end of a socket whose new token never expires, a Unix time (s): it replaces the former one.
NEVER = 1e11

#: Clients can cause its lines without end.
refusals = logging.getLogger(f"{__name__}.refusals")
refusals.addFilter(flood)


class _Renewed(ChannelSocketException):
    """The frame was a token, so its consumer does not run."""

    def __init__(self, expires: float | None) -> None:
        super().__init__()
        self.expires = expires

    def run(self, message: Message) -> None:
        """Move the end of the socket, and tell its client."""
        text = wire.acknowledgement(self.expires, time.time())
        expires = NEVER if self.expires is None else self.expires
        message.reply_channel.send({"expires": expires, "text": text})


class _Closed(ChannelSocketException):
    """The frame was a token that is refused, so its consumer does not run."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why

    def run(self, message: Message) -> None:
        """Close the socket."""
        refusals.warning(
            "Closing %s: its new token is refused: %s",
            shown(str(message.get("path", "-"))),
            shown(self.why),
            extra=fields(
                "token_refused",
                code=TOKEN_REFUSED,
                connection=message.reply_channel.name,
                message_id=message.id,
                path=shown(str(message.get("path", "-"))),
            ),
        )
        message.reply_channel.send({"close": TOKEN_REFUSED})


def token_user(func: Consumer) -> Consumer:
    """Give the consumer ``message.channel_session``, and the user of the token as ``message.user``.

    Use it for all messages of a socket. On ``websocket.connect`` it checks the token of the
    handshake, keeps the user in the channel session, and lets the socket end with the token. An
    invalid token refuses the handshake. Without a token the user is the one in the channel session,
    or an ``AnonymousUser``. On ``websocket.receive`` it takes the frames that renew the token, for
    which the consumer does not run. Other frames, and ``websocket.disconnect``, have the user, read
    from the database as :func:`~channels_workers.auth.channel_session_user` does. On
    ``websocket.resume`` it checks the token of the new handshake. Without one, and with one of
    another user, the connection ends.

    The message that brought a token has ``message.token_claims``, a dict.
    """
    return channel_session(_with_token_user(func))


def _prepare(message: Message) -> None:
    if message.channel_name == CONNECT:
        _take_of_handshake(message)
    elif message.channel_name == RESUME:
        _take_of_handshake(message, is_again=True)
    elif message.channel_name == RECEIVE:
        _take_of_frame(message)
    if not hasattr(message, "user"):
        set_user_of_channel(message)


def _take_of_handshake(message: Message, *, is_again: bool = False) -> None:
    tokens, session = tokens_of(message), message.channel_session
    if not tokens and not (is_again and EXPIRES_KEY in session):
        return
    address = counted_address(client_of(message))
    if wait := refused_tokens.wait(address):
        raise DenyConnection(f"its address has sent too many invalid tokens; {wait} s are left")
    try:
        if not tokens:
            raise TokenRefused("it resumes without one")
        if len(tokens) > 1:
            raise TokenRefused("there are several")
        found = verify(tokens[0])
        if is_again and session.get(auth.SESSION_KEY) != _key_of(found.user):
            raise TokenRefused("it is of another user")
        _log_in(message, found)
    except TokenRefused as error:
        refused_tokens.note(address)
        raise DenyConnection(f"its token is refused: {error}") from None
    if found.expires is not None:
        message.reply_channel.send({"expires": found.expires})


def _take_of_frame(message: Message) -> None:
    token = wire.of_frame(message.get("text"), token_settings().TOKEN_SIZE)
    if token is None:
        return
    try:
        found = verify(token)
        if message.channel_session.get(auth.SESSION_KEY) != _key_of(found.user):
            raise TokenRefused("it is of another user")
        _log_in(message, found)
    except TokenRefused as error:
        raise _Closed(str(error)) from None
    raise _Renewed(found.expires)


def _log_in(message: Message, found: TokenUser) -> None:
    """Keep the user of a token in the channel session, and load it from there.

    The socket is in the user's group before that, so one that :func:`close_sockets_of` does not
    reach sees what the caller changed in the database before.
    """
    session = message.channel_session
    values = found.backend, _key_of(found.user), found.user.get_session_auth_hash()
    for key, value in zip(USER_KEYS, values, strict=True):
        session[key] = value
    session[EXPIRES_KEY] = found.expires
    message.token_claims = dict(found.claims)
    _group(found.user, message).add(message.reply_channel)
    set_user_of_channel(message)
    if not message.user.is_authenticated:
        raise TokenRefused("its user is not active")


def _key_of(user: Any) -> str:
    return str(user._meta.pk.value_to_string(user))  # as Django's login() does


def _group(user: Any, message: Message | None = None) -> Group:
    # A primary key may have letters that no name of a group has.
    digest = hashlib.sha256(_key_of(user).encode()).hexdigest()[:32]
    layer = message.channel_layer if message is not None else None
    return Group(f"channels_workers.user.{digest}", channel_layer=layer)


_with_token_user = ConsumerDecorator("token_user", _prepare)


def close_sockets_of(user: Any, code: int = TOKEN_REFUSED) -> None:
    """Close all sockets that came with a token of *user*, by default with 4021.

    First make sure that the tokens are refused: deactivate the user, for example. *code* is 1000 or
    from 3000 to 4999. In a coroutine, call this with ``sync_to_async()``. Errors are those of
    :meth:`Group.send() <channels_workers.channel.Group.send>`.
    """
    _group(user).send({"close": code})
