"""The user of a token in requests: by a consumer, and by middleware wherever views run."""

import asyncio
import logging
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.views.decorators.csrf import csrf_protect
from pytest_django import Settings

from channels_workers.bearer import refusals
from channels_workers.bearer.refusals import RefusedTokens
from channels_workers.handler import AsgiHandler
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import REQUEST
from channels_workers.message import Message
from channels_workers.tokens import TokenUserMiddleware, http_token_user, issue
from tests.channels_workers import clients
from tests.channels_workers.conftest import RunNext, Views

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("tokens")]

MIDDLEWARE = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "channels_workers.tokens.TokenUserMiddleware",
)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@csrf_protect
def who(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    return HttpResponse(f"{request.method} {user.get_username()}")


async def who_async(request: Any) -> HttpResponse:
    user = await request.auser()
    return HttpResponse(f"{request.method} {user.get_username()}")


@pytest.fixture
def site(views: Views) -> Client:
    views(who, *MIDDLEWARE)
    return Client(enforce_csrf_checks=True)


def test_views_have_the_user(site: Client, ann: User) -> None:
    assert site.get("/", headers=bearer(issue(ann))).content == b"GET ann"
    assert site.get("/").content == b"GET "
    assert site.get("/", headers={"Authorization": "Basic YTpi"}).content == b"GET "
    site.force_login(ann)
    assert site.get("/").content == b"GET ann"


def test_a_token_stands_for_the_csrf_token_and_a_cookie_does_not(site: Client, ann: User) -> None:
    assert site.post("/", headers=bearer(issue(ann))).content == b"POST ann"
    site.force_login(ann)
    assert site.post("/").status_code == 403
    assert site.post("/", headers={"Authorization": "Basic YTpi"}).status_code == 403


@pytest.mark.parametrize(
    "value",
    ["Bearer nonsense", "Bearer", "bearer  ", "Bearer a b", "Bearer \xff", "Bearer a,Bearer b"],
)
def test_an_invalid_token_gets_401_and_no_view(
    site: Client, ann: User, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    site.force_login(ann)
    response = site.get("/secret/", headers={"Authorization": value})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    [line] = [one for one in caplog.records if one.name == "channels_workers.tokens.http"]
    assert line.__dict__["event"] == "request_token_refused"
    assert "nonsense" not in line.getMessage()


def test_an_inactive_user_gets_401(site: Client, ann: User) -> None:
    token = issue(ann)
    User.objects.update(is_active=False)
    assert site.get("/", headers=bearer(token)).status_code == 401


async def test_async_views(views: Views, ann: User) -> None:
    views(who_async, *MIDDLEWARE)
    client = AsyncClient()
    token = await asyncio.to_thread(issue, ann)
    assert (await client.get("/", headers=bearer(token))).content == b"GET ann"
    assert (await client.get("/", headers=bearer("no"))).status_code == 401
    assert (await client.get("/")).content == b"GET "


@pytest.mark.parametrize("view", [who, who_async])
def test_views_in_workers(
    view: Any, views: Views, ann: User, memory_layer: InMemoryChannelLayer
) -> None:
    views(view, *MIDDLEWARE)
    handler = AsgiHandler()
    for token, status in ((issue(ann), 200), ("no", 401)):
        headers = [[b"authorization", f"Bearer {token}".encode()]]
        content = {"path": "/", "method": "POST", "headers": headers, "reply_channel": "answers"}
        [reply] = handler(Message(content, REQUEST, None))
        assert reply["status"] == status


def test_without_validators_it_cannot_be_used(settings: Settings) -> None:
    settings.CHANNEL_TOKENS = {}
    with pytest.raises(ImproperlyConfigured, match="needs VALIDATORS"):
        TokenUserMiddleware(who)


# A consumer


@http_token_user
def answer(message: Message) -> None:
    user: Any = message.user
    text = f"{user.get_username()} {sorted(message.token_claims)}"
    message.reply_channel.send({"status": 200, "content": text.encode()})


@http_token_user
async def answer_async(message: Message) -> None:
    user: Any = message.user
    message.reply_channel.send({"status": 200, "content": f"{user.get_username()} []".encode()})


def answered(layer: InMemoryChannelLayer, run_next: RunNext, consumer: Any, headers: Any) -> Any:
    content = {"path": "/", "method": "GET", "headers": headers, "reply_channel": "answers"}
    content["client"] = ["192.0.2.1", 5]
    layer.apply([layer.make_send(REQUEST, content)])
    run_next(consumer, REQUEST)
    [reply] = clients.contents(layer, "answers")
    return reply


@pytest.mark.parametrize("consumer", [answer, answer_async])
def test_a_consumer_has_the_user(
    consumer: Any, memory_layer: InMemoryChannelLayer, run_next: RunNext, ann: User
) -> None:
    headers = [[b"authorization", f"Bearer {issue(ann)}".encode()]]
    assert answered(memory_layer, run_next, consumer, headers)["content"] == b"ann []"
    as_text = {"Authorization": f"Bearer {issue(ann)}"}
    assert answered(memory_layer, run_next, consumer, as_text)["content"] == b"ann []"
    assert answered(memory_layer, run_next, consumer, [])["content"] == b" []"
    refused = answered(memory_layer, run_next, consumer, [*headers, *headers])
    assert (refused["status"], refused["content"]) == (401, b"The token is invalid.\n")


# Limits


def test_guesses_are_limited(
    site: Client,
    ann: User,
    tokens: dict[str, Any],
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.CHANNEL_TOKENS = {**tokens, "REFUSED_PER_ADDRESS": 3}
    caplog.set_level(logging.WARNING, "channels_workers.bearer.refusals")
    statuses = [site.get("/", headers=bearer(f"guess{n}")).status_code for n in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    response = site.get("/", headers=bearer(issue(ann)))
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 60
    assert site.get("/").status_code == 200
    other = site.get("/", headers=bearer(issue(ann)), REMOTE_ADDR="192.0.2.9")
    assert other.status_code == 200
    [line] = [one for one in caplog.records if one.name == "channels_workers.bearer.refusals"]
    assert line.__dict__["event"] == "tokens_limited"


def test_the_count_ends_with_its_minute_and_is_bounded(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(refusals.time, "monotonic", lambda: now)
    monkeypatch.setattr(refusals, "ADDRESSES", 3)
    counts = RefusedTokens()
    counts.note("a")
    assert len(counts) == 0  # without the setting nothing is counted
    settings.CHANNEL_TOKENS = {"REFUSED_PER_ADDRESS": 2}
    counts.note("a")
    assert counts.wait("a") == 0
    now = 59.0
    counts.note("a")
    assert counts.wait("a") == 1
    now = 60.0
    assert counts.wait("a") == 0
    counts.note("a")
    assert counts.wait("a") == 0
    for address in ("b", "c", "d", "", "e"):
        counts.note(address)
    assert [*counts._counts] == ["c", "d", "e"]
