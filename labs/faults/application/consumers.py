"""Rooms, each a group. Each process records its consumer runs in a diary."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import parse_qs

from channels_workers import Channel, Group
from channels_workers.message import Message
from channels_workers.sessions import channel_session
from labs.faults.application.diary import entered
from labs.faults.application.ledger import is_news
from labs.faults.application.orders import obey


@channel_session
def connect(message: Message, room: str) -> None:
    """Let a socket into a room. The key in its query string identifies it in diaries."""
    key = parse_qs(message["query_string"].decode()).get("key", ["?"])[0]
    with entered(message, key):
        message.channel_session.update({"room": room, "key": key, "count": 0})
        Group(f"room-{room}").add(message.reply_channel)
        message.reply_channel.send({"accept": True})
        message.reply_channel.send({"text": json.dumps({"joined": key})})


@channel_session
def receive(message: Message) -> None:
    """Send to the room. A nonce known from another message is only confirmed to its sender."""
    hear(message, {})


def hear(message: Message, more: dict[str, Any]) -> None:
    """Do what a frame says. *more* belongs to each send to the room."""
    said = json.loads(message["text"])
    session = message.channel_session
    with entered(message, session.get("key", "?"), said.get("number")):
        session["count"] = session.get("count", 0) + 1
        obey(said.get("order"), message.id)
        frame = frame_of(message, said, session["count"])
        if "room" not in session:
            message.reply_channel.send({"text": json.dumps({**frame, "lost": "session"})})
        elif is_news(said.get("nonce"), message.id):
            Group(f"room-{session['room']}").send({"text": json.dumps(frame), **more})
            send_later(said.get("order"))
        else:
            message.reply_channel.send({"text": json.dumps({**frame, "known": True})})


def send_later(order: dict[str, Any] | None) -> None:
    """Send a delayed message if *order* says so."""
    if order is not None and order["do"] == "later":
        due = time.time() + order["seconds"]
        Channel("later").send({"id": order["id"], "due": due}, delay=order["seconds"])


def later(message: Message) -> None:
    """Record a delayed message in a channel that nothing reads, with the commit of this one."""
    early = message["due"] - time.time()
    time.sleep(0.1)
    Channel("arrived").send({"id": message["id"], "early": early})


def frame_of(message: Message, said: dict[str, Any], count: int) -> dict[str, Any]:
    """The frame for the room: the message, with the counts of the session and the layer."""
    names: tuple[str, ...] = ("sender", "number", "filling")
    kept = {name: said[name] for name in names if name in said}
    return {**kept, "count": count, "order": message["order"]}


@channel_session
def disconnect(message: Message) -> None:
    """Take a socket out of its room."""
    with entered(message, message.channel_session.get("key", "?")):
        if room := message.channel_session.get("room"):
            Group(f"room-{room}").discard(message.reply_channel)
