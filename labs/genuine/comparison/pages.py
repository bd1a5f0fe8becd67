"""A client's pages and cookies."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from http.client import HTTPMessage, HTTPResponse
from http.cookiejar import CookieJar
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlencode

#: How long a page may take (s).
TIMEOUT = 20.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Gives a redirection back as it is."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        """Follow nothing."""


class Pages:
    """What a client requests of the server at *port*; it blocks."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self._jar = CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPCookieProcessor(self._jar),
            _NoRedirect(),
        )

    def cookies(self) -> str | None:
        """Return the header with all cookies."""
        request = urllib.request.Request(self.origin)
        self._jar.add_cookie_header(request)
        return request.get_header("Cookie")

    def request(
        self, path: str, form: Mapping[str, str] | None = None, timeout: float = TIMEOUT
    ) -> str:
        """Request a page, by POST if there is a *form*, and return what came of it.

        TimeoutError if nothing comes for *timeout* seconds.
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
            body = "(an error page of Django)"  # its words change with its versions
        words = [f"page {status}", *([f"to {location}"] if location else []), body]
        return " ".join(words)
