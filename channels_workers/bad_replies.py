"""Logs replies of a consumer that its client cannot get, where the consumer is known."""

from __future__ import annotations

import logging

from channels_workers.exceptions import is_close_code
from channels_workers.layers.codec import Content
from channels_workers.layers.types import REPLY_KEYS, is_request
from channels_workers.logs import fields, name_of, shown
from channels_workers.outbox import running

logger = logging.getLogger(__name__)

#: How many kinds of wrong replies a process logs, each once.
BAD_REPLIES = 1_000

#: The types of the text and the bytes of a reply. None counts as absent.
TEXT, BYTES = (str, type(None)), (bytes, type(None))

_logged: set[tuple[str, str]] = set()


def note_bad_reply(channel: str, content: Content) -> None:
    """Log what is wrong with a reply of the running consumer to its socket.

    It is logged once for a consumer and problem.
    """
    outbox = running()
    if outbox is None or outbox.delivery.reply_channel != channel or is_request(channel):
        return
    delivery, problem = outbox.delivery, problem_of(content)
    name = name_of(outbox.consumer)
    if problem is None or (name, problem) in _logged or len(_logged) >= BAD_REPLIES:
        return
    _logged.add((name, problem))
    path = shown(str(outbox.message.get("path", "-")))
    logger.error(
        "%s sends a reply to its socket %s that %s. This is logged once",
        name,
        path,
        problem,
        extra=fields(
            "bad_reply",
            channel=delivery.channel,
            connection=channel,
            consumer=name,
            message_id=delivery.id,
            path=path,
            request_id=outbox.message.request_id,
        ),
    )


def problem_of(content: Content) -> str | None:
    """Return why *content* is no reply to a socket, None if it is one."""
    if all(content.get(key) is None for key in REPLY_KEYS):
        keys = shown(", ".join(map(str, content))) or "none"
        return f"has a value for none of accept, text, bytes and close. Its keys: {keys}"
    for key, kinds in (("text", TEXT), ("bytes", BYTES)):
        if not isinstance(value := content.get(key), kinds):
            expected, got = kinds[0].__name__, type(value).__name__
            return f"has {key} of type {got}, not {expected}. Send other data as text: json.dumps()"
    if content.get("text") and content.get("bytes"):
        return "has both text and bytes. Send two replies"
    close = content.get("close")
    if close and close is not True and not (isinstance(close, int) and is_close_code(close)):
        code = close if isinstance(close, int) else f"of type {type(close).__name__}"
        return f"has the close code {code}, not True, 1000 or 3000 to 4999, so 1000 is used"
    return None
