"""Accessibility of the pages: by axe-core, by keyboard alone, and by screen reader."""

import json

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.keys import Keys

from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.chat.axe import violations
from tests.chat.conftest import Store
from tests.chat.tab import OpenTab

SCREENS = {
    "desktop": {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    "phone": {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True},
}


def set_media(browser: Chrome, **features: str) -> None:
    given = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": given})


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", SCREENS)
def test_axe_finds_no_error(
    device: str,
    scheme: str,
    browser: Chrome,
    chat_server: Server,
    other_server: Server,
    open_tab: OpenTab,
    store: Store,
) -> None:
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", SCREENS[device])
    set_media(browser, prefers_color_scheme=scheme)
    room = f"axe-{device}-{scheme}"
    names = [{"handle": f"p{n}", "person": f"guest:{n}", "message": "hi"} for n in range(40)]
    more = {"message": "two https://example.org/", "edited_at": "2026-01-02 03:04:05"}
    store(room, *names, more, {"message": "", "handle": "", "deleted": True})
    store(room, {"message": "mine?", "account": True, "handle": "cid", "person": "user:1"})
    tab = open_tab(chat_server, f"/{room}/")
    tab.wait_until("open")
    tab.say("mine")
    wait_for(lambda: tab.find(".own[data-id]"), "an own message")
    refuse = "const real = WebSocket.prototype.send; WebSocket.prototype.send = function (text) {"
    refuse += "real.call(this, text.replace('\"again\"', '\"\"')); };"
    tab.run(refuse)
    tab.say("again")
    wait_for(lambda: tab.find(".trouble"), "a message that failed")
    with other_server.join(room) as bob:
        bob.socket.send(json.dumps({"type": "typing", "handle": "bob"}))
        wait_for(lambda: tab.texts("#typing") != [""], "somebody who types")
        assert violations(browser) == []
        tab.run("document.querySelector('.own .more').click()")
        assert violations(browser) == []
        tab.find("#menu [data-action=delete]")[0].click()
        assert violations(browser) == []
        tab.press(Keys.ESCAPE)
        tab.press(Keys.END)
        tab.run("document.getElementById('text').focus()")
        tab.press(Keys.ARROW_UP)
        if device == "phone":
            tab.run("document.getElementById('people-button').click()")
        tab.run("document.getElementById('scroll').scrollTop = 0")
        wait_for(lambda: tab.find("#newest"), "a view above the end")
        bob.say("below", handle="bob")
        wait_for(lambda: tab.find("#newest.has-new"), "the button that leads down")
        assert violations(browser) == []
        browser.get(chat_server.url)
        wait_for(lambda: tab.find("#rooms .busy"), "a busy room")
        assert violations(browser) == []
    browser.get(f"{chat_server.url}/no such room/")
    assert violations(browser) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_error_in_the_account_pages(
    scheme: str, browser: Chrome, chat_server: Server, open_tab: OpenTab
) -> None:
    set_media(browser, prefers_color_scheme=scheme)
    tab = open_tab(chat_server, "/accounts/login/")
    assert violations(browser) == []
    submit(browser, username="nobody", password="wrong")
    wait_for(lambda: tab.find(".error"), "what is wrong with it")
    assert violations(browser) == []
    browser.get(f"{chat_server.url}/accounts/signup/")
    assert violations(browser) == []
    submit(browser, username="x y", password1="a", password2="b")
    wait_for(lambda: tab.find(".error"), "what is wrong with it")
    assert violations(browser) == []
    password = "correct horse battery"
    submit(browser, username=f"axe-{scheme}", password1=password, password2=password)
    wait_for(lambda: tab.find("#rooms, .lobby"), "the lobby")
    browser.get(f"{chat_server.url}/accounts/password/")
    assert violations(browser) == []
    submit(browser, old_password=password, new_password1="a", new_password2="b")
    wait_for(lambda: tab.find(".error"), "what is wrong with it")
    assert violations(browser) == []
    browser.get(f"{chat_server.url}/axe-account/")
    tab.wait_until("open")
    assert violations(browser) == []


def submit(browser: Chrome, **fields: str) -> None:
    """Submit the page's form with these fields."""
    fill = "for (const [name, value] of Object.entries(arguments[0]))"
    fill += " document.querySelector(`main [name=${name}]`).value = value;"
    browser.execute_script(fill + "document.querySelector('main form').submit();", fields)


def test_the_keyboard_reaches_everything_in_page_order(
    chat_server: Server, open_tab: OpenTab
) -> None:
    tab = open_tab(chat_server, "/keyboard/")
    tab.wait_until("open")
    tab.say("mine")
    tab.wait_for_messages("mine")
    tab.run("document.activeElement.blur(); document.querySelector('.skip').focus()")
    name = "const e = document.activeElement; return e.id || e.className"
    reached = [tab.run(name)]
    while reached[-1] != "send" and len(reached) < 20:
        tab.press(Keys.TAB)
        reached.append(tab.run(name))
    assert reached[0] == "skip button"
    ours = [
        each for each in reached if each in ("home", "scroll", "more", "handle", "text", "send")
    ]
    assert ours == ["home", "scroll", "more", "handle", "text", "send"], reached


def test_a_screen_reader_announces_new_messages_but_no_history(
    chat_server: Server, other_server: Server, open_tab: OpenTab, store: Store
) -> None:
    store("heard", *({"message": f"m{n}"} for n in range(80)))
    tab = open_tab(chat_server, "/heard/")
    tab.wait_until("open")
    heard = "return document.getElementById('heard').textContent"
    tab.run("document.getElementById('scroll').scrollTop = 0")
    wait_for(lambda: len(tab.messages()) == 80, "the history")
    assert tab.run(heard) == ""
    with other_server.join("heard") as bob:
        bob.say("listen", handle="bob")
        wait_for(lambda: tab.run(heard) == "bob: listen", "what is new")
    live = (
        "return [...document.querySelectorAll('[aria-live],[role=log],[role=status],[role=alert]')]"
    )
    live += ".filter((each) => each.querySelector('.message')).length"
    assert tab.run(live) == 0


def test_nothing_moves_with_reduced_motion(
    browser: Chrome, chat_server: Server, open_tab: OpenTab
) -> None:
    tab = open_tab(chat_server, "/still/")
    tab.wait_until("open")
    set_media(browser, prefers_reduced_motion="reduce")
    tab.run("document.getElementById('status').dataset.state = 'connecting'")
    assert tab.run("return document.getAnimations().length") == 0
    set_media(browser, prefers_reduced_motion="no-preference")
    assert tab.run("return document.getAnimations().length") == 1
