"""What `get_application` loads."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from channels_workers.asgi import get_application

EACH_WAY = {"/": "workers", "/admin/": "interface"}


@pytest.fixture(autouse=True)
def middleware(settings: Settings) -> None:
    """Middleware that cannot be loaded."""
    settings.MIDDLEWARE = ["no.such.Middleware"]


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send("an answer")


@pytest.mark.parametrize("http", ["interface", EACH_WAY])
def test_django_is_loaded_if_it_answers_some_requests(http: Any, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"HTTP": http}
    with pytest.raises(ImportError, match="No module named .no"):
        get_application()


async def test_django_is_not_loaded_if_workers_answer_all(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"HTTP": "workers"}
    application = get_application()
    with pytest.raises(ImproperlyConfigured, match="Restart it"):
        await application.http.http({}, None, None)


@pytest.mark.parametrize("http", ["interface", "workers", EACH_WAY])
def test_an_application_of_your_own_replaces_it(http: Any, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"HTTP": http}
    assert get_application(answer).http.http is answer
