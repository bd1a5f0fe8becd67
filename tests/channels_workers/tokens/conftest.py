"""Shared by the tests of tokens.

ann
    A user.
tokens
    `CHANNEL_TOKENS` with the validator of signed tokens.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from pytest_django import Settings

from channels_workers.bearer.refusals import refused_tokens


@pytest.fixture
def ann() -> User:
    return get_user_model().objects.create_user("ann", password="old")


@pytest.fixture(autouse=True)
def _no_refusals() -> Iterator[None]:
    refused_tokens._counts.clear()
    yield
    refused_tokens._counts.clear()


@pytest.fixture
def tokens(settings: Settings) -> dict[str, Any]:
    given: dict[str, Any] = {"VALIDATORS": ["channels_workers.tokens.signed.validate"]}
    settings.CHANNEL_TOKENS = given
    return given


def is_about(when: Any, seconds: float) -> bool:
    """Whether *when* is in *seconds*, give or take a minute."""
    return abs(when - time.time() - seconds) < 60
