"""What visitors ask for, beside the talk of the room on channels_workers.

A frame ``{"do": "join", "visit": 7}`` is answered by ``{"did": "join", "visit": 7}``.
"""

from __future__ import annotations

import json
from typing import Any

from channels_workers import Group
from channels_workers.message import Message
from channels_workers.sessions import channel_session
from labs.benchmarks.rooms.workers import consumers

#: How many groups visitors share, and how long a delayed answer waits (s).
GROUPS, DELAY = 50, 1.0


@channel_session
def ws_receive(message: Message) -> None:
    """Do what a visitor asks for, or tell the room."""
    said = json.loads(message["text"])
    if act := ACTS.get(said.get("do")):
        act(message, said)
    else:
        consumers.ws_receive(message)


def remember(message: Message, said: dict[str, Any]) -> None:
    """Count in the channel session, and answer with the count."""
    count = message.channel_session.get("count", 0) + 1
    message.channel_session["count"] = count
    message.reply_channel.send({"text": _answer(said, count=count)})


def join(message: Message, said: dict[str, Any]) -> None:
    """Join a group that other visitors are in, too, and answer through it."""
    group = Group(f"visitors-{said['visit'] % GROUPS}")
    group.add(message.reply_channel)
    group.send({"text": _answer(said)})


def leave(message: Message, said: dict[str, Any]) -> None:
    """Leave that group, and answer."""
    Group(f"visitors-{said['visit'] % GROUPS}").discard(message.reply_channel)
    message.reply_channel.send({"text": _answer(said)})


def wait(message: Message, said: dict[str, Any]) -> None:
    """Answer later."""
    message.reply_channel.send({"text": _answer(said)}, delay=DELAY)


ACTS = {act.__name__: act for act in (remember, join, leave, wait)}


def _answer(said: dict[str, Any], **more: Any) -> str:
    return json.dumps({"did": said["do"], "visit": said["visit"], **more})
