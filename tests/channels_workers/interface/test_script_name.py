import asyncio
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from pytest_django import Settings

from channels_workers.asgi import at_script_name
from channels_workers.conf import Configuration
from channels_workers.interface.actions import Publish
from channels_workers.interface.application import Interface
from channels_workers.interface.protocol import WebSocketProtocol
from channels_workers.interface.script_name import mounted, path_info
from tests.channels_workers.interface.test_health import ask

PREFIX = "/talk"


def scope_of(path: str, root_path: str | None = None) -> dict[str, Any]:
    """A server's scope: Daphne passes the raw path, uvicorn puts its root path before it."""
    root = {} if root_path is None else {"root_path": root_path}
    return {"type": "websocket", "path": path, "headers": [], **root}


@pytest.mark.parametrize(
    ("path", "prefix", "found"),
    [
        ("/talk/lobby/", PREFIX, "/lobby/"),
        ("/lobby/", PREFIX, "/lobby/"),
        ("/talk/talk/", PREFIX, "/talk/"),
        ("/talkative/", PREFIX, "/talkative/"),
        ("/talk/", PREFIX, "/"),
        ("/talk", PREFIX, "/"),
        ("/TALK/lobby/", PREFIX, "/TALK/lobby/"),
        ("/a/b/c/", "/a/b", "/c/"),
        ("/lobby/", "", "/lobby/"),
        ("", "", ""),
        ("", PREFIX, ""),
        ("*", PREFIX, "*"),
    ],
)
def test_the_path_after_the_prefix(path: str, prefix: str, found: str) -> None:
    assert path_info(path, prefix) == found


SCOPES = {
    "not below a prefix": (scope_of("/lobby/"), "", "/lobby/"),
    "root path is empty": (scope_of("/lobby/", ""), "", "/lobby/"),
    "root path is /": (scope_of("/lobby/", "/"), "", "/lobby/"),
    "prefix kept": (scope_of("/talk/lobby/", PREFIX), PREFIX, "/talk/lobby/"),
    "prefix taken off": (scope_of("/lobby/", PREFIX), PREFIX, "/talk/lobby/"),
    "a trailing slash": (scope_of("/talk/lobby/", "/talk/"), PREFIX, "/talk/lobby/"),
    "a path with the same beginning": (scope_of("/talkative/", PREFIX), PREFIX, "/talk/talkative/"),
}


@pytest.mark.parametrize("name", SCOPES)
def test_the_scope_has_the_prefix_in_path_and_root_path(name: str) -> None:
    scope, root_path, path = SCOPES[name]
    made = mounted(scope)
    assert (made.get("root_path", "").rstrip("/"), made["path"]) == (root_path, path)
    assert mounted(made) is made


@pytest.mark.parametrize("came", ["/talk/lobby/", "/lobby/"])
@pytest.mark.parametrize("root_path", [None, "", "/other", PREFIX])
def test_the_setting_overrides_the_server(
    came: str, root_path: str | None, settings: Settings
) -> None:
    settings.FORCE_SCRIPT_NAME = PREFIX
    made = mounted(scope_of(came, root_path))
    assert (made["root_path"], made["path"]) == (PREFIX, "/talk/lobby/")


@pytest.mark.parametrize("forced", [None, "", PREFIX])
@pytest.mark.parametrize("root_path", ["", PREFIX])
@pytest.mark.parametrize("came", ["/talk/lobby/", "/lobby/"])
def test_pages_see_the_same_path(
    forced: str | None, root_path: str, came: str, settings: Settings
) -> None:
    settings.FORCE_SCRIPT_NAME = forced
    scope = {**scope_of(came, root_path), "type": "http", "method": "GET"}
    request = ASGIRequest(mounted(scope), None)
    before = ASGIRequest(scope, None)
    assert request.path_info == before.path_info
    below = forced or root_path
    assert request.path == f"{below}{request.path_info}"


def connect_of(scope: Any) -> tuple[str, str, WebSocketProtocol]:
    connection = WebSocketProtocol(scope, Configuration())
    [step] = connection.begin()
    assert isinstance(step, Publish)
    return step.content["path"], step.content["root_path"], connection


def test_consumers_see_the_path_after_the_prefix() -> None:
    path, root_path, connection = connect_of(mounted(scope_of("/talk/lobby/", PREFIX)))
    assert (path, root_path) == ("/lobby/", PREFIX)
    connection.reply({"accept": True})
    connection.release(0)
    [step] = connection.receive({"type": "websocket.receive", "text": "hello"})
    assert isinstance(step, Publish)
    assert step.content["path"] == "/lobby/"


def test_without_a_prefix_the_path_is_unchanged() -> None:
    assert connect_of(scope_of("/talk/lobby/"))[:2] == ("/talk/lobby/", "")


@pytest.mark.parametrize("path", ["/up", "/talk/up", "/talk/talk/up"])
@pytest.mark.parametrize("setting", [None, PREFIX])
async def test_probes_are_answered_with_and_without_the_prefix(
    path: str, setting: str | None, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"HEALTH_PATH": "/up"}
    settings.FORCE_SCRIPT_NAME = setting
    application = Interface(not_here, lambda: None)  # type: ignore[arg-type, return-value]
    root_path = "" if setting else PREFIX
    answer = await ask(application, path, root_path=root_path)
    assert answer.status == 200


async def test_a_probe_on_another_path_goes_to_django(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"HEALTH_PATH": "/up"}
    application = Interface(not_here, lambda: None)  # type: ignore[arg-type, return-value]
    for path in ("/talk/up", "/talkup"):
        assert (await ask(application, path)).status == 404


async def not_here(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_an_application_gets_the_scope_with_the_prefix() -> None:
    seen = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    await at_script_name(application)(scope_of("/lobby/", PREFIX), asyncio.Queue().get, print)
    await at_script_name(application)({"type": "lifespan"}, asyncio.Queue().get, print)
    assert [scope.get("path") for scope in seen] == ["/talk/lobby/", None]
