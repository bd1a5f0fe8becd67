"""Translation files: complete, compiled, and matching the chat's texts."""

import io
import re
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_python
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

from labs.harness.project import ROOT

FOLDER = ROOT / "chat" / "locale" / "zh_Hans" / "LC_MESSAGES"
KEYWORDS = [*DEFAULT_KEYWORDS, "gettext_lazy", "gettext_noop", "ngettext_lazy", "pgettext_lazy"]
PLACES = re.compile(r"%\(\w+\)[a-z]|%[a-z]|\{\w*\}|<[^>]*>")


@pytest.fixture(scope="module")
def written() -> Catalog:
    with (FOLDER / "django.po").open("rb") as file:
        return read_po(file, locale="zh_Hans")


def entries(catalog: Catalog) -> dict[object, object]:
    found = [message for message in catalog if message.id]
    return {(one.context, _texts(one.id)): _texts(one.string) for one in found}


def _texts(of: object) -> object:
    """A text, or a tuple of its plural forms, which compiled files hold as a list."""
    return tuple(of) if isinstance(of, list | tuple) else of


def sources() -> list[Path]:
    folders = [file for file in (ROOT / "chat").rglob("*") if "migrations" not in file.parts]
    return [file for file in folders if file.suffix in {".py", ".html"}]


def texts_in(file: Path) -> set[str]:
    """The texts that a source marks for translation."""
    source = file.read_text()
    # The remainder of a template is not Python, except for the calls: one word per line.
    code = re.sub(r"\n\s+", "\n", templatize(source)) if file.suffix == ".html" else source
    found = extract_python(io.BytesIO(code.encode()), KEYWORDS, [], {"encoding": "utf-8"})
    return {text for _, _, texts, _ in found if (text := _first(texts))}


def _first(texts: object) -> str:
    """The text of a call, or its singular. Empty if it is not a literal."""
    if isinstance(texts, tuple | list):
        return texts[0] or ""
    return texts if isinstance(texts, str) else ""


def test_the_catalogue_has_exactly_the_texts_of_the_sources(written: Catalog) -> None:
    texts = set().union(*map(texts_in, sources()))
    assert len(texts) > 50
    known = {_first(message.id) for message in written if message.id}
    assert known == texts, "Run makemessages and compilemessages: see docs/project/developing.md."


def test_every_text_is_translated_and_none_is_fuzzy(written: Catalog) -> None:
    for message in written:
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(strings), message.id
        assert not message.fuzzy, message.id
    assert not written.fuzzy
    assert not written.obsolete


def test_placeholders_and_tags_are_preserved(written: Catalog) -> None:
    for message in written:
        if isinstance(message.id, str) and isinstance(message.string, str) and message.id:
            assert sorted(PLACES.findall(message.string)) == sorted(PLACES.findall(message.id))


def test_compiled_catalogues_are_up_to_date(written: Catalog) -> None:
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = read_mo(file)
    assert entries(compiled) == entries(written)


def test_chinese_sentences_end_with_chinese_punctuation(written: Catalog) -> None:
    for message in written:
        if isinstance(message.string, str) and message.id:
            assert not re.search(r"[\u4e00-\u9fff][.,:;!?]", message.string), message.string
