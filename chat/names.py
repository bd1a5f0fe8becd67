"""Names of rooms, and the labels that represent them in URLs. No I/O.

A *name* is what a person types, in any script. A *label* is the slug in ``/<label>/``.

* A name that is a valid and unreserved label is its own label: ``Lobby`` is at ``/Lobby/``.
* Any other name gets its ASCII letters and a hash of the whole name: ``Café am Eck`` is at
  ``/Cafe-am-Eck-cqnhbcqhhs/``. The same name therefore always leads to the same room. Two names
  share a label only if 50 bits of their hashes collide.

Names are compared in Unicode's composed form (NFC), with white space trimmed and collapsed. Case
matters, as it does in URLs.
"""

import base64
import hashlib
import re
import secrets
import unicodedata

from django.utils.translation import gettext, gettext_lazy

from chat.characters import BLANK, IGNORABLE, LONGEST, normalized, problem_in

LABEL = "[a-zA-Z0-9_-]{1,50}"
LABEL_RULE = gettext_lazy("1 to 50 of the letters a-z and A-Z, the digits 0-9, _ and -")
NAME_LENGTH = 100


def _words(text: str) -> list[str]:
    return text.split()


# First path segments that are reserved, in any case.
RESERVED = frozenset(
    _words(
        "about accounts admin api chat favicon health help login logout media new robots signup "
        "static ws"
    )
)

_HASH_LENGTH = 10

# Categories of Unicode. Format characters (Cf) are not controls: messages may have them.
_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})
_INVISIBLE = _CONTROLS | {"Cf", "Zs"}
# More characters without ink. The replacement character has ink in messages.
_BLANK = (IGNORABLE | BLANK) - {"\ufffd"}

_ADJECTIVES = _words(
    "able amber bold brave bright brisk calm clear clever cosy crisp curious deep eager early easy "
    "fair fast fresh gentle glad golden grand green happy honest humble jolly keen kind light "
    "lively lucky mellow merry mild neat nimble noble open patient plain polite proud quick quiet "
    "rapid ready rosy round silent silver smart smooth snowy soft solid steady sunny swift tidy "
    "tiny warm wise witty young"
)
_NOUNS = _words(
    "acorn anchor apple badger beacon beaver birch bison brook candle canyon castle cedar cloud "
    "clover comet coral crane creek dolphin eagle ember falcon fern finch forest fox garden "
    "glacier harbor hare hawk hazel heron island ivy jay juniper kettle koala lagoon lantern "
    "lark lemon lily lynx maple meadow melon moon otter owl panda pebble pepper pine planet "
    "plum pony puffin quartz rabbit raven reef river robin salmon sparrow spruce summit swan "
    "tiger tulip valley walnut willow wren"
)


class BadName(ValueError):
    """The typed text cannot be a room's name. The error text tells the person why."""


def clean(typed: str) -> str:
    """The room's name for a typed text, or ``BadName``."""
    name = collapsed(typed)
    if len(name) > NAME_LENGTH:
        raise _too_long(name)
    if has_controls(name):
        raise BadName(gettext("A room's name has no control characters."))
    if not is_visible(name):
        raise BadName(gettext("Type a name for the room."))
    if problem := problem_in(name):
        raise BadName(problem)
    return name


def collapsed(typed: str) -> str:
    """The typed text in the form for comparison. ``BadName`` if it is far too long."""
    if len(typed) > LONGEST:
        raise _too_long(typed)
    return " ".join(normalized("NFC", typed).split())


def _too_long(name: str) -> BadName:
    rule = gettext("A room's name has up to %(limit)d characters; this has %(count)d.")
    return BadName(rule % {"limit": NAME_LENGTH, "count": len(name)})


def is_visible(text: str) -> bool:
    """Whether the text has more than spaces and invisible characters."""
    return any(
        unicodedata.category(each) not in _INVISIBLE and each not in _BLANK for each in set(text)
    )


def has_controls(text: str) -> bool:
    """Whether the text has control characters, line ends, or halves of surrogate pairs."""
    return not _CONTROLS.isdisjoint(map(unicodedata.category, text))


def label_of(name: str) -> str:
    """The label for a clean name."""
    if is_label(name):
        return name
    digest = hashlib.sha256(name.encode()).digest()
    suffix = base64.b32encode(digest).decode().lower()[:_HASH_LENGTH]
    return "-".join(filter(None, (_ascii(name), suffix)))


def is_label(text: str) -> bool:
    """Whether a room may be at ``/<text>/``."""
    return re.fullmatch(LABEL, text) is not None and text.lower() not in RESERVED


def label_in(path: str) -> str | None:
    """The label in the path of a room's socket, ``/chat/<label>/``. None for other paths."""
    match = re.fullmatch(f"/chat/({LABEL})/", path)
    return match[1] if match and is_label(match[1]) else None


def random_label() -> str:
    """Two words and a number: ``quiet-otter-42``. There are ten million."""
    words = secrets.choice(_ADJECTIVES), secrets.choice(_NOUNS)
    return f"{words[0]}-{words[1]}-{10 + secrets.randbelow(1990)}"


def _ascii(name: str) -> str:
    """The part of the name that a label can have, with space left for the hash."""
    plain = normalized("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub("[^a-zA-Z0-9_]+", "-", plain)[: 50 - _HASH_LENGTH - 1].strip("-")
