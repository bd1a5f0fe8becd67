"""What goes over the socket ``/chat/<label>/``, as JSON objects in text frames. No I/O.

In: ``{"handle": "ann", "message": "hi"}``, and with it, if the sender likes, ``"nonce"`` (a text of
1 to 64 characters that no other message of the sender has) and ``"type": "message"``.

Out: the message, which ``chat.models.Message.frame`` makes, and errors:
``{"type": "error", "code": "<word>", "detail": "<sentence>", "nonce": "<as it came, if it did>"}``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from django.conf import settings

from chat.names import has_controls, is_visible

NONCE_LENGTH = 64
KEYS = ("handle", "message", "nonce", "type")


class FrameError(Exception):
    """A frame that is refused.

    ``code`` is ``bad_json``, ``bad_message``, ``too_long``, ``too_fast`` or ``forbidden``;
    ``detail`` says what was expected, what came, and the cure; ``nonce`` is that of the frame, if
    it had one.
    """

    def __init__(self, code: str, detail: str, nonce: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.nonce = nonce

    def frame(self) -> str:
        """The error as the text of a frame."""
        fields = {"type": "error", "code": self.code, "detail": self.detail}
        return json.dumps(fields if self.nonce is None else fields | {"nonce": self.nonce})


@dataclass(frozen=True)
class Said:
    """What a person said, checked and trimmed."""

    handle: str
    message: str
    nonce: str | None = None


def parse(text: str | None) -> Said:
    """What the text of a frame says (None stands for a binary frame), or ``FrameError``."""
    fields = _object(text)
    nonce = _nonce(fields)
    try:
        return _said(fields, nonce)
    except FrameError as error:
        error.nonce = nonce
        raise


def _object(text: str | None) -> dict[str, Any]:
    if text is None:
        _refuse("bad_message", "Expected a text frame, got a binary one; send JSON as text.")
    size = len(text.encode(errors="surrogatepass"))
    if size > settings.CHAT_FRAME_SIZE:
        limit = settings.CHAT_FRAME_SIZE
        _refuse("too_long", f"A frame has up to {limit} bytes, this has {size}; send less at once.")
    try:
        fields = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        _refuse("bad_json", 'Expected JSON, got text that is none; send {"handle", "message"}.')
    if not isinstance(fields, dict):
        _refuse("bad_message", f"Expected a JSON object, got {_kind(fields)}; {_FORM}")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _nonce(fields: Mapping[str, Any]) -> str | None:
    if "nonce" not in fields:
        return None
    nonce = _text(fields, "nonce")
    if not nonce:
        _refuse("bad_message", "The nonce is empty; send 1 to 64 characters, or no nonce at all.")
    _check_length("nonce", nonce, NONCE_LENGTH)
    return nonce


def _said(fields: Mapping[str, Any], nonce: str | None) -> Said:
    if fields.get("type", "message") != "message":
        _refuse("bad_message", f'The type {_shown(fields["type"])} is unknown; leave "type" out.')
    unknown = [key for key in fields if key not in KEYS]
    if unknown:
        _refuse("bad_message", f"The key {_shown(unknown[0])} is unknown; {_FORM}")
    handle = _line(fields, "handle", settings.CHAT_HANDLE_LENGTH)
    if has_controls(handle):
        _refuse("bad_message", "The handle has control characters or line ends; leave them out.")
    return Said(handle, _line(fields, "message", settings.CHAT_MESSAGE_LENGTH), nonce)


def _line(fields: Mapping[str, Any], key: str, limit: int) -> str:
    """The trimmed text under a key, between one character and ``limit``."""
    text = _text(fields, key).strip()
    if not is_visible(text):
        _refuse("bad_message", f"The {key} is empty; send 1 to {limit} characters.")
    _check_length(key, text, limit)
    return text


def _text(fields: Mapping[str, Any], key: str) -> str:
    """The text under a key, free of what neither UTF-8 nor a database can hold."""
    if key not in fields:
        _refuse("bad_message", f'"{key}" is missing; {_FORM}')
    text = fields[key]
    if not isinstance(text, str):
        _refuse("bad_message", f'Expected text as "{key}", got {_kind(text)}; {_FORM}')
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        _refuse("bad_message", f"The {key} has a NUL or half a surrogate pair; leave it out.")
    return text


def _check_length(key: str, text: str, limit: int) -> None:
    if len(text) > limit:
        detail = f"The {key} has up to {limit} characters, this has {len(text)}; shorten it."
        _refuse("too_long", detail)


def _refuse(code: str, detail: str) -> NoReturn:
    raise FrameError(code, detail)


def _kind(value: object) -> str:
    """What a JSON value is called."""
    kinds = {dict: "an object", list: "an array", str: "text", bool: "true or false"}
    return "null" if value is None else kinds.get(type(value), "a number")


def _shown(value: object) -> str:
    """The start of a piece of JSON, in ASCII so that it can always be sent."""
    if not isinstance(value, str):
        return _kind(value)
    shown = json.dumps(value[:40])
    return shown if len(value) <= 40 else f"{shown}..."


_FORM = 'send {"handle": "...", "message": "..."}.'
