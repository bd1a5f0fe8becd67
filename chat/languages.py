"""The language of a socket: that of its page, which shows the errors.

The browser sends its languages when the page opens the socket. The channel session keeps the choice
for later messages.
"""

import functools
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, parse_cookie
from django.utils import translation

from channels_workers.message import Consumer, Message

# Key of the channel session.
LANGUAGE = "language"


def language_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The language of ``LANGUAGES`` that a page with these headers would get."""
    found = {name: value.decode("latin-1") for name, value in headers}
    request = HttpRequest()
    request.META["HTTP_ACCEPT_LANGUAGE"] = found.get(b"accept-language", "")
    request.COOKIES = parse_cookie(found.get(b"cookie", ""))
    return translation.get_language_from_request(request)


def in_language_of_socket(consumer: Consumer) -> Consumer:
    """Run a consumer in its socket's language. Put it below ``@channel_session``.

    The first message of a connection has the headers that decide the language.
    """

    @functools.wraps(consumer)
    def inner(message: Message, **kwargs: Any) -> Any:
        session = message.channel_session
        if "headers" in message:
            session[LANGUAGE] = language_of(message["headers"])
        with translation.override(session.get(LANGUAGE, settings.LANGUAGE_CODE)):
            return consumer(message, **kwargs)

    return inner
