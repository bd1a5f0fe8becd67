"""Consumers with @once that want none of their SQL."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from channels_workers.channel import Channel
from channels_workers.exceptions import DenyConnection, OnceRefused
from channels_workers.layers.types import Committed, Delivery
from channels_workers.message import Message
from channels_workers.once import once, roll_back, run
from channels_workers.routing import route
from channels_workers.test import HttpClient, apply_routes
from tests.channels_workers.once.conftest import OUT, Trial, rooms, rows, write

pytestmark = pytest.mark.django_db(transaction=True)


def refuse(message: Any) -> None:
    write(message["text"])
    Channel(OUT, channel_layer=message.channel_layer).send({"refused": message["text"]})
    roll_back()


refusing = once(refuse)


@once
async def arefusing(message: Any) -> None:
    await sync_to_async(refuse)(message)


@once
def accepting(message: Any) -> None:
    write(message["text"])
    Channel(OUT, channel_layer=message.channel_layer).send({"accepted": message["text"]})


CONSUMERS = pytest.mark.parametrize("consumer", [refusing, arefusing], ids=["def", "async def"])


def with_death(delivery: Delivery) -> Delivery:
    return delivery._replace(deaths=1)


@CONSUMERS
def test_nothing_is_stored_and_what_it_sent_goes_out(consumer: Any, trial: Trial) -> None:
    for text in ("one", "two"):
        trial.publish(text=text)
        assert trial.finish(consumer) is Committed.DONE
    assert (rooms(), rows()) == ([], 0)
    assert trial.out == [{"refused": "one"}, {"refused": "two"}]


@CONSUMERS
def test_a_run_before_the_death_of_its_worker_leaves_nothing(consumer: Any, trial: Trial) -> None:
    trial.publish(text="one")
    delivery = trial.pull()
    trial.run(delivery, consumer)  # and its worker dies before the commit of the layer
    again = trial.again(delivery)
    assert trial.commit(again, trial.run(again, accepting)) is Committed.DONE
    assert (rooms(), trial.out, rows()) == (["one"], [{"accepted": "one"}], 1)


@CONSUMERS
def test_a_second_run_stores_a_row(consumer: Any, trial: Trial) -> None:
    """The first one may be frozen, and must not be committed later."""
    trial.publish(text="one")
    delivery = with_death(trial.pull())
    outcome = trial.run(delivery, consumer)
    assert (rooms(), rows()) == ([], 1)
    late = trial.run(delivery._replace(deaths=0), accepting)  # which finds the row
    assert (rooms(), len(late.operations)) == ([], 1)
    assert trial.commit(delivery, outcome) is Committed.DONE
    assert trial.out == [{"refused": "one"}]


@CONSUMERS
def test_a_second_run_leaves_the_effects_to_the_first(
    consumer: Any, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial.publish(text="one")
    delivery = trial.pull()
    trial.run(delivery, accepting)
    looked: list[int] = []
    find = run.find

    def look(*args: Any) -> bytes | None:
        looked.append(1)
        return find(*args) if len(looked) > 1 else None

    monkeypatch.setattr(run, "find", look)
    again = with_death(trial.again(delivery))
    assert trial.commit(again, trial.run(again, consumer)) is Committed.DONE
    assert (rooms(), trial.out, rows()) == (["one"], [{"accepted": "one"}], 1)


def test_a_handshake_is_refused_without_a_row() -> None:
    @once
    def denying(message: Any) -> None:
        write("one")
        roll_back()
        raise DenyConnection

    with apply_routes([route("websocket.connect", denying)]):
        client = HttpClient()
        with pytest.raises(DenyConnection):
            client.send_and_consume("websocket.connect", {"path": "/"})
    assert (rooms(), rows()) == ([], 0)


@CONSUMERS
def test_a_call_outside_a_worker_rolls_back(consumer: Any) -> None:
    message = Message({"text": "one"}, "work", None)
    if consumer is arefusing:
        async_to_sync(consumer)(message)
    else:
        consumer(message)
    assert rooms() == []
    with pytest.raises(OnceRefused, match="works in a consumer with @once, while that runs"):
        roll_back()


def test_it_is_refused_in_other_consumers(trial: Trial, caplog: pytest.LogCaptureFixture) -> None:
    trial.publish(text="one")
    trial.finish(refuse)
    assert "OnceRefused: roll_back() works in a consumer with @once" in caplog.text
