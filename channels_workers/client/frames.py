"""The frames of the protocol ``channels-workers.v1``, as text; no I/O."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from channels_workers.client.exceptions import FieldError, Refused

#: How many characters the name of a stream or group may have.
NAME_SIZE = 100

#: The most wrong fields of an error that are read.
FIELDS = 100


@dataclass(frozen=True, slots=True)
class Message:
    """A message from the server.

    *payload* is a JSON value. *stream* and *group* are where it comes from, if anywhere. *at* is
    its position in the history of the group.
    """

    payload: Any
    stream: str | None = None
    group: str | None = None
    at: str | None = None


def encode(kind: str, **keys: Any) -> str:
    """Return the text of a frame with the *keys* that are not None, except a payload of None.

    Raises ``TypeError`` or ``ValueError`` for a payload that is no JSON.
    """
    frame = {"type": kind}
    frame |= {key: value for key, value in keys.items() if value is not None or key == "payload"}
    text = json.dumps(frame, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"A payload must be valid Unicode: {error.reason}.") from None
    return text


def check_name(name: str | None, what: str) -> None:
    """Raise ``ValueError`` unless *name* can name a stream or group."""
    if name is not None and not 0 < len(name) <= NAME_SIZE:
        raise ValueError(f"The name of a {what} has 1 to {NAME_SIZE} characters, not {len(name)}.")


def decode(text: str | bytes) -> dict[str, Any]:
    """Return the frame in *text*; ``ValueError`` if it is none."""
    if isinstance(text, bytes):
        raise ValueError("it is binary")
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    kind = found.setdefault("type", "message")
    if not isinstance(kind, str):
        raise ValueError("its type is no text")
    return found


def message_of(frame: Mapping[str, Any]) -> Message:
    """Return the message in *frame*."""
    names = (_text(frame.get(key)) for key in ("stream", "group", "at"))
    return Message(frame.get("payload"), *names)


def refusal_of(frame: Mapping[str, Any]) -> Refused:
    """Return the error in *frame*."""
    fields = frame.get("fields")
    found = [
        FieldError(str(each.get("field", "")), str(each.get("message", "")))
        for each in (fields[:FIELDS] if isinstance(fields, list) else [])
        if isinstance(each, dict)
    ]
    code, message = _text(frame.get("code")) or "failed", _text(frame.get("message")) or ""
    return Refused(code, message, found, _seconds(frame.get("after")))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _seconds(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < math.inf else None
