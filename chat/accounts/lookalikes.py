"""Names that look alike have the same key. No I/O.

A key is the name in Unicode's compatibility form (NFKC), case-folded, without invisible characters,
with white space trimmed and collapsed. A dot on the dot of an i or j is invisible. A part that a
direction mark reverses counts as it looks. Similar letters of two scripts, such as the Latin and
the Cyrillic "a", stay different.
"""

import re
import unicodedata

from chat.characters import BLANK, IGNORABLE, normalized

# No account has a longer one: an index has a limit.
KEY_LENGTH = 200

# Format characters: joiners, zero-width spaces, direction marks.
_FORMAT = "Cf"
# From an override mark to its end, letters of all scripts run from right to left.
_TURNED = re.compile("\u202e([^\u202c]*)")
_INVISIBLE = IGNORABLE | BLANK
# A dot that replaces the letter's own.
_DOTTED = re.compile("([ij])\u0307+")


def key_of(name: str) -> str:
    """The key of all names that look like this one. Empty if the name is invisible.

    A name longer than ``KEY_LENGTH``, which no account has, gets a key that is too long as well.
    Callers check the length.
    """
    if len(name) > KEY_LENGTH:
        return name[: KEY_LENGTH + 1]
    shown = _TURNED.sub(lambda match: match[1][::-1], name)
    # Remove the invisible first: it may separate characters that belong together.
    text = normalized("NFKC", _visible(shown)).casefold()
    plain = _DOTTED.sub(r"\1", _visible(normalized("NFKC", text)))
    return " ".join(plain.split())[: KEY_LENGTH + 1]


def _visible(text: str) -> str:
    return "".join(filter(_is_visible, text))


def _is_visible(character: str) -> bool:
    return character not in _INVISIBLE and unicodedata.category(character) != _FORMAT
