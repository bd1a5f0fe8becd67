from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from pytest_django.fixtures import Settings

from chat import guests


def cookie_for(person: str) -> str:
    response = HttpResponse()
    guests.set_cookie(response, person)
    return response.cookies["chat_guest"].value


def test_the_cookie_identifies_a_returning_person() -> None:
    person = guests.new_person()
    assert guests.person_in({"chat_guest": cookie_for(person)}) == person


def test_the_cookie_is_for_this_site_only_and_http_only() -> None:
    response = HttpResponse()
    guests.set_cookie(response, "guest:x")
    cookie = response.cookies["chat_guest"]
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Lax", "")


def test_the_cookie_is_secure_where_all_cookies_are(settings: Settings) -> None:
    settings.SESSION_COOKIE_SECURE = True
    response = HttpResponse()
    guests.set_cookie(response, "guest:x")
    assert response.cookies["chat_guest"]["secure"] is True


def test_a_missing_or_forged_cookie_is_nobody() -> None:
    forged = cookie_for("guest:me").replace("guest:me", "guest:you")
    assert guests.person_in({}) is None
    assert guests.person_in({"chat_guest": "guest:you"}) is None
    assert guests.person_in({"chat_guest": forged}) is None


def test_the_headers_identify_who_opens_a_socket() -> None:
    value = cookie_for("guest:me").encode()
    header = (b"cookie", b"other=1; chat_guest=" + value + b"; more=2")
    assert guests.person_of_socket([(b"host", b"localhost"), header]) == "guest:me"


def test_each_socket_without_a_cookie_is_a_new_person() -> None:
    headers = [(b"host", b"localhost"), (b"cookie", b"\xff=\xfe; chat_guest=")]
    first, second = guests.person_of_socket(headers), guests.person_of_socket(headers)
    assert first != second
    assert first.startswith("guest:")


def request_with(user: Any, cookies: dict[str, str]) -> HttpRequest:
    request = HttpRequest()
    request.user = user
    request.COOKIES = cookies
    return request


def test_a_visitor_is_the_account_or_the_guest_or_nobody() -> None:
    cookies = {"chat_guest": cookie_for("guest:me")}
    assert guests.person_of_request(request_with(User(pk=7), cookies)) == "user:7"
    assert guests.person_of_request(request_with(AnonymousUser(), cookies)) == "guest:me"
    assert guests.person_of_request(request_with(AnonymousUser(), {})) is None
