"""A relay, step by step: what it sends and deletes, and what a crash between two steps leaves."""

import logging
import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import msgpack
import pytest
from django.db import OperationalError, transaction

from channels_workers.channel import Channel
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.relays import Claim, Relayed, StoredOperation
from channels_workers.models import StoredSend
from channels_workers.relay import relay as relay_module
from channels_workers.relay import rows
from channels_workers.relay.relay import Relay
from labs.harness.waiting import wait_for
from tests.channels_workers.relay.conftest import OUT, Out, waiting

pytestmark = pytest.mark.django_db(transaction=True)


class Died(BaseException):
    """The relay is killed here."""


@pytest.fixture
def other(layer: WorkerLayer) -> Relay:
    return Relay("default", layer, "default")


def send(*texts: str, channel: str = OUT) -> None:
    for text in texts:
        Channel(channel).send({"text": text}, in_transaction="default")


def remembered(relay: Relay) -> list[str]:
    """The keys that the layer remembers."""
    claimed = relay.layer.relays.claim(Claim(relay._database, relay._holder, 60))
    assert claimed is not None
    return claimed.kept


def take_over(relay: Relay) -> None:
    """Wait until the claim of another relay has ended, and look."""
    wait_for(relay.look, "the end of a claim")


def test_many_rows_in_order(relay: Relay, out: Out) -> None:
    texts = [str(number) for number in range(2 * rows.AT_ONCE + 10)]
    with transaction.atomic():
        send(*texts)
    relay.look()
    assert out() == texts
    assert waiting() == 0
    relay.look()
    assert remembered(relay) == []


def test_it_ends_between_two_steps(
    layer: WorkerLayer, out: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under load there may always be more to send."""
    ended = threading.Event()
    relay = Relay("default", layer, "default", ended)
    real = rows.delete

    def delete(*args: Any) -> None:
        real(*args)
        ended.set()

    monkeypatch.setattr(rows, "AT_ONCE", 1)
    monkeypatch.setattr(rows, "delete", delete)
    send("one", "two")
    assert not relay.look()
    assert out() == ["one"]
    assert waiting() == 1


def test_one_relay_at_a_time(relay: Relay, other: Relay, out: Out) -> None:
    send("one")
    assert relay.look()
    send("two")
    assert not other.look()
    assert out() == ["one"]
    relay.release()
    assert other.look()
    assert out() == ["two"]
    relay.release()  # it has no claim
    assert other.look()


@pytest.mark.parametrize("step", ["before it sends", "before it deletes", "before it forgets"])
def test_a_killed_relay_loses_and_repeats_nothing(
    step: str, relay: Relay, other: Relay, out: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*args: object) -> None:
        raise Died

    monkeypatch.setattr(relay_module, "CLAIMED", 0.2)
    send("one", "two")
    with monkeypatch.context() as patch:
        match step:
            case "before it sends":
                patch.setattr(relay, "_send", die)
            case "before it deletes":
                patch.setattr(rows, "delete", die)
            case _:
                steps = iter([relay._claim, die])

                def claim() -> object:
                    return next(steps)()

                patch.setattr(relay, "_claim", claim)
        with pytest.raises(Died):
            relay.look()
    send("three")
    take_over(other)
    assert out() == ["one", "two", "three"]
    assert waiting() == 0
    other.look()
    assert remembered(other) == []


@pytest.mark.parametrize("step", ["before it sends", "before it deletes"])
def test_a_frozen_relay_that_wakes_up_repeats_nothing(
    step: str, relay: Relay, other: Relay, out: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "CLAIMED", 0.2)
    send("one", "two")
    real = {"before it sends": relay._send, "before it deletes": rows.delete}[step]

    def freeze(*args: Any) -> Any:
        monkeypatch.undo()
        monkeypatch.setattr(relay_module, "CLAIMED", 60.0)
        take_over(other)
        return real(*args)

    if step == "before it sends":
        monkeypatch.setattr(relay, "_send", freeze)
    else:
        monkeypatch.setattr(rows, "delete", freeze)
    assert not relay.look(), "the other one has the claim"
    assert out() == ["one", "two"]
    assert waiting() == 0
    send("three")
    assert other.look()
    assert out() == ["three"]


@pytest.mark.parametrize("arrives", [True, False], ids=["no reply", "no connection"])
def test_a_request_that_arrives_late_repeats_nothing(
    arrives: bool, relay: Relay, out: Out, layer: WorkerLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may also arrive when the rows are deleted and forgotten."""
    real = layer.relays.send_once
    late: list[Callable[[], object]] = []

    def lose(*args: Any) -> None:
        late.append(lambda: real(*args))
        if arrives:
            real(*args)
        raise LayerUnavailable("it is away")

    send("one")
    with monkeypatch.context() as patch:
        patch.setattr(layer.relays, "send_once", lose)
        with pytest.raises(LayerUnavailable):
            relay.look()
    assert relay.look()
    assert relay.look()
    assert remembered(relay) == []
    assert late[0]() is None
    assert out() == ["one"]


@pytest.mark.parametrize("is_done", [False, True])
def test_a_delete_that_fails_repeats_nothing(
    is_done: bool, relay: Relay, out: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = rows.delete

    def fail(*args: Any) -> None:
        if is_done:
            real(*args)
        raise OperationalError("connection lost")

    send("one")
    with monkeypatch.context() as patch:
        patch.setattr(rows, "delete", fail)
        with pytest.raises(OperationalError):
            relay.look()
    assert relay.look()
    assert relay.look()
    assert out() == ["one"]
    assert waiting() == 0
    assert remembered(relay) == []


def test_a_layer_that_lost_its_data_is_claimed_again(
    relay: Relay, other: Relay, out: Out, layer: WorkerLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = layer.relays.send_once

    def refuse(*args: Any) -> None:
        monkeypatch.undo()
        no_claim = layer.relays.send_once("elsewhere", "0123456789abcdef", [])
        assert no_claim is None

    send("one")
    monkeypatch.setattr(layer.relays, "send_once", refuse)
    assert relay.look()
    assert out() == ["one"]
    assert real


def test_a_full_channel_keeps_its_order_and_others_go_on(
    relay: Relay,
    out: Out,
    layer: WorkerLayer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(rows, "AT_ONCE", 2)
    layer.channel_capacity = layer.compile_capacities({OUT: 2})
    send("1", "2", "3", "4", "5")
    send("other", channel="other")
    send("6")
    with caplog.at_level(logging.WARNING, "channels_workers.relay"):
        for _ in range(2):
            assert relay.look()
        assert layer.length("other") == 1
        assert [record.event for record in caplog.records] == ["relay_waits"]  # type: ignore[attr-defined]
        heard = []
        while waiting():
            heard += out()
            relay.look()
        caplog.clear()
        assert [*heard, *out()] == ["1", "2", "3", "4", "5", "6"]
        send("7", "8", "9")
        relay.look()
    assert len(caplog.records) == 1, "it was not full in between"


def test_rows_of_another_release_wait_with_those_after_them(relay: Relay, out: Out) -> None:
    row = StoredSend.objects.create(
        layer="default", channel=OUT, effects=msgpack.packb([2, [], []])
    )
    send("after")
    with pytest.raises(ValueError, match="this release reads 1"):
        relay.look()
    assert out() == []
    row.delete()
    assert relay.look()
    assert out() == ["after"]


def test_each_layer_has_its_own_rows(relay: Relay, layer: WorkerLayer, out: Out) -> None:
    send("one")
    StoredSend.objects.update(layer="other")
    relay.look()
    assert out() == []
    assert Relay("default", layer, "other").look(), "it has a claim of its own"
    assert out() == ["one"]


def test_the_id_of_a_message_is_that_of_its_row(relay: Relay, layer: WorkerLayer) -> None:
    """Consumers see it again if Redis has lost what it had."""
    send("one")
    key = StoredSend.objects.get().key
    relay.look()
    [message] = layer.pull([OUT], "0123456789abcdef.0", 0.01)
    assert message.id == f"{key.hex}.1"


def test_results_are_those_of_the_layer(relay: Relay, layer: WorkerLayer) -> None:
    relay.look()
    send_one = StoredOperation(uuid4().hex, layer.make_send(OUT, {}))
    found = layer.relays.send_once(relay._database, relay._fence, [send_one])
    assert found == [Relayed.DONE]
