"""Checks for problems that appear only in production."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from pytest_django import Settings

from channels_workers.checks.deployment import Budget

KEYS = ["servers", "workers", "threads", "redis", "database"]
OWN = ("W004", "W005", "W006", "W007", "W014", "W025", "E014")


def problems(deploy: bool = False) -> dict[str, CheckMessage]:
    """The ids of the problems that this module's checks find."""
    chosen = {"tags": ["channels_workers"], "databases": []}  # with tags, Django 6.1 takes all
    found = run_checks(include_deployment_checks=deploy, **chosen)
    ids = {str(problem.id).rpartition(".")[2]: problem for problem in found}
    return {number: ids[number] for number in ids if number in OWN}


def budget(*numbers: int) -> dict[str, int]:
    return dict(zip(KEYS, numbers, strict=False))


# CHANNEL_BUDGET


@pytest.mark.parametrize(
    ("processes", "redis", "database"),
    [((1, 1, 4), 12, 8), ((2, 2, 4), 24, 16), ((1, 3, 4), 26, 16), ((0, 1, 1), 4, 1)],
)
def test_connections_that_processes_need(
    processes: tuple[int, int, int], redis: int, database: int
) -> None:
    needed = Budget(*processes)
    assert (needed.redis_needed, needed.database_needed(4)) == (redis, database)


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        (None, []),
        ({}, []),
        (budget(1, 1, 4, 20, 20), []),
        (budget(2, 2, 4, 24, 20), []),
        (budget(1, 3, 4, 20, 20), ["W005"]),
        (budget(1, 3, 4, 0, 0), []),
        (budget(1, 3, 6, 0, 20), ["W006"]),
        (budget(9, 9, 9, 20, 20), ["W005", "W006"]),
    ],
)
def test_exceeding_the_budget_is_a_warning(given: Any, ids: list[str], settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"REQUESTS_AT_ONCE": 4}
    settings.CHANNEL_BUDGET = given
    assert sorted(problems()) == ids


def test_warnings_state_the_need_and_the_remedy(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"REQUESTS_AT_ONCE": 4}
    settings.CHANNEL_BUDGET = budget(2, 3, 8, 20, 20)
    redis, database = problems()["W005"], problems()["W006"]
    assert redis.msg == (
        "Redis allows 20 connections, but up to 43 are needed: 2 interface servers with 5 each, "
        "3 workers with 8 threads + 3."
    )
    assert 'CHANNEL_BUDGET["redis"]' in str(redis.hint)
    assert "The database allows 20 connections, but 32 are needed" in database.msg
    assert "2 interface servers with 4 requests inside Django each" in database.msg
    assert 'CHANNEL_BUDGET["database"]' in str(database.hint)


def test_unlimited_requests_need_unlimited_connections(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"REQUESTS_AT_ONCE": 0}
    settings.CHANNEL_BUDGET = budget(1, 1, 4, 0, 100)
    found = problems()["W006"]
    assert "any number may be needed" in found.msg
    assert '"REQUESTS_AT_ONCE"' in str(found.hint)
    settings.CHANNEL_BUDGET = budget(1, 1, 4, 0, 0)
    assert problems() == {}


def test_servers_that_leave_http_to_workers_need_no_database(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"REQUESTS_AT_ONCE": 0, "HTTP": "workers"}
    settings.CHANNEL_BUDGET = budget(2, 3, 8, 0, 24)
    assert problems() == {}
    settings.CHANNEL_BUDGET = budget(2, 3, 8, 0, 23)
    found = problems()["W006"]
    assert "but 24 are needed: 2 interface servers with none" in found.msg
    assert "REQUESTS_AT_ONCE" not in str(found.hint)
    settings.CHANNEL_WORKERS = {"HTTP": {"/": "workers", "/admin/": "interface"}}
    assert "2 interface servers with 10 requests" in problems()["W006"].msg


def test_more_handshakes_than_open_files(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"HANDSHAKES_AT_ONCE": 10**12}
    found = problems()["W025"]
    assert "1,000,000,000,000 handshakes under way" in found.msg
    assert "Lower HANDSHAKES_AT_ONCE" in str(found.hint)
    settings.CHANNEL_WORKERS = {"HANDSHAKES_AT_ONCE": 0}
    assert problems() == {}


@pytest.mark.parametrize("given", [[], "x", {"threds": 1}, {"threads": "4"}, {"threads": -1}])
def test_an_invalid_budget_is_an_error(given: Any, settings: Settings) -> None:
    settings.CHANNEL_BUDGET = given
    assert list(problems()) == ["E014"]


# Origins and proxies


def test_all_hosts_and_no_origins(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {}
    settings.ALLOWED_HOSTS = ["chat.example.com"]
    assert problems(deploy=True) == {}
    settings.ALLOWED_HOSTS = ["*"]
    assert problems(deploy=False) == {}
    found = problems(deploy=True)["W004"]
    assert "pages of every site may open sockets" in found.msg
    assert '"ALLOWED_ORIGINS": ["https://chat.example.com"]' in str(found.hint)
    settings.CHANNEL_WORKERS = {"ALLOWED_ORIGINS": ["https://chat.example.com"]}
    assert problems(deploy=True) == {}


def test_a_limit_per_address_behind_an_unconfigured_proxy(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["chat.example.com"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.CHANNEL_WORKERS = {"CONNECTIONS_PER_ADDRESS": 10}
    found = problems(deploy=True)["W007"]
    assert "all clients count as one address" in found.msg
    assert '"TRUSTED_PROXIES": 1' in str(found.hint)
    settings.CHANNEL_WORKERS = {"REQUESTS_PER_ADDRESS": 10}
    assert "has REQUESTS_PER_ADDRESS and no TRUSTED_PROXIES" in problems(deploy=True)["W007"].msg
    settings.CHANNEL_WORKERS = {"CONNECTIONS_PER_ADDRESS": 10, "TRUSTED_PROXIES": 1}
    assert problems(deploy=True) == {}
    settings.CHANNEL_WORKERS = {"CONNECTIONS_PER_ADDRESS": 10}
    settings.SECURE_PROXY_SSL_HEADER = None
    assert problems(deploy=True) == {}


def test_errors_in_channel_workers_are_left_to_another_check(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["chat.example.com"]
    settings.CHANNEL_WORKERS = {"CONNECTIONS_PER_ADDRESS": "many"}
    assert problems(deploy=True) == {}


# LOGGING


@contextmanager
def quiet_logger() -> Iterator[logging.Logger]:
    """The engine's logger without a handler. pytest adds its own at the begin of each test."""
    logger = logging.getLogger("channels_workers")
    before = logger.handlers[:], logger.level, logger.propagate, logger.disabled
    logger.handlers[:], logger.propagate, logger.disabled = [], False, False
    try:
        yield logger
    finally:
        logger.handlers[:], level, logger.propagate, logger.disabled = before
        logger.setLevel(level)


def test_events_that_no_handler_gets() -> None:
    with quiet_logger():
        assert "docs/how-to/logs.md" in str(problems(deploy=True)["W014"].hint)
        assert "W014" not in problems(deploy=False)


def test_a_handler_that_drops_all() -> None:
    with quiet_logger() as logger:
        logger.addHandler(logging.NullHandler())
        assert "W014" in problems(deploy=True)


def test_events_that_a_handler_gets() -> None:
    with quiet_logger() as logger:
        logger.addHandler(logging.StreamHandler())
        assert "W014" not in problems(deploy=True)


def test_a_handler_of_the_root_logger_gets_events() -> None:
    with quiet_logger() as logger:
        logger.propagate = True
        assert "W014" not in problems(deploy=True)


def test_a_handler_or_logger_that_leaves_out_warnings() -> None:
    handler = logging.StreamHandler()
    handler.setLevel(logging.ERROR)
    with quiet_logger() as logger:
        logger.addHandler(handler)
        assert "W014" in problems(deploy=True)
        logger.addHandler(logging.StreamHandler())
        assert "W014" not in problems(deploy=True)
        logger.setLevel(logging.ERROR)
        assert "W014" in problems(deploy=True)


def test_a_disabled_logger() -> None:
    with quiet_logger() as logger:
        logger.addHandler(logging.StreamHandler())
        logger.disabled = True
        assert "W014" in problems(deploy=True)
