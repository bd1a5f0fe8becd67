"""The consumers of the rooms with tasks. With ``@once`` each message is enqueued once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.utils import timezone

from channels_workers.message import Message
from channels_workers.once import once
from channels_workers.sessions import channel_session
from labs.faults.application import consumers
from labs.faults.application.consumers import frame_of
from labs.faults.application.ledger import is_news
from labs.faults.application.with_tasks.tasks import say, say_in_loop
from labs.faults.application.with_tasks.trouble import kill_before_the_send, may_block

connect = once(consumers.connect)
disconnect = once(consumers.disconnect)


@once
@channel_session
def receive(message: Message) -> None:
    """Enqueue a task that sends to the room. That of every other message is an ``async def``."""
    said = json.loads(message["text"])
    session, order = message.channel_session, said.get("order")
    session["count"] = session.get("count", 0) + 1
    frame = frame_of(message, said, session["count"])
    if "room" not in session:
        message.reply_channel.send({"text": json.dumps({**frame, "lost": "session"})})
    elif is_news(said.get("nonce"), message.id):
        kill_before_the_send(order, message.id)  # its callback is the first after the COMMIT
        task = say if said["number"] % 2 or may_block(order) else say_in_loop
        _at(task, order).enqueue(session["room"], session["key"], frame, order)
    else:
        message.reply_channel.send({"text": json.dumps({**frame, "known": True})})


def _at(task: Any, order: dict[str, Any] | None) -> Any:
    """Return *task*, to run later if *order* says so."""
    if order is None or order.get("when") != "later":
        return task
    return task.using(run_after=timezone.now() + timedelta(seconds=order["seconds"]))
