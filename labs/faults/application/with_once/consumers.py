"""The consumers of the rooms with ``@once``."""

from __future__ import annotations

import json

from asgiref.sync import sync_to_async
from django.db import connection

from channels_workers import Group
from channels_workers.conf import configuration
from channels_workers.message import Message
from channels_workers.once import once
from channels_workers.sessions import channel_session
from labs.faults.application import consumers
from labs.faults.application.consumers import frame_of
from labs.faults.application.ledger import is_news
from labs.faults.application.with_once.conflicts import clash
from labs.faults.application.with_once.trouble import get_into

#: The database in which frames and answers are stored for a relay, if there is one.
STORED_IN = next(iter(configuration().RELAY), None)

connect = once(consumers.connect)
disconnect = once(consumers.disconnect)


@once
@channel_session
def receive(message: Message) -> None:
    """Store the message, send it to the room, and tell its sender the id of the row."""
    _receive(message)


@once
@channel_session
async def receive_in_loop(message: Message) -> None:
    """Do the same as a coroutine."""
    await sync_to_async(_receive)(message)


@once
def take_order(message: Message) -> None:
    """Record an order that a view has stored. The table takes the same number twice."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO taken (number) VALUES (%s)", [message["number"]])


def _receive(message: Message) -> None:
    said = json.loads(message["text"])
    session, order = message.channel_session, said.get("order")
    clash(order)
    session["count"] = session.get("count", 0) + 1
    frame = frame_of(message, said, session["count"])
    if "room" not in session:
        message.reply_channel.send({"text": json.dumps({**frame, "lost": "session"})})
    elif is_news(said.get("nonce"), message.id):
        row = _store(session["key"], said["number"])
        answer = {"number": said["number"], "row": row}
        message.reply_channel.send({"text": json.dumps(answer)}, in_transaction=STORED_IN)
        group = Group(f"room-{session['room']}")
        group.send({"text": json.dumps(frame)}, in_transaction=STORED_IN)
    else:
        message.reply_channel.send({"text": json.dumps({**frame, "known": True})})
    get_into(order, message.id)


def _store(key: str, number: int) -> int:
    """Insert a line and return its id. The table takes the same line twice."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO line (key, number) VALUES (%s, %s) RETURNING id", [key, number])
        row: int = cursor.fetchone()[0]
    return row
