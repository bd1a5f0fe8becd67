import datetime as dt
import json
import logging
from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client as Browser
from django.test import TestCase

from channels_workers import channel
from channels_workers.binding.websockets import WebsocketBinding, WebsocketBindingWithMembers
from channels_workers.generic.websockets import WebsocketDemultiplexer
from channels_workers.message import Message
from tests.channels_workers.clients import Client
from tests.channels_workers.conftest import RunNext

pytestmark = pytest.mark.django_db(transaction=True)


class OfUsers(WebsocketBinding):
    """Everybody may see and change all users."""

    model: ClassVar[Any] = None
    stream = "users"
    fields: ClassVar[Any] = ["username", "email"]

    @classmethod
    def group_names(cls, instance: Any) -> list[str]:
        return ["users"]

    def has_permission(self, user: Any, action: str, pk: Any) -> bool:
        return True


def bind(base: type = OfUsers, **attributes: Any) -> Any:
    return type("Bound", (base,), {"model": User, **attributes})


def serve(*bindings: Any) -> Any:
    """A demultiplexer of the bindings, whose sockets read their groups."""

    class Streams(WebsocketDemultiplexer):
        """The streams."""

        http_user = True
        groups = ("users",)
        consumers: ClassVar[dict[str, Any]] = {one.stream: one.consumer for one in bindings}

    return Streams


@pytest.fixture
def reader(client_socket: Client) -> Client:
    channel.Group("users").add(client_socket.reply_channel)
    return client_socket


def payloads(client: Client) -> list[Any]:
    frames = [json.loads(content["text"]) for content in client.replies if "text" in content]
    assert all(frame["stream"] == "users" for frame in frames)
    return [frame["payload"] for frame in frames]


def data_of(client: Client) -> Any:
    """The data of the last frame."""
    return payloads(client)[-1]["data"]


def frame(action: str, stream: str = "users", **payload: Any) -> str:
    return json.dumps({"stream": stream, "payload": {"action": action, **payload}})


def play(client: Client, run_next: RunNext, consumer: Any, *frames: str) -> None:
    client.connect()
    run_next(consumer)
    for text in frames:
        client.send(text)
        run_next(consumer)


# Outbound


def test_the_frames_of_a_change(reader: Client) -> None:
    bind()
    user = User.objects.create(username="ann", email="ann@example.org")
    pk = user.pk
    user.email = ""
    user.save()
    user.delete()
    data = {"username": "ann", "email": "ann@example.org"}
    after = {**data, "email": ""}
    assert payloads(reader) == [
        {"action": "create", "pk": pk, "data": data, "model": "auth.user"},
        {"action": "update", "pk": pk, "data": after, "model": "auth.user"},
        {"action": "delete", "pk": pk, "data": after, "model": "auth.user"},
    ]


@pytest.mark.parametrize("fields", ["__all__", ["__all__"], ("__all__",)])
def test_all_fields(fields: Any, reader: Client) -> None:
    bind(fields=fields)
    User.objects.create(username="ann", date_joined=dt.datetime(2026, 1, 2, tzinfo=dt.UTC))
    data = data_of(reader)
    assert {"username", "password", "is_staff", "groups"} <= data.keys()
    assert data["date_joined"] == "2026-01-02T00:00:00Z"
    assert "id" not in data


def test_all_fields_but_some(reader: Client) -> None:
    bind(fields=None, exclude=["password", "groups"])
    User.objects.create(username="ann")
    data = data_of(reader)
    assert "username" in data
    assert not {"password", "groups", "id"} & data.keys()


def test_relations_are_keys(reader: Client) -> None:
    bind(model=Permission, fields=["content_type"])
    kind = ContentType.objects.get_for_model(User)
    Permission.objects.create(name="drink", codename="drink", content_type=kind)
    assert data_of(reader) == {"content_type": kind.pk}


def test_data_of_its_own(reader: Client) -> None:
    bind(serialize_data=lambda self, instance: {"length": len(instance.username)})
    User.objects.create(username="ann")
    assert data_of(reader) == {"length": 3}


def test_members(reader: Client) -> None:
    class OfMembers(WebsocketBindingWithMembers):
        """Sends an attribute, a property, a method, and a member of a member."""

        model = User
        stream = "users"
        fields: ClassVar[list[str]] = ["username"]
        send_members: ClassVar[list[str]] = [
            "is_authenticated",
            "get_full_name",
            "date_joined",
            "date_joined.year",
            "_meta.label",
        ]

        @classmethod
        def group_names(cls, instance: Any) -> list[str]:
            return ["users"]

    joined = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    User.objects.create(username="ann", first_name="Ann", last_name="Lee", date_joined=joined)
    assert data_of(reader) == {
        "username": "ann",
        "is_authenticated": True,
        "get_full_name": "Ann Lee",
        "date_joined": "2026-01-02T00:00:00Z",
        "date_joined__year": 2026,
        "_meta__label": "auth.User",
    }


def test_without_members_only_fields_are_sent(reader: Client) -> None:
    bind(type("Base", (WebsocketBindingWithMembers, OfUsers), {"model": None}))
    User.objects.create(username="ann")
    assert data_of(reader) == {"username": "ann", "email": ""}


@pytest.mark.django_db(transaction=False)
def test_in_a_test_case_commits_are_run_by_hand(reader: Client) -> None:
    bind()
    with TestCase.captureOnCommitCallbacks(execute=True):
        User.objects.create(username="ann")
        assert reader.replies == []
    assert data_of(reader) == {"username": "ann", "email": ""}


# Inbound


def test_frames_change_the_model_and_everybody_hears_it(
    client_socket: Client, run_next: RunNext
) -> None:
    streams = serve(bind())
    play(client_socket, run_next, streams, frame("create", data={"username": "ann"}))
    pk = User.objects.get().pk
    client_socket.send(frame("update", pk=pk, data={"email": "ann@example.org"}))
    run_next(streams)
    assert User.objects.get().email == "ann@example.org"
    client_socket.send(frame("delete", pk=pk))
    run_next(streams)
    assert not User.objects.exists()
    said = [(payload["action"], payload["pk"]) for payload in payloads(client_socket)]
    assert said == [("create", pk), ("update", pk), ("delete", pk)]


@pytest.mark.parametrize(
    ("attributes", "changed"),
    [
        ({}, {"email"}),
        ({"fields": ["__all__"]}, {"email", "first_name"}),
        ({"fields": "__all__"}, {"email", "first_name"}),
        ({"fields": None, "exclude": ["email"]}, {"first_name"}),
    ],
)
def test_an_update_changes_only_what_is_sent(
    attributes: dict[str, Any], changed: set[str], client_socket: Client, run_next: RunNext
) -> None:
    user = User.objects.create(username="ann")
    data = {"email": "new", "first_name": "new"}
    streams = serve(bind(**attributes))
    play(client_socket, run_next, streams, frame("update", pk=user.pk, data=data))
    user.refresh_from_db()
    assert {name for name in data if getattr(user, name) == "new"} == changed


def test_an_update_sets_relations(client_socket: Client, run_next: RunNext) -> None:
    kinds = [ContentType.objects.get_for_model(model) for model in (User, Group)]
    one = Permission.objects.create(name="drink", codename="drink", content_type=kinds[0])
    streams = serve(bind(model=Permission, fields=["content_type"]))
    data = {"content_type": kinds[1].pk}
    play(client_socket, run_next, streams, frame("update", pk=one.pk, data=data))
    one.refresh_from_db()
    assert one.content_type == kinds[1]


@pytest.mark.parametrize("rule", [{"fields": ["username"]}, {"exclude": ["is_superuser"]}])
def test_clients_set_only_the_fields_that_are_sent(
    rule: dict[str, list[str]], client_socket: Client, run_next: RunNext
) -> None:
    data = {"username": "eve", "is_superuser": True}
    streams = serve(bind(**{"fields": None, **rule}))
    play(client_socket, run_next, streams, frame("create", data=data))
    eve = User.objects.get()
    play(client_socket, run_next, streams, frame("update", pk=eve.pk, data=data))
    assert User.objects.values_list("username", "is_superuser").get() == ("eve", False)


@pytest.mark.parametrize("fields", [["__all__"], ["id", "username"]])
def test_data_cannot_select_another_row(
    fields: list[str], client_socket: Client, run_next: RunNext
) -> None:
    ann, bob = (User.objects.create(username=name) for name in ("ann", "bob"))
    play(
        client_socket,
        run_next,
        serve(bind(fields=fields)),
        frame("update", pk=ann.pk, data={"id": bob.pk, "username": "eve"}),
        frame("create", data={"id": bob.pk, "username": "new"}),
    )
    names = list(User.objects.order_by("pk").values_list("username", flat=True))
    assert names == ["eve", "bob", "new"]


def test_permission_is_asked_with_user_action_and_key(
    client_socket: Client, run_next: RunNext
) -> None:
    seen: list[Any] = []

    def has_permission(self: Any, user: Any, action: str, pk: Any) -> bool:
        seen.append((user.username, action, pk, self.data))
        return bool(user.username == "ann" and action != "delete")

    ann = User.objects.create_user("ann")
    browser = Browser()
    browser.force_login(ann)
    cookie = f"sessionid={browser.session.session_key}".encode()
    streams = serve(bind(has_permission=has_permission))
    stranger = Client(client_socket.layer)
    frames = (
        frame("delete", pk=ann.pk),
        frame("update", pk=ann.pk, data={"email": "new"}),
    )
    client_socket.connect(headers=[[b"cookie", cookie]])
    run_next(streams)
    for text in frames:
        client_socket.send(text)
        run_next(streams)
    play(stranger, run_next, streams, frame("create", data={"username": "eve"}))
    assert list(User.objects.values_list("username", "email")) == [("ann", "new")]
    assert seen == [
        ("ann", "delete", ann.pk, None),
        ("ann", "update", ann.pk, {"email": "new"}),
        ("", "create", None, {"username": "eve"}),
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (frame("explode"), "Bad action 'explode'"),
        (json.dumps({"stream": "users", "payload": {}}), "KeyError"),
        (frame("update", pk=0, data={}), "DoesNotExist"),
        (frame("update", pk="no number", data={}), "ValueError"),
        (frame("create", data=None), "AttributeError"),
        (frame("create", data={"nothing": 1}), "DoesNotExist"),
    ],
)
def test_frames_with_mistakes_are_logged_and_change_nothing(
    text: str,
    error: str,
    client_socket: Client,
    run_next: RunNext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        play(client_socket, run_next, serve(bind()), text)
    assert error in caplog.text
    assert not User.objects.exists()


def test_each_stream_has_its_binding(client_socket: Client, run_next: RunNext) -> None:
    streams = serve(bind(), bind(model=Group, stream="groups", fields=["name"]))
    play(
        client_socket,
        run_next,
        streams,
        frame("create", "groups", data={"name": "tea"}),
        frame("create", data={"username": "ann"}),
    )
    assert Group.objects.get().name == "tea"
    assert User.objects.get().username == "ann"
    frames = [json.loads(one["text"]) for one in client_socket.replies if "text" in one]
    assert [one["stream"] for one in frames] == ["groups", "users"]


def test_connect_and_disconnect_are_ignored(client_socket: Client, run_next: RunNext) -> None:
    streams = serve(bind(deserialize=None))
    play(client_socket, run_next, streams)
    client_socket.leave()
    run_next(streams)
    assert client_socket.replies == [{"accept": True}]


def test_strict_ordering_gives_a_session(client_socket: Client, run_next: RunNext) -> None:
    seen: list[bool] = []

    def has_permission(self: Any, user: Any, action: str, pk: Any) -> bool:
        seen.append(hasattr(self.message, "channel_session"))
        return False

    def consumer(message: Message) -> None:
        if message.channel_name == "websocket.receive":
            message.content["text"] = json.dumps({"action": "delete", "pk": 1})
        binding.consumer(message)

    binding = bind(channel_session_user=False, strict_ordering=True, has_permission=has_permission)
    play(client_socket, run_next, consumer, "frame")
    assert seen == [True]


def test_slight_ordering_is_refused() -> None:
    with pytest.raises(ValueError, match="Slight ordering is now always on"):
        bind(slight_ordering=True).get_handler()
