"""System checks of consumers of envelopes: mistakes that only their clients would notice."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.checks import CheckMessage, Error, register

from channels_workers.checks.routes import RouteTo, distinct, loaded_routes
from channels_workers.envelope.consumers import EnvelopeConsumer
from channels_workers.envelope.decorators import PAYLOAD
from channels_workers.layers.types import RECEIVE
from channels_workers.logs import name_of


@register("channels_workers")
def check_envelopes(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Look for handlers that cannot run, and for consumers without any."""
    return distinct(problem for each in loaded_routes() for problem in _problems(each))


def _problems(to: RouteTo) -> Iterator[CheckMessage]:
    consumer = to.route.consumer
    if inspect.isclass(consumer) and issubclass(consumer, EnvelopeConsumer):
        yield from _problems_of_class(consumer)
    elif hasattr(consumer, PAYLOAD):
        if to.channel != RECEIVE:
            yield Error(
                f"{name_of(consumer)} has @envelope, and the route {to} sends it other messages "
                "than frames.",
                hint=f"Route it on {RECEIVE}, and another consumer here. That of websocket.connect "
                "calls channels_workers.envelope.accept(message).",
                id="channels_workers.E031",
            )
        yield from _unreadable(name_of(consumer), {"its payload": getattr(consumer, PAYLOAD)})


def _problems_of_class(consumer: type[EnvelopeConsumer]) -> Iterator[CheckMessage]:
    name = name_of(consumer)
    try:
        streams = consumer.streams()
    except TypeError as error:
        yield _error(name, str(error))
        return
    kinds = {f"{name}.{each.method}": each.payload for each in streams.values()}
    yield from _unreadable(name, kinds)
    if not streams and not consumer.consumers:
        yield checks.Warning(
            f"{name} has no handler, so it answers each message with an error.",
            hint='Decorate a method with @stream("name") of channels_workers.envelope.',
            id="channels_workers.W023",
        )
    if consumer.receive is not EnvelopeConsumer.receive:
        yield checks.Warning(
            f"{name} defines receive(), which no frame reaches.",
            hint="Decorate it with @stream() for frames without a stream; it then takes the "
            "payload.",
            id="channels_workers.W024",
        )


def _unreadable(name: str, kinds: dict[str, Any]) -> Iterator[CheckMessage]:
    """Yield errors for the types of payloads, by what has them, that cannot be read."""
    for where, kind in kinds.items():
        if kind is not Any and (reason := _why_unreadable(kind)):
            yield _error(name, f"The payload of {where} cannot be validated: {reason}")


def _why_unreadable(kind: Any) -> str:
    try:
        from channels_workers.schemas.json_schema import schema_of  # noqa: PLC0415  (needs an extra)

        schema_of(kind)
    except Exception as error:  # noqa: BLE001  (pydantic has many kinds)
        return str(error)
    return ""


def _error(name: str, text: str) -> CheckMessage:
    return Error(
        f"{name} would answer each frame with `failed`. {text}",
        hint="Annotate the payload with a dataclass, a TypedDict or a model of pydantic that the "
        "module imports, or not at all.",
        id="channels_workers.E030",
    )
