"""Validators by dotted name."""

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from channels_workers.tokens import TokenRefused, TokenUser, verify
from tests.channels_workers.tokens.conftest import is_about

HERE = __name__


class Known:
    """A user who needs no database."""

    is_authenticated = is_active = True


def of_nobody(token: str) -> TokenUser | None:
    return None


def forever(token: str) -> TokenUser | None:
    return TokenUser(Known())


def refusing(token: str) -> TokenUser | None:
    raise TokenRefused("it is on the list")


def anonymous(token: str) -> TokenUser | None:
    return TokenUser(AnonymousUser(), 1e12)


not_a_function = 5


def use(settings: Settings, *names: str, **more: Any) -> None:
    settings.CHANNEL_TOKENS = {"VALIDATORS": [f"{HERE}.{name}" for name in names], **more}


def test_the_first_that_knows_the_token_decides(settings: Settings) -> None:
    use(settings, "of_nobody", "refusing", "forever")
    with pytest.raises(TokenRefused, match="on the list"):
        verify("x")
    use(settings, "of_nobody", "forever", "refusing", REQUIRE_EXPIRY=False)
    assert isinstance(verify("x").user, Known)


@pytest.mark.parametrize("names", [[], ["of_nobody"]])
def test_a_token_that_nobody_knows(settings: Settings, names: list[str]) -> None:
    use(settings, *names)
    with pytest.raises(TokenRefused, match="no validator"):
        verify("x")


def test_a_token_without_an_expiry(settings: Settings) -> None:
    use(settings, "forever")
    with pytest.raises(TokenRefused, match="REQUIRE_EXPIRY"):
        verify("x")
    use(settings, "forever", REQUIRE_EXPIRY=False, LONGEST=5000)
    assert is_about(verify("x").expires, 5000)
    use(settings, "forever", REQUIRE_EXPIRY=False, LONGEST=0)
    assert verify("x").expires is None


def test_the_backend_is_the_first(settings: Settings) -> None:
    use(settings, "forever", REQUIRE_EXPIRY=False)
    assert verify("x").backend == settings.AUTHENTICATION_BACKENDS[0]


def test_an_anonymous_user(settings: Settings) -> None:
    use(settings, "anonymous")
    with pytest.raises(TokenRefused, match="not active"):
        verify("x")


@pytest.mark.parametrize("name", ["missing", "not_a_function"])
def test_a_validator_that_cannot_be_used(settings: Settings, name: str) -> None:
    use(settings, name)
    with pytest.raises(ImproperlyConfigured, match=name):
        verify("x")


def test_errors_of_a_validator_are_its_own(settings: Settings) -> None:
    settings.CHANNEL_TOKENS = {"VALIDATORS": ["builtins.len"]}
    with pytest.raises(AttributeError):
        verify("x")
