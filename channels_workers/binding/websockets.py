"""Data bindings for WebSockets, in JSON. The API is that of Channels 1.1.8."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, ClassVar

from django.core import serializers
from django.core.serializers.base import DeserializedObject
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model

from channels_workers.binding.base import Binding
from channels_workers.generic.websockets import WebsocketMultiplexer
from channels_workers.layers.codec import Content
from channels_workers.layers.types import RECEIVE
from channels_workers.message import Consumer, Message
from channels_workers.sessions import enforce_ordering

__all__ = ["WebsocketBinding", "WebsocketBindingWithMembers"]

ALL = "__all__"


class WebsocketBinding(Binding):
    """Binds a model to a stream of a WebSocket.

    A change of an instance sends this payload, in the frame of a
    :class:`~channels_workers.generic.websockets.WebsocketMultiplexer`. ``action`` is ``"create"``,
    ``"update"`` or ``"delete"``, ``data`` the fields as Django serializes them to JSON::

        {"action": "create", "pk": 1, "data": {"text": "tea"}, "model": "board.line"}

    A client sends the same without ``model``: ``data`` for create, ``pk`` and ``data`` for update,
    ``pk`` for delete. Give ``consumer`` to a
    :class:`~channels_workers.generic.websockets.WebsocketDemultiplexer`, under the same stream.

    Define ``model``, ``stream``, ``fields`` or ``exclude``, and
    :meth:`~channels_workers.binding.base.Binding.group_names`. For frames of clients, define
    :meth:`~channels_workers.binding.base.Binding.has_permission`. It also has everything else of
    :class:`~channels_workers.binding.base.Binding`.
    """

    model: ClassVar[Any] = None

    #: Gives inbound messages a channel session. The order is always kept.
    strict_ordering: ClassVar[bool] = False

    #: True raises ``ValueError`` at each message: slight ordering is always on.
    slight_ordering: ClassVar[bool] = False

    # Outbound

    @classmethod
    def encode(cls, stream: str, payload: Any) -> Content:
        """Return the message that sends *payload* on *stream*: ``{"text": ...}``."""
        return WebsocketMultiplexer.encode(stream, payload)

    def serialize(self, instance: Any, action: str) -> Any:
        """Return the payload for *action*. Return ``{}`` in a subclass to send nothing."""
        return {
            "action": action,
            "pk": instance.pk,
            "data": self.serialize_data(instance),
            "model": self.model_label,
        }

    def serialize_data(self, instance: Any) -> dict[str, Any]:
        """Return the fields of *instance*, as values that JSON knows, by name."""
        (written,) = json.loads(
            serializers.serialize("json", [instance], fields=self._sent_fields(instance))
        )
        found: dict[str, Any] = written["fields"]
        return found

    def _sent_fields(self, instance: Model) -> list[str] | None:
        """The names of the fields to send, None for all."""
        if self.fields is None:
            return [field.name for field in instance._meta.get_fields() if self._takes(field.name)]
        return None if self._takes_all() else list(self.fields)

    def _takes_all(self) -> bool:
        return self.fields == ALL or (self.fields is not None and list(self.fields) == [ALL])

    def _takes(self, name: str) -> bool:
        """Whether the field *name* takes part, by `fields` or `exclude`."""
        if self.fields is None:
            return name not in (self.exclude or ())
        return self._takes_all() or name in self.fields

    # Inbound

    @classmethod
    def get_handler(cls) -> Consumer:
        """Return :meth:`trigger_inbound` with the decorators that are set."""
        handler = super().get_handler()
        if cls.strict_ordering or cls.slight_ordering:
            return enforce_ordering(handler, slight=not cls.strict_ordering)
        return handler

    @classmethod
    def trigger_inbound(cls, message: Message, **kwargs: Any) -> None:
        """Run the action of a frame. Other messages, as the connect, are ignored."""
        if message.channel_name == RECEIVE:
            super().trigger_inbound(message, **kwargs)

    def deserialize(self, message: Message) -> tuple[str, Any, Any]:
        """Return ``action``, ``pk`` and ``data`` of a frame; the latter are None if missing.

        Raises ``ValueError`` for a text that is no JSON, and ``KeyError`` without an action.
        """
        body = json.loads(message["text"])
        return body["action"], body.get("pk"), body.get("data")

    def create(self, data: Any) -> None:
        """Save a new instance with the fields in *data* that ``fields`` or ``exclude`` allow.

        It never takes the primary key. Errors are those of Django's deserializer and of the
        database.
        """
        self._hydrate(None, self._without_key(data))  # mistakes are errors in other fields, too
        self._hydrate(None, self._allowed(data)).save()

    def update(self, pk: Any, data: Any) -> None:
        """Set the fields in *data* that ``fields`` or ``exclude`` allow, and save.

        The primary key stays. Raises the ``DoesNotExist`` of the model, and errors as
        :meth:`create`.
        """
        instance = self.model.objects.get(pk=pk)
        new = self._hydrate(pk, self._without_key(data)).object
        for name in self._allowed(data):
            attribute = self.model._meta.get_field(name).attname
            setattr(instance, attribute, getattr(new, attribute))
        instance.save()

    def _hydrate(self, pk: Any, data: Mapping[str, Any]) -> DeserializedObject:
        """The instance that *data* describes, not saved."""
        described = {"pk": pk, "model": self.model_label, "fields": data}
        (found,) = serializers.deserialize("python", [described])
        return found

    def _allowed(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a client may set."""
        return {n: value for n, value in self._without_key(data).items() if self._takes(n)}

    def _without_key(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return *data* without primary keys, with which a client could change another row."""
        keys = [field for field in self.model._meta.fields if field.primary_key]
        names = {name for field in keys for name in (field.name, field.attname)}
        return {name: value for name, value in data.items() if name not in names}


class WebsocketBindingWithMembers(WebsocketBinding):
    """Sends attributes, properties and methods of the instance, too.

    :attr:`send_members` names them. A method is called without arguments. ``"room.name"`` follows
    attributes, and its key in the data is ``room__name``.
    """

    model: ClassVar[Any] = None

    #: Names (str) of the members to send.
    send_members: ClassVar[Sequence[str]] = ()

    #: The encoder of their values, which must give JSON.
    encoder: ClassVar[json.JSONEncoder] = DjangoJSONEncoder()

    def serialize_data(self, instance: Any) -> dict[str, Any]:
        """Return the fields and members of *instance*, as values that JSON knows, by name.

        Raises ``AttributeError`` for an unknown member, ``TypeError`` for a value that the
        encoder does not know.
        """
        members = {}
        for path in self.send_members:
            value = reduce(getattr, path.split("."), instance)
            members[path.replace(".", "__")] = value() if callable(value) else value
        encoded: dict[str, Any] = json.loads(self.encoder.encode(members))
        return {**super().serialize_data(instance), **encoded}
