"""Which names look alike: those that have the same key. No I/O.

A key is the name in Unicode's compatible form (NFKC) and without case, without the characters that
nobody sees, its white space trimmed and collapsed. A part that is turned round by a mark of
direction looks like what it shows. Letters of two scripts that resemble each other
(the Latin and the Cyrillic "a") stay different.
"""

import re
import unicodedata

# A longer one is no account's: an index holds no text of any length.
KEY_LENGTH = 200

# Format characters: joiners, spaces without width, marks of direction.
_FORMAT = "Cf"
# From the mark to where its effect ends, letters of all scripts run from right to left.
_TURNED = re.compile("\u202e([^\u202c]*)")
# What else is not to be seen (Default_Ignorable_Code_Point in Unicode), and the blank of Braille.
_INVISIBLE = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2065, 0x2800, 0x3164, 0xFFA0),
            *(*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xFFF0, 0xFFF9)),
            *range(0xE0000, 0xE1000),
        ),
    )
)


def key_of(name: str) -> str:
    """What all names that look like this one have in common; "" if nothing is to be seen."""
    shown = _TURNED.sub(lambda match: match[1][::-1], name)
    # Without the invisible first, which may stand between what belongs together.
    text = unicodedata.normalize("NFKC", _visible(shown)).casefold()
    return " ".join(_visible(unicodedata.normalize("NFKC", text)).split())


def _visible(text: str) -> str:
    return "".join(filter(_is_visible, text))


def _is_visible(character: str) -> bool:
    return character not in _INVISIBLE and unicodedata.category(character) != _FORMAT
