"""A consumer's run leaves nothing behind on its thread."""

import decimal
import threading
from contextvars import ContextVar
from typing import Any

import pytest
from asgiref.local import Local
from channels.db import database_sync_to_async
from django.core.cache import caches
from django.db import connection, connections, transaction
from django.db.backends.signals import connection_created
from django.utils import timezone, translation
from pytest_django import Settings

from channels_workers.channel import Channel
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.worker.isolation import close_unusable_connections
from labs.harness.waiting import wait_for
from tests.channels_workers.conftest import heard
from tests.channels_workers.consumers import TIMEOUT, Consumer, StartGroup

# Workers have their own connections to the test database.
pytestmark = pytest.mark.django_db(transaction=True)

KINDS = ["def", "async def"]

word = ContextVar("word", default="none")


def test_a_run_leaves_no_language_time_zone_or_context_behind(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    seen: list[tuple[Any, ...]] = []

    def consumer(message: Any) -> None:
        place = (threading.get_ident(), translation.get_language(), word.get())
        seen.append((*place, timezone.get_current_timezone_name(), decimal.getcontext().prec))
        translation.activate("fr")
        timezone.activate("Asia/Tokyo")
        word.set("left")
        decimal.getcontext().prec = 3
        locale_of_request.value = "left"

    locale_of_request = Local()
    run_twice(memory_layer, start_group, consumer)
    assert seen[0] == seen[1], "on the same thread"
    assert not hasattr(locale_of_request, "value")


def test_a_run_of_a_coroutine_leaves_nothing_behind_either(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    seen: list[tuple[Any, ...]] = []

    def look_and_leave() -> None:
        place = (threading.get_ident(), translation.get_language(), word.get())
        seen.append((*place, timezone.get_current_timezone_name(), decimal.getcontext().prec))
        translation.activate("fr")
        timezone.activate("Asia/Tokyo")
        word.set("left")
        decimal.getcontext().prec = 3

    async def consumer(message: Any) -> None:
        look_and_leave()
        await database_sync_to_async(lambda: None)()
        assert word.get() == "left", "within a run it stays"

    async def on_a_thread(message: Any) -> None:
        await database_sync_to_async(look_and_leave)()
        assert translation.get_language() == "fr", "within a run it stays"

    run_twice(memory_layer, start_group, consumer)
    assert seen[0] == seen[1]
    run_twice(memory_layer, start_group, on_a_thread)
    assert seen[2] == seen[3]


def run_twice(layer: InMemoryChannelLayer, start_group: StartGroup, consumer: Consumer) -> None:
    """Let one worker thread run *consumer* twice."""
    group = start_group({"background": consumer})
    for _ in range(2):
        Channel("background").send({})
    wait_for(lambda: not layer.length("background"), "both runs")
    group.stop()
    group.workers[0].thread.join(TIMEOUT)


def test_cache_connections_are_kept(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup, settings: Settings
) -> None:
    """A new cache object per run would open a connection each time."""
    locmem = "django.core.cache.backends.locmem.LocMemCache"
    settings.CACHES = {
        "default": {"BACKEND": locmem},
        "broken": {"BACKEND": "no.such.Cache"},
    }
    seen: list[Any] = []
    run_twice(memory_layer, start_group, lambda message: seen.append(caches["default"]))
    assert len(seen) == 2
    assert seen[0] is seen[1]


# The database


def ask() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


async def ask_from_a_coroutine(message: Any) -> None:
    await database_sync_to_async(ask)()


@pytest.mark.parametrize("consumer", [lambda message: ask(), ask_from_a_coroutine], ids=KINDS)
def test_persistent_connections_are_opened_once(
    consumer: Consumer,
    memory_layer: InMemoryChannelLayer,
    start_group: StartGroup,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 60)
    with heard(connection_created) as opened:
        run_twice(memory_layer, start_group, consumer)
    assert len(opened) <= 1


def begin() -> None:
    transaction.atomic().__enter__()


async def begin_in_a_coroutine(message: Any) -> None:
    await database_sync_to_async(begin)()


@pytest.mark.parametrize("leave", [lambda message: begin(), begin_in_a_coroutine], ids=KINDS)
def test_an_open_transaction_is_rolled_back_and_logged(
    leave: Consumer,
    memory_layer: InMemoryChannelLayer,
    start_group: StartGroup,
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[bool] = []

    def look() -> None:
        seen.append(connection.in_atomic_block)
        ask()

    def consumer(message: Any) -> Any:
        look()
        return leave(message)

    async def coroutine(message: Any) -> None:
        await database_sync_to_async(look)()
        await leave(message)

    run_twice(memory_layer, start_group, coroutine if leave is begin_in_a_coroutine else consumer)
    assert seen == [False, False]
    assert caplog.text.count("left a transaction of the database 'default' open") == 2


def test_unusable_connections_are_closed_after_an_error() -> None:
    with transaction.atomic():
        connection.errors_occurred = True
        close_unusable_connections()
        assert connection.errors_occurred, "it is somebody's, in a transaction"
    connection.errors_occurred = True
    close_unusable_connections()
    assert not connection.errors_occurred, "it was looked at, and works"
    ask()
