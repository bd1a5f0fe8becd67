"""System checks of the consumers that the routing names: that they can be called as one."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from channels.consumer import AsyncConsumer
from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register

from channels_workers import decorators
from channels_workers.checks.routes import RouteTo, distinct, loaded_routes
from channels_workers.envelope import decorators as envelope
from channels_workers.generic.base import BaseConsumer
from channels_workers.logs import name_of
from channels_workers.once import decorator as once
from channels_workers.security.websockets import BaseOriginValidator

#: The modules of our decorators. They pass on the arguments of a consumer as they are.
_DECORATORS = frozenset((decorators.__name__, envelope.__name__, once.__name__))


@register("channels_workers")
def check_consumers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Look for consumers that do nothing, or that take other arguments than their routes give."""
    return distinct(problem for each in loaded_routes() for problem in _problems(each))


def _problems(to: RouteTo) -> Iterator[CheckMessage]:
    consumer = innermost(to.route.consumer)
    if reason := _useless(consumer, to.channel):
        what, hint = reason
        yield Error(f"{name_of(consumer)} {what}", hint=hint, id="channels_workers.E025")
    elif wrong := _misfit(consumer, to.groups):
        yield _misfit_error(consumer, to, wrong)
    elif inspect.isclass(consumer) and issubclass(consumer, BaseConsumer):
        for method in _methods(consumer, to.channel):
            if wrong := _refused_groups(method, to.groups):
                yield _misfit_error(method, to, wrong)


def _misfit_error(consumer: Any, to: RouteTo, wrong: str) -> CheckMessage:
    groups = ", ".join(sorted(to.groups)) or "none"
    return Error(
        f"{name_of(consumer)} cannot be called by the route {to}: {wrong}.",
        hint="A consumer takes the message, and each named group of the filters as a keyword "
        f"argument (here: {groups}), or **kwargs.",
        id="channels_workers.E026",
    )


def _methods(consumer: type[BaseConsumer], channel: str) -> Iterator[Any]:
    """Yield the methods of a class that get the named groups of messages of *channel*."""
    name = consumer.method_mapping[channel]
    for each in (name, name.removeprefix("raw_")):
        if hasattr(consumer, each):
            yield innermost(getattr(consumer, each))


def innermost(consumer: Any) -> Any:
    """Return what our decorators of *consumer* call, with the same arguments."""
    while True:
        if _is_validator(consumer):
            consumer = consumer.func
        elif _is_decorated(consumer):
            consumer = consumer.__wrapped__
        else:
            return consumer


def _is_validator(consumer: Any) -> bool:
    call = BaseOriginValidator.__call__
    return isinstance(consumer, BaseOriginValidator) and type(consumer).__call__ is call


def _is_decorated(consumer: Any) -> bool:
    module = getattr(consumer, "__globals__", {}).get("__name__")
    return module in _DECORATORS and hasattr(consumer, "__wrapped__")


def _useless(consumer: Any, channel: str) -> tuple[str, str] | None:
    """Return why a call of *consumer* does nothing, and the cure."""
    of_channels_4 = getattr(consumer, "consumer_class", consumer)
    if inspect.isclass(of_channels_4) and issubclass(of_channels_4, AsyncConsumer):
        return (
            "is a consumer of Channels 4, which workers cannot run.",
            "Put its as_asgi() into a URLRouter in asgi.py, or derive it from a class of "
            "channels_workers.generic.",
        )
    if inspect.isclass(consumer) and issubclass(consumer, BaseConsumer):
        if channel in consumer.channel_names():
            return None
        return (
            f"has no method for the channel {channel!r}.",
            "Route it with route_class(), or add the channel to its method_mapping.",
        )
    if _is_plain_class(consumer):
        return (
            "is a class: a call makes an object, and runs none of its methods.",
            "Derive it from a class of channels_workers.generic, and route it with route_class(). "
            "Or route a function.",
        )
    if _is_generator(consumer):
        return (
            "is a generator: a call makes a generator object, and runs none of its code.",
            "Send in the function instead of `yield`.",
        )
    return None


def _is_plain_class(consumer: Any) -> bool:
    """Say whether a call of *consumer* runs no code of its own."""
    if not inspect.isclass(consumer) or type(consumer).__call__ is not type.__call__:
        return False
    return consumer.__init__ is object.__init__ and consumer.__new__ is object.__new__


def _is_generator(consumer: Any) -> bool:
    called = consumer
    if not inspect.isroutine(consumer) and not inspect.isclass(consumer):
        called = type(consumer).__call__
    return any(
        is_one(function)
        for is_one in (inspect.isgeneratorfunction, inspect.isasyncgenfunction)
        for function in (consumer, called)
    )


def _refused_groups(method: Any, groups: set[str]) -> str:
    """Return why *method* does not take *groups*; "" if it may take them."""
    try:
        inspect.signature(method, follow_wrapped=False).bind_partial(**dict.fromkeys(groups))
    except TypeError as error:
        return str(error)
    return ""


def _misfit(consumer: Any, groups: set[str]) -> str:
    """Return why *consumer* does not take a message and *groups*; "" if it may take them."""
    try:
        signature = inspect.signature(consumer, follow_wrapped=False)
    except (ValueError, TypeError):  # it is written in C, and does not say
        return ""
    try:
        signature.bind(None, **dict.fromkeys(groups))
    except TypeError as error:
        return str(error)
    return ""
