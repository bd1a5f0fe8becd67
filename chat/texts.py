"""The texts that the page's scripts show, in the language of the page.

Scripts have them in English: ``t("Sending…")``. Each is also listed here, since ``makemessages``
does not read scripts. A test compares the two. The page has the translations as JSON:
``{{ texts }}`` in its template, from ``script()``. A page carries only those of its own scripts.
"""

from collections.abc import Sequence
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.html import json_script
from django.utils.translation import gettext, gettext_noop

BOTH = (
    # The connection
    gettext_noop("Connecting…"),
    gettext_noop("Connecting again…"),
    gettext_noop("Connected"),
    gettext_noop("Closed"),
    gettext_noop("Connection lost."),
    gettext_noop("You are offline."),
    gettext_noop("Closed with the code {code}"),
    gettext_noop("Next try in {seconds} s"),
    # When, and how many
    gettext_noop("Today"),
    gettext_noop("Yesterday"),
    gettext_noop("just now"),
    gettext_noop("1 person here"),
    gettext_noop("{count} people here"),
)

ROOM = (
    *BOTH,
    # What is being written
    gettext_noop("Send"),
    gettext_noop("Save"),
    gettext_noop("Choose a name first."),
    gettext_noop("A name has up to {count} characters."),
    gettext_noop("A message has up to {count} characters."),
    gettext_noop("{count} left"),
    gettext_noop("{count} too many"),
    gettext_noop("{first} is typing…"),
    gettext_noop("{first} and {second} are typing…"),
    gettext_noop("Several people are typing…"),
    # What was written
    gettext_noop("{handle}: {message}"),
    gettext_noop("Retry"),
    gettext_noop("Edit"),
    gettext_noop("Discard"),
    gettext_noop("What to do with this message"),
    gettext_noop("This message was deleted"),
    gettext_noop("(edited)"),
    gettext_noop("Too fast for the room: it will be sent in a moment."),
    gettext_noop("Earlier messages did not come: {reason}"),
    gettext_noop("New messages"),
    gettext_noop("1 new message"),
    gettext_noop("{count} new messages"),
    gettext_noop("To the newest"),
    # Who is here
    gettext_noop("1 without a name yet"),
    gettext_noop("{count} without a name yet"),
    gettext_noop("(you)"),
    gettext_noop("has an account"),
    gettext_noop("{first} joined"),
    gettext_noop("{first} and {second} joined"),
    gettext_noop("{first} and {count} others joined"),
    gettext_noop("{first} left"),
    gettext_noop("{first} and {second} left"),
    gettext_noop("{first} and {count} others left"),
    # The bar
    gettext_noop("Copied"),
)

LOBBY = (
    *BOTH,
    gettext_noop(", "),
    gettext_noop("{names} here now"),
    gettext_noop("{names} and {count} more are here"),
)


def texts(page: Sequence[str]) -> dict[str, str]:
    """The translations for ROOM or LOBBY that differ from English, by the English text."""
    translated = {text: gettext(text) for text in page}
    return {english: text for english, text in translated.items() if text != english}


class Encoder(DjangoJSONEncoder):
    """Writes short JSON: no escaped letters, no spaces."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"ensure_ascii": False, "separators": (",", ":")})


def script(page: Sequence[str]) -> str:
    """The block of JSON for the page of ROOM or LOBBY. Empty in English."""
    translated = texts(page)
    return json_script(translated, "texts", Encoder) if translated else ""
