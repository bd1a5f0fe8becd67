"""The frames that clients send to ``/chat/<label>/``: JSON objects as text. No I/O.

A message is ``{"handle": "ann", "message": "hi"}``. It may have ``"nonce"`` (1 to 64 characters,
unique among the sender's messages) and ``"type": "message"``. Other frames have another ``"type"``,
listed in ``KINDS``.

The answer to a refused frame is ``{"type": "error", "code": "<word>", "detail": "<sentence>"}``,
with the ``"nonce"`` and the ``"id"`` of the frame, if it had them.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from django.conf import settings
from django.utils.translation import gettext, gettext_lazy

from chat.characters import problem_in
from chat.names import has_controls, is_visible

NONCE_LENGTH = 64
# The largest id of the database.
LARGEST_ID = 2**63 - 1


def as_text(fields: Any) -> str:
    """The text of a frame: JSON with unescaped letters, which is shorter."""
    return json.dumps(fields, ensure_ascii=False)


class FrameError(Exception):
    """A frame that is refused.

    ``docs/chat/socket.md`` lists the codes. ``detail`` says what was expected, what came, and what
    to do. ``nonce`` and ``id`` come from the frame, if it had them.
    """

    def __init__(self, code: str, detail: str, nonce: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.nonce = nonce
        self.id: int | None = None

    def about(self, frame: object) -> "FrameError":
        """The same error with the nonce and the id of its frame."""
        self.nonce = getattr(frame, "nonce", None)
        self.id = getattr(frame, "id", None)
        return self

    def frame(self) -> str:
        """The error as the text of a frame."""
        fields = {"type": "error", "code": self.code, "detail": self.detail}
        echo = {"nonce": self.nonce, "id": self.id}
        return as_text(fields | {key: echo[key] for key in echo if echo[key] is not None})


@dataclass(frozen=True)
class Said:
    """A new message, checked and trimmed."""

    handle: str
    message: str
    nonce: str | None = None


@dataclass(frozen=True)
class Edit:
    """The new text of a message."""

    id: int
    message: str
    nonce: str | None = None


@dataclass(frozen=True)
class Delete:
    """The message to delete."""

    id: int
    nonce: str | None = None


@dataclass(frozen=True)
class Typing:
    """Somebody is typing. ``handle`` is empty before the person has a name."""

    handle: str


@dataclass(frozen=True)
class WhoIsHere:
    """A request for the people in the room. ``handle`` is the asker's name, empty if unknown."""

    handle: str = ""


Frame = Said | Edit | Delete | Typing | WhoIsHere


class Kind(NamedTuple):
    """A kind of frame: how to read it, and how to send it."""

    read: Callable[[Mapping[str, Any]], Frame]
    keys: frozenset[str]
    form: str


def parse(text: str | None) -> Frame:
    """The frame in a text (None for a binary frame), or ``FrameError``."""
    fields = _object(text)
    nonce = _nonce(fields)
    try:
        return _frame(fields)
    except FrameError as error:
        error.nonce = nonce
        error.id = fields["id"] if _is_id(fields.get("id")) else None
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
        _refuse("bad_message", f"Expected a JSON object, got {_kind(fields)}; send {_FORM}.")
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


def _frame(fields: Mapping[str, Any]) -> Frame:
    name = fields.get("type", "message")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        _refuse("bad_message", f'The type {_shown(name)} is unknown; leave "type" out.')
    unknown = [key for key in fields if key not in kind.keys]
    if unknown:
        _refuse("bad_message", f"The key {_shown(unknown[0])} is unknown; send {kind.form}.")
    return kind.read(fields)


def _said(fields: Mapping[str, Any]) -> Said:
    handle = _handle(fields)
    if not handle:
        _refuse("bad_message", _empty("handle", settings.CHAT_HANDLE_LENGTH))
    return Said(handle, _message(fields), _nonce(fields))


def _edit(fields: Mapping[str, Any]) -> Edit:
    return Edit(_id(fields), _message(fields), _nonce(fields))


def _delete(fields: Mapping[str, Any]) -> Delete:
    return Delete(_id(fields), _nonce(fields))


def _typing(fields: Mapping[str, Any]) -> Typing:
    return Typing(_handle(fields))


def _who_is_here(fields: Mapping[str, Any]) -> WhoIsHere:
    return WhoIsHere(_handle(fields) if "handle" in fields else "")


def _handle(fields: Mapping[str, Any]) -> str:
    """The trimmed handle on one line. Empty if it has no visible character."""
    handle = _text(fields, "handle").strip()
    if not is_visible(handle) and not has_controls(handle):
        return ""
    if has_controls(handle):
        detail = gettext("The handle has control characters or line ends; leave them out.")
        _refuse("bad_message", detail)
    _check_length("handle", handle, settings.CHAT_HANDLE_LENGTH)
    if problem := problem_in(handle):
        _refuse("bad_message", problem)
    return handle


def _message(fields: Mapping[str, Any]) -> str:
    """The trimmed message, with at least one visible character."""
    limit = settings.CHAT_MESSAGE_LENGTH
    message = _text(fields, "message").strip()
    if not is_visible(message):
        _refuse("bad_message", _empty("message", limit))
    _check_length("message", message, limit)
    return message


def _id(fields: Mapping[str, Any]) -> int:
    """The id of a message."""
    if "id" not in fields:
        _refuse("bad_message", '"id" is missing; send the id of a message.')
    found = fields["id"]
    if not _is_id(found):
        _refuse("bad_message", f'Expected the id of a message as "id", got {_kind(found)}.')
    return int(found)


def _is_id(value: object) -> bool:
    return type(value) is int and 0 < value <= LARGEST_ID


def _text(fields: Mapping[str, Any], key: str) -> str:
    """The text under a key. Refuses characters that UTF-8 or a database cannot store."""
    if key not in fields:
        _refuse("bad_message", f'"{key}" is missing; send {_form(fields)}.')
    text = fields[key]
    if not isinstance(text, str):
        detail = f'Expected text as "{key}", got {_kind(text)}; send {_form(fields)}.'
        _refuse("bad_message", detail)
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        _refuse("bad_message", f"The {key} has a NUL or half a surrogate pair; leave it out.")
    return text


def _check_length(key: str, text: str, limit: int) -> None:
    if len(text) > limit:
        values = {"key": _WORDS[key], "limit": limit, "count": len(text)}
        detail = gettext(
            "The %(key)s has up to %(limit)d characters, this has %(count)d; shorten it."
        )
        _refuse("too_long", detail % values)


def _empty(key: str, limit: int) -> str:
    detail = gettext("The %(key)s is empty; send 1 to %(limit)d characters.")
    return detail % {"key": _WORDS[key], "limit": limit}


def _refuse(code: str, detail: str) -> NoReturn:
    raise FrameError(code, detail)


def _kind(value: object) -> str:
    """The word for the type of a JSON value."""
    kinds = {dict: "an object", list: "an array", str: "text", bool: "true or false"}
    return "null" if value is None else kinds.get(type(value), "a number")


def _shown(value: object) -> str:
    """The start of a JSON value, in ASCII, which can always be sent."""
    if not isinstance(value, str):
        return _kind(value)
    shown = json.dumps(value[:40])
    return shown if len(value) <= 40 else f"{shown}..."


# Names of keys in texts for people.
_WORDS = {
    "handle": gettext_lazy("handle"),
    "message": gettext_lazy("message"),
    "nonce": "nonce",
}

_FORM = '{"handle": "...", "message": "..."}'


def _form(fields: Mapping[str, Any]) -> str:
    """How to send a frame of this kind."""
    name = fields.get("type")
    return KINDS[name].form if isinstance(name, str) and name in KINDS else _FORM


def _keys(*keys: str) -> frozenset[str]:
    return frozenset(("type", *keys))


KINDS = {
    "message": Kind(_said, _keys("handle", "message", "nonce"), _FORM),
    "edit": Kind(
        _edit, _keys("id", "message", "nonce"), '{"type": "edit", "id": 1, "message": "..."}'
    ),
    "delete": Kind(_delete, _keys("id", "nonce"), '{"type": "delete", "id": 1}'),
    "typing": Kind(_typing, _keys("handle"), '{"type": "typing", "handle": "..."}'),
    "presence": Kind(_who_is_here, _keys("handle"), '{"type": "presence", "handle": "..."}'),
}
