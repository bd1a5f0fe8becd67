"""Which names look alike: those that have the same key. No I/O.

A key is the name in Unicode's compatible form (NFKC) and without case, without the characters that
nobody sees, its white space trimmed and collapsed. A dot on the dot of an i or j is not seen. A
part that is turned round by a mark of direction looks like what it shows. Letters of two scripts
that resemble each other (the Latin and the Cyrillic "a") stay different.
"""

import re
import unicodedata

from chat.characters import BLANK, IGNORABLE, normalized

# A longer one is no account's: an index holds no text of any length.
KEY_LENGTH = 200

# Format characters: joiners, spaces without width, marks of direction.
_FORMAT = "Cf"
# From the mark to where its effect ends, letters of all scripts run from right to left.
_TURNED = re.compile("\u202e([^\u202c]*)")
_INVISIBLE = IGNORABLE | BLANK
# A dot that takes the place of the letter's own.
_DOTTED = re.compile("([ij])\u0307+")


def key_of(name: str) -> str:
    """What all names that look like this one have in common; "" if nothing is to be seen.

    Of a name of more than ``KEY_LENGTH`` characters, which no account has, it is only longer than
    that: whoever asks has checked the length before.
    """
    if len(name) > KEY_LENGTH:
        return name[: KEY_LENGTH + 1]
    shown = _TURNED.sub(lambda match: match[1][::-1], name)
    # Without the invisible first, which may stand between what belongs together.
    text = normalized("NFKC", _visible(shown)).casefold()
    plain = _DOTTED.sub(r"\1", _visible(normalized("NFKC", text)))
    return " ".join(plain.split())[: KEY_LENGTH + 1]


def _visible(text: str) -> str:
    return "".join(filter(_is_visible, text))


def _is_visible(character: str) -> bool:
    return character not in _INVISIBLE and unicodedata.category(character) != _FORMAT
