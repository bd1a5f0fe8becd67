"""The language of a socket: that of its page, for errors are read there.

A browser says what its person reads when the page opens the socket. It is kept in the channel
session, and later messages are run in it.
"""

import functools
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import translation

from channels_workers import cookies
from channels_workers.message import Consumer, Message

# Key of the channel session.
LANGUAGE = "language"


def language_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The one of ``LANGUAGES`` in which a page with these headers would be answered."""
    found = {name: value.decode("latin-1") for name, value in headers}
    request = HttpRequest()
    request.META["HTTP_ACCEPT_LANGUAGE"] = found.get(b"accept-language", "")
    request.COOKIES = cookies.parse(found.get(b"cookie", ""))
    return translation.get_language_from_request(request)


def in_language_of_socket(consumer: Consumer) -> Consumer:
    """Run a consumer in its socket's language; stands below ``@channel_session``.

    The first consumer of a connection, whose message has the headers, learns it.
    """

    @functools.wraps(consumer)
    def inner(message: Message, **kwargs: Any) -> Any:
        session = message.channel_session
        if "headers" in message:
            session[LANGUAGE] = language_of(message["headers"])
        with translation.override(session.get(LANGUAGE, settings.LANGUAGE_CODE)):
            return consumer(message, **kwargs)

    return inner
