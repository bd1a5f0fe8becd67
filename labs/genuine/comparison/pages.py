"""A client's page requests and cookies."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from http.client import HTTPMessage, HTTPResponse
from http.cookiejar import CookieJar
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlencode

from labs.genuine.comparison.requests import Requests

#: Time-out of a page (s).
TIMEOUT = 60.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Returns redirects as they are."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        """Follow no redirect."""


class Pages:
    """Requests pages of the server at *port*. Blocks."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self._jar = CookieJar()
        self.requests = Requests(port, self._jar)
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPCookieProcessor(self._jar),
            _NoRedirect(),
        )

    def cookies(self) -> str | None:
        """Return the Cookie header."""
        request = urllib.request.Request(self.origin)
        self._jar.add_cookie_header(request)
        return request.get_header("Cookie")

    def request(
        self, path: str, form: Mapping[str, str] | None = None, timeout: float = TIMEOUT
    ) -> str:
        """Request a page, by POST if there is a *form*, and describe the response.

        TimeoutError after *timeout* seconds.
        """
        data = None if form is None else urlencode(form).encode()
        try:
            response = self._opener.open(self.origin + path, data, timeout)
        except HTTPError as error:
            response = error
        with response:
            return self._describe(response)

    def _describe(self, response: HTTPResponse | HTTPError) -> str:
        status, kind = response.status or 0, response.headers.get("Content-Type", "")
        location = response.headers.get("Location")
        body = response.read().decode(errors="backslashreplace")
        if status >= 400 and kind.startswith("text/html"):
            body = "(an error page of Django)"  # its text depends on Django's version
        words = [f"page {status}", *([f"to {location}"] if location else []), body]
        return " ".join(words)
