"""The languages of pages and sockets."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.utils import translation

from channels_workers.message import Message
from channels_workers.routing import route
from channels_workers.sessions import channel_session
from channels_workers.test import Client, apply_routes
from channels_workers.test.layers import fresh_layers
from chat import guests
from chat.frames import FrameError
from chat.languages import in_language_of_socket, language_of
from chat.texts import LOBBY, ROOM, texts
from labs.harness.project import ROOT

SCRIPT = re.compile(r"""(?<![\w.$])t\(\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|`([^`]*)`)""")

LANGUAGES = {
    "": "en",
    "en-US,en;q=0.9": "en",
    "zh-CN,zh;q=0.9,en;q=0.8": "zh-hans",
    "zh-Hans": "zh-hans",
    "zh": "zh-hans",
    "de-DE,de;q=0.9,zh-CN;q=0.8,en;q=0.7": "zh-hans",
    "de": "en",
    "nonsense;;;=\xff": "en",
}


@pytest.fixture(autouse=True)
def language() -> Iterator[None]:
    """Pages activate a language for the thread: restore it."""
    with translation.override("en"):
        yield


@pytest.mark.parametrize("accepted", LANGUAGES)
def test_the_language_is_the_browsers_choice(accepted: str) -> None:
    headers = [(b"host", b"localhost"), (b"accept-language", accepted.encode("latin-1"))]
    assert language_of(headers) == LANGUAGES[accepted]


def test_without_the_header_the_default_applies() -> None:
    assert language_of([]) == "en"


@pytest.mark.django_db
def test_pages_are_in_the_language_of_the_browser(client: Browser) -> None:
    for accepted, title in {"zh-CN": "登录 · 聊天", "en": "Log in · Chat"}.items():
        response = client.get("/accounts/login/", headers={"accept-language": accepted})
        assert f"<title>{title}</title>" in response.content.decode()
        assert "Accept-Language" in response["Vary"]


@pytest.mark.django_db
def test_form_errors_are_translated(client: Browser) -> None:
    User.objects.create_user("ann")
    headers = {"accept-language": "zh-CN"}
    form = {"username": "Ann", "password1": "12345", "password2": "12345"}
    page = client.post("/accounts/signup/", form, headers=headers).content.decode()
    assert "这个名字或看起来相同的名字已被使用" in page
    assert "至少需要 8 个字符" in page
    assert "This password" not in page
    page = client.post("/", {"name": " "}, headers=headers).content.decode()
    assert "请输入房间名。" in page


# Sockets


@channel_session
@in_language_of_socket
def answer(message: Message) -> None:
    try:
        guests.check_handle("ann", guests.Speaker("guest:x"))
    except FrameError as error:
        message.reply_channel.send({"detail": error.detail})


@pytest.fixture
def routes() -> Iterator[None]:
    routing = [route(["websocket.connect", "websocket.receive"], answer)]
    with fresh_layers(["default"]), apply_routes(routing):
        yield


@pytest.mark.django_db
@pytest.mark.parametrize(("accepted", "said"), [(b"zh-CN", "属于一个账号"), (b"de", "belongs to")])
def test_a_socket_answers_in_the_language_of_its_handshake(
    routes: None, accepted: bytes, said: str
) -> None:
    User.objects.create_user("ann")
    socket = Client()
    handshake = {"path": "/", "headers": [[b"accept-language", accepted]]}
    socket.send_and_consume("websocket.connect", handshake)
    assert said in socket.receive()["detail"]
    socket.send_and_consume("websocket.receive", {"path": "/", "text": "hi"})
    assert said in socket.receive()["detail"]
    assert translation.get_language() == "en"


@pytest.mark.django_db
def test_a_socket_of_an_earlier_release_answers_in_the_default_language(routes: None) -> None:
    User.objects.create_user("ann")
    socket = Client()
    socket.send_and_consume("websocket.receive", {"path": "/", "text": "hi"})
    assert "belongs to" in socket.receive()["detail"]


# Texts of scripts


def texts_in(source: str) -> set[str]:
    """The string literals in calls of ``t``."""
    return {"".join(match.groups("")) for match in SCRIPT.finditer(source)}


def test_the_texts_of_a_script_are_found() -> None:
    source = """t("one…"); x = [t('two'), t(`three`, {a: 1})]; t(
        "four \\" five"); parts.t("no"); at("no"); t(name)"""
    assert texts_in(source) == {"one…", "two", "three", 'four \\" five'}


def imported_by(file: Path) -> set[Path]:
    """The script *file*, and those that it imports, directly or not."""
    found = {file}
    for imported in re.findall(r'from "(\./[^"]+\.js)"', file.read_text()):
        found |= imported_by(file.parent / imported)
    return found


@pytest.mark.parametrize(("script", "page"), [("room.js", ROOM), ("lobby.js", LOBBY)])
def test_each_page_carries_the_texts_of_its_scripts(script: str, page: tuple[str, ...]) -> None:
    sources = [file.read_text() for file in imported_by(ROOT / "chat" / "client" / script)]
    assert len(sources) > 5
    assert set().union(*map(texts_in, sources)) == set(page)


@pytest.mark.parametrize("page", [ROOM, LOBBY])
def test_each_translation_has_the_same_placeholders(page: tuple[str, ...]) -> None:
    with translation.override("zh-hans"):
        translated = texts(page)
    assert set(translated) == set(page)
    for english, text in translated.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", english))


def test_an_english_page_carries_no_translations() -> None:
    found: dict[str, Any] = texts(ROOM)
    assert found == {}
