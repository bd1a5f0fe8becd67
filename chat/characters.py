"""Untrusted Unicode: normal forms in bounded time, and the characters that names may have.

Python sorts the combining marks of a letter by insertion, in C and with the GIL held. In releases
before the fix of 2026 a letter with 80,000 marks stops the process for ten seconds. So only
``normalized`` may call ``unicodedata.normalize``, and it refuses long texts. Ruff enforces this.

A name must look like what it is. It has only visible characters that stay in their place: no
controls, direction marks, spaces of other widths, or marks without a letter. Joiners and selectors
are allowed inside an emoji.
"""

import re
import unicodedata
from typing import Literal

from django.utils.translation import gettext

#: Limit of normalised text: a name has up to 200 characters, and each may become 18.
LONGEST = 4000
#: Limit of combining marks on one letter of a name.
MARKS = 4

Form = Literal["NFC", "NFD", "NFKC", "NFKD"]


class TooLong(ValueError):
    """The text is too long to normalise."""


def normalized(form: Form, text: str) -> str:
    """``text`` in a normal form. ``TooLong`` if it has more than ``LONGEST`` characters."""
    if len(text) > LONGEST:
        raise TooLong(
            f"Expected up to {LONGEST} characters to be normalized, got {len(text)}; check the "
            "length first."
        )
    return unicodedata.normalize(form, text)  # noqa: TID251  the one place


# Invisible characters


def _characters(*ranges: tuple[int, int]) -> frozenset[str]:
    return frozenset(chr(number) for first, last in ranges for number in range(first, last + 1))


# Default_Ignorable_Code_Point of Unicode, except the category Cf.
IGNORABLE = _characters(
    *((0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2065, 0x2065)),
    *((0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0xE0000, 0xE0FFF)),
)
# Letters, marks and symbols without ink, and placeholders.
BLANK = _characters(
    *((0x2800, 0x2800), (0x303F, 0x303F), (0xFFFC, 0xFFFD), (0x16FE4, 0x16FE4), (0x1D159, 0x1D159)),
    (0x13441, 0x13446),
)
# Controls, format, surrogates, private use, separators of lines and paragraphs.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
# Unassigned in this release of Python: newer emoji and ideographs, which are visible.
_TO_COME = re.compile("[\U0001f000-\U0001faff\U00020000-\U0002fffd\U00030000-\U0003fffd]")
# As wide as a space, so that the texts on both sides look like separate words.
_SPACES = frozenset(" \u00a0\u3000")


def is_unseen(character: str) -> bool:
    """Whether a character is invisible by itself, or unassigned."""
    if character in IGNORABLE or character in BLANK:
        return True
    category = unicodedata.category(character)
    return category in _UNSEEN or (category == "Cn" and not _TO_COME.match(character))


# A keycap, and the flag of a part of Britain.
_SEQUENCES = re.compile(
    "[0-9#*]\ufe0f\u20e3|\U0001f3f4\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067"
    "|\U000e0073\U000e0063\U000e0074|\U000e0077\U000e006c\U000e0073)\U000e007f"
)
# Pictographs joined into one. Skin tones and letters of flags are visible by themselves.
_PICTURE = "[\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff]\ufe0f?[\U0001f3fb-\U0001f3ff]?"
_PICTURES = re.compile(f"{_PICTURE}(?:\u200d{_PICTURE})*")
_GLUE = str.maketrans("", "", "\u200d\ufe0f")
_OF_PICTURES = frozenset({"So", "Sm", "Sk", "Po", "Pd", "Cn"})


def problem_in(name: str) -> str | None:
    """Why ``name`` cannot be a name, as a text for people. None if all characters are allowed.

    The caller has checked the length.
    """
    if name.isascii() and name.isprintable():
        return None
    rest = _SEQUENCES.sub(lambda found: found[0][0], name)
    rest = _PICTURES.sub(_unglued, rest)
    return _unseen_in(rest) or _marks_in(rest)


def _unglued(found: re.Match[str]) -> str:
    """The pictographs without their joiners. Unchanged if one of them is something else."""
    pictures = found[0].translate(_GLUE)
    return pictures if _OF_PICTURES.issuperset(map(unicodedata.category, pictures)) else found[0]


def _unseen_in(name: str) -> str | None:
    for character in name:
        if unicodedata.category(character) == "Zs" and character not in _SPACES:
            rule = gettext("Type a plain space instead of %(character)s.")
        elif is_unseen(character):
            rule = gettext("Leave out %(character)s: it is invisible, or moves other characters.")
        else:
            continue
        return rule % {"character": _called(character)}
    return None


def _marks_in(name: str) -> str | None:
    base, marks = "", 0
    for character in normalized("NFD", name):
        category = unicodedata.category(character)
        if category not in {"Mn", "Mc", "Me"}:
            base, marks = character, 0
            continue
        marks += category != "Mc"
        if not _carries(base, character):
            rule = gettext("Leave out %(character)s: it does not belong to what stands before it.")
            return rule % {"character": _called(character)}
        if marks > MARKS:
            return gettext("Leave out some marks: a letter of a name has up to %(limit)d.") % {
                "limit": MARKS
            }
    return None


def _carries(base: str, mark: str) -> bool:
    """Whether a character may have this mark. Common marks fit all characters."""
    if not base or unicodedata.category(base)[0] in "ZC":
        return False
    script = unicodedata.name(mark, "").partition(" ")[0]
    return script == "COMBINING" or unicodedata.name(base, "").partition(" ")[0] == script


def _called(character: str) -> str:
    """A character by number and name: ``U+200B ZERO WIDTH SPACE``."""
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X} {name}".strip()
