from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.db import connection
from pytest_django import Settings

from channels_workers.generic import BaseConsumer
from channels_workers.message import Message
from channels_workers.once import once
from channels_workers.once.decorator import databases
from channels_workers.once.rows import model
from channels_workers.routing import include, route, route_class


@pytest.fixture(autouse=True)
def no_consumers(settings: Settings) -> Any:
    before = set(databases)
    databases.clear()
    settings.CHANNEL_ROUTING = [route("work", use("default"))]
    settings.CHANNEL_WORKERS = {"HTTP": "workers"}
    yield
    databases.clear()
    databases.update(before)


def use(using: str) -> Callable[..., Any]:
    @once(using=using)
    def consumer(message: Message) -> None:
        """Do nothing."""

    return consumer


def found(*checked: str) -> list[CheckMessage]:
    return run_checks(tags=["channels_workers"], databases=list(checked))


def ids(*checked: str) -> list[str | None]:
    return [each.id for each in found(*checked)]


@pytest.mark.django_db
def test_all_is_well() -> None:
    assert ids("default") == []


def test_an_unknown_database(settings: Settings) -> None:
    use("elsewhere")
    [problem] = found()
    assert problem.id == "channels_workers.E017"
    assert "'elsewhere', which DATABASES does not have" in problem.msg
    assert problem.hint == "Known are 'default'. Correct `using`."


def test_requests(settings: Settings) -> None:
    class Requests(BaseConsumer):
        once = True
        method_mapping = {"http.request": "get"}  # noqa: RUF012

    settings.CHANNEL_ROUTING = [
        route("http.request", use("default"), path="^/a/"),
        include([route_class(Requests)], path="^/b"),
        route("http.request", "channels_workers.routing.null_consumer"),
    ]
    assert ids() == ["channels_workers.E018"] * 2


def test_errors_of_the_database_that_are_not_retried(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"RETRY_ON": []}
    assert ids() == ["channels_workers.W011"]


def test_without_consumers_nothing_is_checked(settings: Settings) -> None:
    databases.clear()
    settings.CHANNEL_WORKERS = {"RETRY_ON": []}
    assert ids("default") == []


@pytest.mark.django_db(transaction=True)
def test_a_missing_table() -> None:
    with connection.schema_editor() as editor:
        editor.delete_model(model())
    try:
        [problem] = found("default")
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(model())
    assert problem.id == "channels_workers.W012"
    assert "Run `manage.py migrate`." in str(problem.hint)
