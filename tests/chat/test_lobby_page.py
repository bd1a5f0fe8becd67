"""The lobby page: a live list of rooms."""

import json

from selenium.webdriver.common.by import By

from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.chat.tab import OpenTab
from tests.conftest import StartServer


def test_the_list_is_live(chat_server: Server, other_server: Server, open_tab: OpenTab) -> None:
    tab = open_tab(chat_server, "/")
    tab.browser.execute_script("window.waits = true")
    row = "li[data-label='live'] .here"
    with other_server.join("live") as bob:
        bob.socket.send(json.dumps({"type": "presence", "handle": "bob"}))
        here = "li:has(a[href='/live/']) .here"
        wait_for(lambda: tab.texts(here) == ["\u2068bob\u2069 here now"], "bob, in his room")
        bob.say("hello", handle="bob")
        said = "li:has(a[href='/live/']) time"
        wait_for(lambda: any("now" in text for text in tab.texts(said)), "when it was")
        first = tab.browser.find_element(By.CSS_SELECTOR, "#rooms a")
        assert first.get_attribute("href") == f"{chat_server.url}/live/"
    wait_for(lambda: tab.texts(here) == [], "an empty room")
    assert tab.browser.execute_script("return window.waits")
    tab.browser.refresh()
    assert tab.browser.find_elements(By.CSS_SELECTOR, row)


def test_an_empty_lobby_explains_what_to_do(
    start_runserver: StartServer, open_tab: OpenTab
) -> None:
    server = start_runserver()
    tab = open_tab(server, "/")
    assert "Make the first room" in tab.texts("#empty")[0]
    with server.join("first") as bob:
        bob.say("hello")
        wait_for(lambda: tab.texts("#rooms .name") == ["first"], "the first room")
    assert tab.find("#empty") == []
