"""Characters in names, compared with another Unicode table: that of the browser."""

import sys
import unicodedata

import pytest

from chat.accounts.lookalikes import key_of
from chat.characters import LONGEST, TooLong, is_unseen, normalized, problem_in
from tests.processes.chromium import SharedBrowser

EVERYTHING = [chr(number) for number in range(sys.maxunicode + 1)]

NAMES = [
    *(
        "ann",
        "Mary Ann",
        "O'Neil <b>",
        "Zoë",
        "Zoe\u0308",
        "Vie\u0323\u0302t",
        "大厅",
        "가각",
        "がか\u3099",
    ),
    *("مُحَمَّد", "שָׁלוֹם", "विष्णु", "สวัสดี", "မြန်မာ", "ខ្មែរ", "བོད་", "தமிழ்", "Mary\u3000Ann"),
    *("👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "❤️", "1️⃣", "🇩🇪", "🏴‍☠️", "👨🏽‍🦰", "©️", "🫨", "a👩‍💻b"),
    "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_in_any_script_and_emoji_are_accepted(name: str) -> None:
    assert problem_in(name) is None


REFUSED = {
    "a turn": ("\u202ebob", "Leave out U+202E RIGHT-TO-LEFT OVERRIDE: "),
    "turns in turns": ("\u202a\u202eboB\u202c\u202c", "Leave out U+202A LEFT-TO-RIGHT EMBEDDING: "),
    "an object": ("Bob\ufffc", "Leave out U+FFFC OBJECT REPLACEMENT CHARACTER: "),
    "a filler": ("Bob\u3164", "Leave out U+3164 HANGUL FILLER: "),
    "a joiner between letters": ("B\u200dob", "Leave out U+200D ZERO WIDTH JOINER: "),
    "a joiner after a letter": ("Bob\u200d👩", "Leave out U+200D ZERO WIDTH JOINER: "),
    "a joiner before a letter": ("👩\u200dBob", "Leave out U+200D ZERO WIDTH JOINER: "),
    "a joiner at the end": ("👩\u200d", "Leave out U+200D ZERO WIDTH JOINER: "),
    "a filler that is joined": ("👩\u200d\u3164", "Leave out U+200D ZERO WIDTH JOINER: "),
    "a blank that is joined": ("👩\u200d\u2800", "Leave out U+2800 BRAILLE PATTERN BLANK: "),
    "a selector of a letter": ("Bo\ufe0fb", "Leave out U+FE0F VARIATION SELECTOR-16: "),
    "a tag": ("Bob\U000e0041", "Leave out U+E0041 TAG LATIN CAPITAL LETTER A: "),
    "a rest without a note": ("Bob\U0001d159", "Leave out U+1D159 MUSICAL SYMBOL NULL NOTEHEAD: "),
    "private use": ("Bob\ue000", "Leave out U+E000: "),
    "a narrow space": ("B\u200aob", "Type a plain space instead of U+200A HAIR SPACE."),
    "a mark alone": ("\u0301bob", "Leave out U+0301 COMBINING ACUTE ACCENT: it does not belong "),
    "a mark of a space": ("Bob \u0332", "Leave out U+0332 COMBINING LOW LINE: it does not belong "),
    "a mark of another script": ("Bob\u17d2", "Leave out U+17D2 KHMER SIGN COENG: it does not "),
    "many marks": ("Z" + "\u0301" * 5, "Leave out some marks: a letter of a name has up to 4."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_character_is_named(case: str) -> None:
    name, reason = REFUSED[case]
    assert (problem_in(name) or "").startswith(reason)


UNSEEN_BY_THE_BROWSER = r"""
    const unseen = /[\p{Default_Ignorable_Code_Point}\p{C}\p{Bidi_Control}\p{Zl}\p{Zp}]/u;
    const ranges = [];
    for (let code = 0; code <= 0x10ffff; code += 1) {
      if (!unseen.test(String.fromCodePoint(code))) continue;
      if (ranges.at(-1)?.[1] === code) ranges.at(-1)[1] = code + 1;
      else ranges.push([code, code + 1]);
    }
    return ranges;
"""


@pytest.fixture(scope="module")
def unseen_by_browser(browser_of_all: SharedBrowser) -> frozenset[str]:
    """Characters that Chromium's newer tables call invisible, control or unassigned."""
    ranges = browser_of_all.in_front().execute_script(UNSEEN_BY_THE_BROWSER)
    found = {chr(code) for start, end in ranges for code in range(start, end)}
    # Reserved for pictographs and ideographs, which become visible once a font has them.
    reserved = {
        each for each in found if unicodedata.category(each) == "Cn" and not is_unseen(each)
    }
    return frozenset(found - reserved)


def test_no_character_that_the_browser_calls_invisible_is_accepted(
    unseen_by_browser: frozenset[str],
) -> None:
    def is_refused(character: str) -> bool:
        if unicodedata.category(character) in {"Cn", "Co"}:  # nearly all of them
            return is_unseen(character)
        return problem_in(f"Bo{character}b") is not None

    assert len(unseen_by_browser) > 100_000
    assert [ascii(each) for each in unseen_by_browser if not is_refused(each)] == []
    assert all(problem_in(f"Bo{each}b") for each in ("\ue000", "\U000f0000", "\u0378"))


def may_take(name: str, account: str) -> bool:
    """Whether a guest may use this name while such an account exists."""
    return problem_in(name) is None and key_of(name) != key_of(account)


def test_no_single_character_makes_a_guest_look_like_an_account(
    unseen_by_browser: frozenset[str],
) -> None:
    def leaves_nothing(character: str) -> bool:
        # Without `normalized`: each is a single character.
        plain = unicodedata.normalize("NFKC", character)  # noqa: TID251
        return all(each in unseen_by_browser or each.isspace() for each in plain)

    # Unassigned characters are refused everywhere, as the test above shows.
    known = [each for each in EVERYTHING if unicodedata.category(each) not in {"Cn", "Co"}]
    suspects = [character for character in known if leaves_nothing(character)]
    assert {"\u200b", "\u202e", "\u3164", "\ufe0f", "\u3000"} <= set(suspects)
    forms = ("{}Bob", "B{}ob", "Bob{}", "{}{}Bob", "B{}{}ob")
    alike = [
        ascii(name)
        for character in suspects
        for form in forms
        if may_take(name := form.format(character, character), "Bob")
        and not (character.isspace() and "B" + character in name)  # because "B ob" is another name
    ]
    assert alike == []


@pytest.mark.parametrize("character", ["\u2800", "\u303f", "\ufffc", "\U00016fe4", "\U0001d159"])
def test_blanks_that_unicode_classifies_as_letters_or_symbols(character: str) -> None:
    assert not may_take(f"Bob{character}", "Bob")
    assert key_of(f"B{character}ob") == "bob"


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_a_long_text_is_not_normalised(form: str) -> None:
    normalized(form, "a" * LONGEST)  # type: ignore[arg-type]
    with pytest.raises(TooLong, match=r"up to 4000 characters .* got 4001; check the length"):
        normalized(form, "a" * (LONGEST + 1))  # type: ignore[arg-type]
