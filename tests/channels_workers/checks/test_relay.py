from collections.abc import Iterator

import pytest
from django.core.checks import CheckMessage, run_checks
from django.db import connection
from pytest_django import Settings

from channels_workers.once.decorator import databases
from channels_workers.tables import model


@pytest.fixture(autouse=True)
def no_consumers() -> Iterator[None]:
    before = set(databases)
    databases.clear()
    yield
    databases.update(before)


def found(*checked: str) -> list[CheckMessage]:
    tagged = run_checks(tags=["channels_workers"], databases=list(checked))
    return [
        each for each in tagged if each.id in ("channels_workers.E022", "channels_workers.W013")
    ]


def test_an_unknown_database(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"RELAY": ["elsewhere"]}
    [problem] = found("elsewhere")
    assert problem.id == "channels_workers.E022"
    assert "'elsewhere', which DATABASES does not have" in problem.msg
    assert problem.hint == "Known are 'default'. Correct RELAY."


@pytest.mark.parametrize("value", ["default", [1]])
def test_an_invalid_setting_is_reported_elsewhere(settings: Settings, value: object) -> None:
    settings.CHANNEL_WORKERS = {"RELAY": value}
    assert found("default") == []


@pytest.mark.django_db(transaction=True)
def test_a_missing_table(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"RELAY": ["default"]}
    assert found("default") == found() == []
    with connection.schema_editor() as editor:
        editor.delete_model(model("RelayedDatabase"))
    try:
        assert found() == []
        [problem] = found("default")
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(model("RelayedDatabase"))
    assert problem.id == "channels_workers.W013"
    assert "Run `manage.py migrate`." in str(problem.hint)
