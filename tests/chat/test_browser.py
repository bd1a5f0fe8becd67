"""People in rooms, each with a real browser, on a real server."""

import re

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.chat.tab import OpenTab
from tests.conftest import StartServer


def test_two_tabs_talk(start_runserver: StartServer, open_tab: OpenTab) -> None:
    server = start_runserver()
    ann, bob = open_tab(server, "/lobby/"), open_tab(server, "/lobby/")
    ann.wait_until("open")
    bob.wait_until("open")
    ann.say("hi bob")
    bob.wait_for_messages("hi bob")
    bob.say("hi ann", name="bob")
    ann.wait_for_messages("hi bob", "hi ann")
    bob.wait_for_messages("hi bob", "hi ann")
    with ann:
        names = ann.browser.find_elements(By.CSS_SELECTOR, ".message .handle")
        assert [name.text for name in names] == ["ann", "bob"]


def test_two_rooms_are_separate(start_runserver: StartServer, open_tab: OpenTab) -> None:
    server = start_runserver()
    one, two = open_tab(server, "/one/"), open_tab(server, "/two/")
    one.wait_until("open")
    two.wait_until("open")
    one.say("in one")
    one.wait_for_messages("in one")
    two.say("in two")
    two.wait_for_messages("in two")
    one.say("more in one")
    one.wait_for_messages("in one", "more in one")


def test_a_reloaded_page_shows_the_history_and_remembers_the_name(
    runserver: Server, room: str, open_tab: OpenTab
) -> None:
    tab = open_tab(runserver, f"/{room}/")
    tab.say("before the reload")
    tab.wait_for_messages("before the reload")
    tab.browser.refresh()
    tab.wait_for_messages("before the reload")
    assert tab.browser.find_element(By.ID, "handle").get_attribute("value") == "ann"


def test_the_page_catches_up_after_a_server_restart(
    start_runserver: StartServer, open_tab: OpenTab
) -> None:
    server = start_runserver()
    tab = open_tab(server, "/lobby/")
    tab.wait_until("open")
    tab.say("before")
    tab.wait_for_messages("before")
    server.stop()
    tab.wait_until("lost")
    shown = tab.browser.find_element(By.ID, "status").text
    assert re.search(r"Connection lost\.\s+Next try in \d+ s", shown)
    tab.say("while it was away")
    tab.wait_for_messages("while it was away", selector="[data-state=sending]")
    tab.browser.execute_script("window.waits = true")

    # More than fits on one page of the history.
    meanwhile = [f"meanwhile {number}" for number in range(220)]
    server = start_runserver(port=server.port, env={"CHAT_RATE_LIMIT": "0"})
    with server.join("lobby") as bob:
        for message in meanwhile:
            bob.say(message, handle="bob")
        bob.hear_message("meanwhile 219")
    tab.wait_until("open")
    wait_for(lambda: len(tab.messages()) == 222, lambda: f"222 messages: {tab.messages()}", 60)
    shown = [text for text in tab.messages() if text != "while it was away"]
    assert shown == ["before", *meanwhile]
    assert tab.messages("[data-state]") == []
    assert tab.browser.execute_script("return window.waits") is True


def test_a_pending_message_survives_a_reload(
    start_runserver: StartServer, open_tab: OpenTab
) -> None:
    server = start_runserver(env={"CHAT_RATE_LIMIT": "1/2"})
    tab = open_tab(server, "/lobby/")
    tab.wait_until("open")
    tab.say("first")
    tab.wait_for_messages("first")
    tab.say("second")
    wait_for(lambda: tab.messages("[data-state=waiting]"), "a message that waits")
    tab.browser.refresh()
    tab.wait_for_messages("first", "second")


def test_messages_above_the_rate_limit_are_delayed_and_keep_their_order(
    start_runserver: StartServer, open_tab: OpenTab
) -> None:
    tab = open_tab(start_runserver(env={"CHAT_RATE_LIMIT": "2/1"}), "/lobby/")
    tab.wait_until("open")
    for number in range(4):
        tab.say(f"m{number}")
    tab.wait_for_messages("m0", "m1", "m2", "m3")


def test_a_refused_message_shows_why_and_can_be_edited(
    runserver: Server, room: str, open_tab: OpenTab
) -> None:
    tab = open_tab(runserver, f"/{room}/")
    tab.wait_until("open")
    tab.say("hello")
    tab.wait_for_messages("hello")
    # The page knows the server's limits, but a tab from before a change does not.
    tab.browser.execute_script("document.getElementById('text').value = 'a\\0b'")
    tab.browser.find_element(By.ID, "text").send_keys(Keys.ENTER)
    trouble = wait_for(
        lambda: tab.browser.find_elements(By.CSS_SELECTOR, "[data-state=failed] .trouble"),
        "a message that failed",
    )
    assert "NUL" in trouble[0].text
    trouble[0].find_element(By.XPATH, ".//button[text()='Edit']").click()
    text = tab.browser.find_element(By.ID, "text")
    assert text.get_attribute("value") == "a\0b"
    tab.wait_for_messages("hello", selector="")


def test_a_refused_name_is_reported_with_the_character(
    runserver: Server, room: str, open_tab: OpenTab
) -> None:
    tab = open_tab(runserver, f"/{room}/")
    tab.run(
        "localStorage.setItem('chat.handle', JSON.stringify('a\\u200b'))"
    )  # stored by an earlier release
    tab.browser.refresh()
    tab.wait_until("open")
    # The list of people arrives although the name cannot be shown.
    wait_for(lambda: "U+200B ZERO WIDTH SPACE" in "".join(tab.texts("#notice")), "the reason")
    wait_for(lambda: tab.texts("#people .nameless"), "the list of who is here")
    tab.say("hello", name="b\u202e")
    failed = "[data-state=failed] .trouble"
    wait_for(lambda: "U+202E RIGHT-TO-LEFT" in "".join(tab.texts(failed)), "the reason")
    handle = tab.browser.find_element(By.ID, "handle")
    handle.clear()
    handle.send_keys("ann")
    tab.find("[data-state=failed] .trouble button")[0].click()  # retry
    tab.wait_for_messages("hello")


def test_a_dead_socket_is_abandoned(runserver: Server, room: str, open_tab: OpenTab) -> None:
    tab = open_tab(runserver, f"/{room}/")
    tab.wait_until("open")
    tab.browser.execute_script(
        "WebSocket.prototype.realSend = WebSocket.prototype.send;"
        "WebSocket.prototype.send = () => {};"
    )
    tab.say("swallowed")
    tab.wait_for_messages("swallowed", selector="[data-state=sending]")
    tab.browser.execute_script(
        "WebSocket.prototype.send = WebSocket.prototype.realSend;"
        "const now = performance.now.bind(performance); performance.now = () => now() + 60_000;"
    )
    tab.wait_for_messages("swallowed")
