import logging
import subprocess
import sys
from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.db import transaction

from channels_workers import channel
from channels_workers.binding.base import CREATE, UPDATE, Binding, BindingMetaclass
from channels_workers.layers.codec import Content
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.message import Message
from labs.harness.processes import clean_environment
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer
from tests.channels_workers.clients import Client
from tests.channels_workers.conftest import RunNext
from tests.channels_workers.layers.recorder import Recorder

pytestmark = pytest.mark.django_db(transaction=True)


class Plain(Binding):
    """Sends the action and the name of the instance."""

    model: ClassVar[Any] = None
    fields: ClassVar[list[str]] = ["name"]
    stream = "plain"

    @classmethod
    def group_names(cls, instance: Any) -> Any:
        return ["all"]

    def serialize(self, instance: Any, action: str) -> Any:
        return {"action": action, "name": instance.name}

    @classmethod
    def encode(cls, stream: str, payload: Any) -> Content:
        return {"text": f"{stream}: {payload['action']} {payload['name']}"}


def bind(**attributes: Any) -> Any:
    """A new binding of Group."""
    return type("Bound", (Plain,), {"model": Group, **attributes})


def group_names(*names: str) -> Any:
    return classmethod(lambda cls, instance: list(names))


@pytest.fixture
def reader(client_socket: Client) -> Client:
    """A socket in the group `all`."""
    channel.Group("all").add(client_socket.reply_channel)
    return client_socket


def texts(client: Client) -> list[str]:
    return [content["text"] for content in client.replies]


# Outbound


def test_each_change_is_sent(reader: Client) -> None:
    bind()
    group = Group.objects.create(name="tea")
    group.name = "coffee"
    group.save()
    group.delete()
    assert texts(reader) == ["plain: create tea", "plain: update coffee", "plain: delete coffee"]


def test_a_model_may_be_named(reader: Client) -> None:
    binding = bind(model="auth.Group")
    Group.objects.create(name="tea")
    assert texts(reader) == ["plain: create tea"]
    assert (binding.model, binding.model_label) == (Group, "auth.group")


def test_several_bindings_of_a_model_send(reader: Client) -> None:
    bind(stream="one")
    bind(stream="two")
    Group.objects.create(name="tea")
    assert texts(reader) == ["one: create tea", "two: create tea"]


def test_registering_again_changes_nothing(reader: Client) -> None:
    bind()
    BindingMetaclass.register_all()
    Group.objects.create(name="tea")
    assert texts(reader) == ["plain: create tea"]


def test_it_sends_when_the_transaction_commits_and_in_order(reader: Client) -> None:
    bind()
    with transaction.atomic():
        group = Group.objects.create(name="tea")
        with transaction.atomic():
            Group.objects.create(name="milk")
        group.name = "coffee"
        group.save()
        assert reader.replies == []
    assert texts(reader) == ["plain: create tea", "plain: create milk", "plain: update coffee"]


def test_it_sends_nothing_after_a_rollback(reader: Client) -> None:
    bind()
    with transaction.atomic():
        Group.objects.create(name="kept")
        with transaction.atomic():
            Group.objects.create(name="undone")
            transaction.set_rollback(True)
    with transaction.atomic():
        Group.objects.create(name="undone, too")
        transaction.set_rollback(True)
    assert texts(reader) == ["plain: create kept"]


def test_the_transaction_is_that_of_the_database_of_the_instance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used: list[Any] = []

    def on_commit(func: Any, using: Any, robust: bool) -> None:
        used.append((using, robust))

    monkeypatch.setattr(transaction, "on_commit", on_commit)
    binding = bind()
    group = Group(name="tea")
    binding.pre_save_receiver(group)
    binding.post_save_receiver(group, created=True, using="other")
    assert used == [("other", True)]


def test_a_failing_layer_is_logged_and_the_row_is_kept(
    reader: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no layer")

    bind()
    monkeypatch.setattr(InMemoryChannelLayer, "apply", fail)
    with caplog.at_level(logging.ERROR, "django.db.backends.base"):
        Group.objects.create(name="at once")
        with transaction.atomic():
            Group.objects.create(name="later")
    assert Group.objects.count() == 2
    assert caplog.text.count("OSError: no layer") == 2


def test_an_instance_that_changes_groups_is_deleted_updated_and_new(reader: Client) -> None:
    class Moving(Plain):
        """The groups are in the name that the database has."""

        model = Group

        @classmethod
        def group_names(cls, instance: Any) -> Any:
            return Group.objects.get(pk=instance.pk).name.split()

    others = {name: Client(reader.layer) for name in ("left", "stayed", "entered")}
    for name, other in others.items():
        channel.Group(name).add(other.reply_channel)
    group = Group.objects.create(name="left stayed")
    group.name = "stayed entered"
    group.save()
    assert {name: texts(other) for name, other in others.items()} == {
        "left": ["plain: create left stayed", "plain: delete stayed entered"],
        "stayed": ["plain: create left stayed", "plain: update stayed entered"],
        "entered": ["plain: create stayed entered"],
    }
    assert reader.replies == []


def test_a_group_that_is_named_twice_gets_it_once(reader: Client) -> None:
    bind(group_names=group_names("all", "all"))
    Group.objects.create(name="tea")
    assert texts(reader) == ["plain: create tea"]


def test_without_groups_nothing_is_serialized(reader: Client) -> None:
    bind(group_names=group_names(), serialize=None)
    Group.objects.create(name="tea").delete()


def test_an_empty_payload_is_not_sent(reader: Client) -> None:
    bind(serialize=lambda self, instance, action: {})
    Group.objects.create(name="tea")
    assert reader.replies == []


def test_the_arguments_of_the_signal_are_known(reader: Client) -> None:
    seen: list[Any] = []

    def serialize(self: Any, instance: Any, action: str) -> Any:
        seen.append((action, self.instance, self.signal_kwargs.get("update_fields")))
        return {}

    bind(serialize=serialize)
    group = Group.objects.create(name="tea")
    group.save(update_fields=["name"])
    assert seen == [(CREATE, group, None), (UPDATE, group, frozenset(["name"]))]


def test_a_single_name_of_a_group_is_refused() -> None:
    bind(group_names=classmethod(lambda cls, instance: "all"))
    with pytest.raises(TypeError, match="must return a list of names, not 'all'"):
        Group.objects.create(name="tea")


def test_a_stream_is_required() -> None:
    bind(stream=None)
    with pytest.raises(ValueError, match="You must set the stream attribute"):
        Group.objects.create(name="tea")


def test_it_sends_with_the_commit_of_a_consumer(reader: Client, run_next: RunNext) -> None:
    seen: list[int] = []

    def consumer(message: Message) -> None:
        message.reply_channel.send({"text": "first"})
        with transaction.atomic():
            Group.objects.create(name="tea")
        seen.append(len(reader.replies))
        message.reply_channel.send({"text": "last"})

    bind()
    reader.connect()
    run_next(consumer)
    assert seen == [0]
    assert texts(reader) == ["first", "plain: create tea", "last"]


async def test_it_sends_by_redis(redis_server: RedisServer, settings: Any) -> None:
    backend = "channels_workers.layers.redis.RedisChannelLayer"
    hosts = [redis_server.url]
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"hosts": hosts}}}
    layer, reader = RedisChannelLayer(hosts=hosts), Recorder()
    try:
        name = await layer.attach(reader)
        await layer.group_add("all", name)
        bind()
        group = await Group.objects.acreate(name="tea")
        await group.adelete()
        await reader.until_got({"text": "plain: create tea"}, {"text": "plain: delete tea"})
    finally:
        await layer.retire_server()
        layer.disconnect()


# Registration


def test_an_abstract_binding_is_not_connected() -> None:
    assert Plain.get_registered_models() == []


def test_a_model_is_required() -> None:
    with pytest.raises(ValueError, match="You must set the model attribute on Binding"):
        type("Bound", (Plain,), {})


def test_fields_or_exclude_are_required() -> None:
    with pytest.raises(ValueError, match="You must set the fields or exclude attribute"):
        bind(fields=None)


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(LookupError):
        bind(model="auth.Unknown")


def test_bindings_in_models_are_registered_when_django_is_set_up() -> None:
    code = (
        "import django\n"
        "from channels_workers.binding.websockets import WebsocketBinding\n"
        "class Early(WebsocketBinding):\n"
        "    model, fields, stream = 'auth.Group', ['name'], 'early'\n"
        "django.setup()\n"
        "from django.contrib.auth.models import Group\n"
        "from django.db.models.signals import post_save\n"
        "print(Early.model is Group, post_save.has_listeners(Group))\n"
    )
    environment = clean_environment() | {"DJANGO_SETTINGS_MODULE": "chat_project.settings"}
    command = [sys.executable, "-W", "error", "-c", code]
    result = subprocess.run(
        command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )
    assert (result.returncode, result.stdout) == (0, "True True\n"), result.stderr


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("group_names", (None,)),
        ("serialize", (None, CREATE)),
        ("encode", ("stream", {})),
        ("deserialize", (None,)),
        ("has_permission", (None, CREATE, None)),
        ("create", ({},)),
        ("update", (1, {})),
    ],
)
def test_what_to_define_is_said(method: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(NotImplementedError, match=rf"^Binding has no {method}\(\)\.$"):
        getattr(Binding(), method)(*arguments)


# Inbound


class Inbound(Plain):
    """Changes groups by messages such as `create None tea`."""

    model = None
    seen: ClassVar[list[Any]] = []

    def deserialize(self, message: Message) -> tuple[str, Any, Any]:
        action, pk, data = message["text"].split(" ", 2)
        return action, pk, data

    def has_permission(self, user: Any, action: str, pk: Any) -> bool:
        self.seen.append((type(user), action, pk, self.kwargs))
        return bool(self.data != "forbidden")

    def create(self, data: Any) -> None:
        Group.objects.create(name=data)

    def update(self, pk: Any, data: Any) -> None:
        Group.objects.filter(pk=pk).update(name=data)


@pytest.fixture
def inbound() -> Any:
    Inbound.seen.clear()
    return type("Bound", (Inbound,), {"model": Group})


def send(client: Client, run_next: RunNext, consumer: Any, *frames: str) -> None:
    client.connect()
    run_next(lambda message: message.reply_channel.send({"accept": True}))
    for frame in frames:
        client.send(frame)
        run_next(consumer)


def names() -> list[str]:
    return list(Group.objects.order_by("pk").values_list("name", flat=True))


def test_messages_change_the_model(inbound: Any, client_socket: Client, run_next: RunNext) -> None:
    groups = [Group.objects.create(name=name) for name in ("a", "b", "c")]
    send(
        client_socket,
        run_next,
        inbound.consumer,
        "create None d",
        f"update {groups[0].pk} A",
        f"delete {groups[1].pk} -",
        "create None forbidden",
        f"delete {groups[2].pk} forbidden",
    )
    assert names() == ["A", "c", "d"]
    assert inbound.seen[0] == (AnonymousUser, "create", "None", {})


def test_an_unknown_action_is_an_error(
    inbound: Any, client_socket: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    send(client_socket, run_next, inbound.consumer, "explode 1 -")
    assert "Bad action 'explode'" in caplog.text


def test_a_change_by_a_message_is_sent_to_others(
    inbound: Any, reader: Client, run_next: RunNext
) -> None:
    send(Client(reader.layer), run_next, inbound.consumer, "create None tea")
    assert texts(reader) == ["plain: create tea"]


def test_arguments_of_the_route_are_known(
    inbound: Any, client_socket: Client, run_next: RunNext
) -> None:
    send(client_socket, run_next, lambda message: inbound.consumer(message, room="tea"), "x 1 -")
    assert inbound.seen == [(AnonymousUser, "x", "1", {"room": "tea"})]


@pytest.mark.parametrize(
    ("attributes", "has_session", "has_user"),
    [
        ({}, True, True),
        ({"channel_session_user": False}, False, False),
        ({"channel_session_user": False, "channel_session": True}, True, False),
    ],
)
def test_decorators(
    attributes: dict[str, bool],
    has_session: bool,
    has_user: bool,
    client_socket: Client,
    run_next: RunNext,
) -> None:
    seen: list[Any] = []

    def has_permission(self: Any, user: Any, action: str, pk: Any) -> bool:
        message = self.message
        seen.append((hasattr(message, "channel_session"), hasattr(message, "user"), user))
        return False

    made = {"model": Group, "has_permission": has_permission, **attributes}
    binding: Any = type("Bound", (Inbound,), made)
    send(client_socket, run_next, binding.consumer, "create None tea")
    assert seen == [(has_session, has_user, AnonymousUser())]
