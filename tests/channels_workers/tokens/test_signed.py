"""Tokens that the project signs itself."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import signing
from pytest_django import Settings

from channels_workers.tokens import TokenRefused, issue, verify
from channels_workers.tokens.signed import SALT, validate
from tests.channels_workers.tokens.conftest import is_about

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tokens")]


def test_a_token_names_its_user(ann: User) -> None:
    found = verify(issue(ann))
    assert found.user == ann
    assert is_about(found.expires, 300)
    assert is_about(verify(issue(ann, lifetime=1000)).expires, 1000)


@pytest.mark.parametrize("lifetime", [0, -1, float("nan")])
def test_a_lifetime_is_above_zero(ann: User, lifetime: float) -> None:
    with pytest.raises(ValueError, match="lifetime above 0"):
        issue(ann, lifetime)
    with pytest.raises(ValueError, match="saved user"):
        issue(User(username="new"))


def test_an_expired_token(ann: User, settings: Settings) -> None:
    token = signing.dumps([str(ann.pk), 1000.0, ann.get_session_auth_hash()[:16]], salt=SALT)
    with pytest.raises(TokenRefused, match="expired"):
        verify(token)
    settings.CHANNEL_TOKENS = {**settings.CHANNEL_TOKENS, "LEEWAY": 1e12}
    assert verify(token).user == ann


@pytest.mark.parametrize("salt", ["", "django.core.signing", "channels_workers"])
def test_a_value_that_is_signed_for_something_else(ann: User, salt: str) -> None:
    token = signing.dumps([str(ann.pk), 1e12, ann.get_session_auth_hash()[:16]], salt=salt)
    with pytest.raises(TokenRefused, match="signature"):
        verify(token)


def test_a_changed_token(ann: User) -> None:
    token = issue(ann)
    for changed in (token[:-1], f"x{token}", token.upper(), "a:b:c", "::", f".{token}"):
        with pytest.raises(TokenRefused):
            verify(changed)


def test_another_secret_key(ann: User, settings: Settings) -> None:
    token = issue(ann)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "new" * 20
    assert verify(token).user == ann
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(TokenRefused, match="signature"):
        verify(token)


def test_a_new_password_ends_the_tokens(ann: User) -> None:
    token = issue(ann)
    ann.set_password("new")
    ann.save()
    with pytest.raises(TokenRefused, match="password"):
        verify(token)


def test_a_user_who_is_gone_or_not_active(ann: User) -> None:
    token = issue(ann)
    ann.is_active = False
    ann.save()
    with pytest.raises(TokenRefused, match="active"):
        verify(token)
    ann.delete()
    with pytest.raises(TokenRefused, match="exist"):
        verify(token)


@pytest.mark.parametrize("token", ["a.b.c", "abc", "a:b", "a:b:c:d"])
def test_tokens_of_other_kinds(token: str) -> None:
    assert validate(token) is None


@pytest.mark.parametrize(
    "token", ["", "a b", "caf\u00e9", "a\x00b", "a\nb", "a" * 8193], ids=lambda text: text[:9]
)
def test_what_is_no_token(token: str) -> None:
    with pytest.raises(TokenRefused, match="malformed"):
        verify(token)


def test_the_longest_life_of_a_socket(ann: User, settings: Settings) -> None:
    given: dict[str, Any] = settings.CHANNEL_TOKENS
    settings.CHANNEL_TOKENS = {**given, "LONGEST": 10_000}
    assert is_about(verify(issue(ann, 1e9)).expires, 10_000)
    settings.CHANNEL_TOKENS = {**given, "LONGEST": 0}
    assert is_about(verify(issue(ann, 1e6)).expires, 1e6)
