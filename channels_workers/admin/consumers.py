"""The consumers behind the status page: one look at each layer for all who watch it, each second.

A push is a message that sends the next one with a delay. All of them have one id, so that never
more than one waits. Without viewers a push sends none, and nothing runs.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from channels_workers.admin import viewers
from channels_workers.admin.look import look
from channels_workers.admin.tokens import read_token
from channels_workers.auth import http_session_user
from channels_workers.channel import Group
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import REFUSAL
from channels_workers.message import Message
from channels_workers.outbox import carry_out
from channels_workers.security.websockets import configured_origins_only

#: The path of the socket.
PATH = "/channels_workers/status/"

#: The channel of the pushes, and the id of each of them: letters alone, as the layer has it.
PUSH, PUSH_ID = "channels_workers.status", "channelsworkersstatus"

#: The pause between two pushes (s).
PERIOD = 1.0


def push_later(layer: WorkerLayer) -> None:
    """Let the next push run after a pause, in the place of one that waits."""
    operation = layer.make_send_later(PUSH, {}, PERIOD)._replace(id=PUSH_ID)
    carry_out(layer, operation, call="Channel.send")


@configured_origins_only
@http_session_user
def watch(message: Message) -> None:
    """Accept a socket whose user may see the status, and begin to push unless pushes go on."""
    layer, channel = message.channel_layer, message.reply_channel
    alias = read_token(_token(message), message.user)
    session = message.http_session and message.http_session.session_key
    if not session or alias is None or not viewers.may_view(message.user):
        channel.send(REFUSAL)
        return
    is_full = viewers.is_full(channel.name)
    if not is_full:
        viewers.add(channel.name, session, alias)
        Group(viewers.group_of(alias), channel_layer=layer).add(channel)
    channel.send(REFUSAL if is_full else {"accept": True})
    if not viewers.are_pushed(channel.name):
        push_later(layer)


def leave(message: Message) -> None:
    """Forget a socket that has ended."""
    viewers.remove([message.reply_channel.name])


def push(message: Message) -> None:
    """Send the state of each layer to those who watch it and still may, and push again later."""
    layer = message.channel_layer
    try:
        allowed, refused = viewers.checked(layer)
    except LayerUnavailable:  # as after a loss of data, for moments
        push_later(layer)
        return
    for row in refused:
        _dismiss(layer, row)
    for alias in sorted({row.layer for row in allowed}):
        text = json.dumps({"state": look(alias)})
        Group(viewers.group_of(alias), channel_layer=layer).send({"text": text})
    if allowed:
        viewers.note_push([row.channel for row in allowed])
        push_later(layer)


def _dismiss(layer: WorkerLayer, row: Any) -> None:
    Group(viewers.group_of(row.layer), channel_layer=layer).discard(row.channel)
    carry_out(layer, layer.make_send(row.channel, {"close": True}), call="Channel.send")
    viewers.remove([row.channel])


def _token(message: Message) -> str:
    query = message.get("query_string") or b""
    text = query.decode("latin1") if isinstance(query, bytes) else query
    try:
        tokens: list[str] = parse_qs(text, max_num_fields=10).get("token", [""])
    except ValueError:
        return ""
    return tokens[0]
