"""The cookies that a browser shows, read in linear time.

Python unquotes a cookie in time that grows with the square of its length, with the GIL held, in
releases before 3.11.10 and 3.12.6, and Django asks it to: a header of 64 KB stops a server for
seven seconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest, get_str_from_wsgi
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin

_ESCAPED = re.compile(r"\\(?:([0-3][0-7][0-7])|(.))", re.DOTALL)


def parse(header: str) -> dict[str, str]:
    """Return what Django's ``parse_cookie`` returns for the header ``Cookie``."""
    found = {}
    for pair in header.split(";"):
        name, equals, value = pair.partition("=")
        if not equals:  # a browser may send a value alone
            name, value = "", pair
        name, value = name.strip(), value.strip()
        if name or value:
            found[name] = _unquoted(value)
    return found


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    return _ESCAPED.sub(_character, value[1:-1])


def _character(found: re.Match[str]) -> str:
    return chr(int(found[1], 8)) if found[1] else found[2]


class ReadsCookies(MiddlewareMixin):
    """Reads the cookies of each request before Django does: the first of ``MIDDLEWARE``.

    It changes nothing but the time that it takes.
    """

    get_response: Callable[[HttpRequest], Any]

    def process_request(self, request: HttpRequest) -> None:
        """Set ``request.COOKIES``."""
        if isinstance(request, WSGIRequest):
            request.COOKIES = parse(get_str_from_wsgi(request.environ, "HTTP_COOKIE", ""))
        elif isinstance(request, ASGIRequest):
            request.COOKIES = parse(request.META.get("HTTP_COOKIE", ""))
