"""Nothing that a stranger sends takes quadratic time.

Each reader gets the same hostile texts. `growth` measures.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import parse_cookie
from django.test import Client
from pytest_django.fixtures import Settings

from channels_workers.exceptions import DenyConnection
from channels_workers.interface.client_address import client_address, network_of
from channels_workers.interface.cookies import with_readable_cookies
from channels_workers.message import Message
from channels_workers.security.websockets import ConfiguredOriginsOnlyOriginValidator
from chat import guests, languages, names
from chat.accounts.lookalikes import key_of
from chat.accounts.models import problem_with
from chat.frames import FrameError, parse
from chat.models import Room
from tests.chat.growth import assert_linear

#: How hostile texts begin, and what they repeat.
PIECES = {
    "marks": ("a", "\u0301\u0316"),
    "marks of three orders": ("a", "\u0315\u0301\u0327"),
    "marks that split": ("a", "\u0344"),
    "turns": ("", "\u202ea\u202c"),
    "open turns": ("", "\u202e"),
    "letters that become many": ("", "\ufdfa"),
    "dots": ("http://a", "."),
    "dots and letters": ("", "...a"),
    "quotes": ('a="', '\\"'),
    "escapes": ('a="', "\\"),
    "octal escapes": ('a="', "\\1"),
    "spaces": ("", " "),
    "spaces and letters": ("", "a "),
    "blanks of all kinds": ("", "\u2003\u200b\t"),
    "colons": ("[", "::1"),
    "commas": ("", ",;q=0.1"),
    "semicolons": ("", "a=b;"),
    "brackets": ("", "[{"),
    "digits": ("", "9"),
    "percents": ("", "%c3"),
    "slashes": ("", "/"),
    "dashes": ("a", "-a"),
    "joined pictures": ("", "👩\u200d"),
    "selected pictures": ("", "👩\ufe0f"),
    "tags": ("🏴", "\U000e0067"),
    "keycaps": ("", "1\ufe0f\u20e3"),
    "umlauts by themselves": ("//", "\u00a8\u00af"),
}


def text_of(case: str) -> Callable[[int], str]:
    start, piece = PIECES[case]
    return lambda length: start + piece * (length // len(piece)) + '"'


def header(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def said(**fields: str) -> None:
    with suppress(FrameError):
        parse(json.dumps(fields))


def unless(error: type[Exception], test: Callable[[str], Any]) -> Callable[[str], Any]:
    def run(text: str) -> None:
        with suppress(error):
            test(text)

    return run


def origin_of(text: str) -> None:
    headers = [[b"origin", header(text)], [b"host", header(text)]]
    message = Message({"path": "/chat/a/", "headers": headers}, "websocket.connect", None)
    with suppress(DenyConnection):
        ConfiguredOriginsOnlyOriginValidator(lambda message: None)(message)


def headers_of(name: bytes, text: str) -> list[tuple[bytes, bytes]]:
    """The request headers that interface servers pass on."""
    headers = with_readable_cookies({"headers": [(name, header(text))]})["headers"]
    return [(name, value) for name, value in headers]


def read_cookies(text: str) -> None:
    for _, value in headers_of(b"cookie", text):
        parse_cookie(value.decode("latin-1"))


READERS: dict[str, Callable[[str], Any]] = {
    "the name of a room": unless(names.BadName, names.clean),
    "a label": names.is_label,
    "the path of a socket": lambda text: names.label_in(f"/chat/{text}/"),
    "a key": key_of,
    "the name of an account": problem_with,
    "what is visible": names.is_visible,
    "a handle": lambda text: said(handle=text, message="hi"),
    "a message": lambda text: said(handle="ann", message=text),
    "a nonce": lambda text: said(handle="ann", message="hi", nonce=text),
    "a type": lambda text: said(type=text),
    "a key of a frame": lambda text: said(**{text: ""}),
    "a frame": unless(FrameError, parse),
    "cookies": read_cookies,
    "the guest of a socket": lambda text: guests.person_of_socket(headers_of(b"cookie", text)),
    "the language of a socket": lambda text: languages.language_of(
        [(b"accept-language", header(text)), *headers_of(b"cookie", text)]
    ),
    "an address": lambda text: network_of(client_address(text, "", 0)),
    "forwarded addresses": lambda text: network_of(client_address("", text, 2)),
    "an origin": origin_of,
}


@pytest.mark.parametrize("case", PIECES)
@pytest.mark.parametrize("reader", READERS)
def test_readers_of_hostile_texts_take_linear_time(
    reader: str, case: str, settings: Settings
) -> None:
    settings.CHAT_FRAME_SIZE = 10**6
    settings.ALLOWED_HOSTS = ["*"]
    assert_linear(READERS[reader], text_of(case))


# Pages


@pytest.fixture
def visitor(client: Client, settings: Settings) -> Client:
    settings.LOGIN_RATE_LIMIT = settings.LOGIN_ADDRESS_RATE_LIMIT = settings.SIGNUP_RATE_LIMIT = (
        None
    )
    return client


PASSWORDS = {"password": "x", "password1": "x", "password2": "y"}

PAGES: dict[str, Callable[[Client, str], Any]] = {
    "the lobby": lambda client, text: client.post("/", {"name": text}),
    "a log-in": lambda client, text: client.post(
        "/accounts/login/", {**PASSWORDS, "username": text}
    ),
    "a password": lambda client, text: client.post(
        "/accounts/login/", {"username": "ann", "password": text}
    ),
    "a log-in of the admin": lambda client, text: client.post(
        "/admin/login/", {**PASSWORDS, "username": text}
    ),
    "a new account": lambda client, text: client.post(
        "/accounts/signup/", {**PASSWORDS, "username": text}
    ),
    "a new password": lambda client, text: client.post(
        "/accounts/signup/", {"username": "ann", "password1": text, "password2": text}
    ),
    "where to go": lambda client, text: client.post(
        "/accounts/login/", {**PASSWORDS, "username": "ann", "next": f"//{text}"}
    ),
    "where to come from": lambda client, text: client.get(
        "/accounts/login/", query_params={"next": f"//{text}"}
    ),
    "a language": lambda client, text: client.get(
        "/", headers={"Accept-Language": text.encode().decode("latin-1")}
    ),
    "a path": lambda client, text: client.get(f"/{quote(text)}/"),
    "a path without end": lambda client, text: client.get(f"/{quote(text)}"),
    "a query": lambda client, text: client.get(f"/a/messages/?after={quote(text)}"),
    "fields": lambda client, text: client.post(
        "/", "&".join(text[:20_000]), "application/x-www-form-urlencoded"
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize("case", PIECES)
@pytest.mark.parametrize("page", PAGES)
def test_pages_take_linear_time(page: str, case: str, visitor: Client, settings: Settings) -> None:
    # Also if larger forms are allowed.
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10**7
    assert_linear(lambda text: PAGES[page](visitor, text), text_of(case))


@pytest.mark.django_db
@pytest.mark.parametrize("model", ["chat/room", "chat/message", "auth/user"])
@pytest.mark.parametrize("case", ["marks", "quotes", "spaces and letters", "dots and letters"])
def test_the_admins_search_takes_linear_time(admin_client: Client, model: str, case: str) -> None:
    def search(text: str) -> None:
        admin_client.get(f"/admin/{model}/", query_params={"q": text})

    assert_linear(search, text_of(case))


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/accounts/signup/", "/admin/login/"])
@pytest.mark.parametrize("is_multipart", [False, True])
def test_an_oversized_form_is_refused(client: Client, path: str, is_multipart: bool) -> None:
    fields = {"name": "x" * 40_000, "username": "x", "password": "x"}
    kind = {} if is_multipart else {"content_type": "application/x-www-form-urlencoded"}
    data: Any = fields if is_multipart else "&".join(f"{key}={fields[key]}" for key in fields)
    assert client.post(path, data, **kind).status_code == 400
    assert not Room.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/accounts/login/", "/admin/login/"])
def test_an_invalid_name_or_password_is_refused_before_the_lookup(
    client: Client, path: str, django_assert_max_num_queries: Any
) -> None:
    User.objects.create_user("ann", password="x" * 20)
    # A name is looked up as typed, and shown unchanged.
    for field, text, queries in (("username", "a" * 151, 0), ("password", "x" * 1001, 1)):
        with django_assert_max_num_queries(queries):
            page = client.post(path, {"username": "ann", "password": "x", field: text})
        assert f"at most {len(text) - 1} characters" in page.context["form"].errors[field][0]


@pytest.mark.django_db
def test_code_may_pass_any_name() -> None:
    with pytest.raises(ValidationError, match="up to 40 characters"):
        User(username="a" + "\u0301\u0316" * 5000).save()


@pytest.mark.django_db
def test_an_uploaded_file_is_not_stored(client: Client) -> None:
    file = BytesIO(b"x" * 200_000)
    response = client.post("/", {"name": "lobby", "file": file})
    assert response.status_code == 302
    assert response.wsgi_request.FILES == {}  # type: ignore[attr-defined]
