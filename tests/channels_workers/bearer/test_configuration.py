"""The setting CHANNEL_TOKENS."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from channels_workers.bearer.configuration import TokenSettings, token_settings

SECRET = "s3cret" * 6
PEM = "-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----"


def key(**values: Any) -> dict[str, Any]:
    return {"JWT": {"KEYS": [{"ALGORITHM": "HS256", "KEY": SECRET, **values}]}}


def test_the_defaults(settings: Settings) -> None:
    del settings.CHANNEL_TOKENS
    assert token_settings() == TokenSettings()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], "must be a dict"),
        ({"VALIDATOR": []}, "unknown key 'VALIDATOR'"),
        ({"VALIDATORS": "a.b"}, "a list of strings"),
        ({"VALIDATORS": [5]}, "a list of strings"),
        ({"TOKEN_SIZE": 1.5}, "a number above 0"),
        ({"TOKEN_SIZE": True}, "a number above 0"),
        ({"FIRST_FRAME_TIMEOUT": 0}, "a number above 0"),
        ({"LEEWAY": -1}, "a number of at least 0"),
        ({"LONGEST": float("inf")}, "a number of at least 0"),
        ({"REQUIRE_EXPIRY": 1}, "True or False"),
        ({"JWT": []}, "a dict"),
        ({"JWT": {"KEYS": SECRET}}, "a list of dicts"),
        ({"JWT": {"KEYS": [SECRET]}}, "a list of dicts"),
        ({"JWT": {"AUDIENCE": ""}}, "a string, a list"),
        ({"JWT": {"ISSUER": 5}}, "a string or None"),
        ({"JWT": {"USER_CLAIM": ""}}, "a string"),
        ({"JWT": {"JWKS_URL": "http://id.example.com/keys"}}, "begin with https://"),
        ({"JWT": {"JWKS_URL": "file:///etc/passwd"}}, "begin with https://"),
        ({"JWT": {"JWKS_URL": "https://"}}, "begin with https://"),
        ({"JWT": {"JWKS_ALGORITHMS": ["RS256", "HS256"]}}, "not 'HS256'"),
        (key(ALGORITHM="none"), "HS256"),
        (key(ALGORITHM="hs256"), "HS256"),
        (key(ALGORITHM=["HS256", "RS256"]), "strings ALGORITHM"),
        (key(KID="x"), "strings ALGORITHM"),
        ({"JWT": {"KEYS": [{"ALGORITHM": "HS256"}]}}, "must have a KEY"),
        (key(ALGORITHM="RS256"), "public key in PEM"),
        (key(KEY=PEM), "must be a secret"),
        ({"JWT": {"KEYS": key()["JWT"]["KEYS"] * 17}}, "at most 16 keys"),
    ],
)
def test_wrong_values_say_what_is_expected(settings: Settings, value: Any, text: str) -> None:
    settings.CHANNEL_TOKENS = value
    with pytest.raises(ImproperlyConfigured, match="CHANNEL_TOKENS|A key for") as raised:
        token_settings()
    assert text in str(raised.value)
    assert SECRET not in str(raised.value)


def test_right_values(settings: Settings) -> None:
    settings.CHANNEL_TOKENS = {
        **key(ID="2026"),
        "LEEWAY": 0,
        "LONGEST": 0,
        "VALIDATORS": ("a.b",),
    }
    assert token_settings().VALIDATORS == ("a.b",)
