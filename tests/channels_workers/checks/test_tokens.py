import sys
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from pytest_django import Settings

from channels_workers.message import Message
from channels_workers.routing import include, route

IDS = {f"channels_workers.{each}" for each in ("E028", "E029", "W020", "W021", "W022")}
JWT = "channels_workers.jwt.validate"
SIGNED = "channels_workers.tokens.signed.validate"
LONG = {"ALGORITHM": "HS256", "KEY": "k" * 32}


def consumer(message: Message, **kwargs: str) -> None:
    """Do nothing."""


def found(settings: Settings, given: Any = None, *routing: Any) -> list[CheckMessage]:
    if given is not None:
        settings.CHANNEL_TOKENS = given
    settings.CHANNEL_ROUTING = list(routing)
    return [each for each in run_checks(tags=["channels_workers"]) if each.id in IDS]


def ids(*arguments: Any) -> list[str]:
    return [str(each.id).partition(".")[2] for each in found(*arguments)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, []),
        ({"VALIDATORS": [SIGNED]}, []),
        ({"VALIDATORS": [JWT], "JWT": {"KEYS": [LONG]}}, []),
        ({"VALIDATOR": [SIGNED]}, ["E028"]),
        ({"FIRST_FRAME": ["/first/"]}, ["E028"]),
        ({"VALIDATORS": ["mysite.missing"]}, ["E029"]),
        ({"VALIDATORS": [JWT]}, ["E029"]),
        ({"VALIDATORS": [JWT], "JWT": {"KEYS": [{"ALGORITHM": "none", "KEY": "x"}]}}, ["E028"]),
        ({"VALIDATORS": [JWT], "JWT": {"KEYS": [{**LONG, "KEY": "k" * 31}]}}, ["W020"]),
        ({"VALIDATORS": [SIGNED], "REQUIRE_EXPIRY": False}, []),
        ({"VALIDATORS": [SIGNED], "REQUIRE_EXPIRY": False, "LONGEST": 0}, ["W021"]),
    ],
)
def test_settings(settings: Settings, given: Any, expected: list[str]) -> None:
    assert ids(settings, given) == expected


def test_a_secret_is_not_quoted(settings: Settings) -> None:
    keys = [LONG, {"ALGORITHM": "HS512", "KEY": "s3cret"}]
    [problem] = found(settings, {"JWT": {"KEYS": keys}})
    assert problem.msg.startswith("The key 2 of CHANNEL_TOKENS['JWT']['KEYS'] has 6 bytes.")
    assert "s3cret" not in str(problem)


def test_without_the_extra_the_check_says_what_to_install(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("channels_workers.jwt", "channels_workers.jwt.validator"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "jwt", None)
    [problem] = found(settings, {"VALIDATORS": [JWT], "JWT": {"KEYS": [LONG]}})
    assert "pip install 'channels-workers[jwt]'" in problem.msg


def test_routes_that_take_tokens_from_addresses(settings: Settings) -> None:
    inner = [route("websocket.connect", consumer, path=r"^/a/", query_string=r"token=(?P<t>\w+)")]
    problems = found(settings, {}, include(inner, path=r"^/b"))
    assert [each.id for each in problems] == ["channels_workers.W022"]
    assert "the parameter 'token' in addresses" in problems[0].msg
    other = route("websocket.connect", consumer, query_string=r"room=(?P<room>\w+)")
    assert found(settings, {}, other) == []
