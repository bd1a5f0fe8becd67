from collections.abc import Callable
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries
from django.dispatch import Signal

from channels_workers import signals
from channels_workers.signals import consumer_finished, consumer_started


def receivers_of(signal: Signal) -> set[Callable[..., Any]]:
    return set(signal._live_receivers(None)[0])  # the public way would call them


def test_names_are_those_of_channels_1() -> None:
    names = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    expected = {"consumer_started", "consumer_finished", "worker_ready", "worker_process_ready"}
    assert names == expected


@pytest.mark.parametrize(
    ("ours", "djangos", "care"),
    [
        (consumer_started, request_started, {close_old_connections, reset_queries}),
        (consumer_finished, request_finished, {close_old_connections}),
    ],
)
def test_database_connections_are_cleaned_up_as_around_a_request(
    ours: Signal, djangos: Signal, care: set[Callable[..., Any]]
) -> None:
    assert care <= receivers_of(djangos)
    assert care <= receivers_of(ours)
