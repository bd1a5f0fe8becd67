"""The base of data bindings. The API is that of Channels 1.1.8."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar

from django.apps import apps
from django.db import transaction
from django.db.models import Model
from django.db.models.signals import ModelSignal, post_delete, post_save, pre_delete, pre_save

from channels_workers.auth import channel_session_user
from channels_workers.channel import Group
from channels_workers.layers.codec import Content
from channels_workers.message import Consumer, Message
from channels_workers.sessions import channel_session

__all__ = ["CREATE", "DELETE", "UPDATE", "Binding", "BindingMetaclass"]

#: The actions of frames in both directions.
CREATE = "create"
UPDATE = "update"
DELETE = "delete"

#: On an instance that is being saved or deleted: its groups before the change, by binding.
_GROUPS_BEFORE = "_binding_group_names"


class BindingMetaclass(type):
    """Knows all bindings, and connects them to the signals of their models.

    Models may be named by strings, so bindings that exist before Django is set up are registered
    at the end of that. Later ones are registered at once.
    """

    #: Every class below :class:`Binding`, abstract ones too.
    binding_classes: ClassVar[list[type[Binding]]] = []

    #: Whether Django is set up.
    register_immediately: ClassVar[bool] = False

    def __init__(
        cls, name: str, bases: tuple[type, ...], namespace: Mapping[str, Any], **kwargs: Any
    ) -> None:
        super().__init__(name, bases, dict(namespace), **kwargs)
        if not bases:  # Binding itself
            return
        if BindingMetaclass.register_immediately:
            cls.register()  # type: ignore[attr-defined]
        BindingMetaclass.binding_classes.append(cls)  # type: ignore[arg-type]

    @classmethod
    def register_all(cls) -> None:
        """Register every binding, and each new one at once from now on. Errors: see ``register``.

        The app configuration of this package calls it. Another call changes nothing.
        """
        for binding in cls.binding_classes:
            binding.register()
        BindingMetaclass.register_immediately = True


class Binding(metaclass=BindingMetaclass):
    """Connects a model with groups, and with consumers. The base for any encoding.

    For WebSockets and JSON, use :class:`~channels_workers.binding.websockets.WebsocketBinding`.

    Outbound: a save or a delete sends to the groups of the instance. Define :meth:`group_names`,
    :meth:`serialize` and :meth:`encode`. The content is that of the moment of the save. It goes
    out when the transaction commits, and not at all after a rollback. Without a transaction it
    goes out at once. Several changes go out in their order. An error of the layer is logged by
    Django and does not reach the code that saved. ``QuerySet.update`` and ``bulk_create`` send
    nothing, because Django sends no signals for them.

    Inbound: :meth:`consumer` changes the model by a message. Define :meth:`deserialize`,
    :meth:`has_permission`, :meth:`create` and :meth:`update`.

    A subclass with ``model = None`` in its own body is abstract. Import the module of a binding
    in each process that saves the model, from ``models.py`` or ``AppConfig.ready()``.
    """

    #: The model class, or its name (str) such as ``"board.Line"``.
    model: ClassVar[Any] = None

    #: ``"app.model"`` in lower case, set when the binding is registered.
    model_label: ClassVar[str]

    #: Names of the fields to send; ``["__all__"]`` for all.
    fields: ClassVar[Collection[str] | None] = None

    #: Names of the fields not to send, if :attr:`fields` is None.
    exclude: ClassVar[Collection[str] | None] = None

    #: The name (str) of the stream that it sends on.
    stream: ClassVar[str | None] = None

    #: Gives inbound messages their user, and the channel session that keeps it.
    channel_session_user: ClassVar[bool] = True

    #: Gives inbound messages their channel session.
    channel_session: ClassVar[bool] = False

    #: The keyword arguments of the signal (dict) while it serializes, such as ``update_fields``.
    signal_kwargs: dict[str, Any] | None = None

    #: The changed instance, outbound.
    instance: Any

    message: Message
    kwargs: dict[str, Any]
    action: str
    pk: Any
    data: Any
    user: Any

    @classmethod
    def register(cls) -> None:
        """Connect the binding to the signals of its model.

        Raises ``ValueError`` without a model, or with neither :attr:`fields` nor :attr:`exclude`.
        Raises ``LookupError`` for an unknown model.
        """
        for model in cls.get_registered_models():
            for signal, receiver in cls._receivers():
                signal.connect(receiver, sender=model)

    @classmethod
    def _receivers(cls) -> list[tuple[ModelSignal, Any]]:
        return [
            (pre_save, cls.pre_save_receiver),
            (post_save, cls.post_save_receiver),
            (pre_delete, cls.pre_delete_receiver),
            (post_delete, cls.post_delete_receiver),
        ]

    @classmethod
    def get_registered_models(cls) -> list[type[Model]]:
        """Return a list with the model, or an empty one if the binding is abstract.

        Errors are those of :meth:`register`.
        """
        if cls.model is None:
            if "model" in vars(cls):
                return []
            raise ValueError(
                f"You must set the model attribute on Binding {cls!r}! An abstract binding sets it "
                "to None itself."
            )
        if cls.fields is None and cls.exclude is None:
            raise ValueError(
                f"You must set the fields or exclude attribute on Binding {cls!r}! "
                'fields = ["__all__"] sends all fields.'
            )
        if isinstance(cls.model, str):
            cls.model = apps.get_model(cls.model)
        cls.model_label = cls.model._meta.label_lower
        return [cls.model]

    # Outbound

    @classmethod
    def pre_save_receiver(cls, instance: Model, **kwargs: Any) -> None:
        """Note the groups before a save."""
        cls.pre_change_receiver(instance, CREATE if instance._state.adding else UPDATE)

    @classmethod
    def post_save_receiver(cls, instance: Model, created: bool, **kwargs: Any) -> None:
        """Send after a save."""
        cls.post_change_receiver(instance, CREATE if created else UPDATE, **kwargs)

    @classmethod
    def pre_delete_receiver(cls, instance: Model, **kwargs: Any) -> None:
        """Note the groups before a delete."""
        cls.pre_change_receiver(instance, DELETE)

    @classmethod
    def post_delete_receiver(cls, instance: Model, **kwargs: Any) -> None:
        """Send after a delete."""
        cls.post_change_receiver(instance, DELETE, **kwargs)

    @classmethod
    def pre_change_receiver(cls, instance: Model, action: str) -> None:
        """Note the groups of *instance* before the change. A new instance has none."""
        before = [] if action == CREATE else cls._groups_of(instance)
        vars(instance).setdefault(_GROUPS_BEFORE, {})[cls] = before

    @classmethod
    def post_change_receiver(cls, instance: Model, action: str, **kwargs: Any) -> None:
        """Send what *instance* is for each group: deleted, updated, or new, in this order.

        *kwargs* are the other arguments of the signal. For a group that the instance has left it
        is deleted, and for one that it has entered it is new.
        """
        before = vars(instance)[_GROUPS_BEFORE][cls]
        after = [] if action == DELETE else cls._groups_of(instance)
        self = cls()
        self.instance = instance
        left = [name for name in before if name not in after]
        stayed = [name for name in before if name in after]
        entered = [name for name in after if name not in before]
        self.send_messages(instance, left, DELETE, **kwargs)
        self.send_messages(instance, stayed, UPDATE, **kwargs)
        self.send_messages(instance, entered, CREATE, **kwargs)

    @classmethod
    def _groups_of(cls, instance: Model) -> list[str]:
        names = cls.group_names(instance)
        if isinstance(names, str):
            raise TypeError(f"group_names() must return a list of names, not {names!r}.")
        return list(dict.fromkeys(names))

    def send_messages(
        self, instance: Model, group_names: Iterable[str], action: str, **kwargs: Any
    ) -> None:
        """Serialize *instance* now, and send it to *group_names* when the transaction commits.

        *kwargs* are the arguments of the signal; the transaction is that of its database,
        ``using``. Nothing is sent without groups, or if :meth:`serialize` returns ``{}``. Raises
        ``ValueError`` without a :attr:`stream`.
        """
        names = list(group_names)
        if not names:
            return
        self.signal_kwargs = kwargs
        payload = self.serialize(instance, action)
        if payload == {}:
            return
        if self.stream is None:
            raise ValueError(f"You must set the stream attribute on Binding {type(self)!r}!")
        content = self.encode(self.stream, payload)

        def send() -> None:
            for name in names:
                Group(name).send(content)

        # The row is safe by then, so a layer that fails must not fail the code that saved it.
        transaction.on_commit(send, using=kwargs.get("using"), robust=True)

    @classmethod
    def group_names(cls, instance: Any) -> Iterable[str]:
        """Return the names (str) of the groups that hear of *instance*. Define it.

        It is called before and after each change, before it with the values to be saved.
        """
        raise NotImplementedError(f"{cls.__qualname__} has no group_names().")

    def serialize(self, instance: Any, action: str) -> Any:
        """Return the payload for *action*, ``"create"``, ``"update"`` or ``"delete"``."""
        raise NotImplementedError(f"{type(self).__qualname__} has no serialize().")

    @classmethod
    def encode(cls, stream: str, payload: Any) -> Content:
        """Return the message (dict) that carries *payload* on *stream*."""
        raise NotImplementedError(f"{cls.__qualname__} has no encode().")

    # Inbound

    @classmethod
    def consumer(cls, message: Message, **kwargs: Any) -> None:
        """Change the model by *message*. This is what you route, or give to a demultiplexer.

        *kwargs* are the named groups of the route.
        """
        cls.get_handler()(message, **kwargs)

    @classmethod
    def get_handler(cls) -> Consumer:
        """Return :meth:`trigger_inbound` with the decorators that are set."""
        if cls.channel_session_user:
            return channel_session_user(cls.trigger_inbound)
        if cls.channel_session:
            return channel_session(cls.trigger_inbound)
        return cls.trigger_inbound

    @classmethod
    def trigger_inbound(cls, message: Message, **kwargs: Any) -> None:
        """Read *message*, and run its action. The user is anonymous if the message has none."""
        # Bindings may stand in models.py, which is imported before other models may be.
        from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415

        self = cls()
        self.message = message
        self.kwargs = kwargs
        self.action, self.pk, self.data = self.deserialize(message)
        self.user = getattr(message, "user", AnonymousUser())
        self.run_action(self.action, self.pk, self.data)

    def deserialize(self, message: Message) -> tuple[str, Any, Any]:
        """Return the action, the primary key (None for create) and the data (None for delete)."""
        raise NotImplementedError(f"{type(self).__qualname__} has no deserialize().")

    def has_permission(self, user: Any, action: str, pk: Any) -> bool:
        """Return whether *user* may do *action* to the row *pk* (None for create). Define it.

        *pk* is what the client sent, and *user* may be an ``AnonymousUser``. The rest of the frame
        is in ``self.data``. An action without permission is ignored.
        """
        raise NotImplementedError(f"{type(self).__qualname__} has no has_permission().")

    def run_action(self, action: str, pk: Any, data: Any) -> None:
        """Do *action* if the user has the permission. ``ValueError`` for an unknown action."""
        if not self.has_permission(self.user, action, pk):
            return
        if action == CREATE:
            self.create(data)
        elif action == UPDATE:
            self.update(pk, data)
        elif action == DELETE:
            self.delete(pk)
        else:
            raise ValueError(f"Bad action {action!r}")

    def create(self, data: Any) -> None:
        """Save a new instance with *data*."""
        raise NotImplementedError(f"{type(self).__qualname__} has no create().")

    def update(self, pk: Any, data: Any) -> None:
        """Change the instance *pk* by *data*, and save it."""
        raise NotImplementedError(f"{type(self).__qualname__} has no update().")

    def delete(self, pk: Any) -> None:
        """Delete the instance *pk*, if there is one."""
        self.model.objects.filter(pk=pk).delete()
