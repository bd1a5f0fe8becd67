"""Names and attributes of spans, by the semantic conventions of OpenTelemetry."""

from __future__ import annotations

from channels_workers.layers.types import CONNECT, RECEIVE, REQUEST, RESUME, server_of
from channels_workers.logs import shown
from channels_workers.message import Message
from channels_workers.tracing.hooks import Publication

Attributes = dict[str, str | int | bool]

SYSTEM = "channels_workers"

#: What names of spans have instead of the names of groups and connections, which are too many.
GROUP, REPLY = "(group)", "(reply)"

#: The names of the spans that a client begins.
NAMES = {
    CONNECT: "WebSocket handshake",
    RECEIVE: "WebSocket frame",
    RESUME: "WebSocket handshake to resume",
}

#: Kinds of operations by the conventions; each has the same name, except the last.
KINDS = {"deliver": "process"}


def message_attributes(operation: str, channel: str, connection: str | None) -> Attributes:
    """Return the attributes of *operation* with a message on *channel*."""
    attributes: Attributes = {
        "messaging.system": SYSTEM,
        "messaging.operation.name": operation,
        "messaging.operation.type": KINDS.get(operation, operation),
        "messaging.destination.name": channel,
    }
    if connection:
        attributes["messaging.message.conversation_id"] = connection
    return attributes


def destination(operation: str, target: str, *, is_group: bool) -> tuple[str, Attributes]:
    """Return the name for spans, and the attributes, of *operation* with a channel or group."""
    is_reply = not is_group and server_of(target) is not None
    attributes = message_attributes(operation, target, target if is_reply else None)
    if not is_group and not is_reply:
        return target, attributes
    name = GROUP if is_group else REPLY
    attributes["messaging.destination.template"] = name
    if is_reply:
        attributes["messaging.destination.temporary"] = True
    return name, attributes


def connection_attributes(step: Publication, connection: str) -> tuple[str, Attributes]:
    """Return the name and the attributes of the span that a client begins.

    It has the path, and neither query string nor headers.
    """
    attributes: Attributes = {"messaging.message.conversation_id": connection}
    content = step.content
    if "path" in content:
        attributes["url.path"] = shown(str(content["path"]))
    if step.channel == REQUEST:
        method = shown(str(content.get("method", "HTTP")))
        attributes["http.request.method"] = method
        return method, attributes
    attributes["network.protocol.name"] = "websocket"
    return NAMES.get(step.channel, step.channel), attributes


def consumer_attributes(message: Message, consumer: str) -> Attributes:
    """Return the attributes of the run of *consumer*."""
    delivery = message.delivery
    connection = delivery.reply_channel if delivery else None
    attributes = message_attributes("process", message.channel_name, connection)
    attributes["messaging.message.id"] = message.id
    attributes["code.function.name"] = consumer
    if delivery is not None:
        attributes["messaging.message.body.size"] = len(delivery.payload)
        if again := delivery.attempts + delivery.failures + delivery.deaths:
            attributes["channels_workers.earlier_runs"] = again
    return attributes
