"""The translations of the engine: complete, compiled, in a context of their own."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.test import Client as Browser
from django.utils.translation import override
from django.utils.translation.template import templatize

import channels_workers
from channels_workers.admin.texts import page_texts
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.models import Status

ENGINE = Path(channels_workers.__file__).parent
FOLDER = ENGINE / "locale" / "zh_Hans" / "LC_MESSAGES"
KEYWORDS = {**DEFAULT_KEYWORDS, "pgettext_lazy": DEFAULT_KEYWORDS["pgettext"]}
PLACES = re.compile(r"%\(\w+\)[a-z]|%[a-z]|\{\w*\}|<[^>]*>")
SCRIPTS = ENGINE / "static" / "channels_workers"


def catalog(name: str) -> Catalog:
    with (FOLDER / name).open("rb") as file:
        return read_po(file, locale="zh_Hans") if name.endswith("po") else read_mo(file)


def context_of(message: Message) -> str:
    """Its context, which Babel reads as bytes from a compiled catalogue."""
    context: Any = message.context
    return context.decode() if isinstance(context, bytes) else str(context)


def first(texts: object) -> str:
    """A text, or its singular."""
    return str(texts[0] if isinstance(texts, list | tuple) else texts)


def last(texts: object) -> str:
    return str(texts[-1] if isinstance(texts, list | tuple) else texts)


def in_sources() -> Iterator[tuple[str | None, str]]:
    """The context and the text of each that is marked for translation."""
    folders = [ENGINE / "admin", ENGINE / "templates"]
    files = [file for folder in folders for file in folder.rglob("*.*")]
    for file in [*files, ENGINE / "models.py"]:
        if file.suffix not in (".py", ".html"):
            continue
        source = file.read_text()
        if file.suffix == ".html":
            source = re.sub(r"\n\s+", "\n", templatize(source))
        code = io.BytesIO(source.encode())
        for _, texts, _, context in extract("python", code, KEYWORDS, [], {"encoding": "utf-8"}):
            yield context, first(texts)


def test_the_catalogue_has_exactly_the_texts_of_the_sources() -> None:
    found = set(in_sources())
    assert len(found) > 90
    assert {(one.context, first(one.id)) for one in catalog("django.po") if one.id} == found


def test_every_text_has_the_context_of_the_engine() -> None:
    """Other texts would change those of the project and of Django, whose apps come later."""
    assert {context for context, _ in in_sources()} == {"channels_workers"}


def test_every_text_is_translated_with_its_places() -> None:
    for one in catalog("django.po"):
        if one.id:
            assert last(one.string), one.id
            assert not one.fuzzy, one.id
            assert sorted(PLACES.findall(last(one.string))) == sorted(PLACES.findall(last(one.id)))
            assert not re.search(r"[\u4e00-\u9fff][.,:;!?]", last(one.string)), one.string


def test_the_compiled_catalogue_is_up_to_date() -> None:
    written, compiled = (
        {(context_of(one), first(one.id)): last(one.string) for one in catalog(name) if one.id}
        for name in ("django.po", "django.mo")
    )
    assert compiled == written


def test_the_scripts_show_exactly_the_texts_of_the_page() -> None:
    code = (SCRIPTS / "show.js").read_text()
    called = set(re.findall(r'\bt\("([^"]+)"', code))
    listed = re.findall(r"const (?:MODES|PROBLEMS) = \{(.*?)\n\};", code, re.DOTALL)
    assert len(listed) == 2
    named = {text for each in listed for text in re.findall(r':\s+"([^"]+)"', each)}
    with override("zh-hans"):
        texts = page_texts()
    assert called | named == set(texts)
    assert all(text != shown for text, shown in texts.items())
    assert 't("' not in (SCRIPTS / "connection.js").read_text()


@pytest.mark.django_db
def test_the_page_is_in_the_language_of_its_reader(
    admin_client: Browser, memory_layer: InMemoryChannelLayer
) -> None:
    path = "/admin/channels_workers/status/"
    text = admin_client.get(path, headers={"accept-language": "zh-hans"}).content.decode()
    assert "接口服务器" in text
    assert "Interface servers" not in text
    with override("zh-hans"):
        assert str(Status._meta.verbose_name) == "状态"
