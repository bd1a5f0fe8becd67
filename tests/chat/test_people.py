"""Presence in the page: who is here, who types, who comes and goes."""

import json
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.request import urlopen

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from labs.harness.server import Person, Server
from labs.harness.waiting import wait_for
from tests.chat.tab import OpenTab


def name(person: Person, handle: str) -> None:
    person.socket.send(json.dumps({"type": "presence", "handle": handle}))


def test_people_arrive_type_and_leave(
    chat_server: Server, other_server: Server, open_tab: OpenTab
) -> None:
    tab = open_tab(chat_server, "/people/")
    tab.wait_until("open")
    tab.wait_for_texts("#people .nameless", "1 without a name yet")
    tab.say("hi")
    tab.wait_for_texts("#people .handle", "ann")
    assert tab.texts("#people li") == ["A\nann\n(you)"]
    with other_server.join("people") as bob:
        name(bob, "bob")
        tab.wait_for_texts("#people .handle", "ann", "bob")
        assert tab.texts("#people .people-count") == ["2"]
        tab.wait_for_texts("#note", "\u2068bob\u2069 joined")
        bob.socket.send(json.dumps({"type": "typing", "handle": "bob"}))
        tab.wait_for_texts("#typing", "\u2068bob\u2069 is typing…")
        bob.say("done", handle="bob")
        tab.wait_for_messages("hi", "done")
        assert not tab.texts("#typing")[0:1] or tab.texts("#typing") == [""]
        tab.press("I am typing")
        wait_for(lambda: json.loads(bob.socket.recv(60)).get("type") == "typing" or None, "typing")
    tab.wait_for_texts("#people .handle", "ann")
    tab.wait_for_texts("#note", "\u2068bob\u2069 left")


def test_typing_without_renewal_expires(
    chat_server: Server, other_server: Server, open_tab: OpenTab
) -> None:
    tab = open_tab(chat_server, "/typing/")
    tab.wait_until("open")
    with ExitStack() as stack:
        for handle in ("bob", "cid", "dan"):
            person = stack.enter_context(other_server.join("typing"))
            person.socket.send(json.dumps({"type": "typing", "handle": handle}))
        tab.wait_for_texts("#typing", "Several people are typing…")
        wait_for(
            lambda: tab.run("return !document.getElementById('typing').textContent"), "silence"
        )


def test_a_person_with_fifty_tabs_is_shown_once(
    chat_server: Server, other_server: Server, open_tab: OpenTab
) -> None:
    with urlopen(f"{chat_server.url}/tabs/") as page:
        cookie = page.headers["Set-Cookie"].split(";")[0]
    tab = open_tab(chat_server, "/tabs/")
    tab.say("hi")
    with ExitStack() as stack:
        headers = {"Cookie": cookie}
        join = stack.enter_context
        tabs = [join(other_server.join("tabs", additional_headers=headers)) for _ in range(50)]
        name(tabs[0], "bob")
        tab.wait_for_texts("#people .handle", "ann", "bob")
        for each in tabs[1:]:
            each.socket.close()
        assert tab.texts("#people .handle") == ["ann", "bob"]
    tab.wait_for_texts("#people .handle", "ann")


def test_three_hundred_people_and_two_with_one_name(
    chat_server: Server, chat_database: Path, open_tab: OpenTab
) -> None:
    with chat_server.join("crowd"):
        pass
    row = (
        "INSERT INTO chat_presence (room_id, reply_channel, person, handle, account, guest,"
        ' login, "order")'
    )
    row += " SELECT id, ?, ?, ?, 0, ?, '', ? FROM chat_room WHERE label = 'crowd'"
    with closing(sqlite3.connect(chat_database)) as database, database:
        for number in range(300):
            person = f"guest:crowd-{number}"
            handle = "sam" if number < 2 else f"person {number:03}"
            database.execute(row, (f"crowd-{number}", person, handle, person, number))
    tab = open_tab(chat_server, "/crowd/")
    tab.wait_until("open")
    # In one look: the server soon forgets people without a socket.
    look = "const handles = [...document.querySelectorAll('#people .handle')];"
    look += "return [handles.length, ...handles.slice(-2).map((each) => each.textContent)]"
    wait_for(lambda: tab.run(look) == [300, "sam", "sam"], "300 people, two of one name")
    assert tab.texts("#people .people-count") == ["301"]
    width = "return document.documentElement.scrollWidth <= window.innerWidth"
    assert tab.run(width)


def test_on_a_phone_a_button_opens_the_list(chat_server: Server, open_tab: OpenTab) -> None:
    tab = open_tab(chat_server, "/phone/")
    screen = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    tab.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    tab.wait_until("open")
    tab.say("hi")
    wait_for(lambda: tab.texts("#people-button") == ["1"], "the number of people")
    assert tab.find("#people") == []
    button = tab.browser.find_element(By.ID, "people-button")
    assert button.get_attribute("aria-label") == "1 person here"
    button.click()
    wait_for(lambda: tab.texts("dialog .handle") == ["ann"], "the list")
    tab.press(Keys.ESCAPE)
    wait_for(lambda: not tab.find("dialog"), "a closed dialog")
    assert tab.browser.switch_to.active_element.get_attribute("id") == "people-button"
