"""Rooms, each a group, and what a shop does besides."""

from __future__ import annotations

import json
import os
import signal
import time
from urllib.parse import parse_qs

from django.db import OperationalError

from channels_workers import Group
from channels_workers.message import Message
from channels_workers.sessions import channel_session
from labs.monitoring.application.trouble import has, take_some_time
from labs.monitoring.trouble import Trouble


@channel_session
def connect(message: Message, room: str) -> None:
    """Let a socket into a room."""
    key = parse_qs(message["query_string"].decode()).get("key", ["?"])[0]
    message.channel_session.update({"room": room, "count": 0})
    Group(f"room-{room}").add(message.reply_channel)
    message.reply_channel.send({"accept": True})
    message.reply_channel.send({"text": json.dumps({"joined": key})})


def refuse(message: Message) -> None:
    """Refuse a socket."""
    message.reply_channel.send({"close": True})


@channel_session
def talk(message: Message) -> None:
    """Send to the room, or fail as the bad release does."""
    said, session = json.loads(message["text"]), message.channel_session
    session["count"] += 1
    if said.get("order"):
        os.kill(os.getpid(), signal.SIGKILL)  # a crash in C, say
    take_some_time(0.004)
    if has(Trouble.BAD_RELEASE, share=0.3):
        raise KeyError("handle")
    frame = {name: said[name] for name in ("sender", "number")}
    frame |= {"count": session["count"], "order": message["order"]}
    Group(f"room-{session['room']}").send({"text": json.dumps(frame)})


@channel_session
def leave(message: Message) -> None:
    """Take a socket out of its room."""
    if room := message.channel_session.get("room"):
        Group(f"room-{room}").discard(message.reply_channel)


def cook(message: Message) -> None:
    """Handle an order, which takes long if the service behind it is slow."""
    take_some_time(0.02)
    if has(Trouble.BAD_RELEASE, share=0.5):
        raise OperationalError("deadlock detected")  # such runs are repeated
    if has(Trouble.SLOW_SERVICE):
        time.sleep(8)


def remind(message: Message) -> None:
    """Handle a reminder."""
    take_some_time(0.002)
