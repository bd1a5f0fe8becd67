"""When a relay is nudged."""

from collections.abc import Callable

import pytest
from django.db import connection, transaction

from channels_workers.channel import Channel
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.relay import nudge
from tests.channels_workers.relay.conftest import OUT

pytestmark = pytest.mark.django_db(transaction=True)

Nudges = Callable[[], list[str]]


@pytest.fixture
def nudges(layer: WorkerLayer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The aliases that were nudged. The layer is nudged, too."""
    calls: list[str] = []
    real = layer.relays.nudge

    def note(using: str) -> None:
        calls.append(using)
        real(using)

    monkeypatch.setattr(layer.relays, "nudge", note)
    return calls


def send() -> None:
    Channel(OUT).send({}, in_transaction="default")


def test_once_for_each_transaction(nudges: list[str]) -> None:
    for _ in range(2):
        with transaction.atomic():
            for _ in range(3):
                send()
            assert len(nudges) < 2
    assert nudges == ["default"] * 2


def test_not_for_what_is_rolled_back(nudges: list[str]) -> None:
    with transaction.atomic():
        send()
        transaction.set_rollback(True)
    assert nudges == []
    with transaction.atomic():
        send()
    assert nudges == ["default"]


def test_at_once_without_a_transaction(nudges: list[str]) -> None:
    send()
    assert nudges == ["default"]


def test_not_without_autocommit(nudges: list[str]) -> None:
    transaction.set_autocommit(False)
    try:
        send()
        connection.commit()
    finally:
        transaction.set_autocommit(True)
    assert nudges == []


def test_an_outage_harms_no_view_and_is_not_waited_for_again(
    layer: WorkerLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def fail(using: str) -> None:
        calls.append(using)
        raise LayerUnavailable("away")

    monkeypatch.setattr(layer.relays, "nudge", fail)
    for _ in range(3):
        with transaction.atomic():
            send()
    assert calls == ["default"]
    monkeypatch.setattr(nudge, "PAUSE", -1.0)
    nudge._nudges.begin_in_child()
    send()
    send()
    assert calls == ["default"] * 3
