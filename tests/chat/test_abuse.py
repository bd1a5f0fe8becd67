"""Hostile input, and how the pages handle it."""

import json

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.chat.tab import OpenTab

HTML = "<img src=x onerror=\"document.title='hacked'\">"
WIDTH = "return document.documentElement.scrollWidth <= window.innerWidth"


def test_html_is_shown_as_text_in_every_field(
    chat_server: Server, other_server: Server, open_tab: OpenTab
) -> None:
    tab = open_tab(chat_server, "/")
    tab.browser.find_element(By.ID, "name").send_keys(HTML, Keys.ENTER)
    tab.wait_until("open")
    assert tab.texts("h1") == [HTML]
    label = tab.browser.current_url.split("/")[-2]
    name = HTML[:40]
    with other_server.join(label) as eve:
        eve.socket.send(json.dumps({"type": "presence", "handle": name}))
        eve.socket.send(json.dumps({"type": "typing", "handle": name}))
        tab.wait_for_texts("#people .handle", name)
        wait_for(lambda: name in "".join(tab.texts("#typing")), "the name of who types")
        eve.say(HTML, handle=name, nonce=HTML)
        tab.wait_for_messages(HTML)
        number = eve.hear()["id"]
        eve.socket.send(json.dumps({"type": "edit", "id": number, "message": f"{HTML}!"}))
        tab.wait_for_messages(f"{HTML}! (edited)")
        assert tab.browser.find_elements(By.TAG_NAME, "img") == []
        tab.browser.get(chat_server.url)
        here = f"li:has(a[href='/{label}/']) .here"
        wait_for(lambda: name in "".join(tab.texts(here)), "the name in the lobby")
        assert tab.browser.find_elements(By.TAG_NAME, "img") == []
        assert HTML in tab.texts("#rooms .name")
    assert tab.browser.title == "Chat"


@pytest.mark.parametrize(
    ("handle", "message"),
    [
        ("x" * 40, "x" * 4000),
        ("مريم", "\u202eexe.gpj\u2066 \u200b\u200d\ufeff."),
        ("Z\u0301\u0302\u0303\u0304" * 8, "Z" + "\u0301" * 500),
        ("👩\u200d👩\u200d👧\u200d👦🏳️\u200d🌈" * 3, "👩\u200d👩\u200d👧\u200d👦🏳️\u200d🌈" * 200),
    ],
    ids=["a long word", "controls", "accents", "emoji"],
)
@pytest.mark.parametrize("width", [390, 1280])
def test_a_strange_text_stays_in_its_place(
    handle: str,
    message: str,
    width: int,
    chat_server: Server,
    other_server: Server,
    open_tab: OpenTab,
) -> None:
    room = f"strange-{len(message)}-{width}"
    tab = open_tab(chat_server, f"/{room}/")
    screen = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    tab.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    tab.wait_until("open")
    with other_server.join(room) as eve:
        eve.say(message, handle=handle)
        eve.say("after", handle="eve")
        wait_for(lambda: len(tab.messages()) == 2, "both messages")
    shown = "return document.querySelector('.message .text').textContent"
    assert tab.run(shown) == message
    assert tab.run(WIDTH)
    # The name neither displaces nor mirrors the time.
    name, time = tab.find(".message:first-child .handle, .message:first-child time")
    assert time.rect["x"] >= name.rect["x"] + name.rect["width"]
    assert tab.run("return getComputedStyle(document.querySelector('.handle')).unicodeBidi") in (
        "isolate",
        "-webkit-isolate",
    )
    first, second = tab.find(".message")
    assert first.rect["y"] + first.rect["height"] <= second.rect["y"] + 0.5
