import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connections, reset_queries
from django.dispatch import Signal

from channels_workers import signals
from channels_workers.signals import ConsumerSignal, consumer_finished, consumer_started


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


@pytest.mark.django_db
def test_a_thread_without_a_connection_needs_no_care(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django's receivers are left out there, and come back with the first connection."""
    signal, called = ConsumerSignal(), []

    def care(**kwargs: Any) -> None:
        called.append(kwargs["number"])

    monkeypatch.setattr(signals, "CARE", (care,))
    signal.connect(care)

    def send(number: int) -> None:
        signal.send(None, number=number)
        signal.send_robust(None, number=number)

    def consume() -> None:
        send(1)
        connection = connections.create_connection("default")
        connection.connect()
        send(2)
        connection.close()

    thread = threading.Thread(target=consume)
    thread.start()
    thread.join()
    assert called == [2, 2]


def test_a_receiver_of_yours_always_hears_the_signal() -> None:
    signal, called = ConsumerSignal(), []

    def hear(**kwargs: Any) -> None:
        called.append(kwargs["signal"])

    signal.connect(hear)
    for send in (signal.send, signal.send_robust):
        thread = threading.Thread(target=send, args=(None,))
        thread.start()
        thread.join()
    assert called == [signal, signal]
