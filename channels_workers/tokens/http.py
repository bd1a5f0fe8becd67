"""The user of a token for HTTP: of requests that workers answer, and of Django's views anywhere."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from channels_workers.bearer import wire
from channels_workers.bearer.configuration import token_settings
from channels_workers.bearer.refusals import refused_tokens
from channels_workers.decorators import ConsumerDecorator
from channels_workers.exceptions import ChannelSocketException
from channels_workers.handler import scope_of
from channels_workers.log_limits import flood
from channels_workers.logs import fields, shown
from channels_workers.message import Consumer, Message
from channels_workers.tokens.handshake import client_of, counted_address
from channels_workers.tokens.validation import TokenRefused, TokenUser, verify

#: Clients can cause its lines without end.
logger = logging.getLogger(__name__)
logger.addFilter(flood)

UNAUTHORIZED = "The token is invalid.\n"
TOO_MANY = "Too many invalid tokens.\n"

#: RFC 6750, 3.1.
INVALID = 'Bearer error="invalid_token"'


class TokenUserMiddleware:
    """Middleware that gives views the user of ``Authorization: Bearer`` as ``request.user``.

    Put it behind Django's ``AuthenticationMiddleware``. It works wherever the views run. A request
    without such a header keeps its user. An invalid token is answered with 401, and no view runs.
    After too many of one address (``REFUSED_PER_ADDRESS``) its tokens are answered with 429.

    With a valid token no CSRF token is needed, because no page of a stranger has it.
    ``request.token_claims`` is a dict.
    """

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        if not token_settings().VALIDATORS:
            raise ImproperlyConfigured(
                f"{type(self).__name__} in MIDDLEWARE needs VALIDATORS in CHANNEL_TOKENS, which is "
                "empty: no token could be valid."
            )
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Return the response of the view, or of a refusal; for async ones a coroutine."""
        if self._is_async:
            return self._acall(request)
        return self._refuse(request) or self.get_response(request)

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        refusal = None
        if "HTTP_AUTHORIZATION" in request.META:
            refusal = await sync_to_async(self._refuse)(request)
        found: HttpResponseBase = refusal or await self.get_response(request)
        return found

    def _refuse(self, request: HttpRequest) -> HttpResponse | None:
        """Set the user of *request*; return a refusal, None if there is none."""
        value = request.META.get("HTTP_AUTHORIZATION", "").encode("latin-1", "replace")
        address = request.META.get("REMOTE_ADDR") or ""
        try:
            found = _user_of([(b"authorization", value)], address, request.path)
        except _Unauthorized as refused:
            return HttpResponse(refused.text, status=refused.status, headers=dict(refused.headers))
        if found is not None:
            _take(request, found)
        return None


def _take(request: Any, found: TokenUser) -> None:
    async def auser() -> Any:
        return found.user

    request.user, request.auser = found.user, auser
    request.token_claims = dict(found.claims)
    # CsrfViewMiddleware looks at it. Only cookies make a browser act for a stranger.
    request._dont_enforce_csrf_checks = True


class _Unauthorized(ChannelSocketException):
    """The token is refused, so the consumer does not run."""

    def __init__(self, wait: int = 0) -> None:
        super().__init__()
        self.status, self.text = (429, TOO_MANY) if wait else (401, UNAUTHORIZED)
        self.headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Retry-After", str(wait)) if wait else ("WWW-Authenticate", INVALID),
        ]

    def run(self, message: Message) -> None:
        """Answer the request."""
        content = {"status": self.status, "headers": self.headers, "content": self.text.encode()}
        message.reply_channel.send(content)


def http_token_user(func: Consumer) -> Consumer:
    """Give a consumer of ``http.request`` the user of ``Authorization: Bearer``.

    It is ``message.user``, an ``AnonymousUser`` without that header. ``message.token_claims`` is a
    dict. An invalid token is answered with 401, and the consumer does not run. After too many of
    one address (``REFUSED_PER_ADDRESS``) its tokens are answered with 429.
    """
    return _with_token_user(func)


def _prepare(message: Message) -> None:
    # Imported here: consumers are imported before the apps are ready, which models must not be.
    from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415

    client = client_of(message)
    found = _user_of(scope_of(message)["headers"], client, message["path"])
    message.user = AnonymousUser() if found is None else found.user
    message.token_claims = {} if found is None else dict(found.claims)


_with_token_user = ConsumerDecorator("http_token_user", _prepare)


def _user_of(headers: wire.Headers, client: str, path: str) -> TokenUser | None:
    """Return the user of the token in *headers*, None without one; raise :class:`_Unauthorized`."""
    tokens = wire.bearers(headers, token_settings().TOKEN_SIZE)
    if not tokens:
        return None
    address = counted_address(client)
    if wait := refused_tokens.wait(address):
        raise _Unauthorized(wait)
    try:
        if len(tokens) > 1:
            raise TokenRefused("there are several")
        return verify(tokens[0])
    except TokenRefused as error:
        refused_tokens.note(address)
        logger.warning(
            "The token of a request to %s is refused: %s",
            shown(path),
            shown(str(error)),
            extra=fields("request_token_refused", client=address or None, path=shown(path)),
        )
        raise _Unauthorized from None
