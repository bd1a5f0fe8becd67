"""Class-based consumers with @once."""

from typing import Any

import pytest
from django.utils.decorators import method_decorator

from channels_workers.generic import BaseConsumer
from channels_workers.generic.websockets import (
    JsonWebsocketConsumer,
    WebsocketConsumer,
    WebsocketDemultiplexer,
)
from channels_workers.layers.types import Committed, Finished
from channels_workers.once import once
from channels_workers.once.decorator import databases
from channels_workers.routing import Router, route_class
from channels_workers.worker.dispatch import run
from tests.channels_workers.clients import Client, pull_one
from tests.channels_workers.consumers import not_called
from tests.channels_workers.once.conftest import rooms, rows, write

pytestmark = pytest.mark.django_db(transaction=True)


class Whole(WebsocketConsumer):
    once = True
    channel_session = True

    def connect(self, message: Any, **kwargs: Any) -> None:
        write("connect")
        message.channel_session["seen"] = 1
        message.reply_channel.send({"accept": True})


class Method(WebsocketConsumer):
    channel_session = True

    @once
    def connect(self, message: Any, **kwargs: Any) -> None:
        write("connect")
        message.channel_session["seen"] = 1
        message.reply_channel.send({"accept": True})


@method_decorator(once, name="connect")
class Decorated(WebsocketConsumer):
    channel_session = True

    def connect(self, message: Any, **kwargs: Any) -> None:
        write("connect")
        message.channel_session["seen"] = 1
        message.reply_channel.send({"accept": True})


@pytest.mark.parametrize("consumer", [Whole, Method, Decorated])
def test_a_second_run_does_nothing_new(consumer: Any, connected: Client) -> None:
    layer, router = connected.layer, Router([route_class(consumer)])
    delivery = pull_one(layer)
    run(delivery, layer, router, not_called)  # and its worker dies
    layer.requeue(delivery, counted=False)
    again = pull_one(layer)
    outcome = run(again, layer, router, not_called)
    assert layer.commit(Finished(again, outcome.operations, outcome.session)) is Committed.DONE
    assert (connected.replies, rooms(), rows()) == ([{"accept": True}], ["connect"], 1)
    saved = layer.load_session(connected.reply_channel)
    assert saved is not None
    assert layer.codec.decode(saved) == {"seen": 1}


def test_a_method_without_the_message(connected: Client) -> None:
    class Texts(JsonWebsocketConsumer):
        @once
        def receive(self, content: Any, **kwargs: Any) -> None:  # type: ignore[override]
            write(content)
            self.send(content)

    layer, router = connected.layer, Router([route_class(Texts)])
    layer.commit(Finished(pull_one(layer)))
    connected.send('"one"')
    for _ in range(2):
        delivery = pull_one(layer)
        outcome = run(delivery, layer, router, not_called)
        layer.requeue(delivery, counted=False)
    delivery = pull_one(layer)
    layer.commit(Finished(delivery, outcome.operations))
    assert (connected.replies, rooms()) == ([{"text": '"one"'}], ["one"])


def test_streams_of_a_demultiplexer_have_rows_of_their_own(connected: Client) -> None:
    class One(JsonWebsocketConsumer):
        once = True

        def connect(self, message: Any, **kwargs: Any) -> None:
            write(type(self).__name__)

    class Two(One):
        pass

    class Both(WebsocketDemultiplexer):
        consumers = {"one": One, "two": Two}  # noqa: RUF012

    layer, router = connected.layer, Router([route_class(Both)])
    for _ in range(2):
        delivery = pull_one(layer)
        outcome = run(delivery, layer, router, not_called)
        assert outcome.error is None
        layer.requeue(delivery, counted=False)
    assert (rooms(), rows()) == (["One", "Two"], 2)
    assert len(outcome.operations) == 1


def test_another_database_is_noted() -> None:
    class Other(BaseConsumer):
        once = "other"

    assert "other" in databases
