"""The messages of the chat's sockets, as types.

``docs/chat/socket.md`` explains them. ``chat.frames`` reads those of clients, with errors for
people. ``manage.py asyncapi`` describes all of them.
"""

from typing import Annotated, Any, Literal, NotRequired

from django.conf import settings
from typing_extensions import TypedDict

from channels_workers.declarations import Keywords
from chat.frames import LARGEST_ID, NONCE_LENGTH


def _text(description: str, least: int = 0) -> Any:
    return Keywords(description=description, **({"minLength": least} if least else {}))


_HANDLE = f"1 to {settings.CHAT_HANDLE_LENGTH} characters after trimming, in one line."
_MESSAGE = f"1 to {settings.CHAT_MESSAGE_LENGTH} characters after trimming."

Handle = Annotated[str, _text(_HANDLE, least=1)]
PerhapsHandle = Annotated[str, _text(f"{_HANDLE} Empty if there is none yet.")]
Text = Annotated[str, _text(_MESSAGE, least=1)]
Nonce = Annotated[
    str,
    Keywords(
        minLength=1,
        maxLength=NONCE_LENGTH,
        description="Of the sender, unique among the messages in this room.",
    ),
]
Id = Annotated[int, Keywords(minimum=1, maximum=LARGEST_ID, description="Grows within a room.")]
Who = Annotated[str, _text("The public id of a person.")]
Time = Annotated[str, Keywords(format="date-time", description="In UTC.")]
Revision = Annotated[int, Keywords(minimum=0, description="Counts changes of presence.")]
IsAccount = Annotated[Literal[True], _text("The handle belongs to an account.")]


# From clients


class Say(TypedDict):
    """Says something."""

    type: NotRequired[Literal["message"]]
    handle: Handle
    message: Text
    nonce: NotRequired[Nonce]


class Edit(TypedDict):
    """Replaces the text of a message."""

    type: Literal["edit"]
    id: Id
    message: Text
    nonce: NotRequired[Nonce]


class Delete(TypedDict):
    """Deletes a message."""

    type: Literal["delete"]
    id: Id
    nonce: NotRequired[Nonce]


class IsTyping(TypedDict):
    """Tells that somebody is typing."""

    type: Literal["typing"]
    handle: PerhapsHandle


class WhoIsHere(TypedDict):
    """Asks who is in the room."""

    type: Literal["presence"]
    handle: NotRequired[PerhapsHandle]


# From the server


class Visitor(TypedDict):
    """A person in a room."""

    who: Who
    handle: PerhapsHandle
    account: NotRequired[IsAccount]


class Left(TypedDict):
    """A person who has left."""

    who: Who


class Said(TypedDict):
    """A message. Of a deleted one, handle and message are empty."""

    handle: PerhapsHandle
    message: str
    timestamp: Time
    id: Id
    who: Who
    nonce: NotRequired[Nonce]
    account: NotRequired[IsAccount]
    edited: NotRequired[Time]
    deleted: NotRequired[Literal[True]]


class Edited(Said):
    """A message after an edit. Of one message, the highest change wins."""

    type: Literal["edited"]
    change: int


class Deleted(Said):
    """A message after its deletion."""

    type: Literal["deleted"]
    change: int


class Here(TypedDict):
    """Who is in the room, for the one who asked."""

    type: Literal["presence"]
    revision: Revision
    here: list[Visitor]
    you: Visitor


class PersonJoined(TypedDict):
    """A person has come into the room."""

    type: Literal["presence"]
    revision: Revision
    joined: Visitor


class PersonRenamed(TypedDict):
    """A person in the room has another handle."""

    type: Literal["presence"]
    revision: Revision
    renamed: Visitor


class PersonLeft(TypedDict):
    """A person has left the room."""

    type: Literal["presence"]
    revision: Revision
    left: Left


class Typing(TypedDict):
    """Somebody is typing. Show it for 6 s."""

    type: Literal["typing"]
    who: Who
    handle: PerhapsHandle
    account: NotRequired[IsAccount]


class Account(TypedDict):
    """A log-in has ended: as whom the socket speaks from now on."""

    type: Literal["account"]
    who: Who
    handle: PerhapsHandle
    account: Literal[False]


class Error(TypedDict):
    """The answer to a refused frame."""

    type: Literal["error"]
    code: Literal["bad_json", "bad_message", "too_long", "too_fast", "forbidden", "not_found"]
    detail: Annotated[str, _text("A sentence for a person.")]
    nonce: NotRequired[Nonce]
    id: NotRequired[Id]


class RoomNow(TypedDict):
    """A room in the lobby."""

    label: str
    name: str
    active: Annotated[str | None, _text("The time of the last message, in UTC.")]
    people: int
    handles: Annotated[list[str], Keywords(description="Of some of the people.")]
    revision: Revision


class Rooms(TypedDict):
    """All rooms of the lobby, or one that has changed."""

    type: Literal["rooms"]
    rooms: list[RoomNow]


FROM_CLIENTS = (Say, Edit, Delete, IsTyping, WhoIsHere)
TO_ROOM = (Said, Edited, Deleted, PersonJoined, PersonRenamed, PersonLeft, Typing)
TO_ONE = (Here, Account, Error)
TO_LOBBY = (Rooms,)

#: The part of a room's address.
LABEL = {"label": "The label of the room, as in the address of its page."}
