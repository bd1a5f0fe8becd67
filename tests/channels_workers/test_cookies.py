import pytest
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.http.cookie import parse_cookie  # noqa: TID251  what ours is compared with
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from channels_workers.cookies import ReadsCookies, parse

HEADERS = st.lists(st.text('ab=;"\\ 0127é,\t'), max_size=8).map(";".join) | st.text()


@given(HEADERS)
def test_cookies_are_read_as_django_reads_them(header: str) -> None:
    assert parse(header) == parse_cookie(header)


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        ("", {}),
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("alone", {"": "alone"}),
        (r'a="\"x\\y\054\""', {"a": r'"x\y,"'}),
        ('a="', {"a": '"'}),
    ],
)
def test_cookies(header: str, cookies: dict[str, str]) -> None:
    assert parse(header) == cookies


def test_a_request_has_the_cookies_of_ours() -> None:
    request = RequestFactory(headers={"Cookie": r'a="x\054y"'}).get("/")
    ReadsCookies(lambda request: HttpResponse()).process_request(request)
    assert vars(request)["COOKIES"] == {"a": "x,y"}


def test_so_has_one_by_asgi(rf: RequestFactory) -> None:
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b""}
    request = ASGIRequest({**scope, "headers": [(b"cookie", rb'a="x\054y"')]}, None)
    ReadsCookies(lambda request: HttpResponse()).process_request(request)
    assert vars(request)["COOKIES"] == {"a": "x,y"}
