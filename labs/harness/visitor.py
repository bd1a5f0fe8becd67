"""Somebody with a browser's cookies, on a real server, with or without an account."""

import urllib.parse
import urllib.request
from http.client import HTTPResponse
from http.cookiejar import CookieJar

from labs.harness.server import Server

PASSWORD = "correct horse battery"


class Visitor:
    """Keeps the cookies of a server, sends forms as its pages do, and opens sockets."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.jar = CookieJar()
        processor = urllib.request.HTTPCookieProcessor(self.jar)
        self.opener = urllib.request.build_opener(processor)

    def get(self, path: str) -> str:
        """The body of a page."""
        response: HTTPResponse
        with self.opener.open(self.server.url + path, timeout=60) as response:
            return response.read().decode()

    def post(self, path: str, **fields: str) -> str:
        """Send a form; the path to which it led."""
        named = {name.removeprefix("__Host-"): value for name, value in self.cookies.items()}
        token = {"csrfmiddlewaretoken": named["csrftoken"]}
        data = urllib.parse.urlencode(fields | token).encode()
        response: HTTPResponse
        with self.opener.open(self.server.url + path, data, timeout=60) as response:
            return urllib.parse.urlsplit(response.url).path

    def sign_up(self, name: str) -> str:
        """Make an account and be logged in; the path to which that led."""
        self.get("/accounts/signup/")
        return self.post("/accounts/signup/", username=name, password1=PASSWORD, password2=PASSWORD)

    @property
    def cookies(self) -> dict[str, str]:
        """Names and values."""
        return {cookie.name: cookie.value or "" for cookie in self.jar}

    @property
    def headers(self) -> dict[str, str]:
        """What a page's socket is opened with: for `additional_headers` of `Server.join`."""
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
