from inspect import CORO_CLOSED, getcoroutinestate
from typing import Any, ClassVar

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser

from channels_workers.channel import Channel
from channels_workers.exceptions import DenyConnection
from channels_workers.generic import BaseConsumer
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.message import Message
from channels_workers.routing import Router, route_class
from tests.channels_workers.clients import Client, contents
from tests.channels_workers.conftest import RunNext

# Signals around a consumer clean up database connections.
pytestmark = pytest.mark.django_db


class Tasks(BaseConsumer):
    """A consumer of two channels."""

    method_mapping: ClassVar[dict[str, str]] = {"task.add": "add", "task.remove": "remove"}
    prefix = "done"

    def add(self, message: Message, **kwargs: Any) -> None:
        assert self.message is message
        assert self.kwargs == kwargs
        Channel(self.prefix).send({"added": message["name"], **kwargs})

    def remove(self, message: Message, **kwargs: Any) -> None:
        Channel(self.prefix).send({"removed": message["name"], **kwargs})


def test_it_listens_to_the_channels_of_its_methods() -> None:
    assert Tasks.channel_names() == {"task.add", "task.remove"}
    assert set(route_class(Tasks).channels) == {"task.add", "task.remove"}
    assert {"task.add", "task.remove"} <= Router([route_class(Tasks)]).channels


def test_each_channel_has_its_method(memory_layer: InMemoryChannelLayer, run_next: RunNext) -> None:
    for channel in ("task.add", "task.remove"):
        Channel(channel).send({"name": "tea"})
        run_next(Tasks, channel)
    assert contents(memory_layer, "done") == [{"added": "tea"}, {"removed": "tea"}]


def test_a_route_filters_like_any_other(memory_layer: InMemoryChannelLayer) -> None:
    router = Router([route_class(Tasks, name=r"^(?P<kind>t)ea$")])
    match = router.match(Message({"name": "tea"}, "task.add", memory_layer))
    assert match == (Tasks, {"kind": "t"})
    assert router.match(Message({"name": "milk"}, "task.add", memory_layer)) is None


def test_a_route_may_have_other_attributes(
    memory_layer: InMemoryChannelLayer, run_next: RunNext
) -> None:
    route = Tasks.as_route({"prefix": "elsewhere"}, name="^tea$")
    assert set(route.channels) == {"task.add", "task.remove"}
    assert route.filters["name"].pattern == "^tea$"
    Channel("task.add").send({"name": "tea"})
    run_next(route.consumer, "task.add")
    assert contents(memory_layer, "elsewhere") == [{"added": "tea"}]
    assert Tasks.prefix == "done"
    assert route.consumer.__name__ == "Tasks"


def test_without_attributes_the_route_is_to_the_class() -> None:
    assert Tasks.as_route().consumer is Tasks


def test_attributes_that_are_not_a_dict_are_refused() -> None:
    with pytest.raises(TypeError, match=r"attrs must be a dict of class attributes, not 'path'"):
        Tasks.as_route("path")  # type: ignore[arg-type]


def test_a_class_without_channel_names_is_refused() -> None:
    with pytest.raises(ValueError, match="^The consumer passed to RouteClass has no valid"):
        route_class(print)


async def slow(*args: Any, **kwargs: Any) -> None:
    pass


class Slow:
    """Mixed into consumers."""

    add = slow


@pytest.mark.parametrize(
    ("bases", "attributes"),
    [
        ((Tasks,), {"add": slow}),
        ((Tasks,), {"add": staticmethod(slow)}),
        ((Tasks,), {"add": classmethod(slow)}),
        ((Slow, Tasks), {}),
        ((Slow, BaseConsumer), {"method_mapping": {"task.add": "add"}}),
    ],
)
def test_async_methods_are_refused_at_class_creation(
    bases: tuple[type, ...], attributes: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match=r"Made.add is `async def`, which class-based consumers"):
        type("Made", bases, attributes)
    with pytest.raises(TypeError, match="Tasks.add is `async def`"):
        Tasks.as_route({"add": slow})


@pytest.mark.parametrize("name", ["dispatch", "get_handler"])
def test_methods_on_the_dispatch_path_must_not_be_async(name: str) -> None:
    with pytest.raises(TypeError, match=f"Made.{name} is `async def`"):
        type("Made", (Tasks,), {name: slow})


def test_other_methods_may_be_async(memory_layer: InMemoryChannelLayer, run_next: RunNext) -> None:
    class Helped(Tasks):
        """Has a helper that is not a consumer."""

        async def fetch(self) -> str:
            return "tea"

        def add(self, message: Message, **kwargs: Any) -> None:
            Channel("done").send({"added": async_to_sync(self.fetch)()})

    Channel("task.add").send({})
    run_next(Helped, "task.add")
    assert contents(memory_layer, "done") == [{"added": "tea"}]


@pytest.mark.parametrize("attribute", ["none", "channel_session", "channel_session_user"])
def test_a_method_that_returns_a_coroutine_is_an_error(
    attribute: str, client_socket: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    class Later(BaseConsumer):
        """A method is added later."""

        method_mapping: ClassVar[dict[str, str]] = {"websocket.connect": "look"}

    coroutine = slow()
    setattr(Later, attribute, True)
    Later.look = lambda self, message: coroutine  # type: ignore[attr-defined]
    client_socket.connect()
    run_next(Later)
    assert "returned a coroutine, which class-based consumers do not run" in caplog.text
    assert getcoroutinestate(coroutine) == CORO_CLOSED
    assert client_socket.released == [0]


def test_methods_may_have_a_session(client_socket: Client, run_next: RunNext) -> None:
    seen: list[Any] = []

    class Counter(BaseConsumer):
        """Counts the messages of a connection."""

        method_mapping: ClassVar[dict[str, str]] = {
            "websocket.connect": "count",
            "websocket.receive": "count",
        }
        channel_session = True

        def count(self, message: Message) -> None:
            """Counts the messages of a connection."""
            session = self.message.channel_session
            session["count"] = session.get("count", 0) + 1
            seen.append(session["count"])

    client_socket.connect()
    run_next(Counter)
    client_socket.send("hi")
    run_next(Counter)
    assert seen == [1, 2]


def test_methods_may_have_a_user(client_socket: Client, run_next: RunNext) -> None:
    seen: list[Any] = []

    class Who(BaseConsumer):
        """Reports the user of the connection."""

        method_mapping: ClassVar[dict[str, str]] = {"websocket.connect": "look"}
        channel_session_user = True

        def look(self, message: Message) -> None:
            seen.append(message.user)

    client_socket.connect()
    run_next(Who)
    assert seen == [AnonymousUser()]


def test_a_consumer_may_deny_a_connection(client_socket: Client, run_next: RunNext) -> None:
    class Closed(BaseConsumer):
        """Refuses everybody."""

        method_mapping: ClassVar[dict[str, str]] = {"websocket.connect": "refuse"}

        def refuse(self, message: Message) -> None:
            raise DenyConnection

    client_socket.connect()
    run_next(Closed)
    assert client_socket.replies == [{"close": True}]
