"""The base of class-based consumers. The API is that of Channels 1.1.8."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from inspect import iscoroutine, iscoroutinefunction
from typing import Any, ClassVar

from django.db import DEFAULT_DB_ALIAS

from channels_workers.auth import channel_session_user
from channels_workers.logs import name_of
from channels_workers.message import Consumer, Message
from channels_workers.once.decorator import databases, with_once
from channels_workers.routing import RouteClass
from channels_workers.sessions import channel_session

__all__ = ["BaseConsumer"]


class BaseConsumer:
    r"""A class whose methods are consumers. An instance lives for one message.

    Route it with :func:`~channels_workers.routing.route_class`, or :meth:`as_route`::

        route_class(ChatConsumer, path=r"^/chat/(?P<room>[a-z0-9-]{1,50})/$")

    A method is called with the message, and with the named groups of the route's filters as
    keyword arguments (str). They are in ``self.message`` and ``self.kwargs`` too.

    Methods that handle messages must be ``def``. An ``async def`` one raises ``TypeError`` when
    the class is made, or when it is called if it was added later.
    """

    #: The name of the method (str) for each channel name (str).
    method_mapping: ClassVar[Mapping[str, str]] = {}

    #: Names of further methods that must be ``def``.
    _called_methods: ClassVar[frozenset[str]] = frozenset({"get_handler", "dispatch"})

    #: Gives the methods ``self.message.channel_session``.
    channel_session = False

    #: Gives the methods ``self.message.user``, and the channel session that keeps it.
    channel_session_user = False

    #: Runs the methods with :func:`~channels_workers.once.once`. True for the default database, or
    #: the alias of another one.
    once: bool | str = False

    def __init__(self, message: Message, **kwargs: Any) -> None:
        self.message = message
        self.kwargs = kwargs
        self.dispatch(message, **kwargs)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse ``async def`` methods, which would never be awaited."""
        super().__init_subclass__(**kwargs)
        for name in sorted(cls._called_methods.union(cls.method_mapping.values())):
            if iscoroutinefunction(getattr(cls, name, None)):
                raise _not_awaited(f"{cls.__qualname__}.{name} is `async def`")
        if cls.once:
            databases.add(database_of(cls.once))

    @classmethod
    def channel_names(cls) -> set[str]:
        """Return the channels that the class has methods for."""
        return set(cls.method_mapping)

    @classmethod
    def as_route(cls, attrs: dict[str, Any] | None = None, **filters: str | bytes) -> RouteClass:
        """Return a route to this class, or to a subclass of it with the attributes *attrs*.

        *filters* and errors are those of :class:`~channels_workers.routing.Route`. Raises
        ``TypeError`` if *attrs* is no dict.
        """
        if attrs is not None and not isinstance(attrs, dict):
            raise TypeError(f"attrs must be a dict of class attributes, not {attrs!r}.")
        consumer = type(cls.__name__, (cls,), attrs) if attrs else cls
        return RouteClass(consumer, **filters)

    def get_handler(self, message: Message, **kwargs: Any) -> Consumer:
        """Return the method for the message's channel, with the decorators that are set."""
        handler: Consumer = getattr(self, self.method_mapping[message.channel_name])
        if self.channel_session_user:
            return channel_session_user(partial(call, handler))
        if self.channel_session:
            return channel_session(partial(call, handler))
        return handler

    def runs_once(self, message: Message) -> bool:
        """Say whether *message* runs with ``@once``: by default, if :attr:`once` is set."""
        return bool(self.once)

    def dispatch(self, message: Message, **kwargs: Any) -> Any:
        """Call the method for the message's channel, and return what it returns."""
        handler = self.get_handler(message, **kwargs)
        if self.runs_once(message):
            using, name = database_of(self.once), name_of(type(self))
            return with_once(partial(call, handler), using, name)(message, **kwargs)
        return call(handler, message, **kwargs)


def database_of(once: bool | str) -> str:
    """Return the alias of the database that the attribute ``once`` means."""
    return once if isinstance(once, str) else DEFAULT_DB_ALIAS


def call(method: Consumer, *args: Any, **kwargs: Any) -> Any:
    """Call *method*; TypeError if it returns a coroutine, which would never be awaited."""
    result = method(*args, **kwargs)
    if iscoroutine(result):
        result.close()
        raise _not_awaited(f"{name_of(method)} returned a coroutine")
    return result


def _not_awaited(what: str) -> TypeError:
    return TypeError(
        f"{what}, which class-based consumers do not run. Write it as `def`, or make the consumer "
        "an `async def` function."
    )
