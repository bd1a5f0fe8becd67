"""The code of the pages about tokens runs, with the packages that it is about."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, User
from django.test import RequestFactory
from django.utils.module_loading import import_string
from pytest_django import Settings

from channels_workers.bearer import wire
from channels_workers.bearer.configuration import token_settings
from channels_workers.tokens import TokenUserMiddleware, issue, verify
from labs.harness.processes import clean_environment
from labs.harness.project import ROOT
from tests.channels_workers.clients import Client, contents
from tests.channels_workers.conftest import RunNext, client_socket, memory_layer, run_next
from tests.docs.pages import Block, page

__all__ = ["client_socket", "memory_layer", "run_next"]  # fixtures

TOKENS, ISSUERS = page("how-to/tokens"), page("how-to/token-issuers")
IN_HTTP = page("how-to/tokens-in-http")

pytestmark = pytest.mark.django_db(transaction=True)


def block_with(blocks: list[Block], text: str) -> Block:
    (found,) = [each for each in blocks if text in each.text]
    return found


def run(block: Block) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(block.text, names)
    return names


@pytest.fixture
def ann(settings: Settings) -> User:
    settings.CHANNEL_TOKENS = run(TOKENS.blocks[0])["CHANNEL_TOKENS"]
    return get_user_model().objects.create_user("ann")


def test_the_consumers_have_the_user(ann: User, client_socket: Client, run_next: RunNext) -> None:
    names = run(block_with(TOKENS.blocks, "def ws_receive"))
    client_socket.connect(token=issue(ann))
    run_next(names["ws_connect"])
    client_socket.send("hello")
    run_next(names["ws_receive"])
    assert client_socket.replies[1:] == [{"accept": True}, {"text": "ann says hello"}]
    client_socket.send(wire.to_frame(issue(ann)))
    run_next(names["ws_receive"])
    assert wire.FRAME_TYPE in client_socket.replies[-1]["text"]


@pytest.mark.parametrize(
    ("token", "status"),
    [("valid", 200), ("nonsense", 401), ("", 401)],
    ids=["valid", "bad", "none"],
)
def test_a_request_of_a_consumer(
    token: str,
    status: int,
    ann: User,
    client_socket: Client,
    run_next: RunNext,
) -> None:
    answer = run(block_with(IN_HTTP.blocks, "def answer"))["answer"]
    value = issue(ann) if token == "valid" else token
    headers = [[b"authorization", f"Bearer {value}".encode()]] if value else []
    layer = client_socket.layer
    request = {"path": "/", "method": "GET", "headers": headers, "reply_channel": "answers"}
    layer.apply([layer.make_send("http.request", request)])
    run_next(answer, "http.request")
    [reply] = contents(layer, "answers")
    assert reply["status"] == status
    assert status == 401 or reply["content"] == b"You are ann.\n"


def test_the_settings_of_the_page_are_valid(settings: Settings) -> None:
    names: dict[str, Any] = {"MIDDLEWARE": []}
    for block in IN_HTTP.blocks:
        if block.file:
            exec(block.text, names)
    settings.CHANNEL_TOKENS = names["CHANNEL_TOKENS"]
    assert token_settings().REFUSED_PER_ADDRESS == 100
    assert [import_string(path) for path in names["MIDDLEWARE"]] == [TokenUserMiddleware]


def test_a_socket_without_a_token_is_refused(
    ann: User, client_socket: Client, run_next: RunNext
) -> None:
    client_socket.connect()
    run_next(run(block_with(TOKENS.blocks, "def ws_receive"))["ws_connect"])
    assert client_socket.replies == [{"close": True}]


def test_the_view_issues_a_token(ann: User, rf: RequestFactory) -> None:
    view = run(block_with(TOKENS.blocks, "def socket_token"))["socket_token"]
    request = rf.get("/token/")
    request.user = ann
    response = view(request)
    assert response["Cache-Control"] == "no-store"
    token = response.content.decode().partition('"token": "')[2].rstrip('"}')
    assert verify(token).user == ann
    request.user = AnonymousUser()
    assert view(request).status_code == 302


@pytest.mark.parametrize("has_token", [True, False])
def test_other_origins_need_a_token(
    has_token: bool, ann: User, client_socket: Client, run_next: RunNext
) -> None:
    consumer = run(block_with(TOKENS.blocks, "def ws_connect_both"))["ws_connect_both"]
    more = {"token": issue(ann)} if has_token else {}
    client_socket.connect(headers=[[b"origin", b"https://elsewhere.example"]], **more)
    run_next(consumer)
    assert client_socket.replies[-1] == ({"accept": True} if has_token else {"close": True})


def test_the_frame_of_the_page_is_a_token() -> None:
    text = TOKENS.text
    assert f'"{wire.SUBPROTOCOL}"' in text
    assert f'{{ type: "{wire.FRAME_TYPE}", token }}' in text
    assert f"`{wire.PREFIX}${{hidden}}`" in text
    shown = '{"type": "channels_workers.token", "expires": 1767225600.0, "seconds": 300.0}'
    assert wire.acknowledgement(1767225600.0, 1767225300.0) == shown
    assert shown in text


PROJECT = """
import sys, time
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="s" * 50,
    USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=[
        "channels_workers", "django.contrib.auth", "django.contrib.contenttypes",
        "django.contrib.sessions", "rest_framework", "rest_framework.authtoken",
        "rest_framework_simplejwt", "allauth", "allauth.account", "allauth.headless",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "allauth.account.middleware.AccountMiddleware",
    ],
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"],
    ROOT_URLCONF=[],
    CHANNEL_ROUTING=[],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)

from django.contrib.auth import get_user_model
from channels_workers.tokens import TokenRefused, issue, verify

ann = get_user_model().objects.create_user("ann", password="a long password")


def use(validator, **more):
    sys.modules["board_validators"] = type("module", (), {"validate": staticmethod(validator)})
    from channels_workers.bearer.configuration import token_settings
    settings.CHANNEL_TOKENS = {"VALIDATORS": ["board_validators.validate"], **more}
    token_settings.cache_clear()


def refused(token):
    try:
        verify(token)
    except TokenRefused as error:
        return str(error)
    raise AssertionError("it was accepted")

"""

REST_FRAMEWORK = """
token = Token.objects.create(user=ann)
del CHANNEL_TOKENS["VALIDATORS"]
use(rest_framework_token, **CHANNEL_TOKENS)
found = verify(token.key)
assert found.user == ann
assert abs(found.expires - time.time() - 3600) < 60
assert refused("x" * 40) == "no validator knows it"
ann.is_active = False
ann.save()
assert refused(token.key) == "its user is not active"
key = token.key
token.delete()
assert refused(key) == "no validator knows it"
"""

SIMPLE_JWT = """
import warnings
from datetime import timedelta
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken
use(simple_jwt)
found = verify(str(AccessToken.for_user(ann)))
assert found.user == ann
assert abs(found.expires - time.time() - 300) < 60
assert found.claims["token_type"] == "access"
old = AccessToken.for_user(ann)
old.set_exp(lifetime=timedelta(seconds=-5))
for wrong in (str(old), str(RefreshToken.for_user(ann)), "a.b.c", str(AccessToken())):
    assert refused(wrong) == "Simple JWT refuses it", wrong
assert refused("a:b:c") == "no validator knows it"
ann.is_active = False
ann.save()
assert refused(str(AccessToken.for_user(ann))) == "Simple JWT refuses it"
"""

ALLAUTH = """
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
use(allauth_session)
session = SessionStore()
session[SESSION_KEY] = str(ann.pk)
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
session[HASH_SESSION_KEY] = ann.get_session_auth_hash()
session.set_expiry(1000)
session.save()
found = verify(session.session_key)
assert found.user == ann
assert abs(found.expires - time.time() - 1000) < 60
assert refused("x" * 32) == "no validator knows it"
key = session.session_key
session.delete()
assert refused(key) == "no validator knows it"
"""

MIDDLEWARE = """
from channels_workers.tokens.signed import validate
use(validate)
token = issue(ann)


async def call(*headers):
    seen = []

    async def application(scope, receive, send):
        seen.append(scope["user"])

    async def send(event):
        seen.append(event["type"])

    scope = {"type": "websocket", "headers": list(headers)}
    await token_middleware(application)(scope, None, send)
    return seen


def called(*headers):
    from asgiref.sync import async_to_sync
    return async_to_sync(call)(*headers)


assert called((b"authorization", b"Bearer " + token.encode())) == [ann]
assert called((b"authorization", b"Bearer x")) == ["websocket.close"]
[user] = called()
assert not user.is_authenticated
"""


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("rest_framework_token", REST_FRAMEWORK),
        ("simple_jwt", SIMPLE_JWT),
        ("allauth_session", ALLAUTH),
        ("token_middleware", MIDDLEWARE),
    ],
)
def test_tokens_of_other_packages(name: str, check: str, tmp_path: Path) -> None:
    code = block_with(ISSUERS.blocks, f"def {name}").text
    if name == "rest_framework_token":
        code += block_with(ISSUERS.blocks, "CHANNEL_TOKENS = ").text
    script = tmp_path / "project.py"
    script.write_text(PROJECT + code + check)
    done = subprocess.run(
        [sys.executable, script],
        cwd=ROOT,
        env={**clean_environment(), "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
